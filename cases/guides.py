"""Handling guides (办理指引): for a class of cases what to do, whom to call, and by what law.

Guides are the `[[guides]]` of a pack's `cases.toml`. The one with the longest beginning of the class's code holds; a
guide without `categories` holds where no other does.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from cases.flow import ROLES
from cases.tables import FILE, Named, check_beginnings, check_known, read_rows
from geo.pack import Name, PackError


class GuideStep(Named, kw_only=True):
    """One thing to do."""


class Call(Named, kw_only=True):
    """Whom to call: a unit by its code, a role of this office, or a public number; the name says what for."""

    unit: str = ""
    role: str = ""
    phone: str = ""


class Basis(Named, kw_only=True):
    """A rule of law, in short; `verified` says whether `source` was seen to say so, `article` may be empty."""

    law_zh: str
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

    categories: tuple[str, ...] = ("",)
    steps: tuple[GuideStep, ...]
    calls: tuple[Call, ...] = ()
    basis: tuple[Basis, ...] = ()


class Guides:
    """The guides of one county."""

    def __init__(self, guides: Sequence[Guide] = ()) -> None:
        self._by_beginning = {beginning: guide for guide in guides for beginning in guide.categories}

    def find(self, category: str) -> Guide | None:
        """Return the guide of a class; None where the county has none for it."""
        beginnings = (category[:length] for length in range(len(category), -1, -1))
        return next((guide for one in beginnings if (guide := self._by_beginning.get(one))), None)


def read_guides(settings: Mapping[str, Any], categories: Collection[str], units: Collection[str]) -> Guides:
    """Return a pack's guides; raises `PackError` naming the row and the field.

    categories, units: the codes of the pack.
    """
    guides = read_rows(settings, "guides", Guide)
    taken: dict[str, int] = {}
    for number, guide in enumerate(guides, 1):
        place = f"guides[{number}]"
        check_beginnings(guide.categories, categories, f"{place}.categories")
        for beginning in guide.categories:
            if taken.setdefault(beginning, number) != number:
                said = beginning or "every class"
                raise PackError(f"{FILE}: {place}.categories: {said} is already in guides[{taken[beginning]}]")
        if not guide.steps or not guide.categories:
            raise PackError(f"{FILE}: {place}: {'categories' if guide.steps else 'steps'} is empty")
        _check_texts(guide, place)
        for position, call in enumerate(guide.calls, 1):
            _check_call(call, f"{place}.calls[{position}]", units)
    return Guides(guides)


def _check_call(call: Call, place: str, units: Collection[str]) -> None:
    if not (call.unit or call.role or call.phone):
        raise PackError(f"{FILE}: {place}: unit, role or phone must say who")
    check_known([call.unit] if call.unit else [], units, f"{place}.unit", "unit")
    check_known([call.role] if call.role else [], ROLES, f"{place}.role", "role")


def _check_texts(guide: Guide, place: str) -> None:
    parts: dict[str, Sequence[Named]] = {"steps": guide.steps, "calls": guide.calls, "basis": guide.basis}
    for key, rows in parts.items():
        for number, row in enumerate(rows, 1):
            if not row.zh:
                raise PackError(f"{FILE}: {place}.{key}[{number}].zh is missing")
