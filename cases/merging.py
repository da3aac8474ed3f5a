"""What may be merged into what: a case that stands for a matter takes in others that tell of the same.

A merged case keeps its own history, points to the one it is merged into, and counts no more
(`cases.indicators.rate_merged`). As a case can only be merged into one that stands, no circle can be made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ingest.exercises import is_exercise

MergeFault = Literal["unknown", "itself", "from_ended", "into_merged", "into_ended", "flow", "area", "exercise"]
"""Why a case cannot be merged into another: one of the two is not known (or not theirs to see), they are the same, the
one has ended (or is merged already), the other is merged itself or has ended, they take different flows, one of them
lies outside the area of who asks, or one of them only belongs to an exercise."""


@dataclass(frozen=True)
class Entry:
    """What of a case decides: the key of its flow, where it is, and whether it has ended or was merged."""

    flow: str
    cell_code: str | None = None
    ended: bool = False
    merged_into: str | None = None


def check_merge(cases: Mapping[str, Entry], case_id: str, into: str, area: str = "") -> MergeFault | None:
    """Return why a case cannot be merged into another; None where it can.

    cases: both of them, as far as there are such, by number. area: the code of the area of who asks, empty for the
    county.
    """
    if case_id == into:
        return "itself"
    if is_exercise(case_id) != is_exercise(into):
        return "exercise"
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
