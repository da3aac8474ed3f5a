"""The rulebook: everything that a county lays down for its cases, read from its pack."""

from collections.abc import Mapping
from dataclasses import dataclass

from cases.flow import Flow, FlowState, load_built_in, read_flows
from geo.county import County
from geo.pack import PackError


@dataclass(frozen=True, eq=False)
class Rulebook:
    """What holds for the cases of one county."""

    flows: Mapping[str, Flow]

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


BUILT_IN = Rulebook(load_built_in())
"""What holds where a county lays down nothing."""


def read_rulebook(county: County) -> Rulebook:
    """Return a county's rulebook; raises `PackError` naming the bad field of `cases.toml`."""
    settings = county.case_settings
    tables = settings.get("flows", [])
    if not isinstance(tables, list):
        raise PackError("cases.toml: flows must be a list of tables")
    flows = read_flows(tables)
    if not any("" in flow.categories for flow in flows.values()):
        raise PackError('cases.toml: flows: one must take every class (categories = [""])')
    return Rulebook(flows)
