"""What alerts say in codes: the Chinese identifier, the colour of a level, the codes of areas."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

from geo.pack import Name

BEIJING: Final = timezone(timedelta(hours=8))

LEVEL_OF_SEVERITY: Final = {"extreme": 1, "severe": 2, "moderate": 3, "minor": 4, "unknown": 4}
"""CAP's words as levels I–IV; of an unknown severity nothing more is claimed than the lowest."""

# GB/T 4657. Only codes that were seen in published warnings together with their issuer's name.
AGENCIES: Final = {"332": Name("水利", "Water resources"), "416": Name("气象", "Meteorology")}

# As the standard says, and as most are published: without the serial number.
_identifier = re.compile(r"(\d{6})(\d{3})(\d{3})(\d{2})_(\d{14})(?:_(\d))?", re.ASCII)

_COLOURS: Final = {"红": 1, "橙": 2, "黄": 3, "蓝": 4, "red": 1, "orange": 2, "yellow": 3, "blue": 4}
_warning = re.compile(
    r"([红橙黄蓝])色(?:预警|警报|信号)|\b(red|orange|yellow|blue)(?:\s+\w+)?\s+(?:warning|alert|signal)", re.IGNORECASE
)
_colour = re.compile(r"([红橙黄蓝])色?|\b(red|orange|yellow|blue)\b", re.IGNORECASE)
_LEVEL_NAMES: Final = frozenset(
    {"awarenesslevel", "alertlevel", "warninglevel", "eventlevel", "level", "severity", "color", "colour",
     "alertcolor", "warningcolor", "预警级别", "预警等级", "预警颜色", "级别", "等级", "颜色"}
)  # fmt: skip

_AREA_CODE_NAMES: Final = ("2260", "10114", "行政区划", "网格", "cpeas", "adcode", "areacode", "cellcode", "gridcode")


class NationalIdentifier(NamedTuple):
    """The parts of a Chinese warning's identifier, `ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N`.

    `area_code` is GB/T 2260, `agency` GB/T 4657; `issued_at` is UTC (written in Beijing time).
    """

    area_code: str
    agency: str
    unit: str
    extension: str
    issued_at: datetime
    serial: int | None


def read_identifier(identifier: str) -> NationalIdentifier | None:
    """Return the parts of a Chinese identifier; None for any other."""
    match = _identifier.fullmatch(identifier)
    if match is None:
        return None
    area, agency, unit, extension, moment, serial = match.groups()
    try:
        issued_at = datetime.strptime(moment, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return NationalIdentifier(area, agency, unit, extension, issued_at, None if serial is None else int(serial))


def read_level(severity: str, titles: Iterable[str], codes: Iterable[tuple[str, str]]) -> int | None:
    """Return a hazard's level, 1 red … 4 blue; None where neither a colour nor the severity says one.

    The issuer's colour counts before CAP's severity: it is what the law of the place is bound to.

    titles: the event and the headline, where a colour counts as "暴雨红色预警" or "blue warning".
    codes: parameters and event codes by name, where those named for a level count.
    """
    for name, value in codes:
        if _plain(name) in _LEVEL_NAMES and (match := _colour.search(value)):
            return _level_of(match)
    for title in titles:
        named = {_level_of(match) for match in _warning.finditer(title)}
        if len(named) == 1:  # "from orange to red" names two, and says nothing by its words alone
            return named.pop()
    if match := _colour.fullmatch(severity):  # as the national platform writes it
        return _level_of(match)
    return LEVEL_OF_SEVERITY.get(severity.lower())


def read_area_codes(geocodes: Iterable[tuple[str, str]]) -> list[str]:
    """Return the codes of GB/T 2260 and of its continuation below the county, without the zeros that fill them up.

    "339901000000" is county 339901. A number of another kind (a US county, a postcode) is no such code.
    """
    codes = []
    for name, value in geocodes:
        code = re.sub(r"\s", "", value)
        if not any(known in _plain(name) for known in _AREA_CODE_NAMES) or not re.fullmatch(r"\d{6}(\d{3}){0,3}", code):
            continue
        while len(code) > 6 and code.endswith("000"):
            code = code[:-3]
        codes.append(code)
    return codes


def _level_of(match: re.Match[str]) -> int:
    return _COLOURS[(match[1] or match[2]).lower()]


def _plain(name: str) -> str:
    return re.sub(r"[\s_./-]", "", name).lower()
