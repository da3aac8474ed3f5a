"""What stands in a county: bins, detectors, stations, cameras, and the roster of grid workers."""

import csv
import io
from collections import Counter
from collections.abc import Set
from pathlib import Path
from typing import Final

import numpy
import numpy.typing
import pandas

from geo.lookup import OUTSIDE, CellLookup
from geo.pack import PackError, read_bytes
from geo.profile import ROAD_CLASSES

KINDS: Final = ("bin", "detector", "air_station", "water_station", "camera", "grid_worker")
_NEEDED: Final = ("asset_id", "kind", "name", "lon", "lat")
_NUMBERS: Final = ("capacity_l", "free_flow_kmh")


def read_assets(path: Path, lookup: CellLookup, codes: list[str], other_kinds: Set[str]) -> pandas.DataFrame:
    """Return the assets indexed by `asset_id`, each placed in its cell (`cell_code`; None outside).

    Extra columns stay text, "" where empty; `capacity_l` and `free_flow_kmh` are numbers, NaN where empty.
    `former_ids` lists, parted by spaces, what an asset was called before: no other's name, present or former.
    `other_kinds` are the kinds allowed besides the known ones. No file gives an empty table. Raises `PackError`.
    """
    table = _read_csv(path) if path.exists() else pandas.DataFrame({key: [] for key in _NEEDED}, dtype=str)
    if "name_en" not in table:
        table["name_en"] = ""
    table["name_en"] = table["name_en"].where(table["name_en"] != "", table["name"])
    for column in ("lon", "lat", *_NUMBERS):
        if column in table:
            table[column] = _to_numbers(path.name, table, column)
    _check_assets(path.name, table, other_kinds)
    positions = lookup.find_cells(table["lon"].to_numpy(float), table["lat"].to_numpy(float))
    cell_codes = [None if position == OUTSIDE else codes[position] for position in positions]
    table["cell_code"] = pandas.Series(cell_codes, index=table.index, dtype=object)
    return table.set_index("asset_id")


def list_former_ids(assets: pandas.DataFrame) -> dict[str, str]:
    """Return the present id of an asset by each id that it had before."""
    if "former_ids" not in assets:
        return {}
    return {former: str(id) for id, names in assets["former_ids"].items() for former in str(names).split()}


def _read_csv(path: Path) -> pandas.DataFrame:
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PackError(f"{path.name}: not UTF-8 at byte {error.start}") from None
    header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    for column in _NEEDED:
        if header.count(column) != 1:
            raise PackError(f"{path.name}: column {column} is {'there twice' if column in header else 'missing'}")
    for number, row in enumerate(rows, 2):
        if row and len(row) != len(header):
            raise PackError(f"{path.name}: line {number}: {len(row)} fields under {len(header)} columns")
    return pandas.DataFrame([row for row in rows if row], columns=header, dtype=str)


def _to_numbers(file: str, table: pandas.DataFrame, column: str) -> pandas.Series:
    numbers = pandas.to_numeric(table[column], errors="coerce")
    _refuse(file, table, column, (numbers.isna() & (table[column] != "")).to_numpy(bool), "is no number")
    return numbers.astype(float)


def _check_assets(file: str, table: pandas.DataFrame, other_kinds: Set[str]) -> None:
    identifiers = table["asset_id"]
    _refuse(file, table, "asset_id", (identifiers == "").to_numpy(bool), "is empty")
    _refuse(file, table, "asset_id", identifiers.duplicated().to_numpy(bool), "is there twice")
    kinds = [*KINDS, *sorted(other_kinds)]
    _refuse(file, table, "kind", (~table["kind"].isin(kinds)).to_numpy(bool), f"is none of {', '.join(kinds)}")
    for column, limit in (("lon", 180), ("lat", 90)):
        outside = ~table[column].between(-limit, limit).to_numpy(bool)
        _refuse(file, table, column, outside, f"must be from -{limit} to {limit}")
    if "former_ids" in table:
        claimed = Counter([*identifiers, *(id for names in table["former_ids"] for id in names.split())])
        taken = [any(claimed[id] > 1 for id in names.split()) for names in table["former_ids"]]
        _refuse(file, table, "former_ids", numpy.array(taken, dtype=bool), "names an asset that is there already")
    if "road_class" in table:
        wrong = (table["kind"] == "detector") & ~table["road_class"].isin(ROAD_CLASSES)
        _refuse(file, table, "road_class", wrong.to_numpy(bool), f"is none of {', '.join(ROAD_CLASSES)}")


def _refuse(
    file: str, table: pandas.DataFrame, column: str, bad: numpy.typing.NDArray[numpy.bool_], reason: str
) -> None:
    if bad.any():
        row = int(bad.argmax())
        asset, value = table["asset_id"].iat[row], table[column].iat[row]
        # The header is line 1.
        raise PackError(f"{file}: line {row + 2} ({asset}): {column} {value!r} {reason}")
