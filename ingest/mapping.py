"""Mapping files: a TOML that says how each row of somebody's file becomes a CloudEvent.

`docs/replay-a-file.md` describes the format. Everything is checked when the mapping is read, so that a
misspelt key or column is one clear line and not a file of rejected events.
"""

import math
import string
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import UNSET

from ingest.sender import CloudEvent
from ingest.sheets import Row, SheetError, open_sheet

Shift = Callable[[datetime], datetime]
"""Moves a moment of the file to the moment it is replayed as; used where the mapping says `rebase`."""

Make = Callable[[Row, Shift], Any]
"""Makes one value of an event from a row; None where the row does not have it."""

KINDS = ("column", "constant", "template", "time", "highest", "point", "object", "list")
MODIFIERS = ("table", "default", "type", "factor", "offset", "round", "clip")
TYPES: dict[str, Callable[[Any], Any]] = {
    "string": str,
    "number": float,
    "integer": lambda value: int(float(value)),
    "boolean": lambda value: str(value).strip().lower() in ("1", "true", "yes", "t", "y"),
}
EPOCH_UNITS = {"epoch_s": 1.0, "epoch_ms": 1000.0}


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
class TimeRule:
    """How a moment is read: the main column, its zone where it has none, its format, and what replay does.

    `format` is a `strptime` format, `epoch_s`, `epoch_ms`, or None for ISO 8601. `rebase` shifts the file's
    times so that the replayed moment is the present. `sort` orders the whole file by time first.
    """

    column: str
    zone: ZoneInfo
    format: str | None
    rebase: bool
    sort: bool

    def read(self, value: Any) -> datetime | None:
        """Return an aware UTC time, or None where the value is none."""
        moment = self._parse(value)
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)

    def _parse(self, value: Any) -> datetime | None:
        if isinstance(value, datetime) or value is None:
            return value
        try:
            if self.format in EPOCH_UNITS:
                return datetime.fromtimestamp(float(value) / EPOCH_UNITS[self.format], UTC)
            if self.format:
                return datetime.strptime(str(value), self.format)  # noqa: DTZ007 - the zone is set by `read`
            return datetime.fromisoformat(str(value))
        except (ValueError, OverflowError, OSError):
            return None


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
            raise SheetError(f"{path}: there is no column {self.to!r} (join.to); it has {_listed(sheet.columns)}")
        rows: dict[str, Row] = {}
        for row in sheet.rows:
            rows.setdefault(str(row[self.to]), row)
        return rows


@dataclass(frozen=True)
class Mapping:
    """A mapping file, checked and ready: rows in, CloudEvents out."""

    path: Path
    time: TimeRule
    speed: float
    wide: Wide | None
    join: Join | None
    conditions: tuple[tuple[str, Callable[[Any], bool]], ...]
    columns: dict[str, str]
    _source: Make
    _type: Make
    _id: Make
    _data: dict[str, Make]

    def check_columns(self, file: Path, columns: Iterable[str]) -> None:
        """Raise `MappingError` for the first column that the mapping names and the rows do not have."""
        known = set(columns)
        for column, key in self.columns.items():
            if column not in known:
                raise MappingError(
                    f"{self.path}: {key}: there is no column {column!r} in {file.name}; it has {_listed(known)}"
                )

    def takes(self, row: Row) -> bool:
        """Tell whether `[where]` wants this row."""
        return all(holds(row.get(column)) for column, holds in self.conditions)

    def moment(self, row: Row) -> datetime | None:
        """Return the row's moment by the file's own clock, in UTC; None where it has none that can be read."""
        return self.time.read(row.get(self.time.column))

    def make_event(self, row: Row, shift: Shift = stay, run: str = "") -> CloudEvent:
        """Return a row as a CloudEvent; what the row does not have is absent, so that ingest says so.

        `run` is appended to the id: a rebased replay tells new moments each time, so its ids must differ.
        """
        moment = self.moment(row)
        identity = self._id(row, shift)
        data = {name: make(row, shift) for name, make in self._data.items()}
        return CloudEvent(
            id=UNSET if identity is None else f"{identity}{run}",
            source=_or_unset(self._source(row, shift)),
            type=_or_unset(self._type(row, shift)),
            time=UNSET if moment is None else _write_time(shift(moment)),
            origin="replayed",
            data={name: value for name, value in data.items() if value is not None},
        )


def read_mapping(path: Path) -> Mapping:
    """Return the mapping in a TOML file; raises `MappingError` naming a key that is missing, unknown or wrong."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise MappingError(f"{path}: {reason.strerror}") from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise MappingError(f"{path}: not TOML: {reason}") from reason
    try:
        return _Compiler(path, tree).compile()
    except _KeyProblemError as problem:
        raise MappingError(f"{path}: {problem}") from None


class _KeyProblemError(ValueError):
    pass


class _Compiler:
    """Turns the TOML tree into functions, noting every column that is named on the way."""

    def __init__(self, path: Path, tree: dict[str, Any]) -> None:
        self._path = path
        self._tree = tree
        self._columns: dict[str, str] = {}
        self._tables: dict[str, dict[str, Any]] = {}

    def compile(self) -> Mapping:
        tree = self._tree
        _expect_keys(tree, "", needed=("source", "type", "id", "time", "data"),
                     optional=("speed", "wide", "join", "where", "tables"))  # fmt: skip
        self._tables = _expect_table(tree.get("tables", {}), "tables")
        for name, table in self._tables.items():
            _expect_table(table, f"tables.{name}")
        self._time = self._compile_time(_expect_table(tree["time"], "time"))
        wide = self._compile_wide(tree["wide"]) if "wide" in tree else None
        join = self._compile_join(tree["join"]) if "join" in tree else None
        data = _expect_table(tree["data"], "data")
        return Mapping(
            path=self._path,
            time=self._time,
            speed=self._read_speed(tree.get("speed", "max")),
            wide=wide,
            join=join,
            conditions=self._compile_where(_expect_table(tree.get("where", {}), "where")),
            _source=self._compile_field(tree["source"], "source"),
            _type=self._compile_field(tree["type"], "type"),
            _id=self._compile_field(tree["id"], "id"),
            _data={name: self._compile_field(spec, f"data.{name}") for name, spec in data.items()},
            columns=self._columns,
        )

    def _read_speed(self, value: Any) -> float:
        speed = parse_speed(str(value))
        if speed is None:
            raise _KeyProblemError(f'speed: must be "max" or a number above 0, not {value!r}')
        return speed

    def _compile_time(self, spec: dict[str, Any]) -> TimeRule:
        _expect_keys(spec, "time", needed=("column",), optional=("zone", "format", "rebase", "sort"))
        rebase = spec.get("rebase", "none")
        if rebase not in ("now", "none"):
            raise _KeyProblemError(f'time.rebase: must be "now" or "none", not {rebase!r}')
        try:
            zone = ZoneInfo(spec.get("zone", "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            raise _KeyProblemError(f"time.zone: {spec['zone']!r} is not a time zone's name") from None
        column = self._note(spec["column"], "time.column")
        return TimeRule(column, zone, spec.get("format"), rebase == "now", bool(spec.get("sort", False)))

    def _compile_wide(self, value: Any) -> Wide:
        spec = _expect_table(value, "wide")
        _expect_keys(spec, "wide", needed=("name", "value"), optional=("columns", "keep"))
        columns = tuple(spec.get("columns", ()))
        return Wide(spec["name"], spec["value"], columns, (self._time.column, *spec.get("keep", ())))

    def _compile_join(self, value: Any) -> Join:
        spec = _expect_table(value, "join")
        _expect_keys(spec, "join", needed=("file", "on"), optional=("to",))
        return Join(spec["file"], self._note(spec["on"], "join.on"), spec.get("to", spec["on"]))

    def _compile_where(self, spec: dict[str, Any]) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
        return tuple(
            (self._note(column, f"where.{column}"), _compile_condition(wanted, f"where.{column}"))
            for column, wanted in spec.items()
        )

    def _note(self, column: Any, key: str) -> str:
        if not isinstance(column, str):
            raise _KeyProblemError(f"{key}: must be a column's name, not {column!r}")
        self._columns.setdefault(column, key)
        return column

    def _compile_field(self, spec: Any, key: str) -> Make:
        if isinstance(spec, str):
            return self._compile_template(spec, key)
        if isinstance(spec, list):
            return self._compile_list(spec, key)
        if not isinstance(spec, dict):
            return lambda _row, _shift: spec
        kinds = [kind for kind in KINDS if kind in spec]
        if len(kinds) != 1:
            raise _KeyProblemError(f"{key}: needs exactly one of {', '.join(KINDS)}; it has {_listed(spec)}")
        _expect_keys(spec, key, needed=kinds, optional=MODIFIERS)
        make = self._compile_kind(kinds[0], spec[kinds[0]], f"{key}.{kinds[0]}")
        modify = self._compile_modifiers(spec, key)
        return lambda row, shift: modify(make(row, shift))

    def _compile_kind(self, kind: str, value: Any, key: str) -> Make:
        match kind:
            case "constant":
                return lambda _row, _shift: value
            case "template":
                return self._compile_template(value, key)
            case "time":
                return self._compile_moment(self._time.column if value is True else self._note(value, key))
            case "highest":
                return self._compile_highest([self._note(column, key) for column in _expect_list(value, key)])
            case "point":
                return self._compile_point([self._note(column, key) for column in _expect_list(value, key, 2)])
            case "object":
                return self._compile_object(_expect_table(value, key), key)
            case "list":
                return self._compile_list(_expect_list(value, key), key)
        column = self._note(value, key)
        return lambda row, _shift: row.get(column)

    def _compile_template(self, text: Any, key: str) -> Make:
        if not isinstance(text, str):
            raise _KeyProblemError(f"{key}: must be text, not {text!r}")
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        except ValueError as reason:
            raise _KeyProblemError(f"{key}: {reason}") from None
        for name in names:
            self._note(name, key)
        if not names:
            constant = text.format()
            return lambda _row, _shift: constant

        def make(row: Row, _shift: Shift) -> Any:
            if any(row.get(name) is None for name in names):
                return None
            return _convert(row, text.format_map)

        return make

    def _compile_moment(self, column: str) -> Make:
        rule = self._time

        def make(row: Row, shift: Shift) -> Any:
            value = row.get(column)
            moment = rule.read(value)
            # What cannot be read as a time goes as it is: ingest refuses it with its reason.
            return value if moment is None else _write_time(shift(moment))

        return make

    def _compile_highest(self, columns: list[str]) -> Make:
        def make(row: Row, _shift: Shift) -> Any:
            return max((float(row[column]) for column in columns if row.get(column) is not None), default=None)

        return make

    def _compile_point(self, columns: list[str]) -> Make:
        lon, lat = columns

        def make(row: Row, _shift: Shift) -> Any:
            place = [_convert(row.get(lon), float), _convert(row.get(lat), float)]
            return None if None in place else {"type": "Point", "coordinates": place}

        return make

    def _compile_object(self, spec: dict[str, Any], key: str) -> Make:
        fields = {name: self._compile_field(value, f"{key}.{name}") for name, value in spec.items()}

        def make(row: Row, shift: Shift) -> Any:
            values = {name: field(row, shift) for name, field in fields.items()}
            return {name: value for name, value in values.items() if value is not None} or None

        return make

    def _compile_list(self, specs: list[Any], key: str) -> Make:
        fields = [self._compile_field(spec, f"{key}[{index}]") for index, spec in enumerate(specs)]

        def make(row: Row, shift: Shift) -> Any:
            values = [field(row, shift) for field in fields]
            return None if None in values else values

        return make

    def _compile_modifiers(self, spec: dict[str, Any], key: str) -> Callable[[Any], Any]:
        table = self._find_table(spec.get("table"), key)
        default = spec.get("default")
        convert = _compile_conversion(spec, key)

        def modify(value: Any) -> Any:
            if table is not None and value is not None:
                value = table.get(str(value), value if default is None else default)
            return convert(default if value is None else value)

        return modify

    def _find_table(self, name: Any, key: str) -> dict[str, Any] | None:
        if name is None:
            return None
        if name not in self._tables:
            raise _KeyProblemError(f"{key}.table: there is no [tables.{name}]; there is {_listed(self._tables)}")
        return self._tables[name]


def _compile_conversion(spec: dict[str, Any], key: str) -> Callable[[Any], Any]:
    kind = spec.get("type")
    if kind is not None and kind not in TYPES:
        raise _KeyProblemError(f"{key}.type: must be one of {', '.join(TYPES)}, not {kind!r}")
    factor, offset, digits, clip = (spec.get(name) for name in ("factor", "offset", "round", "clip"))
    for name, value in (("factor", factor), ("offset", offset), ("round", digits)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _KeyProblemError(f"{key}.{name}: must be a number, not {value!r}")
    lowest, highest = _expect_list(clip, f"{key}.clip", 2) if clip is not None else (-math.inf, math.inf)
    if all(value is None for value in (factor, offset, digits, clip)):
        return (lambda value: _convert(value, TYPES[kind])) if kind else (lambda value: value)

    def convert(value: Any) -> Any:
        number = _convert(value, float)
        if not isinstance(number, float):
            return number
        number = number * (1 if factor is None else factor) + (offset or 0)
        number = min(max(number, lowest), highest)
        number = number if digits is None else round(number, int(digits))
        return _convert(number, TYPES[kind]) if kind else number

    return convert


def _convert(value: Any, kind: Callable[[Any], Any]) -> Any:
    """Convert a value, or pass on as it is what cannot be converted: ingest refuses it with its reason."""
    if value is None:
        return None
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return value


def _compile_condition(wanted: Any, key: str) -> Callable[[Any], bool]:
    if isinstance(wanted, list):
        return lambda value: value in wanted
    if not isinstance(wanted, dict):
        return lambda value: value == wanted
    _expect_keys(wanted, key, needed=(), optional=("present", "above", "below"))
    present, above, below = wanted.get("present"), wanted.get("above"), wanted.get("below")

    def holds(value: Any) -> bool:
        if present is not None and (value is not None) != present:
            return False
        number = _convert(value, float) if above is not None or below is not None else None
        if above is not None and not (isinstance(number, float) and number > above):
            return False
        return below is None or (isinstance(number, float) and number < below)

    return holds


def _expect_keys(spec: dict[str, Any], key: str, needed: Iterable[str], optional: Iterable[str]) -> None:
    needed, optional = tuple(needed), tuple(optional)
    dotted = f"{key}." if key else ""
    for name in spec:
        if name not in needed + optional:
            raise _KeyProblemError(f"{dotted}{name}: there is no such key; known are {_listed(needed + optional)}")
    for name in needed:
        if name not in spec:
            raise _KeyProblemError(f"{dotted}{name}: is missing")


def _expect_table(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _KeyProblemError(f"{key}: must be a table, not {value!r}")
    return value


def _expect_list(value: Any, key: str, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise _KeyProblemError(f"{key}: must be a list{f' of {length}' if length else ''}, not {value!r}")
    return value


def _listed(names: Iterable[str]) -> str:
    some = list(names)
    return ", ".join(some[:20]) + (f" and {len(some) - 20} more" if len(some) > 20 else "") or "nothing"


def _or_unset(value: Any) -> Any:
    return UNSET if value is None else str(value)


def _write_time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
