"""The plot of a soak: one small panel a measure, over the updates; SVG, so that a page shows it as it is."""

from collections.abc import Sequence
from html import escape
from typing import Final

from soak.budget import MONTH_UPDATES, WARM_UP, Verdict
from soak.samples import Sample

COLUMNS: Final = 3
WIDTH, HEIGHT, GAP, TOP = 360, 150, 24, 64
INK, QUIET, LINE, GROUND = "#0F1B2D", "#66758C", "#0A6EBD", "#FFFFFF"
WORDS: Final = {
    "flat": "#1B7F4D",
    "within": "#1B7F4D",
    "unproven": "#66758C",
    "grows": "#C62B30",
    "too much": "#C62B30",
}


def draw_plot(samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> str:
    """Return the plot as SVG; each panel's scale begins at zero, so that a slope looks as steep as it is."""
    last = samples[-1]
    rows = -(-(len(verdicts) + 1) // COLUMNS)
    width = COLUMNS * (WIDTH + GAP) + GAP
    height = TOP + rows * (HEIGHT + GAP)
    heading = (
        f"{last.updates:,} updates and {last.scenes:,} scenes in {last.at_s / 3600:.1f} h: "
        f"{last.updates / MONTH_UPDATES:.1%} of a month's updates"
    )
    redis = [sample.redis_mb for sample in samples]
    panels = [
        *(_draw_panel(samples, verdict.budget.title, _values(samples, verdict), verdict) for verdict in verdicts),
        _draw_panel(samples, "Redis, MB (not judged)", redis, None),
    ]
    places = [(GAP + i % COLUMNS * (WIDTH + GAP), TOP + i // COLUMNS * (HEIGHT + GAP)) for i in range(len(panels))]
    placed = "".join(
        f'<g transform="translate({x} {y})">{panel}</g>' for (x, y), panel in zip(places, panels, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
        f'<rect width="{width}" height="{height}" fill="{GROUND}"/>'
        f'<text x="{GAP}" y="34" font-size="18" font-weight="600">{escape(heading)}</text>{placed}</svg>\n'
    )


def _values(samples: Sequence[Sample], verdict: Verdict) -> list[float]:
    return [float(getattr(sample, verdict.budget.measure)) for sample in samples]


def _draw_panel(samples: Sequence[Sample], title: str, values: Sequence[float], verdict: Verdict | None) -> str:
    top = max(*values, 1.0) * 1.15
    floor, ceiling = HEIGHT - 26, 24
    x = [sample.updates / max(1, samples[-1].updates) * WIDTH for sample in samples]
    y = [floor - value / top * (floor - ceiling) for value in values]
    points = " ".join(f"{across:.1f},{down:.1f}" for across, down in zip(x, y, strict=True))
    judged = x[int(len(x) * WARM_UP)]
    said = ""
    if verdict is not None:
        may = f"at most {verdict.budget.most:,g}" if verdict.budget.month is None else f"{verdict.budget.month:+g}"
        month = f"{verdict.month_low:+,.0f} to {verdict.month_high:+,.0f} a month, may {may}"
        said = f'<text y="{floor + 16}" fill="{WORDS[verdict.word]}">{escape(f"{verdict.word}: {month}")}</text>'
    now, highest = f"{values[-1]:,.4g}", f"{max(values):,.4g}"
    return (
        f'<text y="14" font-weight="600">{escape(title)}</text>{said}'
        f'<rect x="0" y="{ceiling}" width="{judged:.1f}" height="{floor - ceiling}" fill="#F1F4F8"/>'
        f'<line x1="0" x2="{WIDTH}" y1="{floor}" y2="{floor}" stroke="#D9E0EA"/>'
        f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'
        f'<text x="{WIDTH}" y="14" text-anchor="end" fill="{QUIET}">{now}, at most {highest}</text>'
    )
