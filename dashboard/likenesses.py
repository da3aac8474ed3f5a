"""How cases that a report is like are told: to the desk with their reasons, to the public without a word of theirs."""

import math
from dataclasses import dataclass
from typing import Any, Final

from cases.duplicates import Likeness, Reason, Report
from cases.flow import ENDINGS
from dashboard.text import text
from ingest.answers import Case as CaseRow
from ingest.masking import mask_text
from ingest.tables import as_ms
from layers.alike import as_report, find_point
from layers.contract import Title
from layers.excerpt import list_units
from layers.state import LiveState
from layers.things import Case

PUBLIC_STEP_M: Final = 10  # the public is told no distance finer than this
LONGEST_NUMBER: Final = 6  # digits; a longer one may be a telephone's


@dataclass(frozen=True)
class KnownCase:
    """A case as far as it is told; `units` are those that have or had it, as far as is known."""

    report: Report
    severity: int
    state: str
    place: Title | None
    units: frozenset[str]


def know_case(case: Case, live: LiveState) -> KnownCase:
    """Return a case of the live state."""
    units = frozenset(list_units(case.steps, case.state))
    return KnownCase(as_report(case, live.places), case.severity, case.state.state, live.place_of(case.cell), units)


def know_row(row: CaseRow, live: LiveState) -> KnownCase:
    """Return a case that has ended, as SQL has it."""
    cell = live.find_cell(row.cell_code)
    lon, lat = find_point(live.places, cell, row.lon, row.lat)
    report = Report(
        case_id=row.case_id,
        category=row.category,
        reported_ms=as_ms(row.reported_at),
        text=row.title,
        lon=lon,
        lat=lat,
        cell_code=row.cell_code,
        ended_ms=None if row.closed_at is None else as_ms(row.closed_at),
    )
    units = frozenset([row.last_unit] if row.last_unit else [])
    state = ENDINGS.get(row.last_action, row.last_action)
    return KnownCase(report, row.severity, state, live.place_of(cell), units)


def describe_likeness(likeness: Likeness, known: KnownCase, lang: str) -> dict[str, Any]:
    """Return all that the desk is told of a case that is alike; times are epoch seconds, distances metres."""
    report = known.report
    return {
        "case_id": report.case_id,
        "category": report.category,
        "title": mask_text(report.text),
        "place": None if known.place is None else known.place.en if lang == "en" else known.place.zh,
        "severity": known.severity,
        "state": known.state,
        "open": report.ended_ms is None,
        "reported_at": report.reported_ms // 1000,
        "ended_at": None if report.ended_ms is None else report.ended_ms // 1000,
        "distance_m": _find_metres(likeness),
        "score": round(likeness.score, 3),
        "likely": likeness.likely,
        "reasons": [{"kind": reason.kind, "text": say_reason(reason, lang)} for reason in likeness.reasons],
    }


def describe_publicly(likeness: Likeness, known: KnownCase) -> dict[str, Any]:
    """Return what the public is told: number, class, time, and about how far."""
    metres = _find_metres(likeness)
    return {
        "case_id": known.report.case_id,
        "category": known.report.category,
        "reported_at": known.report.reported_ms // 1000,
        "distance_m": None if metres is None else max(1, math.ceil(metres / PUBLIC_STEP_M)) * PUBLIC_STEP_M,
        "open": known.report.ended_ms is None,
    }


def say_reason(reason: Reason, lang: str) -> str:
    """Return one reason as a person reads it."""
    value = reason.value or 0.0
    match reason.kind:
        case "metres":
            return text(lang, "similar.metres", metres=round(value))
        case "hours":
            key = "similar.hours_before" if value >= 0 else "similar.hours_after"
            return text(lang, key, span=_say_span(abs(value), lang))
        case "group":
            return text(lang, "similar.same_group" if value else "similar.other_class")
        case "words":
            shown = [word for word in reason.words if not _is_long_number(word)]
            key = "similar.words_shared" if shown else "similar.words"
            return text(lang, key, share=round(100 * value), words=text(lang, "similar.comma").join(shown))
        case "ended" | "closed":
            return text(lang, f"similar.{reason.kind}", span=_say_span(value, lang))
        case _:
            return text(lang, f"similar.{reason.kind}")


def _say_span(hours: float, lang: str) -> str:
    if hours < 1:
        return text(lang, "similar.span_minutes", n=max(1, round(hours * 60)))
    if hours < 48:
        return text(lang, "similar.span_hours", n=round(hours))
    return text(lang, "similar.span_days", n=round(hours / 24))


def _is_long_number(word: str) -> bool:
    return sum(letter.isdigit() for letter in word) > LONGEST_NUMBER


def _find_metres(likeness: Likeness) -> int | None:
    return next((round(reason.value or 0) for reason in likeness.reasons if reason.kind == "metres"), None)
