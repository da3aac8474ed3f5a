"""`python -m brain watch`: what raises the county's alarms; `python -m brain check`: whether its rules can be used."""

import argparse
import logging
import sys
from collections.abc import Sequence

from brain import watching
from ingest.settings import SettingError, read_settings
from ingest.supervisor import EXIT_HOPELESS


def main(words: Sequence[str]) -> int:
    """Run the command that `words` begin with; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m brain", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, work, purpose in (
        ("watch", watching.run, "hold what comes in against the county's alarm rules"),
        ("check", watching.check, "say whether the county's alarm rules can be used"),
    ):
        commands.add_parser(name, help=purpose, description=purpose).set_defaults(work=work)
    arguments = parser.parse_args(words)
    try:
        settings = read_settings()
    except SettingError as error:
        print(f"county-brain: {error}", file=sys.stderr)
        return EXIT_HOPELESS
    code: int = arguments.work(settings)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
