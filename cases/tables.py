"""Reading the tables of a pack's `cases.toml` into typed rows; what is wrong is named by row and field."""

import re
from collections.abc import Collection, Mapping
from datetime import time
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec

from geo.pack import Name, PackError

FILE: Final = "cases.toml"

Row = TypeVar("Row", bound=msgspec.Struct)

Words = Annotated[str, msgspec.Meta(min_length=1)]
Beginnings = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
"""Beginnings of codes. What fits everything is left out, and not said by an empty list."""
Severities = Annotated[tuple[Annotated[int, msgspec.Meta(ge=1, le=4)], ...], msgspec.Meta(min_length=1)]
"""Of 1 (worst) to 4."""


class Named(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row with a name in both languages; English falls back to Chinese."""

    zh: Words
    en: str = ""

    @property
    def name(self) -> Name:
        """The name in both languages."""
        return Name(self.zh, self.en or self.zh)


class Rule(Named, kw_only=True):
    """A row that speaks of some cases, by beginnings of classes and severities; its name is the rule in words."""

    key: Words
    categories: Beginnings = ()
    severities: Severities = ()

    def fits(self, category: str, severity: int) -> bool:
        """Return whether it speaks of such a case."""
        return (not self.categories or category.startswith(self.categories)) and (
            not self.severities or severity in self.severities
        )


class Classed(Protocol):
    """What takes some classes."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Beginnings of their codes; "" is every class."""


AnyRule = TypeVar("AnyRule", bound=Rule)
AnyClassed = TypeVar("AnyClassed", bound=Classed)


def read_rows(settings: Mapping[str, Any], key: str, kind: type[Row], file: str = FILE) -> list[Row]:
    """Return the rows of a list of tables; raises `PackError` where one is not as `kind` says."""
    rows = settings.get(key, [])
    if not isinstance(rows, list):
        raise PackError(f"{file}: {key} must be a list of tables")
    return [read_row(row, kind, f"{file}: {key}[{number}]") for number, row in enumerate(rows, 1)]


def read_row(row: object, kind: type[Row], place: str) -> Row:
    """Return one row; `place` names it in problems."""
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        field, reason = split_fault(error)
        raise PackError(f"{place}{field}: {reason}") from None


def split_fault(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the path of what is wrong (such as `.steps[2].zh`, the first row being 1, or nothing) and the reason."""
    reason, _, path = str(error).partition(" - at `$")
    path = re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", path.rstrip("`"))
    if found := re.fullmatch(r"Object (missing|contains unknown)(?: required)? field `(.+)`", reason):
        return f"{path}.{found[2]}", "missing" if found[1] == "missing" else "there is no such field"
    return path, reason


def read_rules(
    settings: Mapping[str, Any], key: str, kind: type[AnyRule], categories: Collection[str], taken: set[str]
) -> list[AnyRule]:
    """Return the rules of a list of tables; raises `PackError` also where a key is among `taken`, which they join."""
    rules = read_rows(settings, key, kind)
    for number, rule in enumerate(rules, 1):
        if rule.key in taken:
            raise PackError(f"{FILE}: {key}[{number}].key: {rule.key!r} is taken")
        taken.add(rule.key)
        check_beginnings(rule.categories, categories, f"{key}[{number}].categories")
    return rules


def index_by_class(rows: Mapping[str, AnyClassed], codes: Collection[str]) -> dict[str, AnyClassed]:
    """Return rows by the beginnings that they take; raises `PackError` where there is no such class, or two take it.

    rows: by their place, as problems name it. codes: of the classes that there are.
    """
    index: dict[str, AnyClassed] = {}
    places: dict[str, str] = {}
    for place, row in rows.items():
        check_beginnings(row.categories, codes, f"{place}.categories")
        for beginning in row.categories:
            if beginning in index:
                said = repr(beginning) if beginning else "every class"
                raise PackError(f"{FILE}: {place}.categories: {said} is already in {places[beginning]}")
            index[beginning], places[beginning] = row, place
    return index


def find_longest(index: Mapping[str, AnyClassed], code: str) -> AnyClassed | None:
    """Return what is indexed by the longest beginning of a code; None where nothing is."""
    for length in range(len(code), -1, -1):
        if (row := index.get(code[:length])) is not None:
            return row
    return None


def read_time(text: str) -> time:
    """Return a time of day such as 08:00; midnight may be 24:00. Raises `ValueError`."""
    if not re.fullmatch(r"\d\d:\d\d", text):
        raise ValueError(f"{text!r} is no time like 08:00")
    return time.fromisoformat("00:00" if text == "24:00" else text)


def check_known(values: Collection[str], known: Collection[str], place: str, what: str, file: str = FILE) -> None:
    """Raise `PackError` naming the first value that is not known."""
    for value in values:
        if value not in known:
            raise PackError(f"{file}: {place}: there is no {what} {value!r}")


def check_beginnings(values: Collection[str], codes: Collection[str], place: str) -> None:
    """Raise `PackError` naming the first value that no code begins with."""
    for value in values:
        if not any(code.startswith(value) for code in codes):
            raise PackError(f"{FILE}: {place}: {value!r} begins no code that there is")
