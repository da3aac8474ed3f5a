"""From drawn areas to a county's four levels: who lies in whom, what is made where nothing was drawn, and codes."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geo.cells import level_of, make_code, number_cells
from geo.division import divide_area, divide_by_seeds
from geo.fishnet import cut_fishnet
from geo.import_sources import Drawing, SourceError
from geo.pack import LEVELS, Name

Polygonal = Polygon | MultiPolygon

_NOUNS = {"town": Name("{}号镇街", "Town {}"), "village": Name("{}号村社", "Village {}")}
_CELL = Name("{}第{}网格", "{} cell {}")


@dataclass(eq=False)
class Area:
    """One area and those inside it. `key` is its code in the file it came from, "" where it was made here.

    `shape` and `code` are settled last: by `measure_outlines` and `number_areas`.
    """

    level: str
    key: str
    name: str = ""
    name_en: str = ""
    shape: BaseGeometry | None = None
    parts: list["Area"] = field(default_factory=list)
    approximate: bool = False
    code: str = ""

    def walk(self) -> Iterator["Area"]:
        """Yield the area and all inside it, each before its parts."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def at_level(self, level: str) -> list["Area"]:
        """Return the areas of one level, in order."""
        return [area for area in self.walk() if area.level == level]


def nest_areas(drawings: Mapping[str, Drawing], code: str, name: Name) -> tuple[Area, list[Area]]:
    """Return the county down to the finest level drawn, and the areas of that level in the drawing's order.

    An area's town and village are what its row's `town` and `village` name; where a coarser drawing exists and
    the row says nothing, the one it overlaps most; where neither is there, one town or village holds all.
    """
    county = Area("county", code, name.zh, name.en)
    finest = max(drawings, key=LEVELS.index)
    drawing = drawings[finest]
    if finest == "county":
        county.shape = shapely.union_all(drawing.shapes)
        return county, [county]
    between = LEVELS[1 : LEVELS.index(finest)]
    owners = {level: _find_owners(level, drawing, drawings.get(level)) for level in between}
    seen: dict[tuple[int, str], Area] = {}
    leaves = []
    for index, (row, shape) in enumerate(zip(drawing.rows, drawing.shapes, strict=True)):
        parent = county
        for level in between:
            key, zh, en = owners[level][index]
            above = parent
            parent = seen.setdefault((id(above), key), Area(level, key, zh, en))
            if parent not in above.parts:
                above.parts.append(parent)
        leaves.append(Area(finest, row.get("code", ""), row.get("name", ""), row.get("name_en", ""), shape))
        parent.parts.append(leaves[-1])
    return county, leaves


def _find_owners(level: str, drawing: Drawing, owners: Drawing | None) -> list[tuple[str, str, str]]:
    """Return (key, name, name_en) of the area of a coarser level that each row lies in."""
    if owners is None:
        return [tuple(row.get(f"{level}{suffix}", "") for suffix in ("", "_name", "_name_en")) for row in drawing.rows]  # type: ignore[misc]
    tree = shapely.STRtree(owners.shapes)
    places = {row.get("code", ""): index for index, row in enumerate(owners.rows)}
    found = []
    for row, shape in zip(drawing.rows, drawing.shapes, strict=True):
        if row.get(level):
            if row[level] not in places:
                raise SourceError(f"{level} {row[level]!r} of area {row.get('code', '')!r} is in no file of {level}s")
            index = places[row[level]]
        else:
            hits = tree.query(shape, predicate="intersects")
            shares = [shape.intersection(owners.shapes[hit]).area for hit in hits]
            index = int(hits[int(numpy.argmax(shares))]) if shares else int(tree.nearest(shape))
        owner = owners.rows[index]
        found.append((owner.get("code") or f"#{index}", owner.get("name", ""), owner.get("name_en", "")))
    return found


def make_towns(county: Area, seats: Sequence[Mapping[str, str]]) -> None:
    """Divide the county among its towns' seats: every place goes to the town of the nearest one.

    `seats` have `code`, `name`, `lon`, `lat`; a town may have several. Borders are approximate. Raises `SourceError`
    for a seat outside the county.
    """
    if county.shape is None:
        raise ValueError("the county has no outline to divide")
    points = [(float(seat["lon"]), float(seat["lat"])) for seat in seats]
    for seat, point in zip(seats, points, strict=True):
        if not county.shape.intersects(shapely.Point(point)):
            raise SourceError(f"seat of {seat['name']} at {point} lies outside the county")
    pieces: dict[str, list[BaseGeometry]] = {}
    for seat, piece in zip(seats, divide_by_seeds(cast(Polygonal, county.shape), points), strict=True):
        pieces.setdefault(seat["code"], []).append(piece)
    names = {seat["code"]: seat for seat in seats}
    county.parts = [
        Area(
            "town",
            code,
            names[code]["name"],
            names[code].get("name_en", ""),
            shapely.coverage_union_all(shapes),
            approximate=True,
        )
        for code, shapes in pieces.items()
    ]


def make_villages(county: Area, names: Sequence[Mapping[str, str]]) -> None:
    """Divide each town into as many equal villages as `names` lists for it: approximate, only their town is known.

    `names` have `code`, `name` and `town`, the town's code; without it, `code` less its last three characters.
    Villages take their places in the order of their codes, west to east. Raises `SourceError` for a town that
    is not there.
    """
    by_town: dict[str, list[Mapping[str, str]]] = {}
    for row in sorted(names, key=lambda row: row["code"]):
        by_town.setdefault(row.get("town") or row["code"][:-3], []).append(row)
    towns = {town.key: town for town in county.at_level("town")}
    unknown = by_town.keys() - towns.keys()
    if unknown:
        raise SourceError(f"villages belong to town {min(unknown)!r}, which is not among the towns")
    for key, rows in by_town.items():
        town = towns[key]
        pieces = divide_area(cast(Polygonal, _outline(town)), len(rows), seed=zlib.crc32(key.encode()))
        order = sorted(zip(number_cells(pieces), range(len(pieces)), strict=True))
        town.parts = [
            Area("village", row["code"], row["name"], row.get("name_en", ""), pieces[index], approximate=True)
            for row, (_number, index) in zip(rows, order, strict=True)
        ]


def make_cells(county: Area, cell_size_m: float | None) -> None:
    """Fill the levels below the finest one there is: one town, one village each, and cells by fishnet or one each."""
    for level, above in zip(LEVELS[1:], LEVELS, strict=False):
        for area in county.at_level(above):
            if area.parts:
                continue
            if level == "cell" and cell_size_m is not None:
                latitude = _middle_latitude(county)
                area.parts = [
                    Area("cell", "", shape=shape) for shape in cut_fishnet(_outline(area), cell_size_m, latitude)
                ]
            else:
                same_name = (area.name, area.name_en) if level != "cell" else ("", "")
                area.parts = [Area(level, "", *same_name, shape=area.shape, approximate=area.approximate)]


def _middle_latitude(county: Area) -> float:
    bounds = shapely.total_bounds([area.shape for area in county.walk() if area.shape is not None])
    return float(bounds[1] + bounds[3]) / 2


def _outline(area: Area) -> BaseGeometry:
    if area.shape is None:
        area.shape = shapely.coverage_union_all([_outline(part) for part in area.parts])
    return area.shape


def drop_empty(area: Area) -> list[Area]:
    """Remove the areas that have neither a shape nor parts, deepest first; return those removed."""
    dropped = [gone for part in area.parts for gone in drop_empty(part)]
    empty = [part for part in area.parts if not part.parts and part.shape is None]
    area.parts = [part for part in area.parts if part not in empty]
    return dropped + empty


def measure_outlines(area: Area) -> None:
    """Make every area the union of its parts, so that levels tile each other by construction."""
    for part in area.parts:
        measure_outlines(part)
    if area.parts:
        area.shape = shapely.coverage_union_all([part.shape for part in area.parts])


def number_areas(area: Area, code: str) -> None:
    """Give an area its code and all inside it theirs, and sort parts by code.

    Towns and villages whose keys end in a number of up to three digits (after their parent's key, if they begin
    with it) keep it; cells keep a code that has 15 digits already. All others are numbered west to east, then
    north to south. Raises `CodeError` where more than 999 areas lie in one.
    """
    area.code = code
    for part, number in zip(area.parts, _number_parts(area), strict=True):
        number_areas(part, make_code(code, number))
    area.parts.sort(key=lambda part: part.code)


def _number_parts(area: Area) -> list[int]:
    tails = [part.key.removeprefix(area.key) if area.key else part.key for part in area.parts]
    kept = all(tail.isascii() and tail.isdecimal() and len(tail) <= 3 for tail in tails)
    if area.parts and area.parts[0].level == "cell":
        kept = all(part.key.startswith(area.code) and _is_cell_code(part.key) for part in area.parts)
        tails = [part.key[-3:] for part in area.parts]
    if kept and len({int(tail) for tail in tails}) == len(tails):
        return [int(tail) for tail in tails]
    return number_cells([_outline(part) for part in area.parts])


def _is_cell_code(key: str) -> bool:
    return len(key) == 15 and key.isascii() and key.isdecimal() and level_of(key) == "cell"


def name_areas(county: Area, names: Mapping[str, Name]) -> None:
    """Name what has no name, by number; `names` (by code) overrule what files say. English falls back to Chinese."""
    for area in county.walk():
        if area.code in names:
            area.name, area.name_en = names[area.code].zh, names[area.code].en
        for part in area.parts:
            number = int(part.code[-3:])
            if part.level == "cell":
                zh = _CELL.zh.format(area.name, number)
                en = _CELL.en.format(area.name_en or area.name, number)
            else:
                zh, en = _NOUNS[part.level].zh.format(number), _NOUNS[part.level].en.format(number)
            if not part.name:
                part.name, part.name_en = zh, part.name_en or en
