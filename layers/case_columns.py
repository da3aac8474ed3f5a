"""The cases of a live state as columns: what takes long a case at a time takes milliseconds for 100,000 at once."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cases.deadlines import Deadline
from cases.flow import LEVELS, ROLES
from cases.rulebook import Rulebook
from ingest.masking import mask_text
from layers.contract import Title
from layers.places import Places
from layers.things import Case

CARDS: Final = ("", "ordinary", "yellow", "red")
GRADES: Final = ("", "minor", "major")
NEVER_MS: Final = 1 << 62  # a clock that never reaches there
NO_CLOCK: Final = Deadline("total", 0, None, None, False)
LEVEL_OF_CENTRE: Final = {"village_centre": "village", "town_centre": "town", "county_duty": "county"}

_DTYPES: Final[Mapping[str, Any]] = {
    "id": np.int64,
    "stamp": np.int64,
    "live": np.bool_,
    "open": np.bool_,
    "exercise": np.bool_,
    "severity": np.int8,
    "card": np.int8,
    "grade": np.int8,
    "people": np.int32,
    "cell": np.int32,
    "category": np.int32,
    "channel": np.int32,
    "state": np.int32,
    "unit": np.int32,
    "turn": np.int32,
    "reported_ms": np.int64,
    "started_ms": np.int64,
    "near_ms": np.int64,
    "due_ms": np.int64,
    "stopped": np.bool_,
    "lon": np.float64,
    "lat": np.float64,
}


class Words:
    """Words by number, so that a column of them can be compared at once."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}

    def number(self, word: str | None) -> int:
        """Return a word's number, given to it when it is first met."""
        return self._numbers.setdefault(word, len(self._numbers))

    def ranks(self) -> NDArray[np.int64]:
        """Return each number's place in the order of the words; none at all comes last."""
        words = sorted(self._numbers, key=lambda word: (word is None, word or ""))
        ranks = np.empty(len(words), np.int64)
        for place, word in enumerate(words):
            ranks[self._numbers[word]] = place
        return ranks

    def find(self, words: frozenset[str]) -> list[int]:
        """Return the numbers of those words that have been met."""
        return [self._numbers[word] for word in words if word in self._numbers]


class CaseColumns:
    """One slot a case, in no order; a slot whose `live` is False is free.

    `stamp` is the value that `serial` had when a slot was last filled: what is above a serial has changed since.
    `turn` has a bit for each role of `cases.flow.ROLES` whose turn it is. `started_ms`, `near_ms`, `due_ms`, `stopped`:
    of the clock that ends first, `NEVER_MS` where there is none. `cell` is -1, `lon` and `lat` are NaN outside; the
    words are numbers of `words`.
    """

    def __init__(self, places: Places, categories: Mapping[str, Title], rulebook: Rulebook):
        self._places = places
        self._categories = categories
        self._rulebook = rulebook
        self._columns = {name: np.zeros(1024, dtype) for name, dtype in _DTYPES.items()}
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._turns: dict[tuple[str, str, str], int] = {}
        self.serial = 0
        self.size = 0
        self.words = {name: Words() for name in ("category", "channel", "state", "unit")}
        self.texts: list[str] = []
        self.parts: dict[int, frozenset[str]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name][: self.size]

    def put(self, case: Case) -> None:
        """Fill a case's slot, or a new one."""
        slot = self._slots.get(case.id)
        if slot is None:
            slot = self._slots[case.id] = self._take_slot()
        self.serial += 1
        for name, value in self._read(case).items():
            self._columns[name][slot] = value
        self.texts[slot] = self._write_text(case)
        if case.state.parts:
            self.parts[slot] = frozenset(part.unit for part in case.state.parts if part.done_ms is None)
        else:
            self.parts.pop(slot, None)

    def remove(self, id: int) -> None:
        """Free a case's slot."""
        slot = self._slots.pop(id, None)
        if slot is not None:
            self._columns["live"][slot] = self._columns["open"][slot] = False
            self.parts.pop(slot, None)
            self._free.append(slot)

    def find_slots(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of those cases that are here, in their order."""
        slots = (self._slots.get(id) for id in ids.tolist())
        return np.array([slot for slot in slots if slot is not None], np.int64)

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if self.size == len(self._columns["id"]):
            self._columns = {
                name: np.concatenate([column, np.zeros_like(column)]) for name, column in self._columns.items()
            }
        self.texts.append("")
        self.size += 1
        return self.size - 1

    def _read(self, case: Case) -> dict[str, Any]:
        state, words, clock = case.state, self.words, case.first_clock or NO_CLOCK
        return {
            "id": case.id,
            "stamp": self.serial,
            "live": True,
            "open": case.is_open,
            "exercise": case.is_exercise,
            "severity": case.severity,
            "card": _find(CARDS, state.card, 1),  # one of a kind that we do not know is a card all the same
            "grade": _find(GRADES, state.grade, 0),
            "people": min(case.people or 0, 1_000_000),
            "cell": -1 if case.cell is None else case.cell,
            "category": words["category"].number(case.category),
            "channel": words["channel"].number(case.channel),
            "state": words["state"].number(state.state),
            "unit": words["unit"].number(state.unit),
            "turn": self._whose_turn(case),
            "reported_ms": case.reported_ms,
            "started_ms": clock.started_ms,
            "near_ms": NEVER_MS if clock.near_ms is None else clock.near_ms,
            "due_ms": NEVER_MS if clock.due_ms is None else clock.due_ms,
            "stopped": clock.stopped,
            "lon": np.nan if case.lon is None else case.lon,
            "lat": np.nan if case.lat is None else case.lat,
        }

    def _whose_turn(self, case: Case) -> int:
        key = (case.category, case.state.state, case.state.level)
        if key not in self._turns:
            self._turns[key] = sum(1 << ROLES.index(role) for role in self._list_turns(*key))
        return self._turns[key]

    def _list_turns(self, category: str, state: str, level: str) -> set[str]:
        """Return the roles whose turn it is: the state's owner, and the centre of the level that has the case."""
        flow = self._rulebook.flow_of(category)
        owner, forward = flow.states[state].owner, flow.find_forward(state)
        roles = {owner} if owner else set()
        if owner != "unit" and forward is not None and level in LEVELS:
            roles |= {
                centre
                for centre, its_level in LEVEL_OF_CENTRE.items()
                if its_level == level and flow.may(state, forward, centre)
            }
        return roles

    def _write_text(self, case: Case) -> str:
        category = self._categories.get(case.category)
        place = None if case.cell is None else self._places.cell_titles[case.cell]
        parts = [case.case_id, case.category, mask_text(case.title) or ""]
        parts += [name for title in (category, place) if title for name in (title.zh, title.en)]
        return " ".join(parts).lower()


def _find(words: tuple[str, ...], word: str | None, otherwise: int) -> int:
    """Return a word's place; 0 for none."""
    if not word:
        return 0
    return words.index(word) if word in words else otherwise
