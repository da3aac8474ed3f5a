"""The rulebook: everything that a county lays down for its cases, read from its pack."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cases.calendars import Span, WorkCalendar, read_span
from cases.clocks import Clock, run_clock
from cases.dispatch import DispatchRules, Facts, Proposal, list_hand_backs, read_dispatch
from cases.flow import Flow, FlowState, read_flows
from cases.fold import CaseState, Step
from cases.guides import Guides, read_guides
from cases.limits import LimitRules, read_limits
from cases.matters import Admission, MatterLists, read_matters
from cases.supervision import Supervision, read_supervision
from geo.county import County
from geo.pack import PackError
from ingest.answers import Case
from ingest.tables import as_time


@dataclass(frozen=True, eq=False)
class Rulebook:
    """What holds for the cases of one county."""

    flows: Mapping[str, Flow]
    calendar: WorkCalendar
    limits: LimitRules
    matters: MatterLists
    dispatch: DispatchRules
    supervision: Supervision
    guides: Guides

    def flow_of(self, category: str) -> Flow:
        """Return the flow that the cases of a class take: the one with the longest beginning that fits."""
        fitting = [
            (len(beginning), flow)
            for flow in self.flows.values()
            for beginning in flow.categories
            if category.startswith(beginning)
        ]
        return max(fitting, key=lambda pair: pair[0])[1]

    def find_state(self, category: str, state: str) -> FlowState:
        """Return a state of a class's flow."""
        return self.flow_of(category).states[state]

    def run_clock(self, category: str, severity: int, reported_ms: int, state: CaseState) -> Clock | None:
        """Return the clock of a whole case, which began with its report (epoch ms); None where it has no limit."""
        limit = self.limits.find(category, severity, flow=self.flow_of(category).key)
        granted = read_extensions(state.extensions)
        return run_clock(limit, self.calendar, reported_ms, state.stops, granted, state.ended_ms)

    def admit(self, category: str, at: datetime) -> Admission:
        """Return what the matter list of the county's day says of a class reported at a moment."""
        return self.matters.admit(category, at.astimezone(self.calendar.time_zone).date())

    def propose(self, case: Case, state: CaseState, steps: Iterable[Step], now_ms: int) -> Proposal | None:
        """Return who should handle a case, and why; None where nobody is known for its class."""
        handed_back = [each.unit for each in list_hand_backs(self.flow_of(case.category), steps)]
        admission = self.admit(case.category, case.reported_at)
        return self.dispatch.propose(find_facts(case, state, now_ms), handed_back, admission)


def find_facts(case: Case, state: CaseState, now_ms: int) -> Facts:
    """Return what rules may ask of a case at a moment (epoch ms)."""
    return Facts(
        category=case.category,
        severity=case.severity,
        level=state.level,
        channel=case.channel,
        cell_code=case.cell_code,
        at=as_time(now_ms),
        people=case.people,
    )


def read_extensions(extensions: Iterable[Mapping[str, object]]) -> Iterator[Span]:
    """Yield what a case was granted; what somebody elsewhere wrote down wrongly grants nothing."""
    for extension in extensions:
        try:
            yield read_span(extension)
        except ValueError:
            continue


def read_rulebook(county: County) -> Rulebook:
    """Return a county's rulebook; raises `PackError` naming the bad field of `cases.toml`."""
    settings = county.case_settings
    tables = settings.get("flows", [])
    if not isinstance(tables, list):
        raise PackError("cases.toml: flows must be a list of tables")
    flows = read_flows(tables)
    if not any("" in flow.categories for flow in flows.values()):
        raise PackError('cases.toml: flows: one must take every class (categories = [""])')
    limits = read_limits(settings, county.categories, {key: flow.states for key, flow in flows.items()})
    return Rulebook(
        flows=flows,
        calendar=WorkCalendar(county.profile.calendar, county.time_zone),
        limits=limits,
        matters=read_matters(settings, county),
        dispatch=read_dispatch(settings, county),
        supervision=read_supervision(settings, county),
        guides=read_guides(settings, county.categories, county.units),
    )
