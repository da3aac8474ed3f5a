"""The disk is full for the whole plant at once, under load, and then it is not: senders wait, and nothing is lost.

Valkey and SQLite each alone, and what is taken when the disk is only nearly full: `tests/ingest/test_full_disk.py`,
which also says why the kernel's limit on the size of files stands for the disk.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from geo.county import County
from ingest import embedded
from tests.appliance import wait_for
from tests.faults.accounts import settle
from tests.faults.load import Load
from tests.faults.plan import choose_seed
from tests.faults.plant import Plant
from tests.ingest.test_full_disk import limit_files

WRITERS = ("redis", "recorder")
SHORT = 100_000  # bytes; everything that grows is longer already, or soon will be


def test_a_full_disk_loses_nothing(
    tmp_path: Path,
    demo_folder: Path,
    county: County,
    monkeypatch: pytest.MonkeyPatch,
    say: Callable[[str], None],
) -> None:
    # Without this the limit's signal would end the server before the failing write could be seen.
    monkeypatch.setattr(embedded, "ALLOCATOR", ("/usr/bin/env", "--ignore-signal=XFSZ", *embedded.ALLOCATOR[1:]))
    seed = choose_seed()
    say(f"full disk: FAULTS_SEED={seed}")
    with Plant(tmp_path, demo_folder, postgres=False) as plant:
        load = Load(plant.ingest_url, plant.broker.port, county, seed)
        load.start()
        plant.wait_until_at_work()
        limit_disk(plant, SHORT)
        refused = load.count_refused()
        # Each sender of HTTP has been told to wait, and more than once.
        wait_for(lambda: load.count_refused() >= refused + 10, what="ingest to refuse")
        wait_for(lambda: "next try" in (plant.folder / "recorder.log").read_text(), what="the recorder to be stuck")
        limit_disk(plant, None)
        plant.wait_until_at_work()
        settle(plant, load.stop())


def limit_disk(plant: Plant, size: int | None) -> None:
    for part in WRITERS:
        process = plant.parts[part].process
        assert process is not None
        limit_files(process.pid, size)
