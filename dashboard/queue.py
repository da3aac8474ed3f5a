"""The duty desk's queue: which cases match, in what order, and what changed since. Pure: no clock, no I/O, no Dash.

Who looks at the queue scrolls through one `Order`: the cases that matched at one moment, as they stood in line then.
It stays as it is, so rows do not move under anybody's hand; what has changed since is asked for apart (`find_changes`).
"""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from cases.flow import ROLES
from cases.requests import Asker
from ingest.tables import HOUR_MS
from layers.case_columns import CARDS, GRADES, NEVER_MS, CaseColumns
from layers.state import LiveState
from layers.things import Case

COLOURS: Final = ("green", "yellow", "red", "stopped", "none")
"""The lights of the clock that ends first; `none` is a case without a limit."""
SORTS: Final = (
    *("urgency", "clock", "severity", "category", "place", "unit", "state", "reported", "card", "people", "ended"),
)
MOST_ORDERS: Final = 128
QUARTER_MS: Final = HOUR_MS // 4
DENSITY_QUARTERS: Final = 96
USUAL_HOURS: Final = {1: 4.0, 2: 12.0, 3: 48.0, 4: 168.0}
"""A class without a limit stands in line as if it had this one, by severity."""

STEPS: Final = 20
_HALTED: Final = -1.0  # the share of a clock that stands still: after all that run


@dataclass(frozen=True)
class Filters:
    """What is asked for; an empty filter lets everything through.

    areas: codes of towns (9 digits), villages (12) or cells, or any beginning of a cell's code. since_ms, until_ms:
    reported from then (epoch ms) to before then. hours: reported in the last so many. text: words that must all be in
    the case's number, class, place or title, in either language. within: a ring of (lon, lat) that the case lies in.
    mine: only whose turn is the asker's.
    """

    areas: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    severities: frozenset[int] = frozenset()
    states: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    colours: frozenset[str] = frozenset()
    cards: frozenset[str] = frozenset()
    grades: frozenset[str] = frozenset()
    text: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    hours: float | None = None
    within: tuple[tuple[float, float], ...] = ()
    mine: bool = False


EVERYTHING: Final = Filters()
NOBODY: Final = Asker("", "")


@dataclass(frozen=True)
class Line:
    """How the queue stands: by what, and whether backwards."""

    by: str = "urgency"
    backwards: bool = False


@dataclass(frozen=True)
class Question:
    """What somebody looks at, and who it is; described: cases (feature ids) whose description has the words."""

    filters: Filters = EVERYTHING
    line: Line = Line()
    asker: Asker = NOBODY
    described: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Counts:
    """How many cases match, by clock colour (whatever colour is asked for), and by quarter of an hour.

    open: how many real ones are open at all. density: real reports of the last 24 hours, whatever time is asked for,
    oldest first; the last is of the quarter that is running, which began at `quarter_ms`.
    """

    matching: int
    open: int
    colours: Mapping[str, int]
    density: Sequence[int]
    quarter_ms: int


@dataclass(frozen=True, eq=False)
class Order:
    """The cases (feature ids) that matched at one moment, in line; serial: of the columns then."""

    token: str
    question: Question
    ids: NDArray[np.int64]
    serial: int


@dataclass(frozen=True)
class QueueChanges:
    """What is new against an order: how many cases match that are not in it, the severe ones of them, and counts."""

    new: int
    severe: Sequence[Case]
    counts: Counts


@dataclass
class Orders:
    """The orders that somebody may still scroll through, the latest ones."""

    _kept: OrderedDict[str, Order] = field(default_factory=OrderedDict)

    def keep(self, order: Order) -> None:
        """Remember an order, and forget the one that was looked at longest ago."""
        self._kept[order.token] = order
        while len(self._kept) > MOST_ORDERS:
            self._kept.popitem(last=False)

    def find(self, token: str | None, question: Question) -> Order | None:
        """Return the order of a token, if it is this asker's to the same question and still known."""
        order = self._kept.get(token or "")
        if order is None or not is_same(order.question, question):
            return None
        self._kept.move_to_end(order.token)
        return order


def is_same(one: Question, other: Question) -> bool:
    """Return whether two questions are the same; what descriptions say is looked up anew with each order."""
    return (one.filters, one.line, one.asker) == (other.filters, other.line, other.asker)


def make_order(state: LiveState, question: Question) -> Order:
    """Return the open cases that match, in line."""
    columns, now_ms = state.columns, state.now_ms
    matching = match(columns, state, question)
    if question.filters.colours:
        matching &= np.isin(colour_of(columns, now_ms), [COLOURS.index(one) for one in question.filters.colours])
    slots = np.flatnonzero(matching)
    ids = columns["id"][put_in_line(columns, slots, question.line, now_ms)]
    return Order(secrets.token_urlsafe(9), question, ids, columns.serial)


def pick_window(state: LiveState, order: Order, offset: int, limit: int) -> list[Case]:
    """Return a stretch of an order, as its cases are now; those that have left the live state are left out."""
    found = (state.cases.get(id) for id in order.ids[offset : offset + limit].tolist())
    return [case for case in found if case is not None]


def find_changes(state: LiveState, order: Order) -> QueueChanges:
    """Return what is new against an order."""
    columns = state.columns
    changed = np.flatnonzero(columns["stamp"] > order.serial)
    matching = match(columns, state, order.question)[changed]
    colours = order.question.filters.colours
    if colours:
        matching &= np.isin(colour_of(columns, state.now_ms)[changed], [COLOURS.index(one) for one in colours])
    ids = columns["id"][changed[matching]]
    new = ids[~np.isin(ids, order.ids)].tolist()
    severe = [case for id in new if (case := state.cases.get(id)) and case.severity <= 2]
    return QueueChanges(len(new), severe, count(state, order.question))


def count(state: LiveState, question: Question) -> Counts:
    """Return how many open cases match."""
    columns, filters, now_ms = state.columns, question.filters, state.now_ms
    any_time = match(columns, state, question, timed=False)
    matching = any_time & _in_time(columns, filters, now_ms)
    by_colour = np.bincount(colour_of(columns, now_ms)[matching], minlength=len(COLOURS)).tolist()
    wanted = filters.colours or COLOURS
    colours = dict(zip(COLOURS, by_colour, strict=True))
    quarter_ms = now_ms - now_ms % QUARTER_MS
    drawn = any_time & ~columns["exercise"]
    quarters = (columns["reported_ms"][drawn] - quarter_ms) // QUARTER_MS + DENSITY_QUARTERS - 1
    recent = quarters[(quarters >= 0) & (quarters < DENSITY_QUARTERS)]
    return Counts(
        matching=sum(colours[colour] for colour in wanted),
        open=int(np.count_nonzero(columns["open"] & ~columns["exercise"])),
        colours=colours,
        density=np.bincount(recent, minlength=DENSITY_QUARTERS).tolist(),
        quarter_ms=quarter_ms,
    )


def match(columns: CaseColumns, state: LiveState, question: Question, timed: bool = True) -> NDArray[np.bool_]:
    """Return which slots match, whatever the colour of their clocks; `timed` False: and whenever they were reported."""
    filters, asker = question.filters, question.asker
    matching: NDArray[np.bool_] = columns["open"].copy()
    if timed:
        matching &= _in_time(columns, filters, state.now_ms)
    if filters.severities:
        matching &= np.isin(columns["severity"], list(filters.severities))
    for name, chosen in (("category", filters.categories), ("channel", filters.channels), ("state", filters.states)):
        if chosen:
            matching &= np.isin(columns[name], columns.words[name].find(chosen))
    for name, known, chosen in (("card", CARDS, filters.cards), ("grade", GRADES, filters.grades)):
        if chosen:
            matching &= np.isin(columns[name], [known.index(word) for word in chosen if word in known])
    if filters.units:
        matching &= _held_by(columns, filters.units)
    if filters.areas:
        matching &= _in_areas(columns, state, tuple(filters.areas))
    if filters.within:
        matching &= _inside(columns, filters.within)
    if filters.mine:
        matching &= _whose_turn(columns, asker)
    words = filters.text.lower().split()
    if words:
        matching &= _with_words(columns, matching, words, question.described)
    return matching


def colour_of(columns: CaseColumns, now_ms: int) -> NDArray[np.int8]:
    """Return the position in `COLOURS` of each open slot's light."""
    near, due = columns["near_ms"], columns["due_ms"]
    colours = np.zeros(columns.size, np.int8)
    colours[now_ms > near] = 1
    colours[now_ms > due] = 2
    colours[due == NEVER_MS] = 4
    colours[columns["stopped"]] = 3
    return colours


def put_in_line(columns: CaseColumns, slots: NDArray[np.int64], line: Line, now_ms: int) -> NDArray[np.int64]:
    """Return slots in line: the first first. Equals stand by urgency, then the oldest first."""
    keys: list[NDArray[Any]] = [columns["reported_ms"][slots], -_urgency(columns, slots, now_ms)]
    first = _key(columns, slots, line.by)
    if first is not None:
        keys.append(first)
    if line.backwards:
        keys[-1] = -keys[-1]
    return slots[np.lexsort(keys)]


def _key(columns: CaseColumns, slots: NDArray[np.int64], by: str) -> NDArray[Any] | None:
    """Return what a column is ordered by, ascending; None for urgency, which every order has."""
    match by:
        case "urgency" | "ended":
            return None
        case "clock":
            return np.where(columns["stopped"][slots], NEVER_MS, columns["due_ms"][slots])
        case "reported":
            return -columns["reported_ms"][slots]
        case "card" | "people":
            return -columns[by][slots].astype(np.int64)
        case "place":
            cell = columns["cell"][slots].astype(np.int64)
            return np.where(cell < 0, np.iinfo(np.int32).max, cell)
        case "severity":
            return columns["severity"][slots].astype(np.int64)
    ranks: NDArray[np.int64] = columns.words[by].ranks()[columns[by][slots]]
    return ranks


def _urgency(columns: CaseColumns, slots: NDArray[np.int64], now_ms: int) -> NDArray[np.int64]:
    """Return how urgent each case is as one number: its band, then the share of its limit used, then the people.

    The share counts in steps of a twentieth, so that of cases about as late the one that concerns more people is first.
    """
    steps = np.clip(np.floor(_share(columns, slots, now_ms) * STEPS) + STEPS, 0, (1 << 24) - 1).astype(np.int64)
    people = columns["people"][slots].astype(np.int64)
    urgency: NDArray[np.int64] = _band(columns, slots) << 48 | steps << 24 | people
    return urgency


def _band(columns: CaseColumns, slots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what comes first whatever the clocks say: critical, red card, severe, yellow card, ordinary card.

    A new critical case is not to wait behind hundreds of ordinary ones that are late.
    """
    severity, card = columns["severity"][slots], columns["card"][slots]
    band: NDArray[np.int64] = (card == CARDS.index("ordinary")).astype(np.int64)
    band[card == CARDS.index("yellow")] = 2
    band[severity == 2] = 3
    band[card == CARDS.index("red")] = 4
    band[severity == 1] = 5
    return band


def _share(columns: CaseColumns, slots: NDArray[np.int64], now_ms: int) -> NDArray[np.float64]:
    """Return about how much is used of the limit that ends first: by plain time, so exact when it is due."""
    due = columns["due_ms"][slots]
    limited = due != NEVER_MS
    usual_ms = np.array([0.0, *(hours * HOUR_MS for hours in USUAL_HOURS.values())])[columns["severity"][slots]]
    started = np.where(limited, columns["started_ms"][slots], columns["reported_ms"][slots])
    allowed = np.where(limited, (due - started).astype(np.float64), usual_ms)
    share: NDArray[np.float64] = (now_ms - started) / np.maximum(allowed, 1.0)
    share[columns["stopped"][slots]] = _HALTED
    return share


def _in_time(columns: CaseColumns, filters: Filters, now_ms: int) -> NDArray[np.bool_]:
    reported = columns["reported_ms"]
    matching: NDArray[np.bool_] = columns["open"].copy()
    if filters.since_ms is not None:
        matching &= reported >= filters.since_ms
    if filters.until_ms is not None:
        matching &= reported < filters.until_ms
    if filters.hours is not None:
        matching &= reported > now_ms - filters.hours * HOUR_MS
    return matching


def _held_by(columns: CaseColumns, units: frozenset[str]) -> NDArray[np.bool_]:
    held: NDArray[np.bool_] = np.isin(columns["unit"], columns.words["unit"].find(units))
    held[[slot for slot, parts in columns.parts.items() if parts & units]] = True
    return held


def _in_areas(columns: CaseColumns, state: LiveState, areas: tuple[str, ...]) -> NDArray[np.bool_]:
    codes = state.places.cell_codes
    # One more, for what lies outside: the position -1 is the last.
    inside = np.array([*(code.startswith(areas) for code in codes), False])
    found: NDArray[np.bool_] = inside[columns["cell"]]
    return found


def _inside(columns: CaseColumns, ring: Iterable[tuple[float, float]]) -> NDArray[np.bool_]:
    polygon = shapely.make_valid(shapely.Polygon(ring))
    shapely.prepare(polygon)
    inside: NDArray[np.bool_] = shapely.contains_xy(polygon, columns["lon"], columns["lat"])
    return inside


def _whose_turn(columns: CaseColumns, asker: Asker) -> NDArray[np.bool_]:
    if asker.role not in ROLES:
        return np.zeros(columns.size, np.bool_)
    turn: NDArray[np.bool_] = (columns["turn"] & (1 << ROLES.index(asker.role))) != 0
    if asker.role != "unit":
        return turn
    units = frozenset([asker.unit or ""])
    turn &= np.isin(columns["unit"], columns.words["unit"].find(units))
    turn[[slot for slot, parts in columns.parts.items() if parts & units]] = True
    return turn


def _with_words(
    columns: CaseColumns, among: NDArray[np.bool_], words: Sequence[str], described: frozenset[int]
) -> NDArray[np.bool_]:
    texts, slots = columns.texts, np.flatnonzero(among).tolist()
    for word in words:
        slots = [slot for slot in slots if word in texts[slot]]
    found = np.isin(columns["id"], list(described)) if described else np.zeros(columns.size, np.bool_)
    found[slots] = True
    return found
