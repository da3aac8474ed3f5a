"""Class of surface water by GB 3838, from the table `tables/surface_water.toml`."""

import bisect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

TABLE = Path(__file__).parent / "tables" / "surface_water.toml"
WORST = 6
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "cod_mn": ("codMn",),
    "dissolved_oxygen": ("O2",),
    "ammonia_n": ("NH3-N", "NH4", "NH3"),
    "total_p": ("P-TOT",),
    "cod": ("cod",),
    "bod5": ("bod",),
    "ph": ("pH",),
}
"""Our names of what is measured → those of WaterQualityObserved; the first that is there counts."""
CLASS_NAMES = ("I", "II", "III", "IV", "V", "劣V")


@dataclass(frozen=True)
class WaterQuality:
    """A class 1 (I) … 5 (V), 6 (劣V), and the fields that are that bad, in the table's order."""

    grade: int
    deciding: tuple[str, ...]

    @property
    def name(self) -> str:
        """The class as it is written: I … V, 劣V."""
        return CLASS_NAMES[self.grade - 1]


def rate_water(measured: Mapping[str, float | None], lake: bool = False) -> WaterQuality | None:
    """Return the class of one sample by its worst single factor, or None where no known field is given.

    measured: mg/L by `dissolved_oxygen`, `cod_mn`, `cod`, `bod5`, `ammonia_n`, `total_p`, `total_n` (lakes
        only), and `ph`. None is skipped.
    """
    table = _read_table()
    highest = table["highest"] | (table["highest_in_lakes"] if lake else {})
    grades: dict[str, int] = {}
    for field, value in measured.items():
        if value is None:
            continue
        if field in highest:
            grades[field] = bisect.bisect_left(highest[field], value) + 1
        elif field in table["lowest"]:
            grades[field] = 1 + sum(value < least for least in table["lowest"][field])
        elif field in table["range"]:
            low, high = table["range"][field]
            grades[field] = 1 if low <= value <= high else WORST
    if not grades:
        return None
    worst = max(grades.values())
    return WaterQuality(worst, tuple(field for field, grade in grades.items() if grade == worst))


def read_measured(cod_mn: float | None, attributes: Mapping[str, Any]) -> dict[str, float]:
    """Return what a station measured, by our names, from a reading's main value and its other fields."""
    given = {"codMn": cod_mn, **attributes}
    found = {}
    for field, names in FIELDS.items():
        value = next((given[name] for name in names if isinstance(given.get(name), int | float)), None)
        if value is not None:
            found[field] = float(value)
    return found


@cache
def _read_table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))
