"""Handling guides (办理指引): for a class of cases what to do, whom to call, and by what law.

Guides are the `[[guides]]` of a pack's `cases.toml`. The one with the longest beginning of the class's code holds; a
guide without `categories` holds where no other does.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

import msgspec

from cases.flow import ROLES
from cases.tables import FILE, Beginnings, Named, Words, check_known, find_longest, index_by_class, read_rows
from geo.pack import Name, PackError


class Call(Named, kw_only=True):
    """Whom to call: a unit by its code, a role of this office, or a public number; the name says what for."""

    unit: str = ""
    role: str = ""
    phone: str = ""


class Basis(Named, kw_only=True):
    """A rule of law, in short; `verified` says whether `source` was seen to say so, `article` may be empty."""

    law_zh: Words
    law_en: str = ""
    article_zh: str = ""
    article_en: str = ""
    source: str = ""
    verified: bool = False

    @property
    def law(self) -> Name:
        """The name of the law in both languages."""
        return Name(self.law_zh, self.law_en or self.law_zh)

    @property
    def article(self) -> Name:
        """The article in both languages."""
        return Name(self.article_zh, self.article_en or self.article_zh)


class Guide(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to do about the cases of some classes."""

    categories: Beginnings = ("",)
    steps: Annotated[tuple[Named, ...], msgspec.Meta(min_length=1)]
    calls: tuple[Call, ...] = ()
    basis: tuple[Basis, ...] = ()


class Guides:
    """The guides of one county, by the beginnings of classes that they take."""

    def __init__(self, guides: Mapping[str, Guide]) -> None:
        self._guides = guides

    def find(self, category: str) -> Guide | None:
        """Return the guide of a class; None where the county has none for it."""
        return find_longest(self._guides, category)


def read_guides(settings: Mapping[str, Any], categories: Collection[str], units: Collection[str]) -> Guides:
    """Return a pack's guides; raises `PackError` naming the row and the field.

    categories, units: the codes of the pack.
    """
    guides = {f"guides[{number}]": guide for number, guide in enumerate(read_rows(settings, "guides", Guide), 1)}
    for place, guide in guides.items():
        for number, call in enumerate(guide.calls, 1):
            _check_call(call, f"{place}.calls[{number}]", units)
    return Guides(index_by_class(guides, categories))


def _check_call(call: Call, place: str, units: Collection[str]) -> None:
    if not (call.unit or call.role or call.phone):
        raise PackError(f"{FILE}: {place}: unit, role or phone must say who")
    check_known([call.unit] if call.unit else [], units, f"{place}.unit", "unit")
    check_known([call.role] if call.role else [], ROLES, f"{place}.role", "role")
