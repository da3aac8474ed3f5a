"""Patrols and visits: the share of each cell's tasks of the last weeks that was done."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import FILL
from layers.rounds_book import COVERED_DAYS, FEWEST, NOTHING, Coverage
from layers.state import LiveState
from layers.words import plain

# What was left undone is loud, and whatever is not 100 % was.
BREAKS = (0, 50, 75, 90, 100)

spec = Spec(
    key="coverage",
    title=Title("巡查走访覆盖", "Patrols and visits"),
    geometry="cell",
    feed="rounds",
    unit=Title(f"%：近 {COVERED_DAYS} 天到期任务的完成率", f"% of tasks due in {COVERED_DAYS} days, done"),
    stale_after=timedelta(days=1),
    legend=tuple(
        LegendClass(low, colour, text, text)
        for low, colour, text in zip(BREAKS, reversed(FILL), ("<50", "50–74", "75–89", "90–99", "100"), strict=True)
    ),
    shown=False,
    blank=Title("无到期任务", "no tasks due"),
)
FEW = Title(f"少于 {FEWEST} 次，不计入", f"fewer than {FEWEST}: not counted")
NONE = Title("无到期任务", "No tasks due")


def compute(state: LiveState, view: View) -> Frame:
    """Return for each cell how many of its tasks were due and done; nothing before the first check-in."""
    places = state.places
    ids = list(state.cells) if view.only is None else sorted(cell for cell in view.only if cell in state.cells)
    heard = state.newest_at(spec.feed) is not None
    told = [state.rounds.tell(places.cell_codes[cell]) if heard else None for cell in ids]
    return Frame(
        ids,
        {"rounds": told, "title": [places.cell_titles[cell] for cell in ids]},
        state.newest_at(spec.feed),
    )


def draw(frame: Frame) -> Paint:
    """Return the share that was done in percent, rounded down so that 100 is all; None where nothing was due."""
    return Paint(frame.ids, [None if rounds is None else _percent(rounds.total) for rounds in frame.columns["rounds"]])


def headline(frame: Frame) -> Headline:
    """Return the share of all the cells' tasks that was done."""
    known = [rounds.total for rounds in frame.columns["rounds"] if rounds is not None]
    return Headline(_percent(sum(known, NOTHING)), plain("%"), sum(total.due > 0 for total in known))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return how many patrols and visits of a cell were due and done; few visits would tell of persons."""
    position = frame.find(feature_id)
    rounds = frame.columns["rounds"][position]
    title = frame.columns["title"][position]
    if rounds is None:
        return Card(title, None, [Fact(spec.title, NONE)])
    facts = [
        _tell(Title("完成率", "Done"), rounds.total),
        _tell(Title("巡查", "Patrols"), rounds.patrols),
        Fact(Title("走访", "Visits"), FEW) if rounds.visits is None else _tell(Title("走访", "Visits"), rounds.visits),
        Fact(Title("其中补做", "Of them late"), plain(str(rounds.total.late))),
    ]
    if rounds.overdue:
        facts.append(Fact(Title("巡查逾期", "Patrols overdue"), plain(str(rounds.overdue)), tone="warn"))
    if rounds.missed:
        facts.append(Fact(Title("漏巡", "Patrols missed"), plain(str(rounds.missed)), tone="bad"))
    if rounds.last:
        facts.append(Fact(Title("最近巡查", "Last patrol"), Title("已打卡", "checked in"), at=rounds.last))
    return Card(title, None, facts)


def _tell(label: Title, coverage: Coverage) -> Fact:
    share = _percent(coverage)
    if share is None:
        return Fact(label, NONE)
    value = plain(f"{share} % ({coverage.done}/{coverage.due})")
    return Fact(label, value, tone="good" if coverage.done == coverage.due else "warn")


def _percent(coverage: Coverage) -> int | None:
    return coverage.done * 100 // coverage.due if coverage.due else None
