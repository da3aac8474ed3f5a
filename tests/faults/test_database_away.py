"""A database that is away as long as an hour's events take to come: all are taken, none is trimmed, all arrive."""

import os
from collections.abc import Callable
from pathlib import Path

import redis

from geo.county import County
from ingest.stream import stream_key
from tests.faults.accounts import settle
from tests.faults.load import HttpSender, Load, Writer
from tests.faults.plan import choose_seed
from tests.faults.plant import Plant

AN_HOURS_EVENTS = int(os.environ.get("FAULTS_BACKLOG") or 18_000)
"""Five a second for an hour; time itself changes nothing, only what has piled up."""
AT_ONCE = 1_000


def test_an_hour_without_a_database_loses_nothing(
    tmp_path: Path, demo_folder: Path, county: County, say: Callable[[str], None]
) -> None:
    seed = choose_seed()
    say(f"database away: FAULTS_SEED={seed}")
    # What is recorded is trimmed at once: nothing but the watermark protects what is not.
    with Plant(tmp_path, demo_folder, postgres=True, STREAM_LONGEST="1", STREAM_KEPT_S="1") as plant:
        load = Load(plant.ingest_url, plant.broker.port, county, seed)
        load.start()
        plant.wait_until_at_work()
        plant.kill("database")
        writer = Writer("urn:hour", county, f"{seed} hour")
        bulk = HttpSender(plant.ingest_url, writer, load.book)
        for number in range(AN_HOURS_EVENTS // AT_ONCE):
            bulk.send([writer.write_reading() for _ in range(AT_ONCE)])
            if number == 5:
                # Neither needs the database to start.
                for part in ("recorder", "ingest"):
                    plant.kill(part)
                    plant.start(part)
        told = plant.ask(plant.ingest_url)
        assert (told["status"], told["parts"]["database"]["state"]) == ("degraded", "down")
        assert told["counters"]["recorded"] is None
        with redis.Redis.from_url(plant.redis_url) as client:
            waiting = sum(client.xlen(stream_key(partition)) for partition in range(4))
        assert waiting >= AN_HOURS_EVENTS
        plant.start("database")
        plant.wait_until_at_work()
        settle(plant, load.stop())
        say(f"database away: {waiting} messages had piled up, {load.book.count()} events are recorded")
