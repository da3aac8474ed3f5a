"""Open cases of which the limit that ends first is nearly or wholly used, as halos around their dots."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import CLOCK
from layers.state import LiveState
from layers.words import CHANNELS, PIECES, plain

NEAR, OVER = 1, 2
WORDS = {NEAR: Title("临近时限", "Nearly due"), OVER: Title("超时", "Overdue")}

spec = Spec(
    key="case_clocks",
    title=Title("案件时限（先到期者）", "Cases by first deadline"),
    geometry="point",
    feed="cases",
    unit=Title("时限已用 80 % 以上", "80 % of the limit used"),
    stale_after=timedelta(hours=1),
    legend=tuple(LegendClass(mark, CLOCK[mark], WORDS[mark].zh, WORDS[mark].en) for mark in (NEAR, OVER)),
    shown=False,
)


def compute(state: LiveState, view: View) -> Frame:
    """Return the open cases with a place whose first clock is yellow or red: the light that the queue shows."""
    wanted = state.cases if view.only is None else sorted(view.only & state.cases.keys())
    lights = {"yellow": NEAR, "red": OVER}
    found = [
        (case, lights[colour])
        for case in map(state.cases.__getitem__, wanted)
        if case.is_open and not case.is_exercise and case.lon is not None and case.lat is not None
        if (colour := case.first_colour(state.now_ms)) in lights
    ]
    return Frame(
        [case.id for case, _ in found],
        {
            "light": [light for _, light in found],
            "lon": [case.lon for case, _ in found],
            "lat": [case.lat for case, _ in found],
            "channel": [case.channel for case, _ in found],
            "category": [state.categories.get(case.category, plain(case.category)) for case, _ in found],
            "place": [state.place_of(case.cell) for case, _ in found],
            "reported_at": [case.reported_at for case, _ in found],
        },
        state.newest_at("cases"),
    )


def draw(frame: Frame) -> Paint:
    """Return 1 for a case that is nearly due, 2 for one that is overdue."""
    return Paint(frame.ids, frame.columns["light"], lon=frame.columns["lon"], lat=frame.columns["lat"])


def headline(frame: Frame) -> Headline:
    """Return how many placed cases are overdue."""
    return Headline(sum(light == OVER for light in frame.columns["light"]), PIECES, len(frame.ids))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return how a case stands in time, and since when it is there."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    facts = [
        Fact(Title("时限", "Clock"), WORDS[of["light"]], tone="bad" if of["light"] == OVER else "warn"),
        Fact(Title("上报", "Reported"), CHANNELS.get(of["channel"], plain(of["channel"])), at=of["reported_at"]),
    ]
    return Card(of["category"], of["place"], facts)
