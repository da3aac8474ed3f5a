"""Start the whole county brain on one machine: `python app.py`. Everything it starts ends with it."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from brain.alarm_rules import read_alarm_rules
from dashboard.people.commands import provide_administrator
from geo.county import PackError, load_county
from ingest.embedded import EmbeddedError, prepare_server, server_answers
from ingest.keys import provide_key
from ingest.pack import find_pack
from ingest.polling.sources import find_declarations
from ingest.settings import SettingError, Settings, read_settings
from ingest.start import StartError, check_exposure, check_port, claim_data_folder
from ingest.supervisor import EXIT_HOPELESS, Part, Supervisor, answers
from ingest.syncing import keep_synced


def list_parts(settings: Settings) -> list[Part]:
    """Return what runs, in the order of starting; each is an ordinary command that can also run alone."""
    python = [sys.executable, "-m"]
    environ = settings.as_environ()
    parts = []
    if settings.redis_url is None:
        command, environ["REDIS_URL"] = prepare_server(
            settings.data_dir, settings.redis_memory_mb, settings.redis_fsync
        )
        parts.append(Part("redis", command, ready=server_answers(environ["REDIS_URL"])))
    parts.append(Part("ingest", [*python, "ingest", "serve"], environ))
    parts.append(Part("recorder", [*python, "ingest", "record"], environ))
    if settings.mqtt_url is not None:
        parts.append(Part("mqtt", [*python, "ingest", "mqtt"], environ))
    if find_declarations(settings) is not None:
        parts.append(Part("poller", [*python, "ingest", "poll"], environ))
    if settings.simulator:
        parts.append(Part("simulator", [*python, "ingest", "simulate"], environ))
    parts.append(Part("web", [*python, "dashboard", "serve"], environ, ready=answers(f"{settings.web_url}/health")))
    if settings.steward != "0":
        parts.append(Part("steward", [*python, "cases", "steward"], environ))
    if settings.alarms:
        parts.append(Part("alarms", [*python, "brain", "watch"], environ))
    return parts


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C or SIGTERM; 0 after a clean stop, 2 with one line for what cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        settings = read_settings({**os.environ, **read_arguments(arguments)})
        check_exposure(settings)
        check_port("WEB_PORT", settings.web_host, settings.web_port)
        check_port("INGEST_PORT", settings.ingest_host, settings.ingest_port)
        with claim_data_folder(settings.data_dir):
            county = find_pack(settings)
            read_alarm_rules(load_county(county))
            provide_key(settings)
            provide_administrator(settings)
            parts = list_parts(replace(settings, county=county.resolve()))
            with _keep_synced(settings):
                return Supervisor(parts, lambda: print(f"\nThe wall: {settings.web_url}/wall\n", flush=True)).run()
    except (SettingError, StartError, PackError, EmbeddedError) as reason:
        print(f"county-brain: {reason}", file=sys.stderr)
        return EXIT_HOPELESS


def _keep_synced(settings: Settings) -> AbstractContextManager[None]:
    if settings.redis_url is not None or settings.redis_fsync == "always":
        return nullcontext()
    return keep_synced(settings.data_dir / "redis")


def read_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings given on the command line, by the names they have in the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--county", dest="COUNTY", metavar="DIR", type=Path, help="a county pack (default: the demo)")
    parser.add_argument("--port", dest="WEB_PORT", metavar="N", help="the dashboard's port (default 8050)")
    parser.add_argument("--data", dest="DATA_DIR", metavar="DIR", type=Path, help="where data is kept (default data)")
    parser.add_argument("--no-simulator", dest="SIMULATOR", action="store_const", const="0", help="no simulated feeds")
    given = vars(parser.parse_args(arguments))
    return {name: str(value) for name, value in given.items() if value is not None}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
