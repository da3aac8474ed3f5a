"""A clock's explanation in words: one line for each thing that made the deadline."""

from collections.abc import Iterator
from datetime import tzinfo

from cases.calendars import Span
from cases.explanation import DaysApart, Explanation
from cases.limits import LimitRule
from dashboard.case_standing import pick
from dashboard.text import text
from ingest.tables import HOUR_MS, as_time


def tell_clock(explanation: Explanation, lang: str, zone: tzinfo) -> list[str]:
    """Return the explanation line by line in a language, its moments in a time zone."""
    return list(_tell(explanation, lang, zone))


def tell_span(span: Span, lang: str) -> str:
    """Return a span in words, such as 4 工作时; parts of an hour in minutes, parts of a plain day in hours."""
    amount, unit = span.amount, span.unit
    if unit == "days" and amount % 1:
        amount, unit = amount * 24, "hours"
    if unit in ("hours", "working_hours") and amount % 1:
        amount, unit = amount * 60, "minutes" if unit == "hours" else "working_minutes"
    return text(lang, f"clock.unit_{unit}", n=f"{amount:g}")


def _tell(explanation: Explanation, lang: str, zone: tzinfo) -> Iterator[str]:
    def tell_time(ms: int | None) -> str:
        return "" if ms is None else as_time(ms).astimezone(zone).strftime("%Y-%m-%d %H:%M")

    limit = explanation.limit
    step = pick(explanation.step, lang) if explanation.step else text(lang, "clock.total")
    yield text(lang, "clock.limit", step=step, span=tell_span(limit.span, lang))
    yield text(lang, "clock.rule", why=_tell_why(explanation, lang), place=limit.rule.place)
    yield from _tell_source(limit.rule, lang)
    yield text(lang, "clock.started", at=tell_time(explanation.started_ms), event=pick(explanation.event, lang))
    if explanation.working:
        yield _tell_calendar(explanation, lang)
        yield from (_tell_days(days, lang) for days in explanation.days_apart)
        yield from (text(lang, "clock.lacks", year=year) for year in explanation.lacking_years)
    else:
        yield text(lang, "clock.plain")
    for start_ms, end_ms in explanation.stops:
        key = "clock.stop_open" if end_ms is None else "clock.stop"
        yield text(lang, key, start=tell_time(start_ms), end=tell_time(end_ms))
    yield from (text(lang, "clock.extension", span=tell_span(span, lang)) for span in explanation.extensions)
    yield text(lang, "clock.used", percent=f"{100 * explanation.used_share:.0f}")
    if explanation.near_ms is not None:
        yield text(lang, "clock.near", at=tell_time(explanation.near_ms))
    if explanation.due_ms is None:
        yield text(lang, "clock.due_unknown")
    else:
        yield text(lang, "clock.due", at=tell_time(explanation.due_ms))
    if explanation.ended_ms is not None:
        yield text(lang, "clock.ended", at=tell_time(explanation.ended_ms))


def _tell_why(explanation: Explanation, lang: str) -> str:
    limit = explanation.limit
    if limit.beginning == limit.category:
        why = [text(lang, "clock.why_class", code=limit.category)]
    elif limit.beginning:
        why = [text(lang, "clock.why_group", code=limit.beginning)]
    else:
        why = [text(lang, "clock.why_any")]
    if limit.by_severity:
        why.append(text(lang, "clock.why_severity", severity=limit.severity))
    if limit.by_flow:
        why.append(text(lang, "clock.why_flow"))
    if limit.share is not None:
        why.append(text(lang, "clock.why_share", percent=f"{100 * limit.share:g}"))
    return text(lang, "clock.and").join(why)


def _tell_source(rule: LimitRule, lang: str) -> Iterator[str]:
    if rule.text is not None:
        yield pick(rule.text, lang)
    if rule.source:
        yield text(lang, "clock.source" if rule.verified else "clock.source_unverified", source=rule.source)


def _tell_calendar(explanation: Explanation, lang: str) -> str:
    days = text(lang, "clock.and").join(text(lang, f"clock.weekday_{day}") for day in explanation.weekdays)
    hours = text(lang, "clock.and").join(f"{start}–{end}" for start, end in explanation.hours)
    return text(lang, "clock.calendar", days=days, hours=hours, length=f"{explanation.day_ms / HOUR_MS:g}")


def _tell_days(days: DaysApart, lang: str) -> str:
    one = days.first == days.last
    said = str(days.first) if one else text(lang, "clock.days", first=days.first, last=days.last)
    whose = "county" if days.name is None else "statutory"
    name = pick(days.name, lang) if days.name else ""
    return text(lang, f"clock.{whose}_{'worked' if days.worked else 'off'}", days=said, name=name)
