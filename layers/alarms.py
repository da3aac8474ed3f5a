"""Alarms that somebody must act on, each at its thing's or its case's place, by severity."""

from datetime import timedelta

from brain.alarm_book import Entry
from layers.alarm_words import find_point, name_alarm
from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import SEVERITY
from layers.state import LiveState
from layers.words import SEVERITIES, plain

UNACKED, ACKED = 0, 1
STATES = {
    "unacked": Title("未确认", "Unacknowledged"),
    "acked": Title("已确认", "Acknowledged"),
    "returned": Title("已恢复，未确认", "Over, not seen"),
}

spec = Spec(
    key="alarms",
    title=Title("报警", "Alarms"),
    geometry="point",
    feed="alarms",
    unit=Title("空心为已确认", "hollow: acknowledged"),
    stale_after=timedelta(hours=1),
    legend=tuple(
        LegendClass(severity, SEVERITY[severity - 1], SEVERITIES[severity].zh, SEVERITIES[severity].en)
        for severity in (1, 2, 3, 4)
    ),
    marks=("normal", "acked"),
    shown=False,
)


def compute(state: LiveState, view: View) -> Frame:
    """Return the alarms that need somebody and have a place; not those put aside, and none of an exercise."""
    wanted = state.alarms if view.only is None else sorted(view.only & state.alarms.keys())
    found = [
        (id, entry, place)
        for id, entry in ((id, state.alarms[id]) for id in wanted)
        if entry.alarm.needs_somebody(state.now_ms)
        and not entry.is_exercise
        and (place := find_point(state, entry)) is not None
    ]
    return Frame(
        [id for id, _, _ in found],
        {
            "alarm": [entry.alarm for _, entry, _ in found],
            "words": [name_alarm(state, entry) for _, entry, _ in found],
            "response": [_find_response(state, entry) for _, entry, _ in found],
            "lon": [lon for _, _, (lon, _) in found],
            "lat": [lat for _, _, (_, lat) in found],
            "simulated": [entry.origin == "simulated" for _, entry, _ in found],
        },
        state.newest_at(spec.feed),
    )


def draw(frame: Frame) -> Paint:
    """Return each alarm's severity, and whether somebody has acknowledged it."""
    alarms = frame.columns["alarm"]
    marks = [ACKED if alarm.acked else UNACKED for alarm in alarms]
    return Paint(
        frame.ids, [alarm.severity for alarm in alarms], marks, lon=frame.columns["lon"], lat=frame.columns["lat"]
    )


def headline(frame: Frame) -> Headline:
    """Return how many placed alarms need somebody."""
    return Headline(len(frame.ids), Title("条", "alarms"), len(frame.ids))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return what a wall may say of an alarm: nobody's name, and of a case its class."""
    position = frame.find(feature_id)
    alarm, words, response, simulated = (
        frame.columns[name][position] for name in ("alarm", "words", "response", "simulated")
    )
    facts = [
        Fact(Title("级别", "Severity"), SEVERITIES[alarm.severity], tone="bad" if alarm.severity <= 2 else "plain"),
        Fact(Title("状态", "State"), STATES[alarm.state], at=alarm.raised_at, tone="plain" if alarm.acked else "warn"),
    ]
    if words.thing.zh:
        facts.insert(0, Fact(Title("对象", "About"), words.thing))
    if alarm.repeats:
        facts.append(Fact(Title("次数", "Times"), plain(str(1 + alarm.repeats))))
    if response.zh:
        facts.append(Fact(Title("应对", "Response"), response))
    if simulated:
        facts.append(Fact(Title("来源", "Origin"), Title("模拟数据", "Simulated data")))
    return Card(words.name, words.place if words.place.zh else None, facts)


def _find_response(state: LiveState, entry: Entry) -> Title:
    rule = state.alarm_rules.by_key.get(entry.rule or "")
    return Title("", "") if rule is None else Title(rule.response_zh, rule.response_en or rule.response_zh)
