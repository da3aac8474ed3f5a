"""The layer in `docs/add-a-layer.md` works as it stands there."""

import re
from pathlib import Path
from types import ModuleType

from geo.county import County
from layers.contract import View, as_layer
from tests.layers.worlds import live, sense

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "add-a-layer.md"


def test_the_guides_layer_works(county: County) -> None:
    example = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    module = ModuleType("parking")
    exec(compile(example[1], "add-a-layer.md", "exec"), module.__dict__)
    layer = as_layer(module)
    place = {"lon": 120.4, "lat": 29.6}
    state = live(county, sense("parking", "P1", 0.95, **place), sense("parking", "P2", 0.1, **place))
    frame = layer.compute(state, View(state.as_of))
    assert sorted(layer.draw(frame).values) == [0.1, 0.95]  # type: ignore[type-var]
    assert layer.headline(frame).value == 1
    assert layer.explain(frame, frame.ids[0]).facts[0].value.zh in ("95 %", "10 %")
