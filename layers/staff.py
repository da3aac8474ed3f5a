"""Grid workers on duty, where they were seen last."""

from datetime import timedelta

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import PRESENT
from layers.state import LiveState
from layers.words import PLACE, plain

spec = Spec(
    key="staff",
    title=Title("在岗网格员", "Grid workers on duty"),
    geometry="point",
    feed="workers",
    unit=Title("人", "people"),
    stale_after=timedelta(minutes=30),
    legend=(LegendClass(1, PRESENT, "在岗", "on duty"),),
    shown=False,
)


def compute(state: LiveState, view: View) -> Frame:
    """Return the workers who said they are on duty and were seen lately."""
    wanted = state.workers if view.only is None else sorted(view.only & state.workers.keys())
    workers = [
        worker
        for worker in map(state.workers.__getitem__, wanted)
        if worker.on_duty
        and worker.lon is not None
        and worker.lat is not None
        and not state.is_silent(spec.feed, worker.at_ms)
    ]
    return Frame(
        [worker.id for worker in workers],
        {
            "lon": [worker.lon for worker in workers],
            "lat": [worker.lat for worker in workers],
            "worker_id": [worker.worker_id for worker in workers],
            "seen_at": [worker.seen_at for worker in workers],
            "place": [state.place_of(worker.cell) for worker in workers],
        },
        state.newest_at(spec.feed),
    )


def draw(frame: Frame) -> Paint:
    """Return each worker on duty as a point."""
    return Paint(frame.ids, [1] * len(frame.ids), lon=frame.columns["lon"], lat=frame.columns["lat"])


def headline(frame: Frame) -> Headline:
    """Return how many workers are on duty."""
    return Headline(len(frame.ids), Title("人", "people"), len(frame.ids))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return a worker's number and when they were seen; a name is personal and not shown."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    facts = [Fact(Title("编号", "Number"), plain(of["worker_id"]), at=of["seen_at"])]
    if of["place"]:
        facts.append(Fact(PLACE, of["place"]))
    return Card(spec.title, of["place"], facts)
