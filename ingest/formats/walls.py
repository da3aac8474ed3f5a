"""The event of a wall's remote: `wall.ordered`, somebody sent it something to show, or took that back."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ingest.reception import FieldError, Reception
from ingest.records import WallOrdered, WallOrderKind

NAME_PATTERN: Final = r"^\w[\w .\-]{0,31}$"
"""What a wall may be called."""

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
WallName = Annotated[str, Meta(pattern=NAME_PATTERN)]


class OrderedData(msgspec.Struct, kw_only=True):
    """The data of `wall.ordered`."""

    wall: WallName
    order: WallOrderKind
    actor: Identifier
    role: Identifier
    at: datetime
    scene: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    place: Annotated[str, Meta(pattern=r"^\d{9}(\d{3}){0,2}$")] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    zoom: Annotated[float, Meta(ge=0, le=24)] | None = None
    case_id: Identifier | None = None
    until: datetime | None = None


def read_order(data: OrderedData, common: Any, reception: Reception) -> WallOrdered:
    """Return an order as a record; raises `FieldError` where it lacks what it is about."""
    if data.order == "scene" and data.scene is None:
        raise FieldError("scene", "missing: which one is to be shown")
    if data.order == "case" and data.case_id is None:
        raise FieldError("case_id", "missing: which one is to be shown")
    if data.order == "place" and data.place is None:
        reception.settle_place("", data.lon, data.lat, None)
    at = reception.settle_time("at", data.at, common["received_at"])
    until = data.until and reception.read_time("until", data.until, common["received_at"])
    if until is not None and until <= at:
        raise FieldError("until", "must be later than `at`")
    told = msgspec.structs.asdict(data) | {"at": at, "until": until}
    return WallOrdered(**common, **told)
