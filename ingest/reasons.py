"""Why a rule acted by itself: a code and what its sentence says, so that every screen says it in its own language."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from geo.pack import Name

WHY_DETAIL: Final = "why"
"""Where an action says why; actions of before have a note in Chinese instead."""
Level = Literal["cell", "village", "town", "county"]


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a rule acted: which sentence, the rule in the pack's words of then, and what else is said.

    version: of the matter list. share: of the limit, used. lower, upper: the levels between which a case went up.
    """

    code: Literal["unlisted", "settled", "major", "forward", "lead", "dispatch", "join", "card", "late", "escalate"]
    rule: Name
    version: str = ""
    share: float = 0
    lower: Level = "cell"
    upper: Level = "county"


def read_reason(details: Mapping[str, Any]) -> Reason | None:
    """Return why a rule did what these details belong to; None where they do not say so as we do."""
    try:
        return msgspec.convert(details.get(WHY_DETAIL), Reason)
    except msgspec.ValidationError:
        return None
