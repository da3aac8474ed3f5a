"""Where cases were reported in the last hours, as a density."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import HEAT
from layers.state import LiveState
from layers.words import CHANNELS, PIECES, SEVERITIES, plain

spec = Spec(
    key="case_heatmap",
    title=Title("案件热力", "Case heatmap"),
    geometry="point",
    feed="cases",
    unit=Title("件/km²", "cases/km²"),
    stale_after=timedelta(hours=1),
    windowed=True,
    # Densities at which the map's colours begin; its kernel has a fixed size on the ground, so they hold at
    # every zoom.
    legend=tuple(
        LegendClass(low, colour, text, text)
        for low, colour, text in zip((0, 0.5, 2, 5, 10), HEAT, ("0", "0.5", "2", "5", "≥10"), strict=True)
    ),
)


def compute(state: LiveState, view: View) -> Frame:
    """Return the placed cases reported within the pack's heat window, open or not."""
    hot = state.hot if view.only is None else view.only & state.hot
    cases = [
        case for case in map(state.cases.__getitem__, sorted(hot)) if case.lon is not None and case.lat is not None
    ]
    return Frame(
        [case.id for case in cases],
        {
            "lon": [case.lon for case in cases],
            "lat": [case.lat for case in cases],
            "category": [state.categories.get(case.category, plain(case.category)) for case in cases],
            "channel": [case.channel for case in cases],
            "severity": [case.severity for case in cases],
            "reported_at": [case.reported_at for case in cases],
            "place": [state.place_of(case.cell) for case in cases],
        },
        state.newest_at("cases"),
    )


def draw(frame: Frame) -> Paint:
    """Return each report as a point of weight 1."""
    return Paint(frame.ids, [1] * len(frame.ids), lon=frame.columns["lon"], lat=frame.columns["lat"])


def headline(frame: Frame) -> Headline:
    """Return how many placed cases were reported in the window."""
    return Headline(len(frame.ids), PIECES, len(frame.ids))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return the class, severity and time of one report."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    facts = [
        Fact(Title("严重程度", "Severity"), SEVERITIES[of["severity"]]),
        Fact(Title("上报", "Reported"), CHANNELS.get(of["channel"], plain(of["channel"])), at=of["reported_at"]),
    ]
    return Card(of["category"], of["place"], facts)
