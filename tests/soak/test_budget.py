"""What the soak calls flat, and what it finds."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from soak.budget import BUDGETS, MONTH_UPDATES, Verdict, judge
from soak.plot import draw_plot
from soak.samples import Sample, read_samples, write_samples

LEVEL = Sample(0, 0, 0, 20.0, 8.0, 3000, 300, 1, 1, 0, 200.0, 200.0, 150.0, 90.0, 95.0, 40.0)


def live(updates: int, leaks: dict[str, float], count: int = 120) -> list[Sample]:
    """Samples over so many updates: noise about a level, a warm-up, and `leaks` by what a month adds."""
    dice = random.Random(3)
    samples = []
    for i in range(count):
        seen = updates * i // count
        warm_up = 5 * min(1, i / (count / 5))
        changed = {"heap_mb": LEVEL.heap_mb + warm_up + dice.gauss(0, 0.3), "nodes": 3000 + dice.randrange(-40, 40)}
        for measure, month in leaks.items():
            value = changed.get(measure, getattr(LEVEL, measure)) + month * seen / MONTH_UPDATES
            changed[measure] = value if measure.endswith("_mb") else round(value)
        samples.append(replace(LEVEL, at_s=i * 60, updates=seen, scenes=seen // 34, **changed))
    return samples


def by_measure(samples: list[Sample]) -> dict[str, Verdict]:
    return {verdict.budget.measure: verdict for verdict in judge(samples)}


def test_a_warm_up_and_noise_are_no_leak() -> None:
    words = {one.budget.measure: one.word for one in judge(live(MONTH_UPDATES, {}))}
    assert words.pop("heap_mb") == "within"
    assert set(words.values()) == {"flat"}


@pytest.mark.parametrize(("measure", "month"), [("heap_mb", 60), ("nodes", 4000), ("listeners", 400), ("web_mb", 400)])
def test_a_leak_is_found_and_nothing_else_is_blamed(measure: str, month: float) -> None:
    verdicts = by_measure(live(MONTH_UPDATES, {measure: month}))
    measure = "objects_mb" if measure == "heap_mb" else measure  # the heap itself is judged by its level
    assert verdicts[measure].word == "grows"
    assert verdicts[measure].month == pytest.approx(month, rel=0.2)
    assert [one.budget.measure for one in verdicts.values() if not one.kept] == [measure]


def test_a_large_leak_is_found_in_a_thousandth_of_a_month() -> None:
    verdicts = by_measure(live(MONTH_UPDATES // 1000, {"heap_mb": 20_000, "nodes": 2_000_000}))
    assert {measure for measure, one in verdicts.items() if not one.kept} == {"objects_mb", "nodes"}


def test_a_short_soak_does_not_claim_what_it_cannot_know() -> None:
    verdict = by_measure(live(MONTH_UPDATES // 1000, {}))["objects_mb"]
    assert verdict.word == "unproven"
    assert verdict.kept


def test_code_that_becomes_hot_is_no_leak() -> None:
    compiled = [
        replace(one, heap_mb=one.heap_mb + more, code_mb=one.code_mb + more)
        for one in live(MONTH_UPDATES, {})
        for more in [60 * one.updates / MONTH_UPDATES]
    ]
    assert all(verdict.kept for verdict in judge(compiled))


def test_a_level_above_the_ceiling_breaks_the_budget_however_flat() -> None:
    heavy = [replace(sample, heap_mb=151.0) for sample in live(MONTH_UPDATES, {})]
    assert by_measure(heavy)["heap_mb"].word == "too much"


def test_a_lost_context_breaks_the_budget() -> None:
    samples = live(MONTH_UPDATES, {})
    samples[-1] = replace(samples[-1], contexts_lost=1)
    assert not by_measure(samples)["contexts_lost"].kept


def test_too_few_samples_are_not_judged() -> None:
    with pytest.raises(ValueError, match="4 samples are too few"):
        judge(live(MONTH_UPDATES, {}, count=4))


def test_samples_survive_their_file_and_the_plot_names_every_budget(tmp_path: Path) -> None:
    samples = live(10_000, {})
    write_samples(tmp_path / "soak.csv", samples)
    assert read_samples(tmp_path / "soak.csv") == samples
    plot = draw_plot(samples, judge(samples))
    assert all(budget.title in plot for budget in BUDGETS)
