"""Numbers from the unit they came in to the unit of ours: only where that needs nothing but arithmetic.

Source of the codes: UN/CEFACT Recommendation 20, which NGSI's `unitCode` means. From ppm or ppb to a concentration
there is no safe way without temperature and pressure, so those are unknown here.
"""

from typing import Final

from ingest.reception import FieldError

_SAME: Final = 1.0, 0.0
# By our unit and the code of theirs: factor, offset.
_CONVERSIONS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "µg/m³": {"GQ": _SAME, "GP": (1e3, 0), "A93": (1e6, 0)},
    "mg/m³": {"GP": _SAME, "GQ": (1e-3, 0), "A93": (1e3, 0)},
    "mg/L": {"M1": _SAME, "A93": _SAME, "H29": (1e-3, 0), "GP": (1e-3, 0), "GL": (1e3, 0)},
    "km/h": {"KMH": _SAME, "MTS": (3.6, 0), "HM": (1.609344, 0), "KNT": (1.852, 0)},
    "m/s": {"MTS": _SAME, "KMH": (1 / 3.6, 0), "HM": (0.44704, 0), "KNT": (1.852 / 3.6, 0)},
    "°C": {"CEL": _SAME, "KEL": (1, -273.15), "FAH": (5 / 9, -160 / 9)},
    "hPa": {"A97": _SAME, "MBR": _SAME, "PAL": (1e-2, 0), "KPA": (10, 0), "BAR": (1e3, 0)},
    "m": {"MTR": _SAME, "CMT": (1e-2, 0), "MMT": (1e-3, 0), "KMT": (1e3, 0), "FOT": (0.3048, 0)},
    "s": {"SEC": _SAME, "C26": (1e-3, 0), "MIN": (60, 0), "HUR": (3600, 0)},
    "degrees": {"DD": _SAME},
    "dB": {"2N": _SAME},
    "1": {"C62": _SAME, "P1": (1e-2, 0)},
    "%": {"P1": _SAME, "C62": (1e2, 0)},
}
# What is written instead of a code, small letters; ³ and µ are spelled out before.
_CODES: Final = {
    "ug/m3": "GQ",
    "mg/m3": "GP",
    "ug/l": "H29",
    "mg/l": "M1",
    "km/h": "KMH",
    "m/s": "MTS",
    "°c": "CEL",
    "hpa": "A97",
    "m": "MTR",
    "s": "SEC",
    "db": "2N",
    "1": "C62",
    "%": "P1",
}
_SPELLED: Final = str.maketrans({"³": "3", "µ": "u", "μ": "u"})


def convert_unit(field: str, value: float, code: str, unit: str) -> float:
    """Return a number that came in the unit that `code` names in ours; raises `FieldError` where that is not known.

    Twelve digits are kept, so that one reading told in two units is one number.
    """
    if code == unit:
        return value
    known = _CONVERSIONS.get(unit, {})
    code = code.strip()
    conversion = known.get(code) or known.get(_CODES.get(code.translate(_SPELLED).lower(), ""))
    if conversion is None:
        possible = f"; known are {', '.join(known)}" if known else ""
        raise FieldError(field, f"the unit {code!r} cannot be told in {unit}{possible}")
    factor, offset = conversion
    return value if conversion is _SAME else float(f"{value * factor + offset:.12g}")
