"""The queue's filters as a query string: the desk's address and its questions to the web API are the same words.

Lists are separated by commas, times are epoch seconds, a ring is `lon,lat;lon,lat;…`. Anything else is left alone:
the desk's address holds more than filters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from dashboard.queue import COLOURS, SORTS, Filters, Line
from layers.case_columns import CARDS, GRADES

Show = Literal["open", "ended", "all"]
MOST_VALUES: Final = 500
MOST_CORNERS: Final = 200
LONGEST_TEXT: Final = 100
LONGEST_HOURS: Final = 24 * 366


class BadQuery(ValueError):  # noqa: N818 - it says what is the case
    """A part of a query is not as it must be; the message names it and the reason."""


@dataclass(frozen=True)
class Query:
    """What a desk asks for: which cases (`show`: those that are open, have ended, or all), in what line."""

    filters: Filters
    line: Line
    show: Show = "open"


def read_query(said: Mapping[str, str]) -> Query:
    """Return a query; raises `BadQuery`. A village is narrower than its town, a cell than its village."""
    show = said.get("show") or "open"
    if show not in get_args(Show):
        raise BadQuery(f"show must be one of {', '.join(get_args(Show))}, not {show!r}")
    since, until, hours = (_read_number(said, name) for name in ("from", "to", "hours"))
    if hours is not None and not 0 < hours <= LONGEST_HOURS:
        raise BadQuery(f"hours must be above 0 and at most {LONGEST_HOURS}")
    filters = Filters(
        areas=_read_areas(said),
        categories=_read_set(said, "category"),
        severities=frozenset(int(one) for one in _read_known(said, "severity", ("1", "2", "3", "4"))),
        states=_read_set(said, "state"),
        units=_read_set(said, "unit"),
        channels=_read_set(said, "channel"),
        colours=_read_known(said, "colour", COLOURS),
        cards=_read_known(said, "card", CARDS[1:]),
        grades=_read_known(said, "grade", GRADES[1:]),
        text=said.get("q", "").strip()[:LONGEST_TEXT],
        since_ms=None if since is None else int(since * 1000),
        until_ms=None if until is None else int(until * 1000),
        hours=hours,
        within=_read_ring(said.get("within", "")),
        mine=said.get("mine") == "1",
    )
    return Query(filters, _read_line(said.get("sort") or "urgency"), show)  # type: ignore[arg-type] # it was looked at


def _read_line(said: str) -> Line:
    by = said.removeprefix("-")
    if by not in SORTS:
        raise BadQuery(f"sort must be one of {', '.join(SORTS)}, with - before it for backwards, not {said!r}")
    return Line(by, said.startswith("-"))


def _read_areas(said: Mapping[str, str]) -> frozenset[str]:
    towns, villages, cells = (_read_set(said, name) for name in ("town", "village", "cell"))
    villages -= {village for village in villages if any(cell.startswith(village) for cell in cells)}
    narrower = villages | cells
    return narrower | {town for town in towns if not any(code.startswith(town) for code in narrower)}


def _read_set(said: Mapping[str, str], name: str) -> frozenset[str]:
    values = frozenset(value for value in said.get(name, "").split(",") if value)
    if len(values) > MOST_VALUES:
        raise BadQuery(f"{name}: {len(values)} values are more than {MOST_VALUES}")
    return values


def _read_known(said: Mapping[str, str], name: str, known: tuple[str, ...]) -> frozenset[str]:
    values = _read_set(said, name)
    for value in values:
        if value not in known:
            raise BadQuery(f"{name} must be among {', '.join(known)}, not {value!r}")
    return values


def _read_number(said: Mapping[str, str], name: str) -> float | None:
    value = said.get(name)
    return None if not value else _convert(value, name, -1e11, 1e11)


def _read_ring(said: str) -> tuple[tuple[float, float], ...]:
    if not said:
        return ()
    corners = [corner.split(",") for corner in said.split(";")]
    if not 3 <= len(corners) <= MOST_CORNERS or any(len(corner) != 2 for corner in corners):
        raise BadQuery(f"within must be 3 to {MOST_CORNERS} corners as lon,lat;lon,lat;…")
    return tuple((_convert(lon, "within", -180, 180), _convert(lat, "within", -90, 90)) for lon, lat in corners)


def _convert(value: str, name: str, least: float, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        raise BadQuery(f"{name}: {value!r} is no number") from None
    if not least <= number <= most:  # NaN is not, either
        raise BadQuery(f"{name}: {value} is out of range")
    return number
