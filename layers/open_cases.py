"""Every open case at its place, by severity."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import SEVERITY
from layers.state import LiveState
from layers.things import Case
from layers.words import CHANNELS, PIECES, SEVERITIES, plain

spec = Spec(
    key="open_cases",
    title=Title("在办案件", "Open cases"),
    geometry="point",
    feed="cases",
    unit=Title("严重程度（1 最重）", "severity (1 is worst)"),
    stale_after=timedelta(hours=1),
    legend=tuple(
        LegendClass(severity, SEVERITY[severity - 1], SEVERITIES[severity].zh, SEVERITIES[severity].en)
        for severity in (1, 2, 3, 4)
    ),
    shown=False,
)


def compute(state: LiveState, view: View) -> Frame:
    """Return the open cases that have a place; those of exercises are drawn by a layer of their own."""
    wanted = state.cases if view.only is None else sorted(view.only & state.cases.keys())
    cases = [
        case
        for case in map(state.cases.__getitem__, wanted)
        if case.is_open and _is_placed(case) and not case.is_exercise
    ]
    return Frame(
        [case.id for case in cases],
        {
            "severity": [case.severity for case in cases],
            "lon": [case.lon for case in cases],
            "lat": [case.lat for case in cases],
            "category": [state.categories.get(case.category, plain(case.category)) for case in cases],
            "channel": [case.channel for case in cases],
            "state": [_name_state(state, case) for case in cases],
            "unit": [_name_unit(state, case.state.unit) for case in cases],
            "reported_at": [case.reported_at for case in cases],
            "place": [state.place_of(case.cell) for case in cases],
            "case_id": [case.case_id for case in cases],
        },
        state.newest_at("cases"),
    )


def draw(frame: Frame) -> Paint:
    """Return each open case with its severity."""
    return Paint(frame.ids, frame.columns["severity"], lon=frame.columns["lon"], lat=frame.columns["lat"])


def headline(frame: Frame) -> Headline:
    """Return how many placed cases are open."""
    return Headline(len(frame.ids), PIECES, len(frame.ids))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return what a wall may say of a case: class, severity, state and place; no text and no person."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    facts = [
        Fact(
            Title("严重程度", "Severity"),
            SEVERITIES[of["severity"]],
            tone="bad" if of["severity"] <= 2 else "plain",
        ),
        Fact(Title("状态", "State"), of["state"]),
        Fact(Title("上报", "Reported"), CHANNELS.get(of["channel"], plain(of["channel"])), at=of["reported_at"]),
        Fact(Title("案件编号", "Case number"), plain(of["case_id"])),
    ]
    if of["unit"]:
        facts.append(Fact(Title("处置部门", "Unit"), of["unit"]))
    return Card(of["category"], of["place"], facts)


def _name_state(state: LiveState, case: Case) -> Title:
    name = state.rulebook.find_state(case.category, case.state.state).name
    return Title(name.zh, name.en)


def _name_unit(state: LiveState, code: str | None) -> Title | None:
    return None if code is None else state.units.get(code, plain(code))


def _is_placed(case: Case) -> bool:
    return case.lon is not None and case.lat is not None
