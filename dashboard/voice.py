"""The wall's voice: when a new severe alarm is sounded and spoken, by the table `[voice]` of `scenes.toml`."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from cases.dispatch import read_hours
from cases.tables import read_row
from geo.pack import PackError

SEVERE: Final = 2
"""Alarms of severity 1 and 2 are told; lesser ones are only shown."""


class Voice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a wall speaks.

    quiet_hours: a span of county time such as `22:00-07:00`, which may pass midnight; empty: none. quiet_severity: the
    least severity that is told even then, 0: none is.
    """

    quiet_hours: str
    quiet_severity: Annotated[int, msgspec.Meta(ge=0, le=SEVERE)]

    def describe(self) -> dict[str, Any]:
        """Return it for TypeScript: `quiet` are the two ends as `HH:MM`, null for no quiet hours."""
        hours = read_hours(self.quiet_hours)
        return {
            "quiet": None if hours is None else [f"{end:%H:%M}" for end in hours],
            "quiet_severity": self.quiet_severity,
        }


def read_voice(built_in: Mapping[str, Any], own: Mapping[str, Any], file: str) -> Voice:
    """Return a county's voice: its own fields before the built-in ones; raises `PackError` naming the bad one."""
    settings = own.get("voice", {})
    if not isinstance(settings, Mapping):
        raise PackError(f"{file}: voice must be a table")
    voice = read_row({**built_in["voice"], **settings}, Voice, f"{file}: voice")
    try:
        read_hours(voice.quiet_hours)
    except ValueError:
        raise PackError(f"{file}: voice.quiet_hours: {voice.quiet_hours!r} is no span like 22:00-07:00") from None
    return voice
