"""Turn anybody's boundaries into a county pack."""

import csv
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy
import shapely
from shapely.geometry.base import BaseGeometry

from geo.furnish import Place, furnish_cells
from geo.geojson import write_features
from geo.import_levels import (
    Area,
    drop_empty,
    make_cells,
    make_towns,
    make_villages,
    measure_outlines,
    name_areas,
    nest_areas,
    number_areas,
)
from geo.import_report import Finding, Report, list_faults, write_report
from geo.import_sources import Drawing, Source, SourceError, read_drawing, read_table
from geo.pack import LEVELS, Name
from geo.profile import parse_toml, read_profile
from geo.tiling import METRES_PER_DEGREE, SMALLEST_FAULT_M2, Tiling, measure_area, tile

GAP_WIDTH_M: Final = 10.0

_TEMPLATE: Final = Path(__file__).parent / "template" / "county.toml"
# Tables of the template that a county without its own gets; the others (name, clock, heat) are the county's alone.
_LENT_TABLES: Final = ("calendar", "thresholds", "units", "categories")


@dataclass(frozen=True)
class Plan:
    """What to import and how; see `python -m geo import --help` for each.

    `drawings` are the area files by level. `settings` is the text of a `county.toml` with at least `code`, `name`
    and `time_zone`. `around_assets_m` makes the outline from the assets where nothing is drawn. Sizes are metres.
    """

    settings: str
    drawings: Mapping[str, Source] = field(default_factory=dict)
    town_seats: Sequence[Source] = ()
    village_names: Sequence[Source] = ()
    names: Sequence[Source] = ()
    assets: Sequence[Source] = ()
    around_assets_m: float | None = None
    fishnet_m: float | None = None
    simplify_m: float | None = None
    gap_width_m: float = GAP_WIDTH_M
    furnish: bool = False
    strict: bool = False


class StrictError(SourceError):
    """A strict import met a fault; `report` has them all."""

    def __init__(self, report: Report) -> None:
        super().__init__("refused: the areas have faults, and --strict forgives none")
        self.report = report


def import_county(plan: Plan, folder: Path) -> Report:
    """Make a pack in `folder`, which must not exist yet or be empty, and return what was made and found.

    The pack has `county.toml`, `areas.geojson`, `assets.csv` and `report.json`; it appears whole or not at all.
    Raises `SourceError`, `PackError`, `CrsError` or `CodeError` with one clear line for input that makes no
    county, and `StrictError` for faults in a strict import.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{folder}: is there already; give a new or empty folder")
    profile = read_profile(parse_toml(plan.settings.encode()))
    assets = [row for source in plan.assets for row in read_table(source, ("asset_id", "kind", "name", "lon", "lat"))]
    drawings = _read_drawings(plan, assets)
    county, findings = _make_areas(plan, drawings, profile.code, profile.name)
    workers: dict[str, str] = {}
    if plan.furnish:
        furniture, workers = furnish_cells([_to_place(cell) for cell in county.at_level("cell")])
        assets += furniture
    counts = {level: len(county.at_level(level)) for level in LEVELS} | {"assets": len(assets)}
    report = Report(counts, findings)
    if plan.strict and list_faults(findings):
        raise StrictError(report)
    _write_pack(folder, _complete_settings(plan.settings), county, assets, workers, report)
    return report


def write_identity(code: str, name: str, name_en: str | None, time_zone: str) -> str:
    """Return the text of the smallest `county.toml`."""
    quoted = [_quote(text) for text in (code, time_zone, name, name_en or name)]
    return "code = {}\ntime_zone = {}\n\n[name]\nzh = {}\nen = {}\n".format(*quoted)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read_drawings(plan: Plan, assets: Sequence[Mapping[str, str]]) -> dict[str, Drawing]:
    drawings = {level: read_drawing(source) for level, source in plan.drawings.items()}
    if "county" in drawings:
        drawn = drawings["county"]
        drawings["county"] = replace(drawn, rows=drawn.rows[:1], shapes=[shapely.union_all(drawn.shapes)])
    if not drawings and plan.around_assets_m is not None and assets:
        drawings["county"] = Drawing([{}], [_surround(assets, plan.around_assets_m)], [])
    if not drawings:
        raise SourceError("nothing to import: give an area file, or assets and how far around them the county goes")
    return drawings


def _surround(assets: Sequence[Mapping[str, str]], margin_m: float) -> BaseGeometry:
    """Return the convex hull of assets with a round margin, drawn in a local plane in metres."""
    points = numpy.array([[float(row["lon"]), float(row["lat"])] for row in assets])
    scale = numpy.array([numpy.cos(numpy.radians(points[:, 1].mean())), 1.0]) * METRES_PER_DEGREE
    hull = shapely.MultiPoint(points * scale).convex_hull.buffer(margin_m)
    return shapely.transform(hull, lambda xy: xy / scale)


def _make_areas(plan: Plan, drawings: Mapping[str, Drawing], code: str, name: Name) -> tuple[Area, list[Finding]]:
    """Return the county with its areas of every level, tiling and numbered, and what was found on the way."""
    finest = max(drawings, key=LEVELS.index)
    tiling = tile(drawings[finest].shapes, plan.gap_width_m)
    county, drawn = nest_areas(drawings, code, name)
    _set_shapes(drawn, tiling, plan.simplify_m)
    lost = drop_empty(county)
    _subdivide(plan, county)
    if finest != "cell":
        cells = county.at_level("cell")
        _set_shapes(cells, tile([cell.shape for cell in cells if cell.shape], plan.gap_width_m), None)
        drop_empty(county)
    measure_outlines(county)
    number_areas(county, code)
    name_areas(county, _read_names(plan.names))
    findings = [
        *(Finding(one.kind, f"{one.file} row {one.row}: {one.reason}") for d in drawings.values() for one in d.defects),
        *_explain_tiling(tiling, drawn),
        *(Finding("lost", f"{area.level} {area.key or area.name}: others hold all its ground") for area in lost),
        *_find_misfits(county, {level: drawings[level] for level in drawings if level != finest}),
    ]
    return county, findings


def _set_shapes(areas: Sequence[Area], tiling: Tiling, simplify_m: float | None) -> None:
    for area, shape in zip(areas, tiling.shapes, strict=True):
        area.shape = shape
    if simplify_m is not None:
        kept = [(area, area.shape) for area in areas if area.shape is not None]
        simpler = shapely.coverage_simplify([shape for _area, shape in kept], simplify_m / METRES_PER_DEGREE)
        for (area, _shape), shape in zip(kept, simpler, strict=True):
            area.shape = shape


def _subdivide(plan: Plan, county: Area) -> None:
    if plan.town_seats:
        if county.parts:
            raise SourceError("town seats make towns only where no areas below the county are given")
        make_towns(
            county, [row for source in plan.town_seats for row in read_table(source, ("code", "name", "lon", "lat"))]
        )
    if plan.village_names:
        rows = [row for source in plan.village_names for row in read_table(source, ("code", "name"))]
        if county.at_level("village") or not county.at_level("town"):
            raise SourceError("village names make villages only where towns are given and villages are not")
        make_villages(county, rows)
    make_cells(county, plan.fishnet_m)


def _read_names(sources: Sequence[Source]) -> dict[str, Name]:
    rows = [row for source in sources for row in read_table(source, ("code", "name"))]
    return {row["code"]: Name(row["name"], row.get("name_en") or row["name"]) for row in rows}


def _explain_tiling(tiling: Tiling, drawn: Sequence[Area]) -> list[Finding]:
    def name(index: int) -> str:
        return drawn[index].code or drawn[index].key

    findings = []
    for overlap in tiling.overlaps:
        keeper, loser = name(overlap.keeper), name(overlap.loser)
        text = f"{keeper} and {loser} overlap by {overlap.area_m2:,.0f} m²; {keeper} keeps it"
        findings.append(Finding("overlap", text, (keeper, loser), overlap.area_m2))
    for filled in tiling.filled:
        text = f"{name(filled.receiver)} gets {filled.pieces} slivers, {filled.area_m2:,.0f} m²"
        findings.append(Finding("filled", text, (name(filled.receiver),), filled.area_m2))
    for gap in tiling.gaps:
        around = tuple(name(index) for index in gap.neighbours)
        text = f"gap of {gap.area_m2:,.0f} m² at {gap.lon:.5f}, {gap.lat:.5f} between {', '.join(around[:4])}"
        findings.append(Finding("gap", text, around, gap.area_m2, gap.lon, gap.lat))
    return findings


def _find_misfits(county: Area, outlines: Mapping[str, Drawing]) -> list[Finding]:
    """Compare the outlines drawn for coarser levels with what their parts add up to."""
    findings = []
    for level, drawing in outlines.items():
        made = {area.key: area for area in county.at_level(level)}
        for index, (row, shape) in enumerate(zip(drawing.rows, drawing.shapes, strict=True)):
            area = county if level == "county" else made.get(row.get("code") or f"#{index}")
            if area is None or area.shape is None:
                findings.append(Finding("misfit", f"{level} {row.get('code', index)}: no areas lie in it"))
                continue
            missing = measure_area(shape.difference(area.shape))
            excess = measure_area(area.shape.difference(shape))
            if missing + excess > SMALLEST_FAULT_M2:
                text = f"{level} {area.code}: its areas leave {missing:,.0f} m² and exceed it by {excess:,.0f} m²"
                findings.append(Finding("misfit", text, (area.code,), missing + excess))
    return findings


def _to_place(cell: Area) -> Place:
    if cell.shape is None:
        raise ValueError(f"cell {cell.code} has no shape")
    return Place(cell.code, cell.name, cell.name_en or cell.name, cell.shape)


def _complete_settings(text: str) -> str:
    """Return a county's settings with the template's tables where it has none of its own."""
    given = parse_toml(text.encode())
    blocks = re.split(r"(?m)^(?=\[)", _TEMPLATE.read_text(encoding="utf-8"))
    lent = [
        block
        for block in blocks
        if (header := re.match(r"\[+([a-z_]+)", block)) and header[1] in _LENT_TABLES and header[1] not in given
    ]
    return text.rstrip() + "\n\n" + "".join(lent).rstrip() + "\n"


def _write_pack(
    folder: Path,
    settings: str,
    county: Area,
    assets: Sequence[Mapping[str, str]],
    workers: Mapping[str, str],
    report: Report,
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (draft / "county.toml").write_text(settings, encoding="utf-8")
        _write_areas(draft / "areas.geojson", county, workers)
        if assets:
            _write_assets(draft / "assets.csv", assets)
        write_report(report, draft / "report.json")
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_areas(path: Path, county: Area, workers: Mapping[str, str]) -> None:
    write_features(
        path,
        (
            (
                {
                    "code": area.code,
                    "level": area.level,
                    "name": area.name,
                    "name_en": area.name_en or None,
                    "parent": area.code[:-3] if area is not county else None,
                    "responsible": workers.get(area.code),
                    "approximate": True if area.approximate else None,
                },
                shapely.orient_polygons(area.shape),
            )
            for level in LEVELS
            for area in county.at_level(level)
            if area.shape is not None
        ),
    )


def _write_assets(path: Path, assets: Sequence[Mapping[str, str]]) -> None:
    columns = list(
        dict.fromkeys(["asset_id", "kind", "name", "name_en", "lon", "lat", *(k for a in assets for k in a)])
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(assets)
