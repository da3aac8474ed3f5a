"""`python -m soak`: let a wall soak, and write what it took and the plot of it; ends with 1 if a budget is broken."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from soak.budget import MONTH_UPDATES, Verdict, judge
from soak.plot import draw_plot
from soak.run import UPDATES_PER_S, open_wall, soak
from soak.samples import Sample, read_samples, write_samples
from tests.appliance import ROOT

SAMPLES = 240
SAMPLE_AT_MOST_EVERY_S = 5


def main() -> int:
    """Run a soak, or judge the samples of one."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=240)
    parser.add_argument("--rate", type=float, default=UPDATES_PER_S, help="updates a second")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="the folder of the two files")
    parser.add_argument("--judge", type=Path, metavar="CSV", help="judge these samples instead of making new ones")
    arguments = parser.parse_args()
    if arguments.judge:
        samples = read_samples(arguments.judge)
    else:
        seconds = arguments.minutes * 60
        count = max(10, min(SAMPLES, int(seconds / SAMPLE_AT_MOST_EVERY_S)))
        samples = []
        with open_wall(arguments.rate) as wall:
            for sample in soak(wall, count, seconds / count):
                samples.append(sample)
                _tell(sample)
                write_samples(arguments.out / "soak.csv", samples)  # so that one which is stopped can be judged
    verdicts = judge(samples)
    (arguments.out / "soak.svg").write_text(draw_plot(samples, verdicts))
    return _report(samples, verdicts)


def _tell(sample: Sample) -> None:
    print(
        f"{sample.at_s:7.0f} s  {sample.updates:9,} updates  {sample.scenes:6,} scenes  heap {sample.heap_mb:6.1f} MB  "
        f"nodes {sample.nodes:6}  listeners {sample.listeners:5}  renderer {sample.renderer_mb:5.0f} MB  "
        f"web {sample.web_mb:5.0f} MB",
        flush=True,
    )


def _report(samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> int:
    last = samples[-1]
    pace = last.updates / last.at_s
    print(
        f"\n{last.updates:,} updates and {last.scenes:,} scenes in {last.at_s / 3600:.2f} h, {pace:.0f} a second: "
        f"{last.updates / MONTH_UPDATES:.1%} of a month's {MONTH_UPDATES:,}, "
        f"which take {MONTH_UPDATES / pace / 3600:.0f} h at this pace.\n"
    )
    for one in verdicts:
        may = f"be {one.budget.most:g}" if one.budget.month is None else f"add {one.budget.month:g}"
        print(
            f"{one.budget.title:37} {one.first:9.1f} → {one.last:9.1f}, at most {one.highest:9.1f}; a month adds "
            f"{one.month:8.1f} [{one.month_low:.1f}, {one.month_high:.1f}], may {may}: {one.word}"
        )
    return 0 if all(one.kept for one in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
