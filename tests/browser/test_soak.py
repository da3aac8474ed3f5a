"""The soak that `make soak` runs for hours, for seconds: a wall stays flat, and a leak in one is found."""

from dataclasses import replace

import pytest

from soak.budget import BUDGETS, judge
from soak.run import open_wall, soak

# In seconds only what leaks fast can be told from noise, and from what one scene has more of than another.
BRIEF = [replace(budget, noise=3 * budget.noise) for budget in BUDGETS]
LEAK = """() => {
  window.leaked = [];
  countyBrain.feed.subscribe(() => {
    const [box, hear] = [document.createElement("div"), () => window.leaked];
    for (let i = 0; i < 200; i++) box.append(document.createElement("i"));
    for (let i = 0; i < 5; i++) document.addEventListener("county-leak", () => hear(box));
    window.leaked.push(box, new Array(20_000).fill(Math.random()));
  });
}"""


@pytest.mark.timeout(600)
def test_a_wall_stays_flat_and_a_leak_in_it_is_found() -> None:
    with open_wall(updates_per_s=4, updates_a_scene=8, remembered_h=1) as wall:
        wall.page.wait_for("() => soak.scenes >= 7")
        flat = judge(list(soak(wall, 8, 1.5)), BRIEF)
        wall.page.evaluate(LEAK)
        leaking = judge(list(soak(wall, 12, 1)), BRIEF)
    assert [verdict for verdict in flat if not verdict.kept] == []
    found = {verdict.budget.measure for verdict in leaking if not verdict.kept}
    assert {"objects_mb", "nodes", "listeners"} <= found, leaking
