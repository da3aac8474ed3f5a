"""The two built-in flows once more, by hand and by other means: what tests hold the tables and the fold to."""

from dataclasses import dataclass, field

CENTRE = ("county_duty", "dispatcher")
OPEN_URBAN = (
    *("reported", "verifying", "verified", "accepted", "filed", "dispatched", "handling", "handled"),
    *("checking", "checked", "returned", "self_handled", "suspended"),
)
OPEN_DISPUTE = ("reported", "accepted", "triaged", "assessed", "mediating", "settled", "followed_up", "suspended")
HANDS = ("unit", "county_duty", "town_centre")
FIELD = ("grid_worker", "village_centre", "town_centre", *CENTRE)
TOWN = (*CENTRE, "town_centre")
VILLAGE = (*TOWN, "village_centre")

# action: (from, to, roles); "=" stays, "<" goes back.
Row = tuple[tuple[str, ...], str, tuple[str, ...]]


def _common(opened: tuple[str, ...]) -> dict[str, Row]:
    everywhere = (*opened, "closed", "voided", "merged")
    return {
        "merge": (opened, "merged", TOWN),
        "unmerge": (("merged",), "<", TOWN),
        "escalate": (opened, "=", FIELD),
        "delegate": (opened, "=", TOWN),
        "supervise": (opened, "=", ("supervisor", "leader", "county_duty")),
        "lift_card": (opened, "=", ("supervisor", "leader", "county_duty")),
        "grade": (opened, "=", VILLAGE),
        "join": (opened, "=", TOWN),
        "part_done": (opened, "=", HANDS),
        "begin_incident": (opened, "=", ("county_duty", "supervisor")),
        "end_incident": (opened, "=", ("county_duty", "supervisor")),
        "note": (everywhere, "=", (*VILLAGE, "grid_worker", "unit", "supervisor", "leader")),
    }


URBAN: dict[str, Row] = {
    "send_verify": (("reported",), "verifying", CENTRE),
    "verify_site": (("verifying", "reported"), "verified", FIELD),
    "accept": (("verified", "reported"), "accepted", TOWN),
    "file": (("accepted",), "filed", TOWN),
    "dispatch": (("filed", "accepted", "returned"), "dispatched", TOWN),
    "take": (("dispatched",), "handling", ("unit", "county_duty")),
    "handle": (("handling", "dispatched", "returned"), "handled", (*HANDS, "grid_worker")),
    "hand_back": (("dispatched", "handling"), "filed", ("unit", "county_duty")),
    "send_check": (("handled",), "checking", CENTRE),
    "check": (("checking", "handled"), "checked", FIELD),
    "self_handle": (("reported", "verifying", "verified"), "self_handled", ("grid_worker", "village_centre")),
    "close": (("checked", "self_handled"), "closed", VILLAGE),
    "void": (("reported", "verifying", "verified", "accepted", "filed"), "voided", CENTRE),
    "suspend": (("filed", "dispatched", "handling", "returned"), "suspended", CENTRE),
    "resume": (("suspended",), "<", CENTRE),
    "extend": (("dispatched", "handling", "returned"), "=", ("county_duty", "supervisor")),
    "reopen": (("closed", "voided"), "filed", ("county_duty", "supervisor")),
    **_common(OPEN_URBAN),
}
URBAN_RETURNS = {"checking": "returned", "handled": "returned", "checked": "returned", "self_handled": "reported"}

DISPUTE: dict[str, Row] = {
    "accept": (("reported",), "accepted", VILLAGE),
    "triage": (("accepted", "triaged", "assessed"), "triaged", TOWN),
    "assess": (("triaged", "assessed"), "assessed", VILLAGE),
    "mediate": (("assessed", "triaged"), "mediating", VILLAGE),
    "hand_over": (("mediating",), "mediating", (*TOWN, "unit")),
    "hand_back": (("mediating",), "triaged", ("unit", "county_duty")),
    "settle": (("mediating",), "settled", (*HANDS, "village_centre")),
    "fail": (("mediating",), "assessed", (*HANDS, "village_centre")),
    "confirm": (("settled", "followed_up"), "=", HANDS),
    "follow_up": (("settled",), "followed_up", FIELD),
    "return": (("settled", "followed_up"), "assessed", VILLAGE),
    "close": (("followed_up",), "closed", VILLAGE),
    "void": (("reported", "accepted", "triaged"), "voided", TOWN),
    "suspend": (("triaged", "assessed", "mediating"), "suspended", TOWN),
    "resume": (("suspended",), "<", TOWN),
    "extend": (("triaged", "assessed", "mediating"), "=", ("county_duty", "supervisor")),
    "reopen": (("closed", "voided"), "accepted", ("county_duty", "supervisor")),
    **_common(OPEN_DISPUTE),
}


def find_next(flow: str, state: str, action: str) -> str | None:
    """Return where an action leads from a state: a state, "=", "<", or None where it is not legal."""
    if flow == "urban" and action == "return":
        return URBAN_RETURNS.get(state)
    sources, target, _ = (URBAN if flow == "urban" else DISPUTE).get(action, ((), "", ()))
    return target if state in sources else None


def list_roles(flow: str, action: str) -> tuple[str, ...]:
    """Return who may do an action at all."""
    if flow == "urban" and action == "return":
        return FIELD
    return (URBAN if flow == "urban" else DISPUTE)[action][2]


@dataclass
class Model:
    """A case that walks: a plain machine with variables, nothing of a fold."""

    flow: str
    state: str = "reported"
    trail: list[str] = field(default_factory=list)
    unit: str | None = None
    version: int = 0
    returns: int = 0
    hand_backs: int = 0
    card: str | None = None
    level: str = "village"
    parts: dict[str, bool] = field(default_factory=dict)
    merged_into: str | None = None
    ended_at: int | None = None
    pauses: list[list[int | None]] = field(default_factory=list)
    incidents: list[list[int | None]] = field(default_factory=list)

    @property
    def in_incident(self) -> bool:
        """Return whether the last incident has no end."""
        return self.incidents != [] and self.incidents[-1][1] is None

    def has_object(self, action: str) -> bool:
        """Return whether there is something to act on: a card to lift, a part to report, a level to go to."""
        match action:
            case "lift_card":
                return self.card is not None
            case "part_done":
                return not all(self.parts.values())
            case "escalate":
                return self.level != "county"
            case "delegate":
                return self.level != "cell"
            case "begin_incident":
                return not self.in_incident
            case "end_incident":
                return self.in_incident
        return True

    def do(self, action: str, at: int, unit: str | None, details: dict[str, object]) -> None:
        """Do something legal."""
        target = find_next(self.flow, self.state, action)
        assert target is not None
        self.version += 1
        new = self.state if target == "=" else self.trail.pop() if target == "<" else target
        if action in ("reopen", "unmerge"):
            self.pauses.append([self.ended_at, at])
            self.ended_at = self.merged_into = None
        if new != self.state:
            if self.state == "suspended":
                self.pauses[-1][1] = at
            if new == "suspended":
                self.pauses.append([at, None])
            if target != "<" and self.ended_at is None and action != "reopen":
                self.trail.append(self.state)
            self.state = new
        if action in ("close", "void", "merge"):
            self.ended_at, self.card = at, None
        if action == "begin_incident":
            self.incidents.append([at, None])
        elif self.in_incident and (action == "end_incident" or self.ended_at == at):
            self.incidents[-1][1] = at
        if action == "merge":
            self.merged_into = str(details["into"])
        if action == "hand_back":
            self.hand_backs += 1
            self.unit = None
        elif unit and action not in ("join", "part_done", "supervise"):
            self.unit = unit
        if action == "fail" or action == "return":
            self.returns += 1
        if action == "supervise":
            self.card = str(details["card"])
        if action == "lift_card":
            self.card = None
        if action == "join":
            self.parts |= {str(unit): False for unit in details["units"]}  # type: ignore[attr-defined]
        if action == "part_done":
            self.parts[str(unit)] = True
        if "level" in details:
            self.level = str(details["level"])
        elif self.flow == "urban" and action == "self_handle":
            self.level = "cell"
        elif self.flow == "urban" and action == "dispatch" and self.level != "county":
            self.level = "town"
