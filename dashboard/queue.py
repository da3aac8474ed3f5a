"""The duty desk's queue: which open cases match, the most urgent first. Pure: no clock, no I/O, no Dash."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from layers.state import LiveState
from layers.things import Case

MOST_ROWS = 500
HOUR_MS = 3_600_000
# A class without a limit is ordered as if it had this one, by severity: the queue needs some order.
ORDINARY = 3  # this severity and milder ones are ordered by time alone
USUAL_HOURS = {1: 4.0, 2: 12.0, 3: 48.0, 4: 168.0}


@dataclass(frozen=True)
class Filters:
    """What is asked for; an empty filter lets everything through.

    areas: codes of towns (9 digits) or villages (12), or any beginning of a cell's code. since_ms: reported then
    (epoch ms) or later. text: words that must all be in the case's number, class or place, in either language.
    """

    areas: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    severities: frozenset[int] = frozenset()
    states: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    text: str = ""
    since_ms: int = 0


@dataclass(frozen=True)
class QueuePage:
    """The most urgent matching cases, how many match, and how many are open at all."""

    cases: Sequence[Case]
    matching: int
    open: int


def find_cases(
    state: LiveState, filters: Filters, limits: Mapping[str, float], now_ms: int, most: int = MOST_ROWS
) -> QueuePage:
    """Return the page of the queue: open cases that match, the most urgent first (see `rank_urgency`).

    limits: hours to close, by class. now_ms: the moment (epoch ms) up to which time has been used.
    """
    open_cases = [case for case in state.cases.values() if case.is_open]
    matching = list(_match(state, open_cases, filters))
    urgent = heapq.nlargest(most, matching, key=lambda case: rank_urgency(case, limits, now_ms))
    return QueuePage(urgent, len(matching), len(open_cases))


def rank_urgency(case: Case, limits: Mapping[str, float], now_ms: int) -> tuple[int, float, int, int]:
    """Return what orders the queue, larger is more urgent: critical, then severe cases, then the share of time used.

    A new critical case is not to wait behind hundreds of ordinary ones that are late.
    """
    hours = limits.get(case.category, USUAL_HOURS.get(case.severity, 168.0))
    share = (now_ms - case.reported_ms) / (hours * HOUR_MS)
    return (-min(case.severity, ORDINARY), share, -case.reported_ms, case.id)


def used_share(case: Case, limits: Mapping[str, float], now_ms: int) -> float | None:
    """Return the share of its limit that an open case has used; None for a class without a limit."""
    hours = limits.get(case.category)
    return None if hours is None else max(0, now_ms - case.reported_ms) / (hours * HOUR_MS)


def _match(state: LiveState, cases: Iterable[Case], filters: Filters) -> Iterable[Case]:
    words = filters.text.lower().split()
    areas = tuple(filters.areas)
    for case in cases:
        if case.reported_ms < filters.since_ms:
            continue
        if filters.severities and case.severity not in filters.severities:
            continue
        if filters.categories and case.category not in filters.categories:
            continue
        if filters.channels and case.channel not in filters.channels:
            continue
        if filters.states and case.state.state not in filters.states:
            continue
        if areas and not _code_of(state, case).startswith(areas):
            continue
        if words and not _contains(state, case, words):
            continue
        yield case


def _code_of(state: LiveState, case: Case) -> str:
    return "" if case.cell is None else state.places.cell_codes[case.cell]


def _contains(state: LiveState, case: Case, words: Sequence[str]) -> bool:
    category = state.categories.get(case.category)
    place = state.place_of(case.cell)
    parts = [case.case_id, case.category]
    parts += [name for title in (category, place) if title for name in (title.zh, title.en)]
    text = " ".join(parts).lower()
    return all(word in text for word in words)
