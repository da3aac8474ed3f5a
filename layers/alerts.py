"""Warnings of the authorities in force: their areas, by level; an exercise is marked as one."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import SEVERITY
from layers.state import LiveState
from layers.words import ALERT_LEVELS, EXERCISE, plain

NORMAL, DRILL = 0, 1

spec = Spec(
    key="alerts",
    title=Title("预警", "Warnings"),
    geometry="area",
    feed="alerts",
    unit=Title("预警级别", "warning level"),
    stale_after=timedelta(days=30),
    legend=tuple(
        LegendClass(level, SEVERITY[level - 1], ALERT_LEVELS[level].zh, ALERT_LEVELS[level].en)
        for level in (1, 2, 3, 4)
    ),
    marks=("normal", "exercise"),
)


def compute(state: LiveState, view: View) -> Frame:
    """Return the warnings in force that touch the county or do not say where they are, the worst first."""
    alerts = [alert for id, alert in state.alerts.items() if view.only is None or id in view.only]
    return Frame(
        [alert.id for alert in alerts],
        {
            "alert": alerts,
            "until": [f"{alert.ends_at.astimezone(state.time_zone):%m-%d %H:%M}" for alert in alerts],
        },
        state.newest_at(spec.feed),
    )


def draw(frame: Frame) -> Paint:
    """Return each warning's level, and whether it is an exercise; the outlines travel once, by themselves."""
    alerts = frame.columns["alert"]
    return Paint(
        frame.ids, [alert.level for alert in alerts], [DRILL if alert.exercise else NORMAL for alert in alerts]
    )


def headline(frame: Frame) -> Headline:
    """Return how many warnings are in force; exercises are none."""
    count = sum(not alert.exercise for alert in frame.columns["alert"])
    return Headline(count, Title("条", "warnings"), count)


def explain(frame: Frame, feature_id: int) -> Card:
    """Return what a wall says of a warning; its full text is for the desk."""
    position = frame.find(feature_id)
    alert = frame.columns["alert"][position]
    title = alert.event
    if alert.exercise:
        title = Title(f"【{EXERCISE.zh}】{title.zh}", f"[{EXERCISE.en}] {title.en}")
    is_grave = alert.level <= 2 and not alert.exercise
    until = plain(frame.columns["until"][position])
    facts = [
        Fact(Title("级别", "Level"), ALERT_LEVELS[alert.level], tone="bad" if is_grave else "plain"),
        Fact(Title("发布", "Issued by"), alert.issuer, at=alert.sent_at),
        Fact(Title("至", "Until"), until if alert.end_stated else Title("未注明", "not stated")),
    ]
    if alert.headline.zh:
        facts.insert(0, Fact(Title("预警", "Warning"), alert.headline))
    return Card(title, alert.area if alert.area.zh else None, facts)
