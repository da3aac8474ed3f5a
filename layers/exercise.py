"""What exercises put on the map: their open cases, and what their sensors said last; never drawn as real."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import SEVERITY
from layers.state import LiveState
from layers.things import Case, Drilled
from layers.words import CHANNELS, EXERCISE, PIECES, SEVERITIES, measure, plain

SENSOR = 5
"""The value of a sensor, after the severities of cases."""

spec = Spec(
    key="exercise",
    title=Title("演练", "Exercise"),
    geometry="point",
    feed="exercise",
    unit=Title("演练，不是真实情况", "an exercise, not real"),
    stale_after=timedelta(hours=24),
    legend=(
        *(
            LegendClass(severity, SEVERITY[severity - 1], SEVERITIES[severity].zh, SEVERITIES[severity].en)
            for severity in (1, 2, 3, 4)
        ),
        LegendClass(SENSOR, "#E6EDF7", "演练观测", "sensor"),
    ),
)
NOTE = Fact(Title("说明", "Note"), Title("这是演练，不是真实情况", "This is an exercise, not real"), tone="warn")


def compute(state: LiveState, view: View) -> Frame:
    """Return the open cases of exercises that have a place, and for as long as one runs its sensors."""
    cases = [state.cases[case] for case in sorted(state.drilled_cases)]
    placed = [case for case in cases if case.is_open and case.lon is not None and case.lat is not None]
    running = state.exercises.find_running(state.clock_ms)
    sensors = [
        one
        for one in state.drilled_readings.values()
        if running and one.sensed.observed_ms >= running.begun_ms and one.cell in state.cells
    ]
    told: list[Case | Drilled] = [*placed, *sensors]
    if view.only is not None:
        told = [thing for thing in told if _id(thing) in view.only]
    return Frame(
        [_id(thing) for thing in told],
        {
            "value": [thing.severity if isinstance(thing, Case) else SENSOR for thing in told],
            "lon": [thing.lon for thing in told],
            "lat": [thing.lat for thing in told],
            "card": [_tell_case(state, thing) if isinstance(thing, Case) else _tell_sensor(thing) for thing in told],
            "place": [state.place_of(thing.cell) for thing in told],
        },
        None,
    )


def draw(frame: Frame) -> Paint:
    """Return each thing by its severity, a sensor after the last of them."""
    return Paint(frame.ids, frame.columns["value"], lon=frame.columns["lon"], lat=frame.columns["lat"])


def headline(frame: Frame) -> Headline:
    """Return how many things there are; no figure of anything real."""
    return Headline(len(frame.ids), PIECES, len(frame.ids))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return what a wall may say of it, and that it is an exercise."""
    position = frame.find(feature_id)
    title, facts = frame.columns["card"][position]
    named = Title(f"【{EXERCISE.zh}】{title.zh}", f"[{EXERCISE.en}] {title.en}")
    return Card(named, frame.columns["place"][position], [NOTE, *facts])


def _id(thing: Case | Drilled) -> int:
    return thing.id if isinstance(thing, Case) else thing.sensed.asset


def _tell_case(state: LiveState, case: Case) -> tuple[Title, list[Fact]]:
    name = state.rulebook.find_state(case.category, case.state.state).name
    facts = [
        Fact(Title("严重程度", "Severity"), SEVERITIES[case.severity]),
        Fact(Title("状态", "State"), Title(name.zh, name.en)),
        Fact(Title("上报", "Reported"), CHANNELS.get(case.channel, plain(case.channel)), at=case.reported_at),
    ]
    return state.categories.get(case.category, plain(case.category)), facts


def _tell_sensor(drilled: Drilled) -> tuple[Title, list[Fact]]:
    value = measure(drilled.sensed.value, drilled.unit, 1)
    return plain(drilled.name), [Fact(Title("观测值", "Value"), value, at=drilled.sensed.observed_at)]
