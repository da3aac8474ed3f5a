"""`python -m ingest serve | record | replay | poll | simulate | …`: each part of ingest as a process of its own."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from ingest.settings import SettingError, read_settings
from ingest.supervisor import EXIT_HOPELESS

COMMANDS = {
    "serve": ("ingest.server", "take events over HTTP"),
    "record": ("ingest.recorder", "write what was accepted to SQL"),
    "mqtt": ("ingest.mqtt.bridge", "take events from an MQTT broker"),
    "replay": ("ingest.replay", "send a file as events"),
    "poll": ("ingest.polling.poller", "ask systems for what is new, and send it as events"),
    "rejected": ("ingest.rejected.command", "look at what was refused, and try it again"),
    "personal": ("ingest.personal", "the keys of who reported cases: how things are, sealing, a new key"),
    "senders": ("ingest.enrolling", "say who may send, and give them keys"),
    "backup": ("ingest.backups.backup", "write everything into one file, while everything runs"),
    "restore": ("ingest.backups.restore", "put a backup into an empty data folder and database"),
    "simulate": ("ingest.simulator", "send the events of an invented day"),
}


def main(words: Sequence[str]) -> int:
    """Run the command that `words` begin with, through its module's `add_arguments` and `run`; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m ingest", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    # Only the chosen command's module is loaded: they need quite different things.
    for name, (module, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if words and words[0] == name:
            importlib.import_module(module).add_arguments(command)
    arguments = parser.parse_args(words)
    try:
        settings = read_settings()
    except SettingError as error:
        print(f"county-brain: {error}", file=sys.stderr)
        return EXIT_HOPELESS
    code: int = importlib.import_module(COMMANDS[arguments.command][0]).run(arguments, settings)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
