"""Every layer of the registry keeps the contract of `layers/contract.py`; a new layer is covered by being there."""

import ast
import inspect
import math
import re
from pathlib import Path

import pytest

from geo.county import County
from layers import LAYERS
from layers.contract import Card, Frame, Headline, Layer, LegendClass, Paint, Spec, Title, View
from layers.state import LiveState
from tests.layers.worlds import busy_county

FOLDER = Path(__file__).resolve().parents[2] / "layers"
SIBLINGS = {module.stem for module in FOLDER.glob("*.py")}
SHARED = {
    "alarm_words",
    "alert_book",
    "alike",
    "case_columns",
    "contract",
    "excerpt",
    "exercise_book",
    "palettes",
    "places",
    "rounds_book",
    "series",
    "state",
    "things",
    "words",
}
# What a pure layer may use: nothing here can read a file, a socket, a clock or a die.
HARMLESS = {"collections.abc", "dataclasses", "datetime", "enum", "functools", "itertools", "math", "typing"}
COLOUR = re.compile(r"#[0-9A-F]{6}([0-9A-F]{2})?")

every_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


@pytest.fixture(scope="module")
def busy(county: County) -> LiveState:
    return busy_county(county)


@pytest.fixture(scope="module")
def empty(county: County) -> LiveState:
    return LiveState(county)


def see(layer: Layer, state: LiveState, only: frozenset[int] | None = None) -> Frame:
    return layer.compute(state, View(state.as_of, only))


def read_source(layer: Layer) -> tuple[Path, ast.Module]:
    path = Path(inspect.getfile(layer.compute))
    return path, ast.parse(path.read_text(encoding="utf-8"))


def test_the_registry_has_every_layer() -> None:
    registered = {read_source(layer)[0].stem for layer in LAYERS.values()}
    assert registered == SIBLINGS - SHARED - {"__init__", "snapshot"}
    assert all(key == layer.spec.key for key, layer in LAYERS.items())


@every_layer
def test_it_has_the_five_names_and_is_small(layer: Layer) -> None:
    assert isinstance(layer.spec, Spec)
    for name in ("compute", "draw", "headline", "explain"):
        assert inspect.isfunction(getattr(layer, name))
    path, _ = read_source(layer)
    assert len(path.read_text(encoding="utf-8").splitlines()) < 200


@every_layer
def test_it_imports_nothing_that_reads_the_world(layer: Layer) -> None:
    _, tree = read_source(layer)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= HARMLESS
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            package, _, name = module.partition(".")
            assert module in HARMLESS or package == "brain" or (package == "layers" and name in SHARED), module
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            assert called not in {"open", "now", "utcnow", "today", "print", "exec", "eval", "__import__"}


@every_layer
def test_its_legend_is_stated_with_a_unit(layer: Layer) -> None:
    spec = layer.spec
    assert_said(spec.title)
    assert_said(spec.unit)
    assert spec.legend
    assert all(isinstance(step, LegendClass) and COLOUR.fullmatch(step.colour) for step in spec.legend)
    assert all(step.zh and step.en for step in spec.legend)
    bounds = [step.lowest for step in spec.legend]
    assert bounds == sorted(set(bounds))
    assert spec.stale_after.total_seconds() > 0
    assert bool(spec.kinds) == (spec.geometry == "asset")


@every_layer
def test_it_is_pure(layer: Layer, busy: LiveState) -> None:
    before = busy.facts()
    first, second = see(layer, busy), see(layer, busy)
    assert first == second
    assert layer.draw(first) == layer.draw(second)
    assert busy.facts() == before


@every_layer
def test_columns_are_of_one_length_and_ids_are_known(layer: Layer, busy: LiveState, county: County) -> None:
    frame = see(layer, busy)
    assert len(set(frame.ids)) == len(frame.ids) > 0
    assert all(len(column) == len(frame.ids) for column in frame.columns.values())
    if layer.spec.geometry == "cell":
        assert set(frame.ids) == set(range(len(county.cells)))
    elif layer.spec.geometry == "asset":
        assert all(busy.assets[asset].kind in layer.spec.kinds for asset in frame.ids)
    elif layer.spec.geometry == "area":
        assert set(frame.ids) <= busy.alerts.keys()
    else:
        known = (busy.cases, busy.workers, busy.alarms, busy.drilled_readings)
        assert set(frame.ids) <= {id for things in known for id in things}
    assert frame.newest_at is None or frame.newest_at.tzinfo is not None


@every_layer
def test_a_part_is_the_whole_restricted(layer: Layer, busy: LiveState) -> None:
    whole = see(layer, busy)
    paint = layer.draw(whole)
    for wanted in (frozenset(whole.ids[::3]), frozenset(whole.ids[:1]) | {10**18}, frozenset[int]()):
        part = see(layer, busy, wanted)
        assert set(part.ids) == wanted & set(whole.ids)
        places = [whole.ids.index(feature) for feature in part.ids]
        for name, column in part.columns.items():
            assert list(column) == [whole.columns[name][place] for place in places]
        drawn = layer.draw(part)
        assert list(drawn.values) == [paint.values[place] for place in places]


@every_layer
def test_what_it_draws_fits_its_legend(layer: Layer, busy: LiveState) -> None:
    paint = layer.draw(see(layer, busy))
    assert isinstance(paint, Paint)
    values = [value for value in paint.values if value is not None]
    assert values
    assert all(math.isfinite(value) and value >= layer.spec.legend[0].lowest for value in values)
    assert len(paint.values) == len(paint.ids)
    marks = paint.marks or []
    assert not marks or len(marks) == len(paint.ids)
    assert all(0 <= mark < len(layer.spec.marks) for mark in marks)
    assert (paint.lon is not None) == (paint.lat is not None) == (layer.spec.geometry == "point")
    if paint.lon is not None and paint.lat is not None:
        assert len(paint.lon) == len(paint.lat) == len(paint.ids)


@every_layer
def test_its_headline_is_a_number_with_a_unit(layer: Layer, busy: LiveState, empty: LiveState) -> None:
    headline = layer.headline(see(layer, busy))
    assert isinstance(headline, Headline)
    assert headline.value is not None
    assert math.isfinite(headline.value)
    assert headline.counted > 0
    assert_said(headline.unit)
    nothing = layer.headline(see(layer, empty))
    assert not nothing.value  # none, or none known


@every_layer
def test_it_explains_every_feature_in_both_languages(layer: Layer, busy: LiveState) -> None:
    frame = see(layer, busy)
    for feature in frame.ids:
        card = layer.explain(frame, feature)
        assert isinstance(card, Card)
        assert_said(card.title)
        assert card.facts
        for fact in card.facts:
            assert_said(fact.label)
            assert_said(fact.value)
            assert fact.at is None or fact.at.tzinfo is not None
    with pytest.raises(KeyError):
        layer.explain(frame, 10**18)


@every_layer
def test_no_data_is_not_zero(layer: Layer, empty: LiveState) -> None:
    paint = layer.draw(see(layer, empty))
    assert all(value is None for value in paint.values)


def assert_said(title: Title) -> None:
    assert title.zh.strip()
    assert title.en.strip()
    assert not re.search("[一-鿿]", title.en) or title.zh == title.en
