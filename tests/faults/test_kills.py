"""Every part is killed with -9 under load and started again, alone and in pairs: nothing is lost, nothing is twice.

`FAULTS_SEED` repeats a run. In CI each part is killed on PostgreSQL, and a few pairs of them; `FAULTS_ROUNDS=1`
(`make faults`) kills every part and every pair on both databases, and holds every process for a while.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from geo.county import County
from tests.faults.accounts import settle
from tests.faults.load import Load
from tests.faults.plan import choose_seed, draw_plan, strike
from tests.faults.plant import Plant

ROUNDS = int(os.environ.get("FAULTS_ROUNDS") or 0)
NEXT_TO_THE_DATABASE = ("redis", "recorder", "web")
"""What is killed on SQLite in CI: the other parts are the same whatever the database."""


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_nothing_is_lost_or_doubled_by_kills(
    database: str, tmp_path: Path, demo_folder: Path, county: County, say: Callable[[str], None]
) -> None:
    seed = choose_seed()
    with Plant(tmp_path, demo_folder, postgres=database == "postgresql") as plant:
        parts = NEXT_TO_THE_DATABASE if database == "sqlite" and not ROUNDS else tuple(plant.parts)
        plan = draw_plan(seed, parts, ROUNDS)
        say(f"{database}: FAULTS_SEED={seed}, {len(plan)} blows")
        load = Load(plant.ingest_url, plant.broker.port, county, seed)
        load.start()
        blow = None
        try:
            plant.wait_until_at_work()
            for blow in plan:
                strike(plant, load, blow)
                plant.wait_until_at_work()
            settle(plant, load.stop())
        except BaseException as error:
            error.add_note(f"FAULTS_SEED={seed}; the last blow was {blow}; the plan was {plan}; {load.faults=}")
            raise
        tries, answered = (sum(getattr(sender, name) for sender in load.http) for name in ("tries", "answered"))
        say(f"{database}: {load.book.count()} events accepted; {tries - answered} of {tries} requests were sent again")
