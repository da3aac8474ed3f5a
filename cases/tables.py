"""Reading the tables of a pack's `cases.toml` into typed rows; what is wrong is named by row and field."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

import msgspec

from geo.pack import Name, PackError

FILE: Final = "cases.toml"

Row = TypeVar("Row", bound=msgspec.Struct)


class Named(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row with a name in both languages; English falls back to Chinese."""

    zh: str = ""
    en: str = ""

    @property
    def name(self) -> Name:
        """The name in both languages."""
        return Name(self.zh, self.en or self.zh)


def read_rows(settings: Mapping[str, Any], key: str, kind: type[Row], where: str = "") -> list[Row]:
    """Return the rows of a list of tables; raises `PackError` where one is not as `kind` says."""
    place = f"{FILE}: {where}{key}"
    rows = settings.get(key, [])
    if not isinstance(rows, list):
        raise PackError(f"{place} must be a list of tables")
    return [read_row(row, kind, f"{place}[{number}]") for number, row in enumerate(rows, 1)]


def read_row(row: object, kind: type[Row], place: str) -> Row:
    """Return one row; `place` names it in problems."""
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `")
        field = re.sub(r"^\$", "", path.rstrip("`"))
        raise PackError(f"{place}{field}: {reason}") from None


def check_known(values: Collection[str], known: Collection[str], place: str, what: str) -> None:
    """Raise `PackError` naming the first value that is not known."""
    for value in values:
        if value not in known:
            raise PackError(f"{FILE}: {place}: there is no {what} {value!r}")


def check_beginnings(values: Collection[str], codes: Collection[str], place: str) -> None:
    """Raise `PackError` naming the first value that no code begins with."""
    for value in values:
        if not any(code.startswith(value) for code in codes):
            raise PackError(f"{FILE}: {place}: {value!r} begins no code that there is")
