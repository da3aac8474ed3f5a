"""How long a warning counts, by its own words."""

from datetime import datetime, timedelta
from typing import Final

from ingest.records import AlertInfo, AlertIssued

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
