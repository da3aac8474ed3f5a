"""`python -m geo demo / import / check`: make, import and validate county packs."""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from geo.cells import CodeError
from geo.county import check_county, load_county
from geo.crs import NAMES, CrsError
from geo.demo import write_demo
from geo.import_sources import AREA_FIELDS, Source, SourceError, parse_source
from geo.importer import GAP_WIDTH_M, Plan, StrictError, import_county, write_identity
from geo.pack import PackError

_SOURCE_HELP = f"""\
Every input is FILE FIELD=TEMPLATE …: a template is text with the file's columns in braces, by Python's format
rules: code={{ward:0>3}} pads to three digits, town={{code:.5}} takes the first five characters, kind=bin is a
constant. A field without a template is the column of that name. Also for every input: crs=NAME (outranks what the file
says of itself), encoding=NAME, layer=NAME. Coordinate systems: {", ".join(NAMES)}.

Area files: GeoJSON, Shapefile, GeoPackage, GeoParquet; fields {", ".join(AREA_FIELDS)}.
docs/import-a-county.md has worked examples.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 with one clear line on standard error."""
    options = _build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except StrictError as error:
        print("\n".join(error.report.summarise()[1:]), file=sys.stderr)
        print(error, file=sys.stderr)
    except (SourceError, PackError, CrsError, CodeError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="make the built-in fictional county")
    demo.add_argument("folder", type=Path)
    demo.set_defaults(run=_run_demo)
    check = commands.add_parser("check", help="validate a county pack")
    check.add_argument("folder", type=Path)
    check.set_defaults(run=_run_check)
    _add_import(commands.add_parser(
        "import", help="turn boundaries into a county pack", epilog=_SOURCE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ))  # fmt: skip
    return parser


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run_import)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the pack's new folder")
    identity = parser.add_argument_group("what the county is", "either --settings, or --code and --name")
    identity.add_argument("--settings", type=Path, metavar="FILE", help="a county.toml with code, name, time_zone")
    identity.add_argument("--code", help="six digits")
    identity.add_argument("--name", help="in Chinese, or the only one")
    identity.add_argument("--name-en", help="in English")
    identity.add_argument("--time-zone", default="Asia/Shanghai", help="default: %(default)s")
    areas = parser.add_argument_group("areas that somebody drew (coarser levels may be left out)")
    for level in ("county", "towns", "villages", "cells"):
        areas.add_argument(f"--{level}", nargs="+", metavar=("FILE", "FIELD=TEMPLATE"))
    made = parser.add_argument_group("areas to make")
    made.add_argument("--town-seats", nargs="+", action="append", default=[], metavar=("CSV", "FIELD=TEMPLATE"),
                      help="code, name, lon, lat: towns around their seats (approximate)")  # fmt: skip
    made.add_argument("--village-names", nargs="+", action="append", default=[], metavar=("CSV", "FIELD=TEMPLATE"),
                      help="code, name, town: equal villages inside each town (approximate)")  # fmt: skip
    made.add_argument(
        "--around-assets", type=_parse_metres, metavar="M", help="outline: the assets' hull, so much wider"
    )
    made.add_argument("--fishnet", type=_parse_metres, metavar="M", help="cells of so many metres where none are drawn")
    made.add_argument("--simplify", type=_parse_metres, metavar="M", help="leave out bends of borders below this size")
    made.add_argument("--gap-width", type=_parse_metres, default=GAP_WIDTH_M, metavar="M",
                      help="fill gaps narrower than this (default: %(default)s); wider ones stay outside")  # fmt: skip
    contents = parser.add_argument_group("what is in them")
    contents.add_argument("--names", nargs="+", action="append", default=[], metavar=("CSV", "FIELD=TEMPLATE"),
                          help="code, name, name_en: names that outrank the files'")  # fmt: skip
    contents.add_argument("--assets", nargs="+", action="append", default=[], metavar=("CSV", "FIELD=TEMPLATE"),
                          help="asset_id, kind, name, lon, lat and whatever else a kind has")  # fmt: skip
    contents.add_argument("--furnish", action="store_true", help="make up bins, sensors and workers for the simulator")
    parser.add_argument("--strict", action="store_true", help="refuse areas with any fault instead of settling it")


def _parse_metres(text: str) -> float:
    metres = float(text)
    if not 0 < metres < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no sensible number of metres")
    return metres


def _run_demo(options: argparse.Namespace) -> int:
    write_demo(options.folder)
    print(options.folder)
    return 0


def _run_check(options: argparse.Namespace) -> int:
    county = load_county(options.folder)
    faults = check_county(county)
    for fault in faults:
        print(fault)
    if not faults:
        levels = ", ".join(f"{number:,} {level}" for level, number in county.areas["level"].value_counts().items())
        print(f"{county.name.zh} {county.code}: sound; {levels}, {len(county.assets):,} assets")
    return 1 if faults else 0


def _run_import(options: argparse.Namespace) -> int:
    drawn = {"county": options.county, "town": options.towns, "village": options.villages, "cell": options.cells}
    plan = Plan(
        settings=_read_settings(options),
        drawings={level: parse_source(words, AREA_FIELDS) for level, words in drawn.items() if words},
        town_seats=_parse_all(options.town_seats, ("code", "name", "name_en", "lon", "lat")),
        village_names=_parse_all(options.village_names, ("code", "name", "name_en", "town")),
        names=_parse_all(options.names, ("code", "name", "name_en")),
        assets=_parse_all(options.assets, None),
        around_assets_m=options.around_assets,
        fishnet_m=options.fishnet,
        simplify_m=options.simplify,
        gap_width_m=options.gap_width,
        furnish=options.furnish,
        strict=options.strict,
    )
    report = import_county(plan, options.out)
    print("\n".join(report.summarise()), file=sys.stderr)
    print(options.out)
    return 0


def _parse_all(inputs: Sequence[Sequence[str]], fields: Collection[str] | None) -> list[Source]:
    return [parse_source(words, fields) for words in inputs]


def _read_settings(options: argparse.Namespace) -> str:
    if options.settings is None:
        if not (options.code and options.name):
            raise SourceError("give --settings FILE, or --code and --name")
        return write_identity(options.code, options.name, options.name_en, options.time_zone)
    if options.code or options.name or options.name_en:
        raise SourceError("give either --settings or --code and --name, not both")
    try:
        return str(options.settings.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{options.settings}: cannot be read: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
