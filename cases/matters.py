"""The matter list (网格事项清单): what belongs to the grid, when it enters, how well it is to be done, when it leaves.

A list is valid from a day; a case goes by the list of the day on which it was reported. What is not on it is refused,
or goes by a named rule, as the list itself says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from cases.tables import FILE, Named, check_beginnings, check_known, read_rows
from geo.county import County
from geo.pack import Name, PackError

MAJOR_SEVERITY: Final = 2
"""Severities up to this are major, whatever the matter."""


class Text(Named, kw_only=True):
    """A sentence in both languages."""


class Matter(Named, kw_only=True):
    """One matter of the list.

    categories: beginnings of the classes that are this matter. grade: `minor` matters (小事) are settled in the cell,
    `major` ones (大事) go to the whole network at once. confirm: whether a settled minor one needs somebody's yes
    before it is closed. admission, standard and exit say in words when it enters, how it is done, and when it leaves.
    """

    code: str
    categories: tuple[str, ...]
    grade: Literal["minor", "major"] = "minor"
    confirm: bool = True
    admission: Text = msgspec.field(default_factory=Text)
    standard: Text = msgspec.field(default_factory=Text)
    exit: Text = msgspec.field(default_factory=Text)
    source: str = ""
    verified: bool = False


class MatterList(Named, kw_only=True):
    """One version of the list.

    unlisted: what becomes of a report that no matter takes, as `unlisted_rule` says in words; where that is `route`,
    `unlisted_unit` is proposed for it.
    """

    version: str
    valid_from: date
    unlisted: Literal["route", "refuse"] = "route"
    unlisted_rule: Text = msgspec.field(default_factory=Text)
    unlisted_unit: str = ""
    matters: tuple[Matter, ...] = ()

    def find(self, category: str) -> Matter | None:
        """Return the matter that a class is: the one with the longest beginning that fits; None where none does."""
        fitting = [
            (len(beginning), matter)
            for matter in self.matters
            for beginning in matter.categories
            if category.startswith(beginning)
        ]
        return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


@dataclass(frozen=True)
class Admission:
    """What the list says of a report: the matter that it is, or that it is none, and what then.

    version is the list's; `refused` says that the report is not to be taken, `unit` who gets what is routed; `rule`
    says why in words.
    """

    version: str
    matter: Matter | None
    refused: bool
    rule: Name
    unit: str = ""


@dataclass(frozen=True)
class Grading:
    """Whether a case is major (大事) or minor (小事), by which rule, and the rule in words."""

    grade: Literal["major", "minor"]
    rule: str
    name: Name


class MatterLists:
    """Every version of a county's list, by the day from which it is valid.

    `admit` returns what the list of a day says of a class; where there is no list every class is welcome.
    """

    def __init__(self, lists: Sequence[MatterList] = ()) -> None:
        self._lists = sorted(lists, key=lambda each: each.valid_from)
        self.admit = lru_cache(maxsize=4096)(self._admit)

    def of_day(self, day: date) -> MatterList | None:
        """Return the list that is valid on a day; None before the first."""
        valid = [each for each in self._lists if each.valid_from <= day]
        return valid[-1] if valid else None

    def _admit(self, category: str, day: date) -> Admission:
        valid = self.of_day(day)
        if valid is None:
            return Admission("", None, False, Name("本县尚无事项清单", "This county has no matter list"))
        matter = valid.find(category)
        if matter is not None:
            return Admission(valid.version, matter, False, matter.name)
        refused = valid.unlisted == "refuse"
        return Admission(valid.version, None, refused, valid.unlisted_rule.name, "" if refused else valid.unlisted_unit)


def grade_case(matter: Matter | None, severity: int, co_units: Collection[str] = ()) -> Grading:
    """Return the grade of a case: major by its matter, by severity 1 or 2, or because several units are needed."""
    if matter is not None and matter.grade == "major":
        name = Name(f"清单列为大事：{matter.name.zh}", f"A major matter by the list: {matter.name.en}")
        return Grading("major", "matter", name)
    if severity <= MAJOR_SEVERITY:
        return Grading("major", "severity", Name(f"严重程度 {severity} 级为大事", f"Severity {severity} is major"))
    if co_units:
        return Grading("major", "units", Name("需多个单位联动为大事", "What takes several units is major"))
    return Grading("minor", "minor", Name("小事，一格解决", "Minor: settled in the cell"))


def read_matters(settings: Mapping[str, Any], county: County) -> MatterLists:
    """Return a pack's matter lists; raises `PackError` naming the row and the field."""
    lists = read_rows(settings, "matter_lists", MatterList)
    days = [each.valid_from for each in lists]
    if len(set(days)) < len(days):
        raise PackError(f"{FILE}: matter_lists: two are valid from the same day")
    for number, each in enumerate(lists, 1):
        place = f"matter_lists[{number}]"
        if each.unlisted_rule.zh == "":
            raise PackError(f"{FILE}: {place}.unlisted_rule is missing: what becomes of a matter that is not listed?")
        if each.unlisted == "route":
            check_known([each.unlisted_unit], county.units, f"{place}.unlisted_unit", "unit")
        codes = [matter.code for matter in each.matters]
        if len(set(codes)) < len(codes):
            raise PackError(f"{FILE}: {place}.matters: a code is there twice")
        taken: dict[str, str] = {}
        for position, matter in enumerate(each.matters, 1):
            _check_matter(matter, f"{place}.matters[{position}]", county, taken)
    return MatterLists(lists)


def _check_matter(matter: Matter, place: str, county: County, taken: dict[str, str]) -> None:
    """Raise `PackError` where a matter lacks words, or takes a class that another of its list (`taken`) has."""
    words = {"zh": matter.zh, "admission": matter.admission.zh, "standard": matter.standard.zh, "exit": matter.exit.zh}
    for field, text in words.items():
        if not text:
            raise PackError(f"{FILE}: {place}.{field} is missing")
    if not matter.categories:
        raise PackError(f"{FILE}: {place}.categories is empty")
    check_beginnings(matter.categories, county.categories, f"{place}.categories")
    for beginning in matter.categories:
        if beginning in taken:
            raise PackError(f"{FILE}: {place}.categories: {beginning!r} is already in {taken[beginning]}")
        taken[beginning] = matter.code
