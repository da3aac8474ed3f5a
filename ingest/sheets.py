"""Sheets: files of rows, read as dicts one after another: CSV and JSON lines (also gzipped) and Parquet."""

import csv
import gzip
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import pyarrow
import pyarrow.parquet

Row = dict[str, Any]
"""One row by column name; None where the file has nothing."""

PEEKED_ROWS = 1000
"""JSON lines have no header: the keys of so many first rows are taken as the columns."""


class SheetError(ValueError):
    """A file that cannot be read as rows; the message names the file and the reason."""


@dataclass(frozen=True)
class Sheet:
    """A file's rows, its column names, and how many rows it has (None: known only at the end)."""

    columns: tuple[str, ...]
    rows: Iterator[Row]
    count: int | None = None


def open_sheet(path: Path) -> Sheet:
    """Return the rows of `.csv`, `.jsonl`/`.ndjson` (each also `.gz`) or `.parquet`, read in pieces.

    Blank text and NaN are None; CSV values are text. Raises `SheetError`.
    """
    if not path.is_file():
        raise SheetError(f"{path}: there is no such file")
    kind = [suffix for suffix in path.suffixes if suffix != ".gz"][-1:]
    try:
        match kind:
            case [".csv"]:
                return _open_csv(path)
            case [".jsonl" | ".ndjson"]:
                return _open_json_lines(path)
            case [".parquet"]:
                return _open_parquet(path)
    except (OSError, UnicodeDecodeError, csv.Error, pyarrow.ArrowException) as reason:
        raise SheetError(f"{path}: {reason}") from reason
    raise SheetError(f"{path}: not a .csv, .jsonl, .ndjson or .parquet file")


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return cast(IO[str], gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _open_csv(path: Path) -> Sheet:
    with _open_text(path) as file:
        columns = tuple(next(csv.reader(file), ()))
    return Sheet(columns, _read_csv(path))


def _read_csv(path: Path) -> Iterator[Row]:
    with _open_text(path) as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                yield {name: value or None for name, value in row.items() if name is not None}
        except (csv.Error, UnicodeDecodeError) as reason:
            raise SheetError(f"{path}: line {reader.line_num}: {reason}") from reason


def _open_json_lines(path: Path) -> Sheet:
    seen: dict[str, None] = {}
    for row in itertools.islice(_read_json_lines(path), PEEKED_ROWS):
        seen.update(dict.fromkeys(row))
    return Sheet(tuple(seen), _read_json_lines(path))


def _read_json_lines(path: Path) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    with _open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = decoder.decode(line)
            except msgspec.MsgspecError as reason:
                raise SheetError(f"{path}: line {number}: {reason}") from reason
            yield {name: _clean(value) for name, value in row.items()}


def _open_parquet(path: Path) -> Sheet:
    file = pyarrow.parquet.ParquetFile(path)
    return Sheet(tuple(file.schema_arrow.names), _read_parquet(file), file.metadata.num_rows)


def _read_parquet(file: Any) -> Iterator[Row]:
    with file:
        for batch in file.iter_batches(batch_size=2048):
            for row in batch.to_pylist():
                yield {name: _clean(value) for name, value in row.items()}


def _clean(value: Any) -> Any:
    if value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    return value
