"""`python -m dashboard exercise …`: exercises from the machine itself."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from dashboard.exercises import DEFAULT_HOURS, Beginning, ExerciseFault, draft_beginning, draft_end, read_book
from dashboard.people.audit import open_audit
from dashboard.people.notes import record
from dashboard.people.viewer import Viewer
from dashboard.publishing import PublishAway, Publisher, PublishRefused
from dashboard.text import text
from ingest.migrations import upgrade_database
from ingest.settings import Settings
from ingest.simulation.scenarios import SCENARIOS
from ingest.store import name_database, open_database
from ingest.tables import as_ms, as_time
from layers.exercise_book import ExerciseBook

EXIT_FAILED: Final = 1
MACHINE: Final = Viewer("machine", "", "administrator")
"""Who acts here: whoever may read the settings is an administrator."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which words follow `exercise`."""
    deeds = parser.add_subparsers(dest="deed", required=True)
    deeds.add_parser("list", help="every exercise: when, by whom, until when")
    begin = deeds.add_parser("begin", help="begin an exercise; every screen says so within a second")
    begin.add_argument("name")
    begin.add_argument("--reason", default="")
    begin.add_argument("--hours", type=float, default=DEFAULT_HOURS, help="it ends by itself after so many, 24 at most")
    begin.add_argument("--scenario", default="", choices=["", *SCENARIOS], help="what is played to it")
    deeds.add_parser("end", help="end the exercise that runs")


def run_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what `add_arguments` read; 0, or 1 with one line for what cannot be done."""
    try:
        upgrade_database(name_database(settings))
        asyncio.run(_run(arguments, settings, read_book(open_database(name_database(settings), read_only=True))))
    except (ExerciseFault, msgspec.ValidationError) as fault:
        known = isinstance(fault, ExerciseFault)
        sys.stderr.write(f"county-brain: {text('en', f'exercise.{fault}') if known else fault}\n")
    except (PublishAway, PublishRefused) as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
    except SQLAlchemyError as error:
        sys.stderr.write(f"county-brain: database: {type(error).__name__}\n")
    else:
        return 0
    return EXIT_FAILED


async def _run(arguments: argparse.Namespace, settings: Settings, book: ExerciseBook) -> None:
    now = datetime.now(UTC)
    running = book.find_running(as_ms(now))
    if arguments.deed == "list":
        for one in book.list_all():
            times = (f"{as_time(ms):%Y-%m-%d %H:%M}Z" for ms in (one.begun_ms, one.ends_ms))
            words = (one.key, *times, one.begun.name, one.begun.actor, "runs" if one is running else "")
            sys.stdout.write("\t".join(words).rstrip() + "\n")
        return
    publisher, notes = Publisher(settings), open_audit(settings)
    try:
        if arguments.deed == "begin":
            if running is not None:
                raise ExerciseFault("runs")
            told = {name: getattr(arguments, name) for name in ("name", "reason", "hours", "scenario")}
            data = draft_beginning(MACHINE, msgspec.convert(told, Beginning), now)
            await record(notes, MACHINE, "exercise.begin", data["exercise"], {"name": data["name"]})
            await publisher.publish("exercise.begun", data)
        else:
            if running is None:
                raise ExerciseFault("none_runs")
            data = draft_end(MACHINE, running.key, now)
            await record(notes, MACHINE, "exercise.end", running.key)
            await publisher.publish("exercise.ended", data)
        sys.stdout.write(f"{data['exercise']}\n")
    finally:
        await publisher.close()
        notes.close()
