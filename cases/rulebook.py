"""The rulebook: everything that a county lays down for its cases, read from its pack."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cases.calendars import Span, WorkCalendar, read_span
from cases.clocks import Clock, run_clock
from cases.dispatch import DispatchRules, Facts, Proposal, list_hand_backs, read_dispatch
from cases.flow import Flow, FlowState, load_built_in, read_flows
from cases.fold import CaseState, Step
from cases.guides import Guides, read_guides
from cases.limits import TOTAL, LimitRules, read_limits
from cases.matters import Admission, MatterLists, read_matters
from cases.supervision import Supervision, read_supervision
from cases.tables import FILE, find_longest, index_by_class
from geo.county import County
from geo.pack import PackError
from ingest.answers import Case
from ingest.tables import as_time

TABLES: Final = frozenset(
    {
        *("flows", "limits", "matter_lists", "dispatch_rules", "triage_rules", "cards", "escalations", "guides"),
        *("duplicates", "shifts", "patrols", "care_groups", "bundle", "field"),
    }
)
"""What `cases.toml` may have; some of it is read elsewhere."""


@dataclass(frozen=True, eq=False)
class Rulebook:
    """What holds for the cases of one county."""

    flows: Mapping[str, Flow]
    flow_of_beginning: Mapping[str, Flow]
    calendar: WorkCalendar
    limits: LimitRules
    matters: MatterLists
    dispatch: DispatchRules
    supervision: Supervision
    guides: Guides

    def flow_of(self, category: str) -> Flow:
        """Return the flow that the cases of a class take: the one with the longest beginning that fits."""
        flow = find_longest(self.flow_of_beginning, category)
        assert flow is not None, "one takes every class"
        return flow

    def find_state(self, category: str, state: str) -> FlowState:
        """Return a state of a class's flow."""
        return self.flow_of(category).states[state]

    def run_clock(self, category: str, severity: int, reported_ms: int, state: CaseState) -> Clock | None:
        """Return the clock of a whole case, which began with its report (epoch ms); None where it has no limit."""
        return self.run_step(category, severity, TOTAL, reported_ms, state, state.ended_ms)

    def run_step(
        self, category: str, severity: int, step: str, started_ms: int, state: CaseState, ended_ms: int | None = None
    ) -> Clock | None:
        """Return the clock of one step of a case, lengthened by what was granted since it began; None without a limit.

        state: of the case at the end of the step, or now.
        """
        limit = self.limits.find(category, severity, step, self.flow_of(category).key)
        granted = _read_extensions(extra for at_ms, extra in state.extensions if at_ms >= started_ms)
        return run_clock(limit, self.calendar, started_ms, state.stops, granted, ended_ms)

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


def _read_extensions(extensions: Iterable[Mapping[str, object]]) -> Iterator[Span]:
    """Yield what a case was granted; what somebody elsewhere wrote down wrongly grants nothing."""
    for extension in extensions:
        try:
            yield read_span(extension)
        except ValueError:
            continue


def read_rulebook(county: County) -> Rulebook:
    """Return a county's rulebook; raises `PackError` naming the bad field of `cases.toml`."""
    settings = county.case_settings
    for name in sorted(settings.keys() - TABLES):
        raise PackError(f"{FILE}: {name}: there is no such table")
    flows = read_flows(settings)
    beginnings = (beginning for flow in load_built_in().values() for beginning in flow.categories)
    flow_of_beginning = index_by_class(
        {f"flow {key}": flow for key, flow in flows.items()}, {*county.categories, *beginnings}
    )
    if "" not in flow_of_beginning:
        raise PackError(f'{FILE}: flows: one must take every class (categories = [""])')
    limits = read_limits(settings, county.categories, {key: flow.states for key, flow in flows.items()})
    return Rulebook(
        flows=flows,
        flow_of_beginning=flow_of_beginning,
        calendar=WorkCalendar(county.profile.calendar, county.time_zone),
        limits=limits,
        matters=read_matters(settings, county),
        dispatch=read_dispatch(settings, county),
        supervision=read_supervision(settings, county),
        guides=read_guides(settings, county.categories, county.units),
    )
