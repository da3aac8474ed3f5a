"""Open cases per grid cell."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import NOTHING, QUANTITY
from layers.state import LiveState
from layers.words import NO_DATA, PIECES, SEVERITIES, plain

# Fixed breaks: a colour means the same number every day and in every county. They grow as case counts do, so
# that a quiet county and a busy one both use the scale.
BREAKS = (1, 2, 3, 5, 8, 13)

spec = Spec(
    key="grid",
    title=Title("网格在办案件", "Open cases by cell"),
    geometry="cell",
    feed="cases",
    unit=Title("件/网格", "cases per cell"),
    stale_after=timedelta(hours=1),
    legend=(
        LegendClass(0, NOTHING, "0", "0"),
        *(
            LegendClass(low, colour, text, text)
            for low, colour, text in zip(BREAKS, QUANTITY, ("1", "2", "3–4", "5–7", "8–12", "≥13"), strict=True)
        ),
    ),
    marks=("none", *(SEVERITIES[severity].zh for severity in (1, 2, 3, 4))),
)

NO_CASES = (0, 0, 0, 0)


def compute(state: LiveState, view: View) -> Frame:
    """Return for each cell the open cases by severity; no numbers at all before the first case was heard of."""
    places = state.places
    ids = list(state.cells) if view.only is None else sorted(cell for cell in view.only if cell in state.cells)
    heard = state.newest_at("cases") is not None
    by_severity = [state.open_by_cell.get(cell, NO_CASES) if heard else None for cell in ids]
    return Frame(
        ids,
        {
            "open": [None if counts is None else sum(counts) for counts in by_severity],
            "by_severity": [None if counts is None else tuple(counts) for counts in by_severity],
            "title": [places.cell_titles[cell] for cell in ids],
            "code": [places.cell_codes[cell] for cell in ids],
            "responsible": [places.cell_responsible[cell] for cell in ids],
        },
        state.newest_at("cases"),
    )


def draw(frame: Frame) -> Paint:
    """Return the number of open cases and, as mark, the worst open severity (0: none)."""
    marks = [
        next((severity for severity, count in enumerate(counts or (), start=1) if count), 0)
        for counts in frame.columns["by_severity"]
    ]
    return Paint(frame.ids, frame.columns["open"], marks)


def headline(frame: Frame) -> Headline:
    """Return how many cases are open inside the county's cells."""
    known = [count for count in frame.columns["open"] if count is not None]
    return Headline(sum(known) if known else None, PIECES, len(known))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return a cell's place, who answers for it, and its open cases by severity."""
    position = frame.find(feature_id)
    counts = frame.columns["by_severity"][position]
    facts = [Fact(Title("网格编码", "Cell code"), plain(frame.columns["code"][position]))]
    responsible = frame.columns["responsible"][position]
    if responsible:
        facts.append(Fact(Title("网格员", "Grid worker"), plain(responsible)))
    total = NO_DATA if counts is None else plain(str(sum(counts)))
    facts.append(Fact(Title("在办案件", "Open cases"), total, at=frame.newest_at))
    facts.extend(
        Fact(SEVERITIES[severity], plain(str(count)), tone="bad" if severity <= 2 else "plain")
        for severity, count in enumerate(counts or (), start=1)
        if count
    )
    return Card(frame.columns["title"][position], None, facts)
