"""The events of an exercise as a whole: `exercise.begun`, and `exercise.ended` where somebody ends it early."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ingest.reception import FieldError, Reception
from ingest.records import ExerciseBegun, ExerciseEnded

LONGEST: Final = timedelta(hours=24)
"""No exercise can be forgotten: at the latest after so long it has ended by itself."""

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(pattern=r"^[0-9a-z][0-9a-z-]{0,39}$")]


class BegunData(msgspec.Struct, kw_only=True):
    """The data of `exercise.begun`."""

    exercise: Key
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    actor: Identifier
    role: Identifier
    at: datetime
    until: datetime
    reason: Annotated[str, Meta(max_length=500)] = ""
    scenario: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None


class EndedData(msgspec.Struct, kw_only=True):
    """The data of `exercise.ended`."""

    exercise: Key
    actor: Identifier
    role: Identifier
    at: datetime


def read_beginning(data: BegunData, common: Any, reception: Reception) -> ExerciseBegun:
    """Return the beginning of an exercise as a record; raises `FieldError` where it would end too late, or before."""
    at = reception.settle_time("at", data.at, common["received_at"])
    until = reception.read_time("until", data.until, common["received_at"])
    if not at < until <= at + LONGEST:
        raise FieldError("until", f"must be later than `at`, by {LONGEST // timedelta(hours=1)} hours at most")
    return ExerciseBegun(**common, **msgspec.structs.asdict(data) | {"at": at, "until": until})


def read_end(data: EndedData, common: Any, reception: Reception) -> ExerciseEnded:
    """Return the end of an exercise as a record."""
    at = reception.settle_time("at", data.at, common["received_at"])
    return ExerciseEnded(**common, **msgspec.structs.asdict(data) | {"at": at})
