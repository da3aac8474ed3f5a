"""Run every benchmark, print a table of each, and write `bench/results.json`."""

import importlib
import json
import sys
from pathlib import Path

from bench.table import print_table

SCRIPTS = (
    "ingest_rate",
    "single_posts",
    "recorder_rate",
    "commit_latency",
    "placing_rate",
    "mqtt_rate",
    "live_fanout",
    "town_channels",
    "alarms",
    "map_update",
    "wall",
    "event_to_screen",
    "duty_queue",
    "duplicates",
)


def main() -> int:
    """Run the benchmarks named on the command line, or all."""
    results = {}
    for name in sys.argv[1:] or SCRIPTS:
        print(f"… {name}", file=sys.stderr, flush=True)
        results[name] = importlib.import_module(f"bench.{name}").run()
        print(f"\n{name}")
        print_table(results[name])
    Path(__file__).with_name("results.json").write_text(json.dumps(results, indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
