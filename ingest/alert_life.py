"""How long a warning counts, by its own words and by those of later messages."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from ingest.records import AlertInfo, AlertIssued
from ingest.tables import as_ms

UNDATED: Final = timedelta(hours=72)
"""How long a hazard counts whose issuer gave no end: long enough for an update to come, short enough to believe."""
LONGEST: Final = timedelta(days=366)
"""No hazard counts longer than this after it was sent, whatever end it names ("31 December 9999")."""
KEPT: Final = timedelta(days=31)
"""How long a message is waited for by those that speak of it: a cancellation may be here before its alert."""


def end_of(message: AlertIssued, info: AlertInfo) -> datetime:
    """Return when a hazard is over if nobody says anything else; at once where it is an all-clear."""
    if "AllClear" in info.responses or info.urgency == "Past":
        return message.sent
    return min(max(info.expires or message.sent + UNDATED, message.sent), message.sent + LONGEST)


def last_end_of(message: AlertIssued) -> datetime:
    """Return when all of a message's hazards are over; when it was sent, if it has none."""
    return max((end_of(message, info) for info in message.infos), default=message.sent)


SHOWN_STATUSES: Final = ("Actual", "Exercise")

Target = tuple[str, str, str, int | None]  # source, status, identifier, sent (None: not said)


def name_hazard(message: AlertIssued, place: int) -> str:
    """Return what one hazard of a message is known by; place: its position there."""
    return f"{message.source} {message.id} {place}"


def list_standing(messages: Collection[AlertIssued]) -> Iterator[AlertIssued]:
    """Yield the warnings for everybody that no other of these messages has taken back."""
    replies: dict[Target, int] = {}
    for message in messages:
        if message.kind in ("Update", "Cancel"):
            sent_ms = as_ms(message.sent)
            for target in _list_targets(message):
                replies[target] = max(sent_ms, replies.get(target, sent_ms))
    for message in messages:
        if _is_for_screens(message) and not _is_answered(message, replies):
            yield message


def _is_for_screens(message: AlertIssued) -> bool:
    # Restricted and private messages are for some only, and everybody looks at a screen.
    return message.kind in ("Alert", "Update") and message.status in SHOWN_STATUSES and message.scope == "Public"


def _list_targets(message: AlertIssued) -> Iterable[Target]:
    """Yield what a message takes back: only its own issuer's, and only of its own status."""
    for reference in message.references:
        if reference.source == message.source:
            sent_ms = None if reference.sent is None else as_ms(reference.sent)
            yield message.source, message.status, reference.identifier, sent_ms


def _is_answered(message: AlertIssued, replies: Mapping[Target, int]) -> bool:
    sent_ms = as_ms(message.sent)
    name = message.source, message.status, message.identifier
    if replies.get((*name, sent_ms), -1) >= sent_ms:
        return True
    # Who does not say which message of a name is meant, means those before: an update may bear its alert's name.
    return replies.get((*name, None), -1) > sent_ms
