"""The budget: how much anything may grow in a month of a wall's life, and how that is judged. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scipy.stats import theilslopes

from soak.samples import Sample

MONTH_UPDATES: Final = 30 * 86_400
"""What a wall is told in a month: one update a second (the demo county's simulator makes no more)."""

WARM_UP: Final = 0.25
"""The first part of a soak is not judged: caches, glyphs, compiled code and the ring of frames fill in it."""

CONFIDENCE: Final = 0.99


@dataclass(frozen=True)
class Budget:
    """What one measure may do. month: how much it may grow in a month, None for not judged; most: what it may ever be.

    noise: less growth than this within the soak itself says nothing about a month.
    """

    measure: str
    title: str
    month: float | None
    noise: float
    most: float


BUDGETS: Final = (
    Budget("heap_mb", "JS heap after collection, MB", month=None, noise=0, most=150),
    Budget("objects_mb", "its objects, without machine code, MB", month=30, noise=1.5, most=150),
    Budget("nodes", "DOM nodes", month=2_000, noise=150, most=15_000),
    Budget("listeners", "event listeners", month=200, noise=20, most=2_000),
    Budget("documents", "documents", month=1, noise=1, most=10),
    Budget("contexts", "WebGL contexts alive", month=0.5, noise=0.5, most=4),
    Budget("contexts_lost", "WebGL contexts lost", month=0.5, noise=0.5, most=0),
    Budget("renderer_mb", "renderer process, MB", month=200, noise=40, most=1_000),
    Budget("gpu_mb", "GPU process (software), MB", month=200, noise=40, most=1_000),
    Budget("web_mb", "web process, MB", month=200, noise=25, most=600),
    Budget("ingest_mb", "ingest process, MB", month=100, noise=15, most=400),
    Budget("recorder_mb", "recorder process, MB", month=100, noise=15, most=400),
)
"""Redis is measured and not judged: by design it remembers every event's id for two days, so at many times the pace
of life it holds many times of that."""


@dataclass(frozen=True)
class Verdict:
    """What the samples say of one measure: its level, and what a month would add, with 99 % confidence of the slope.

    grew: what the judged part of the soak itself added, by the slope. word: `flat` is shown to keep its budget;
    `unproven` may grow more, but the soak was too short to show it; `grows` and `too much` break the budget; `within`
    says so of its level, where growth is not judged.
    """

    budget: Budget
    first: float
    last: float
    highest: float
    grew: float
    month: float
    month_low: float
    month_high: float
    word: str

    @property
    def kept(self) -> bool:
        """Whether nothing shows that the budget is broken."""
        return self.word in ("flat", "unproven", "within")


def judge(samples: Sequence[Sample], budgets: Sequence[Budget] = BUDGETS) -> list[Verdict]:
    """Return a verdict for each budget; the slopes are Theil and Sen's, which a few odd samples do not move."""
    judged = list(samples)[int(len(samples) * WARM_UP) :]
    if len(judged) < 4:
        raise ValueError(f"{len(samples)} samples are too few to judge; let the soak run longer")
    return [_judge_one(judged, budget) for budget in budgets]


def _judge_one(samples: Sequence[Sample], budget: Budget) -> Verdict:
    updates = [sample.updates for sample in samples]
    values = [float(getattr(sample, budget.measure)) for sample in samples]
    slope, _, low, high = (float(part) for part in theilslopes(values, updates, CONFIDENCE))
    span = updates[-1] - updates[0]
    month, month_low, month_high = (part * MONTH_UPDATES for part in (slope, low, high))
    if max(values) > budget.most:
        word = "too much"
    elif budget.month is None:
        word = "within"
    elif month_low > budget.month and slope * span > budget.noise:
        word = "grows"
    else:
        word = "flat" if month_high <= budget.month else "unproven"
    return Verdict(budget, values[0], values[-1], max(values), slope * span, month, month_low, month_high, word)
