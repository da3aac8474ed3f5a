"""What people report: how often each class comes up, when in the day and year, and where.

Weights are ours, chosen to look like a county's hotline; only their proportions matter. A class that is not
here has `USUAL`; a pack's classes are all used, whatever their codes.
"""

from collections.abc import Sequence

USUAL = 0.4
DISPUTE_USUAL = 0.5

WEIGHTS = {
    "0102": 11.0,  # 暴露垃圾
    "0103": 5.0,
    "0104": 6.0,
    "0105": 2.0,
    "0106": 3.0,
    "0108": 1.5,
    "0110": 3.0,
    "0112": 1.5,
    "0115": 1.5,
    "0201": 4.0,
    "0203": 1.5,
    "0301": 3.0,
    "0302": 2.0,
    "0304": 1.5,
    "0401": 0.15,
    "0402": 1.0,
    "0403": 0.08,
    "0404": 2.5,
    "0405": 0.1,
    "0406": 0.3,  # 道路积水: rain brings the others
    "0407": 0.0,
    "0408": 0.6,
    "0409": 0.05,
    "0501": 6.0,
    "0504": 6.0,
    "0505": 9.0,
    "0506": 4.0,
    "0507": 5.0,
    "0508": 2.5,
    "0510": 1.5,
    "0601": 1.5,
    "D03": 2.0,
    "D04": 4.0,
    "D07": 3.0,
    "D11": 3.0,
    "D12": 1.5,
    "D14": 2.0,
    "D20": 1.5,
}

# Hours of the day (from, to; may pass midnight) in which a class comes up so many times more often.
HOURS = {
    "0104": ((5, 9), 2.0),
    "0301": ((20, 6), 6.0),
    "0501": ((16, 21), 2.0),
    "0504": ((16, 21), 1.8),
    "0505": ((7, 9), 1.8),
    "0508": ((19, 24), 5.0),
    "0510": ((18, 24), 8.0),
}

# Months in which a class comes up so many times more often.
MONTHS = {
    "0105": ((5, 6, 7, 8, 9), 1.8),
    "0115": ((9, 10, 11), 3.0),
    "0402": ((12, 1, 2), 2.0),
    "0404": ((5, 6, 7, 8), 1.8),
    "0405": ((11, 12, 1, 2), 8.0),
    "0407": ((12, 1, 2), 20.0),
    "0510": ((6, 7, 8, 9), 2.5),
    "D11": ((12, 1, 2), 2.2),
}

TOWN_GROUPS = {"02": 1.5, "05": 1.5}
COUNTRY_CLASSES = {"0105": 2.0, "0111": 2.0, "0115": 2.5, "0118": 3.0, "0117": 1.5, "D20": 2.5, "D14": 1.5}


def is_dispute(code: str) -> bool:
    """Tell whether a class is a dispute's."""
    return code.startswith("D")


def weigh(codes: Sequence[str], hour: int, month: int, in_town: bool) -> list[float]:
    """Return how often each class comes up at an hour of the day, in a month, in town or country."""
    return [_weigh(code, hour, month, in_town) for code in codes]


def _weigh(code: str, hour: int, month: int, in_town: bool) -> float:
    weight = WEIGHTS.get(code, DISPUTE_USUAL if is_dispute(code) else USUAL)
    if code in HOURS:
        (begin, end), factor = HOURS[code]
        inside = begin <= hour < end if begin < end else hour >= begin or hour < end
        weight *= factor if inside else 1.0
    if code in MONTHS:
        months, factor = MONTHS[code]
        weight = max(weight, 0.1) * factor if month in months else weight
    if in_town:
        return weight * TOWN_GROUPS.get(code[:2], 1.0)
    return weight * COUNTRY_CLASSES.get(code, 0.5 if code[:2] in TOWN_GROUPS else 1.0)
