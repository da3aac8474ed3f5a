"""The matter list (网格事项清单): what belongs to the grid, when it enters, how well it is to be done, when it leaves.

A list is valid from a day; a case goes by the list of the day on which it was reported. What is not on it is refused,
or goes by a named rule, as the list itself says.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from cases.tables import FILE, Beginnings, Named, Words, check_known, find_longest, index_by_class, read_rows
from geo.county import County
from geo.pack import Name, PackError

MAJOR_SEVERITY: Final = 2
"""Severities up to this are major, whatever the matter."""


class Matter(Named, kw_only=True):
    """One matter of the list.

    categories: beginnings of the classes that are this matter. grade: `minor` matters (小事) are settled in the cell,
    `major` ones (大事) go to the whole network at once. confirm: whether a settled minor one needs somebody's yes
    before it is closed. admission, standard and exit say in words when it enters, how it is done, and when it leaves.
    """

    code: Words
    categories: Beginnings
    grade: Literal["minor", "major"] = "minor"
    confirm: bool = True
    admission: Named
    standard: Named
    exit: Named
    source: str = ""
    verified: bool = False


class MatterList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One version of the list; it may have a name, for who reads the pack.

    unlisted: what becomes of a report that no matter takes, as `unlisted_rule` says in words; where that is `route`,
    `unlisted_unit` is proposed for it.
    """

    version: Words
    valid_from: date
    zh: str = ""
    en: str = ""
    unlisted: Literal["route", "refuse"] = "route"
    unlisted_rule: Named
    unlisted_unit: str = ""
    matters: tuple[Matter, ...] = ()


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

    def __init__(self, lists: Mapping[date, tuple[MatterList, Mapping[str, Matter]]]) -> None:
        self._lists = lists
        self.admit = lru_cache(maxsize=4096)(self._admit)

    def _admit(self, category: str, day: date) -> Admission:
        valid_from = max((first for first in self._lists if first <= day), default=None)
        if valid_from is None:
            return Admission("", None, False, Name("本县尚无事项清单", "This county has no matter list"))
        valid, matters = self._lists[valid_from]
        matter = find_longest(matters, category)
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
    lists: dict[date, tuple[MatterList, Mapping[str, Matter]]] = {}
    for number, each in enumerate(read_rows(settings, "matter_lists", MatterList), 1):
        place = f"matter_lists[{number}]"
        if each.valid_from in lists:
            raise PackError(f"{FILE}: {place}.valid_from: another list is valid from {each.valid_from}")
        if each.unlisted == "route":
            check_known([each.unlisted_unit], county.units, f"{place}.unlisted_unit", "unit")
        codes = [matter.code for matter in each.matters]
        if len(set(codes)) < len(codes):
            raise PackError(f"{FILE}: {place}.matters: a code is there twice")
        matters = {f"{place}.matters[{position}]": matter for position, matter in enumerate(each.matters, 1)}
        lists[each.valid_from] = each, index_by_class(matters, county.categories)
    return MatterLists(lists)
