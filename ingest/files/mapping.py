"""Mapping files: a TOML that says how each row of somebody's file becomes a CloudEvent.

`docs/replay-a-file.md` describes the format. Everything is checked when the mapping is read, so that a
misspelt key or column is one clear line and not a file of rejected events.
"""

import codecs
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import UNSET, UnsetType

from ingest.files.mapping_fields import FieldCompiler, Make, Shift, TimeRule, compile_condition, write_time
from ingest.files.mapping_keys import KeyProblemError, expect_keys, expect_table, listed
from ingest.files.sheets import FORMATS, UNREADABLE, Layout, Row, SheetError, open_sheet, pick
from ingest.sender import CloudEvent

LARGEST_ROW_BYTES: Final = 100 * 1024
"""A longer row does not go along with its event: the two together must stay below what an event may have."""


class MappingError(ValueError):
    """A mapping that cannot be used; the message names the file, the key and the reason in one line."""


def stay(moment: datetime) -> datetime:
    """Return the moment as it is: the shift of a replay that keeps the file's own times."""
    return moment


def parse_speed(text: str) -> float | None:
    """Return a replay's speed: how many times faster than real time, infinite for `max`, None for nonsense."""
    try:
        speed = math.inf if text == "max" else float(text)
    except ValueError:
        return None
    return speed if speed > 0 else None


@dataclass(frozen=True)
class Wide:
    """A file with a column per thing: each row becomes one row per column, as `name` and `value`."""

    name: str
    value: str
    columns: tuple[str, ...]
    keep: tuple[str, ...]

    def melt(self, rows: Iterable[Row], columns: Sequence[str]) -> Iterator[Row]:
        """Yield the long rows of wide ones."""
        for row in rows:
            if UNREADABLE in row:
                yield row
                continue
            kept = {column: row.get(column) for column in self.keep}
            for column in columns:
                yield {**kept, self.name: column, self.value: row.get(column)}


@dataclass(frozen=True)
class Join:
    """A second file that adds its columns to each row where `on` is equal (as text)."""

    file: str
    on: str
    to: str

    def load(self, path: Path) -> dict[str, Row]:
        """Return the second file's rows by their key; the first row of a key counts."""
        sheet = open_sheet(path)
        if self.to not in sheet.columns:
            raise SheetError(f"{path}: there is no column {self.to!r} (join.to); it has {listed(sheet.columns)}")
        rows: dict[str, Row] = {}
        for row in sheet.rows:
            rows.setdefault(str(row[self.to]), row)
        return rows


@dataclass(frozen=True)
class Mapping:
    """A mapping file, checked and ready: rows in, CloudEvents out."""

    path: Path
    layout: Layout
    time: TimeRule
    speed: float
    wide: Wide | None
    join: Join | None
    conditions: tuple[tuple[Callable[[Row], Any], Callable[[Any], bool]], ...]
    columns: dict[str, str]
    digest: str
    _source: Make
    _type: Make
    _id: Make
    _data: dict[str, Make]

    def check_columns(self, file: str, columns: Iterable[str]) -> None:
        """Raise `MappingError` for the first column that the mapping names and the rows do not have."""
        known = set(columns)
        for column, key in self.columns.items():
            # A name with dots may be a path inside a column.
            if column not in known and column.partition(".")[0] not in known:
                raise MappingError(
                    f"{self.path}: {key}: there is no column {column!r} in {file}; it has {listed(known)}"
                )

    def takes(self, row: Row) -> bool:
        """Tell whether `[where]` wants this row; what is no row is always taken, to be refused with its text."""
        return UNREADABLE in row or all(holds(find(row)) for find, holds in self.conditions)

    def moment(self, row: Row) -> datetime | None:
        """Return the row's moment by the file's own clock, in UTC; None where it has none that can be read."""
        return self.time.read(self._find_moment(row))

    def make_event(self, row: Row, shift: Shift = stay, run: str = "", origin: str = "replayed") -> CloudEvent:
        """Return a row as a CloudEvent; what the row does not have is absent, so that ingest says so.

        `run` is appended to the id: a rebased replay tells new moments each time, so its ids must differ. The row
        and the mapping's path go along: if ingest refuses the event, `events:rejected` has them, and a repaired
        mapping can be tried on the row (`python -m ingest rejected retry`).
        """
        moment = self.moment(row)
        identity = self._id(row, shift)
        data = {name: make(row, shift) for name, make in self._data.items()}
        return CloudEvent(
            id=UNSET if identity is None else f"{identity}{run}",
            source=_or_unset(self._source(row, shift)),
            type=_or_unset(self._type(row, shift)),
            time=UNSET if moment is None else write_time(shift(moment)),
            origin=origin,
            data={name: value for name, value in data.items() if value is not None},
            mapping=self._location,
            row=write_row(row),
        )

    @cached_property
    def _location(self) -> str:
        return str(self.path.resolve())

    @cached_property
    def _find_moment(self) -> Callable[[Row], Any]:
        return pick(self.time.column)


def write_row(row: Row) -> str | UnsetType:
    """Return a row as text, from which `read_row` makes it again; `UNSET` if it is too long to go along."""
    text = row[UNREADABLE] if UNREADABLE in row else _row_encoder.encode(row).decode()
    return UNSET if len(text) > LARGEST_ROW_BYTES else text


def read_row(text: str) -> Row:
    """Return the row that `write_row` wrote."""
    try:
        row: Row = _row_decoder.decode(text)
    except msgspec.MsgspecError:
        return {UNREADABLE: text}
    return row


def read_mapping(path: Path) -> Mapping:
    """Return the mapping in a TOML file; raises `MappingError` naming a key that is missing, unknown or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as reason:
        raise MappingError(f"{path}: {reason.strerror}") from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise MappingError(f"{path}: not TOML: {reason}") from reason
    try:
        return _compile(path, tree, blake2b(text.encode(), digest_size=8).hexdigest())
    except KeyProblemError as problem:
        raise MappingError(f"{path}: {problem}") from None


def _compile(path: Path, tree: dict[str, Any], digest: str) -> Mapping:
    optional = ("file", "speed", "wide", "join", "where", "tables")
    expect_keys(tree, "", ("source", "type", "id", "time", "data"), optional)
    time = _compile_time(expect_table(tree["time"], "time"))
    fields = FieldCompiler(time, expect_table(tree.get("tables", {}), "tables"))
    fields.note(time.column, "time.column")
    data = expect_table(tree["data"], "data")
    where = expect_table(tree.get("where", {}), "where")
    return Mapping(
        path=path,
        layout=_compile_layout(expect_table(tree.get("file", {}), "file")),
        time=time,
        speed=_read_speed(tree.get("speed", "max")),
        wide=_compile_wide(expect_table(tree["wide"], "wide"), time) if "wide" in tree else None,
        join=_compile_join(expect_table(tree["join"], "join"), fields) if "join" in tree else None,
        conditions=tuple(
            (pick(fields.note(column, f"where.{column}")), compile_condition(wanted, f"where.{column}"))
            for column, wanted in where.items()
        ),
        columns=fields.columns,
        digest=digest,
        _source=fields.compile(tree["source"], "source"),
        _type=fields.compile(tree["type"], "type"),
        _id=fields.compile(tree["id"], "id"),
        _data={name: fields.compile(spec, f"data.{name}") for name, spec in data.items()},
    )


def _read_speed(value: Any) -> float:
    speed = parse_speed(str(value))
    if speed is None:
        raise KeyProblemError(f'speed: must be "max" or a number above 0, not {value!r}')
    return speed


def _compile_layout(spec: dict[str, Any]) -> Layout:
    expect_keys(spec, "file", needed=(), optional=("format", "rows", "encoding", "delimiter"))
    for name, value in spec.items():
        if not isinstance(value, str):
            raise KeyProblemError(f"file.{name}: must be text, not {value!r}")
    if spec.get("format", FORMATS[0]) not in FORMATS:
        raise KeyProblemError(f"file.format: must be one of {', '.join(FORMATS)}, not {spec['format']!r}")
    try:
        codecs.lookup(spec.get("encoding", "utf-8"))
    except LookupError:
        raise KeyProblemError(f"file.encoding: {spec['encoding']!r} is not an encoding's name") from None
    if len(spec.get("delimiter", ",")) != 1:
        raise KeyProblemError(f"file.delimiter: must be one character, not {spec['delimiter']!r}")
    return Layout(**spec)


def _compile_time(spec: dict[str, Any]) -> TimeRule:
    expect_keys(spec, "time", needed=("column",), optional=("zone", "format", "rebase", "sort"))
    rebase = spec.get("rebase", "none")
    if rebase not in ("now", "none"):
        raise KeyProblemError(f'time.rebase: must be "now" or "none", not {rebase!r}')
    try:
        zone = ZoneInfo(spec.get("zone", "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        raise KeyProblemError(f"time.zone: {spec['zone']!r} is not a time zone's name") from None
    return TimeRule(spec["column"], zone, spec.get("format"), rebase == "now", bool(spec.get("sort", False)))


def _compile_wide(spec: dict[str, Any], time: TimeRule) -> Wide:
    expect_keys(spec, "wide", needed=("name", "value"), optional=("columns", "keep"))
    columns = tuple(spec.get("columns", ()))
    return Wide(spec["name"], spec["value"], columns, (time.column, *spec.get("keep", ())))


def _compile_join(spec: dict[str, Any], fields: FieldCompiler) -> Join:
    expect_keys(spec, "join", needed=("file", "on"), optional=("to",))
    return Join(spec["file"], fields.note(spec["on"], "join.on"), spec.get("to", spec["on"]))


def _or_unset(value: Any) -> Any:
    return UNSET if value is None else str(value)


_row_encoder = msgspec.json.Encoder(enc_hook=str)
_row_decoder = msgspec.json.Decoder(Row)
