"""The values of a mapping file: each spec becomes a function from a row to one value of an event."""

import math
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ingest.files.mapping_keys import KeyProblemError, expect_keys, expect_list, expect_table, listed
from ingest.files.sheets import Row, pick

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


class FieldCompiler:
    """Turns the specs of values into functions, noting in `columns` each column they name and the key that does."""

    def __init__(self, time: TimeRule, tables: dict[str, Any]) -> None:
        self._time = time
        self._tables = {name: expect_table(table, f"tables.{name}") for name, table in tables.items()}
        self.columns: dict[str, str] = {}

    def note(self, column: Any, key: str) -> str:
        """Return a column's name, remembering which key named it first."""
        if not isinstance(column, str):
            raise KeyProblemError(f"{key}: must be a column's name, not {column!r}")
        self.columns.setdefault(column, key)
        return column

    def compile(self, spec: Any, key: str) -> Make:
        """Return the function that makes a value; raises `KeyProblemError`."""
        if isinstance(spec, str):
            return self._compile_template(spec, key)
        if isinstance(spec, list):
            return self._compile_list(spec, key)
        if not isinstance(spec, dict):
            return lambda _row, _shift: spec
        kinds = [kind for kind in KINDS if kind in spec]
        if len(kinds) != 1:
            raise KeyProblemError(f"{key}: needs exactly one of {', '.join(KINDS)}; it has {listed(spec)}")
        expect_keys(spec, key, needed=kinds, optional=MODIFIERS)
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
                return self._compile_moment(self._time.column if value is True else self.note(value, key))
            case "highest":
                return self._compile_highest([self.note(column, key) for column in expect_list(value, key)])
            case "point":
                return self._compile_point([self.note(column, key) for column in expect_list(value, key, 2)])
            case "object":
                return self._compile_object(expect_table(value, key), key)
            case "list":
                return self._compile_list(expect_list(value, key), key)
        find = pick(self.note(value, key))
        return lambda row, _shift: find(row)

    def _compile_template(self, text: Any, key: str) -> Make:
        if not isinstance(text, str):
            raise KeyProblemError(f"{key}: must be text, not {text!r}")
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as reason:
            raise KeyProblemError(f"{key}: {reason}") from None
        finders = [pick(self.note(name, key)) for _, name, _, _ in pieces if name is not None]
        # By position: a column's name may have dots, which would mean something else to `format`.
        form = "".join(_escape(literal) + ("" if name is None else f"{{:{spec}}}") for literal, name, spec, _ in pieces)

        def make(row: Row, _shift: Shift) -> Any:
            values = [find(row) for find in finders]
            return None if None in values else _convert(values, lambda values: form.format(*values))

        return make

    def _compile_moment(self, column: str) -> Make:
        rule, find = self._time, pick(column)

        def make(row: Row, shift: Shift) -> Any:
            value = find(row)
            moment = rule.read(value)
            # What cannot be read as a time goes as it is: ingest refuses it with its reason.
            return value if moment is None else write_time(shift(moment))

        return make

    def _compile_highest(self, columns: list[str]) -> Make:
        finders = [pick(column) for column in columns]

        def make(row: Row, _shift: Shift) -> Any:
            values = [_convert(value, float) for find in finders if (value := find(row)) is not None]
            numbers = [value for value in values if isinstance(value, float)]
            # What is no number goes as it is, if there is nothing else: ingest refuses it with its reason.
            return max(numbers, default=next(iter(values), None))

        return make

    def _compile_point(self, columns: list[str]) -> Make:
        lon, lat = map(pick, columns)

        def make(row: Row, _shift: Shift) -> Any:
            place = [_convert(lon(row), float), _convert(lat(row), float)]
            return None if None in place else {"type": "Point", "coordinates": place}

        return make

    def _compile_object(self, spec: dict[str, Any], key: str) -> Make:
        fields = {name: self.compile(value, f"{key}.{name}") for name, value in spec.items()}

        def make(row: Row, shift: Shift) -> Any:
            values = {name: field(row, shift) for name, field in fields.items()}
            return {name: value for name, value in values.items() if value is not None} or None

        return make

    def _compile_list(self, specs: list[Any], key: str) -> Make:
        fields = [self.compile(spec, f"{key}[{index}]") for index, spec in enumerate(specs)]

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
            raise KeyProblemError(f"{key}.table: there is no [tables.{name}]; there is {listed(self._tables)}")
        return self._tables[name]


def _compile_conversion(spec: dict[str, Any], key: str) -> Callable[[Any], Any]:
    kind = spec.get("type")
    if kind is not None and kind not in TYPES:
        raise KeyProblemError(f"{key}.type: must be one of {', '.join(TYPES)}, not {kind!r}")
    factor, offset, digits, clip = (spec.get(name) for name in ("factor", "offset", "round", "clip"))
    for name, value in (("factor", factor), ("offset", offset), ("round", digits)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise KeyProblemError(f"{key}.{name}: must be a number, not {value!r}")
    lowest, highest = expect_list(clip, f"{key}.clip", 2) if clip is not None else (-math.inf, math.inf)
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


def _escape(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


def _convert(value: Any, kind: Callable[[Any], Any]) -> Any:
    """Convert a value, or pass on as it is what cannot be converted: ingest refuses it with its reason."""
    if value is None:
        return None
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return value


def compile_condition(wanted: Any, key: str) -> Callable[[Any], bool]:
    """Return the test that `[where]` puts a column's value to."""
    if isinstance(wanted, list):
        return lambda value: value in wanted
    if not isinstance(wanted, dict):
        return lambda value: value == wanted
    expect_keys(wanted, key, needed=(), optional=("present", "above", "below"))
    present, above, below = wanted.get("present"), wanted.get("above"), wanted.get("below")

    def holds(value: Any) -> bool:
        if present is not None and (value is not None) != present:
            return False
        number = _convert(value, float) if above is not None or below is not None else None
        if above is not None and not (isinstance(number, float) and number > above):
            return False
        return below is None or (isinstance(number, float) and number < below)

    return holds


def write_time(moment: datetime) -> str:
    """Return an aware UTC time as RFC 3339."""
    return moment.isoformat().replace("+00:00", "Z")
