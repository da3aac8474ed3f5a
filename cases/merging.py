"""Merged cases: which case stands for which, what may be merged, and what that says of entering things once.

A case that is merged keeps its own history and points to the one it is merged into; that one may be merged in turn.
So a case *stands* for all that lead to it, and only cases that stand count. Pure, and sound on whatever facts come:
where others have merged cases in a circle, the first of them by its number stands.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ingest.answers import CaseAction

MergeFault = Literal["unknown", "itself", "from_ended", "into_merged", "into_ended", "flow", "area"]
"""Why a case cannot be merged into another: one of the two is not known (or not theirs to see), they are the same, the
one has ended (or is merged already), the other is merged itself or has ended, they take different flows, or one of them
lies outside the area of who asks."""


@dataclass(frozen=True)
class Entry:
    """What of a case counts here: how it was entered, and whether it has ended or was merged into another.

    `source` is who sent its report. `flow` is the key of the flow that its class takes.
    """

    case_id: str
    reported_at: datetime
    channel: str
    source: str = ""
    flow: str = ""
    cell_code: str | None = None
    ended: bool = False
    merged_into: str | None = None


@dataclass(frozen=True)
class Rate:
    """A ratio in per cent, rounded to two decimals; None over nothing. `counted` are the cases of the numerator."""

    rule: str
    value: float | None
    numerator: int
    denominator: int
    counted: tuple[str, ...]


def follow_merges(merged_into: Mapping[str, str], case_id: str) -> str:
    """Return the case that stands for a case, itself where it is not merged.

    merged_into: what each merged case was merged into. Of a circle the first by number stands.
    """
    path = [case_id]
    while (above := merged_into.get(path[-1])) is not None:
        if above in path:
            return min(path[path.index(above) :])
        path.append(above)
    return path[-1]


def list_merged(merged_into: Mapping[str, str], case_id: str) -> list[str]:
    """Return the cases that a case stands for beside itself, in the order of their numbers."""
    return sorted(one for one in merged_into if one != case_id and follow_merges(merged_into, one) == case_id)


def check_merge(cases: Mapping[str, Entry], case_id: str, into: str, area: str = "") -> MergeFault | None:
    """Return why a case cannot be merged into another; None where it can.

    cases: both of them, as far as there are such, by number. area: the code of the area of who asks, empty for the
    county. As the other must stand itself, no circle can be made.
    """
    if case_id == into:
        return "itself"
    case, other = cases.get(case_id), cases.get(into)
    if case is None or other is None:
        return "unknown"
    if not all((one.cell_code or "").startswith(area) for one in (case, other)):
        return "area"
    if case.ended:
        return "from_ended"
    if other.merged_into is not None:
        return "into_merged"
    if other.ended:
        return "into_ended"
    return "flow" if case.flow != other.flow else None


def join_histories(histories: Iterable[Iterable[CaseAction]]) -> list[CaseAction]:
    """Return the actions of several cases as one history, in the order of their times; each says whose it is."""
    actions = [action for history in histories for action in history]
    return sorted(actions, key=lambda action: (action.at, action.id))


def pick_counted(cases: Iterable[Entry]) -> list[Entry]:
    """Return the cases that count, each matter once: those that stand, in the order given.

    A case that is merged into one which is not among them counts not: that one counts where it is.
    """
    cases = list(cases)
    merged_into = map_merges(cases)
    return [case for case in cases if follow_merges(merged_into, case.case_id) == case.case_id]


def map_merges(cases: Iterable[Entry]) -> dict[str, str]:
    """Return what each merged case was merged into."""
    return {case.case_id: case.merged_into for case in cases if case.merged_into is not None}


def rate_duplicates(cases: Iterable[Entry]) -> Rate:
    """Return the duplicate rate 重复录入率: of the cases reported, those that were merged into another."""
    cases = list(cases)
    standing = {case.case_id for case in pick_counted(cases)}
    merged = tuple(case.case_id for case in cases if case.case_id not in standing)
    return Rate("duplicate_ratio", _percent(len(merged), len(cases)), len(merged), len(cases), merged)


def rate_reentry(cases: Iterable[Entry], of: Callable[[Entry], str]) -> dict[str, Rate]:
    """Return the re-entry rate of each channel or sender: of what it entered, the share that was there already.

    of: what to tell apart by, as `lambda case: case.channel`. Counted is the case that was merged, so it falls to who
    entered it second, if officers merge the later case into the earlier one.
    """
    cases = list(cases)
    standing = {case.case_id for case in pick_counted(cases)}
    entered: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        entered[of(case)].append(case.case_id)
    rates = {}
    for name, numbers in sorted(entered.items()):
        again = tuple(number for number in numbers if number not in standing)
        rates[name] = Rate("reentry_ratio", _percent(len(again), len(numbers)), len(again), len(numbers), again)
    return rates


def _percent(numerator: int, denominator: int) -> float | None:
    return round(100 * numerator / denominator, 2) if denominator else None
