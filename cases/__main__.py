"""`python -m cases steward`: what runs beside ingest and the screens and looks after cases."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from ingest.settings import SettingError, read_settings
from ingest.supervisor import EXIT_HOPELESS

COMMANDS = {"steward": ("cases.steward", "do by itself what the county's rules say about its cases")}


def main(words: Sequence[str]) -> int:
    """Run the command that `words` begin with; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m cases", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, purpose) in COMMANDS.items():
        importlib.import_module(module).add_arguments(commands.add_parser(name, help=purpose, description=purpose))
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
