"""`python -m cases steward`: what runs beside ingest and the screens and looks after cases."""

import argparse
import logging
import sys
from collections.abc import Sequence

from cases import steward
from ingest.settings import SettingError, read_settings
from ingest.supervisor import EXIT_HOPELESS


def main(words: Sequence[str]) -> int:
    """Run the command that `words` begin with; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m cases", description=__doc__)
    purpose = "do by itself what the county's rules say about its cases"
    parser.add_subparsers(required=True).add_parser("steward", help=purpose, description=purpose)
    parser.parse_args(words)
    try:
        settings = read_settings()
    except SettingError as error:
        print(f"county-brain: {error}", file=sys.stderr)
        return EXIT_HOPELESS
    return steward.run(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
