"""Sheets: files of rows, read as dicts one after another: CSV, JSON lines, JSON and GeoJSON (also gzipped), Parquet.

A sheet is read from a file or from an answer held in memory, in the same way. What is no row inside a file that
can be read otherwise (a line that is no JSON, a list's number) becomes a row too, with all of its text under
`UNREADABLE`: it can then be refused by itself, and the rest goes on.
"""

import csv
import gzip
import io
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, get_args

import msgspec
import pyarrow
import pyarrow.parquet
import shapely
from shapely.geometry import shape

Row = dict[str, Any]
"""One row by column name; None where the file has nothing."""

Format = Literal["csv", "ndjson", "json", "geojson", "parquet"]
FORMATS: Final = get_args(Format)
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".jsonl": "ndjson",
    ".ndjson": "ndjson",
    ".json": "json",
    ".geojson": "geojson",
    ".parquet": "parquet",
}

UNREADABLE: Final = "(unreadable)"
"""The only column of what is no row: its text, as it came."""

PEEKED_ROWS: Final = 1000
"""JSON has no header: the keys of so many first rows are taken as the columns."""

LARGEST_JSON_BYTES: Final = 128 * 1024 * 1024
"""JSON and GeoJSON are read whole; the other formats in pieces."""


class SheetError(ValueError):
    """A file that cannot be read as rows; the message names the file and the reason."""


@dataclass(frozen=True)
class Layout:
    """How a file holds its rows, as far as its name does not say.

    `rows` is the path to a JSON file's list of rows (`data.items`; empty: the file itself is the list, and for
    GeoJSON `features`); `encoding` and `delimiter` are CSV's and JSON lines'.
    """

    format: Format | None = None
    rows: str = ""
    encoding: str = "utf-8-sig"
    delimiter: str = ","


@dataclass(frozen=True)
class Sheet:
    """A file's rows, its column names, and how many rows it has (None: known only at the end).

    `name` is the file's, for messages. Without a `header` the columns are only those of the first rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: Iterator[Row]
    count: int | None = None
    header: bool = True


Open = Callable[[], IO[bytes]]


def open_sheet(path: Path, layout: Layout = Layout()) -> Sheet:
    """Return the rows of a file, whose format is the layout's or else its suffix's (before `.gz`).

    Blank text and NaN are None; CSV values are text. Raises `SheetError`.
    """
    if not path.is_file():
        raise SheetError(f"{path}: there is no such file")
    suffix = next((suffix.lower() for suffix in reversed(path.suffixes) if suffix != ".gz"), "")
    format = layout.format or SUFFIXES.get(suffix)
    if format is None:
        raise SheetError(f"{path}: not a {', '.join(SUFFIXES)} file")
    return read_sheet(str(path), lambda: _open_file(path), format, layout)


def read_sheet(name: str, open: Open, format: Format, layout: Layout = Layout()) -> Sheet:
    """Return the rows of whatever `open` gives, each time from its start; raises `SheetError`.

    Reading on may raise it as well, where the fault comes later.
    """
    try:
        match format:
            case "csv":
                return _open_csv(name, open, layout)
            case "ndjson":
                return _peek(name, lambda: _read_json_lines(name, open, layout))
            case "json":
                rows = _read_json(name, open, layout.rows)
                return _peek(name, lambda: map(_as_row, rows), len(rows))
            case "geojson":
                features = _read_json(name, open, layout.rows or "features")
                return _peek(name, lambda: map(_as_feature_row, features), len(features))
            case "parquet":
                return _open_parquet(name, open)
    except (OSError, EOFError, LookupError, UnicodeDecodeError, csv.Error, pyarrow.ArrowException) as reason:
        raise SheetError(f"{name}: {reason}") from reason


def find_path(tree: Any, path: str) -> Any:
    """Return what stands at a path of keys and positions (`data.items`, `coordinates.0`) in decoded JSON, or None.

    A key that itself has dots is found where it ends the path.
    """
    while isinstance(tree, dict | list):
        if isinstance(tree, dict) and path in tree:
            return tree[path]
        head, dot, path = path.partition(".")
        if isinstance(tree, dict):
            tree = tree.get(head)
        else:
            tree = tree[int(head)] if head.isdecimal() and int(head) < len(tree) else None
        if not dot:
            return tree
    return None


def pick(column: str) -> Callable[[Row], Any]:
    """Return the function that gives a row's value of a column; with dots it may also be a path inside one."""
    if "." not in column:
        return lambda row: row.get(column)
    return lambda row: _clean(find_path(row, column))


def _open_file(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _open_csv(name: str, open: Open, layout: Layout) -> Sheet:
    with _as_text(open, layout) as file:
        columns = tuple(next(csv.reader(file, delimiter=layout.delimiter), ()))
    return Sheet(name, columns, _read_csv(name, open, layout))


def _read_csv(name: str, open: Open, layout: Layout) -> Iterator[Row]:
    with _as_text(open, layout) as file:
        reader = csv.DictReader(file, delimiter=layout.delimiter)
        try:
            for row in reader:
                yield {name: value or None for name, value in row.items() if name is not None}
        except (csv.Error, UnicodeDecodeError, OSError, EOFError) as reason:
            raise SheetError(f"{name}: line {reader.line_num}: {reason}") from reason


def _as_text(open: Open, layout: Layout) -> io.TextIOWrapper:
    return io.TextIOWrapper(open(), encoding=layout.encoding, newline="")


def _read_json_lines(name: str, open: Open, layout: Layout) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(Row)
    with _as_text(open, layout) as file:
        try:
            for line in file:
                if not line.strip():
                    continue
                try:
                    yield _clean_row(decoder.decode(line))
                except (msgspec.MsgspecError, RecursionError):
                    yield {UNREADABLE: line.rstrip("\r\n")}
        except (UnicodeDecodeError, OSError, EOFError) as reason:
            raise SheetError(f"{name}: {reason}") from reason


def _read_json(name: str, open: Open, path: str) -> list[Any]:
    with open() as file:
        body = file.read(LARGEST_JSON_BYTES + 1)
    if len(body) > LARGEST_JSON_BYTES:
        raise SheetError(f"{name}: more than {LARGEST_JSON_BYTES // 2**20} MiB of JSON in one piece; JSON lines can be")
    try:
        tree = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise SheetError(f"{name}: not JSON: {reason}") from reason
    rows = find_path(tree, path) if path else tree
    if not isinstance(rows, list):
        raise SheetError(f"{name}: no list of rows at {path!r}" if path else f"{name}: not a list of rows")
    return rows


def _as_row(item: Any) -> Row:
    return _clean_row(item) if isinstance(item, dict) else {UNREADABLE: msgspec.json.encode(item).decode()}


def _as_feature_row(feature: Any) -> Row:
    """Return a feature's properties with its `id`, its `geometry`, and a point of that as `lon` and `lat`."""
    properties = feature.get("properties") or {} if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        return {UNREADABLE: msgspec.json.encode(feature).decode()}
    row = {"id": feature.get("id"), **_clean_row(properties), "geometry": feature.get("geometry")}
    row["lon"], row["lat"] = _find_point(row["geometry"])
    return row


def _find_point(geometry: Any) -> tuple[float | None, float | None]:
    """Return a point's (lon, lat), or a point inside any other geometry; two times None for what is none."""
    try:
        drawn = shape(geometry)
        point = None if drawn.is_empty else drawn.representative_point()
    except (shapely.errors.ShapelyError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        point = None
    return (None, None) if point is None else (point.x, point.y)


def _open_parquet(name: str, open: Open) -> Sheet:
    file = pyarrow.parquet.ParquetFile(open())
    return Sheet(name, tuple(file.schema_arrow.names), _read_parquet(name, file), file.metadata.num_rows)


def _read_parquet(name: str, file: Any) -> Iterator[Row]:
    try:
        for batch in file.iter_batches(batch_size=2048):
            yield from map(_clean_row, batch.to_pylist())
    except (pyarrow.ArrowException, OSError) as reason:
        raise SheetError(f"{name}: {reason}") from reason
    finally:
        file.close(force=True)


def _peek(name: str, read: Callable[[], Iterable[Row]], count: int | None = None) -> Sheet:
    seen: dict[str, None] = {}
    for row in itertools.islice(read(), PEEKED_ROWS):
        seen.update(dict.fromkeys(row))
    seen.pop(UNREADABLE, None)
    return Sheet(name, tuple(seen), iter(read()), count, header=False)


def _clean_row(row: Row) -> Row:
    return {name: _clean(value) for name, value in row.items()}


def _clean(value: Any) -> Any:
    if value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    return value
