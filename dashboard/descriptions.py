"""What the web API says of things: plain dictionaries; times are epoch seconds, persons are masked."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cases.flow import Flow
from cases.rulebook import Rulebook
from geo.county import LEVELS, County
from ingest.formats.cap_codes import read_identifier
from layers import LAYERS
from layers.alert_book import name_by_identifier
from layers.contract import Card, Spec, Title
from layers.things import Alert, Case


def describe_county(county: County, rulebook: Rulebook) -> dict[str, Any]:
    """Return what `/api/county` says."""
    counts = county.areas["level"].value_counts()
    return {
        "name": {"zh": county.name.zh, "en": county.name.en},
        "code": county.code,
        "bbox": county.bbox,
        "counts": {level: int(counts.get(level, 0)) for level in LEVELS},
        "revision": county.revision,
        "time_zone": county.time_zone.key,
        "fictional": county.fictional,
        "clock_anchor": county.clock_anchor,
        "heat_window_hours": county.heat_window.total_seconds() / 3600,
        "categories": [
            {
                "code": row.code,
                "zh": row.zh,
                "en": row.en,
                "group": {"zh": row.group.zh, "en": row.group.en},
                "platform": row.platform,
                "limit_hours": row.limit_hours,
                "source": row.limit_source or row.source,
                "verified": row.verified,
            }
            for row in county.categories.values()
        ],
        "units": [{"code": row.code, "zh": row.zh, "en": row.en} for row in county.units.values()],
        "flows": [_describe_flow(flow) for flow in rulebook.flows.values()],
        "feeds": [
            {
                "key": row.key,
                "zh": row.name.zh,
                "en": row.name.en,
                "unit": row.unit,
                "stale_after_s": row.stale_after.total_seconds(),
            }
            for row in county.feeds.values()
        ],
        "layers": [_describe_spec(layer.spec, county) for layer in LAYERS.values()],
    }


def describe_card(card: Card, lang: str) -> dict[str, Any]:
    """Return a card in one language."""
    return {
        "title": _say(card.title, lang),
        "place": None if card.place is None else _say(card.place, lang),
        "facts": [
            {
                "label": _say(fact.label, lang),
                "value": _say(fact.value, lang),
                "at": None if fact.at is None else int(fact.at.timestamp()),
                "tone": fact.tone,
            }
            for fact in card.facts
        ],
    }


def describe_alert(alert: Alert, titles: Mapping[str, Title], lang: str) -> dict[str, Any]:
    """Return all of a warning but its outline; `touches_county` is null where its areas do not say.

    titles: the names of areas by code, for what a Chinese identifier says.
    """
    named = name_by_identifier(alert.identifier, titles)
    parts = read_identifier(alert.identifier)
    return {
        "id": alert.id,
        "level": alert.level,
        "exercise": alert.exercise,
        "event": _say(alert.event, lang),
        "headline": _say(alert.headline, lang),
        "description": _say(alert.description, lang),
        "instruction": _say(alert.instruction, lang),
        "area": _say(alert.area, lang),
        "issuer": _say(alert.issuer, lang),
        "contact": alert.contact,
        "web": alert.web,
        "severity": alert.severity,
        "urgency": alert.urgency,
        "certainty": alert.certainty,
        "source": alert.source,
        "identifier": alert.identifier,
        "identified": named and _say(named, lang),
        "identified_at": None if parts is None else int(parts.issued_at.timestamp()),
        "sent_at": alert.sent_ms // 1000,
        "begins_at": alert.begins_ms // 1000,
        "ends_at": alert.ends_ms // 1000 if alert.end_stated else None,
        "touches_county": alert.touches,
    }


def describe_case(case: Case) -> dict[str, Any]:
    """Return an open case for other programs; `due_at` is null without a limit and while its clock stands still."""
    clock = case.whole_clock
    return {
        "id": case.id,
        "case_id": case.case_id,
        "category": case.category,
        "severity": case.severity,
        "state": case.state.state,
        "unit": case.state.unit,
        "channel": case.channel,
        "cell": case.cell,
        "lon": case.lon,
        "lat": case.lat,
        "reported_at": case.reported_ms // 1000,
        "due_at": None if clock is None or clock.due_ms is None else clock.due_ms // 1000,
        "exercise": case.is_exercise,
    }


def _describe_flow(flow: Flow) -> dict[str, Any]:
    return {
        "key": flow.key,
        "zh": flow.name.zh,
        "en": flow.name.en,
        "categories": flow.categories,
        "states": {
            key: {"zh": state.name.zh, "en": state.name.en, "owner": state.owner, "ended": state.ended}
            for key, state in flow.states.items()
        },
        "actions": {
            key: {"zh": action.name.zh, "en": action.name.en, "needs": action.needs, "undoable": action.undoable}
            for key, action in flow.actions.items()
        },
    }


def _describe_spec(spec: Spec, county: County) -> dict[str, Any]:
    unit = _name_window(spec.unit, county.heat_window) if spec.windowed else spec.unit
    return {
        "key": spec.key,
        "title": {"zh": spec.title.zh, "en": spec.title.en},
        "geometry": spec.geometry,
        "feed": spec.feed,
        "unit": {"zh": unit.zh, "en": unit.en},
        "stale_after_s": spec.stale_after.total_seconds(),
        "legend": [
            {"lowest": step.lowest, "colour": step.colour, "zh": step.zh, "en": step.en} for step in spec.legend
        ],
        "kinds": spec.kinds,
        "marks": spec.marks,
        "shown": spec.shown,
        "blank": spec.blank and {"zh": spec.blank.zh, "en": spec.blank.en},
    }


def _name_window(unit: Title, window: timedelta) -> Title:
    hours = round(window / timedelta(hours=1))
    if hours % 24 or hours <= 48:
        return Title(f"{unit.zh} · 近 {hours} 小时", f"{unit.en}, last {hours} h")
    return Title(f"{unit.zh} · 近 {hours // 24} 天", f"{unit.en}, last {hours // 24} d")


def _say(title: Title, lang: str) -> str:
    return title.en if lang == "en" else title.zh
