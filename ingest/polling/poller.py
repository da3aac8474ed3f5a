"""Polling: asking systems that only offer a file or a list for what is new, and sending it on as events.

Each source has a thread of its own, so one that is away holds up no other. How far a source was read is written
down only after ingest said that everything was taken; whatever happens before, it is read and sent again, with the
same ids, and ingest counts the repeats.
"""

import argparse
import fcntl
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from ingest.keys import find_key
from ingest.polling.poll import Poll
from ingest.polling.sources import FILE, DeclarationError, Source, find_declarations, read_sources
from ingest.polling.state import FOLDER
from ingest.polling.web import StopError
from ingest.sender import SendStoppedError, stop_on_signals
from ingest.settings import SettingError, Settings
from ingest.signs import SIGN_EVERY_S, note_alive, note_gone
from ingest.stream import StreamUnavailable, connect

log = logging.getLogger(__name__)

SIGN: Final = "poll"
AT_ONCE: Final = 4
STOP_WITHIN_S: Final = 10.0

EXIT_FAULT: Final = 1
"""Also for declarations that cannot be used: the supervisor then tries again, and nothing else has to stop."""


def poll_once(polls: Sequence[Poll], stop: threading.Event) -> bool:
    """Ask every source once, and a folder with files that may be growing once more; return whether all went well."""
    well = [poll.run_once() for poll in polls]
    for index, poll in enumerate(polls):
        if poll.is_growing:
            stop.wait(poll.wait_s())
            well[index] = poll.run_once()
    return all(well)


def poll_forever(polls: Sequence[Poll], stop: threading.Event, tell: Callable[[Poll], None] = lambda _: None) -> bool:
    """Keep asking every source, each when it is due and a few at a time, until `stop` is set; True then.

    Every few seconds `tell` is given each of them. False as soon as a source's thread ended by itself: a fault of
    ours, after which a new process is better.
    """
    turn = threading.Semaphore(AT_ONCE)
    threads = [threading.Thread(target=_keep_polling, args=(poll, turn, stop), daemon=True) for poll in polls]
    for thread in threads:
        thread.start()
    tell_at = 0.0
    while all(thread.is_alive() for thread in threads) and not stop.wait(0.5):
        if time.monotonic() >= tell_at:
            tell_at = time.monotonic() + SIGN_EVERY_S
            for poll in polls:
                tell(poll)
    told = stop.is_set()
    stop.set()
    deadline = time.monotonic() + STOP_WITHIN_S
    for thread in threads:
        # One that still waits for an answer has written down nothing: it may be left.
        thread.join(max(0.0, deadline - time.monotonic()))
    return told


def _keep_polling(poll: Poll, turn: threading.Semaphore, stop: threading.Event) -> None:
    wait_s = poll.wait_s() if poll.state.condition.failures else 0.0
    while not stop.wait(wait_s):
        with turn:
            if stop.is_set():
                return
            try:
                poll.run_once()
            except (SendStoppedError, StopError):
                return
        wait_s = poll.wait_s()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m ingest poll`."""
    parser.add_argument("--file", type=Path, help="the declarations (default: POLLS, DATA_DIR/polls.toml, the pack's)")
    parser.add_argument("--source", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--once", action="store_true", help="ask each source once, and end")
    parser.add_argument("--url", help="ingest's address (default: from the settings)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Poll until SIGTERM or Ctrl-C; 0 then. `--once`: 1 where a source could not be read."""
    try:
        sources = _choose_sources(arguments, settings)
        with _claim_states(settings.data_dir / FOLDER) as folder:
            stop = stop_on_signals()
            url, key = arguments.url or settings.ingest_url, find_key(settings)
            polls = [Poll(source, folder, url, key, stop) for source in sources]
            log.info("polling %s", ", ".join(source.name for source in sources))
            if arguments.once:
                return 0 if poll_once(polls, stop) else EXIT_FAULT
            with _leave_signs(settings, polls) as tell:
                return 0 if poll_forever(polls, stop, tell) else EXIT_FAULT
    except (SettingError, DeclarationError, StreamUnavailable, OSError) as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
        return EXIT_FAULT
    except (SendStoppedError, StopError):
        return EXIT_FAULT


@contextmanager
def _leave_signs(settings: Settings, polls: Iterable[Poll]) -> Iterator[Callable[[Poll], None]]:
    """Yield what tells `/health` how a source is; nothing where this machine is not told of the county's Redis."""
    if settings.redis_url is None:
        yield lambda _: None
        return
    client = connect(settings.redis_url)

    def tell(poll: Poll) -> None:
        condition = poll.state.condition
        state: Literal["ok", "degraded"] = "degraded" if condition.failures else "ok"
        reason = condition.last_error if condition.failures else None
        note_alive(client, f"{SIGN}@{poll.source.name}", state, reason, condition.last_success_at)

    try:
        yield tell
    finally:
        for poll in polls:
            note_gone(client, f"{SIGN}@{poll.source.name}")
        client.close()


def _choose_sources(arguments: argparse.Namespace, settings: Settings) -> list[Source]:
    path = arguments.file or find_declarations(settings)
    if path is None:
        raise SettingError(f"nothing to poll: there is no POLLS, {settings.data_dir / FILE}, or {FILE} in the pack")
    sources = read_sources(path)
    known = [source.name for source in sources]
    for name in arguments.source or []:
        if name not in known:
            raise DeclarationError(f"{path}: there is no source {name!r}; there is {', '.join(known)}")
    return [source for source in sources if not arguments.source or source.name in arguments.source]


@contextmanager
def _claim_states(folder: Path) -> Iterator[Path]:
    """Hold the folder of states for this process alone; raises `SettingError` where another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingError(f"another poller is at work on {folder}") from None
        yield folder
