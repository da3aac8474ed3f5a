"""What GeoReport answers with: plain dictionaries in the standard's order of fields; every time is the county's.

Only what the public may know: no reporter, numbers in free text masked, and of disputes neither text nor exact place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from geo.county import County
from geo.pack import Name
from geo.profile import LISTS, Attribute
from ingest.connectors.open311 import LONGEST_DESCRIPTION
from ingest.masking import mask_text
from ingest.open311.formats import JSON, XML
from ingest.open311.requests import ServiceRequest, Update
from ingest.open311.services import Service, is_private
from ingest.open311.wording import name_action, pick_name, say_reason, word
from ingest.reasons import Reason
from ingest.records import CaseReported

SPECIFICATION: Final = "http://wiki.open311.org/GeoReport_v2"
VILLAGE_DIGITS: Final = 12
_LEVEL_DIGITS: Final = (6, 9, VILLAGE_DIGITS, 15)


@dataclass(frozen=True, eq=False)
class Speaker:
    """Puts what is known into a client's words; `area_names` are by area code."""

    county: County
    services: Mapping[str, Service]
    area_names: Mapping[str, Name]

    def describe_discovery(self, base_url: str, lang: str) -> dict[str, Any]:
        """Return what this server is; `base_url` ends with a slash."""
        # What a client keeps are the services; they change with this file.
        changed = datetime.fromtimestamp((self.county.folder / "county.toml").stat().st_mtime, UTC)
        changeset = self.tell_time(changed)
        county = pick_name(lang, self.county.name)
        return {
            "changeset": changeset,
            "contact": word(lang, "contact", county=county),
            "key_service": word(lang, "key_service", county=county),
            "endpoints": [
                {
                    "specification": SPECIFICATION,
                    "url": f"{base_url}open311/v2",
                    "changeset": changeset,
                    "type": "test" if self.county.fictional else "production",
                    "formats": [XML, JSON],
                }
            ],
        }

    def describe_service(self, service: Service, lang: str) -> dict[str, Any]:
        """Return one service of the list."""
        category = service.category
        name, group = Name(category.zh, category.en), pick_name(lang, category.group)
        told = {"group": group, "name": pick_name(lang, name), "platform": category.platform}
        return {
            "service_code": category.code,
            "service_name": pick_name(lang, name),
            "description": word(lang, "service", **told),
            "metadata": bool(service.attributes),
            "type": "realtime",
            "keywords": ",".join(dict.fromkeys(filter(None, (name.zh, name.en, category.platform)))),
            "group": group,
        }

    def describe_definition(self, service: Service, lang: str) -> dict[str, Any]:
        """Return what a report of a service may or must say."""
        attributes = enumerate(service.attributes.values(), 1)
        return {
            "service_code": service.category.code,
            "attributes": [_describe_attribute(attribute, order, lang) for order, attribute in attributes],
        }

    def describe_receipt(self, report: CaseReported, account_id: str | None, lang: str) -> dict[str, Any]:
        """Return what the sender of a new request is told."""
        return {
            "service_request_id": report.case_id,
            "service_notice": word(lang, "received"),
            "account_id": account_id,
        }

    def describe_request(self, request: ServiceRequest, lang: str) -> dict[str, Any]:
        """Return one request as the public may see it."""
        service = self.services.get(request.category)
        private = is_private(request.category)
        cell = request.cell_code
        return {
            "service_request_id": request.case_id,
            "status": "open" if request.closed_at is None else "closed",
            "status_notes": self._note(request.last_action, request.last_unit, request.closing_note, private, lang),
            "service_name": self._name_service(service, request.category, lang),
            "service_code": request.category,
            "description": None if private else _shorten(mask_text(request.description or request.title)),
            "agency_responsible": self._name_unit(request.last_unit, lang),
            "service_notice": word(lang, "received"),
            "requested_datetime": self.tell_time(request.reported_at),
            "updated_datetime": self.tell_time(request.closed_at or request.changed_at),
            "expected_datetime": request.due_at and self.tell_time(request.due_at),
            "address": cell and self._name_place(cell[:VILLAGE_DIGITS] if private else cell, lang),
            "address_id": None if private else cell,
            "zipcode": None,
            "lat": None if private else request.lat,
            "long": None if private else request.lon,
            "media_url": request.media[0] if request.media and not private else None,
            "grid_code": None if private else cell,
        }

    def describe_update(self, update: Update, lang: str) -> dict[str, Any]:
        """Return one step of a case as the public may see it."""
        return {
            "update_id": str(update.id),
            "service_request_id": update.case_id,
            "status": "closed" if update.closed else "open",
            "updated_datetime": self.tell_time(update.received_at),
            "description": self._note(update.action, update.unit, update.note, is_private(update.category), lang),
            "media_url": None,
        }

    def tell_time(self, moment: datetime) -> str:
        """Return a moment as W3C writes it, in seconds, with the county's offset."""
        return moment.astimezone(self.county.time_zone).isoformat(timespec="seconds")

    def _note(self, action: str, unit: str | None, note: str | Reason | None, private: bool, lang: str) -> str:
        told = name_action(lang, action, self._name_unit(unit, lang))
        said = say_reason(lang, note) if isinstance(note, Reason) else note
        return f"{told} {mask_text(said)}" if said and not private else told

    def _name_service(self, service: Service | None, category: str, lang: str) -> str:
        return pick_name(lang, Name(service.category.zh, service.category.en)) if service else category

    def _name_unit(self, code: str | None, lang: str) -> str | None:
        unit = self.county.units.get(code) if code else None
        return pick_name(lang, Name(unit.zh, unit.en)) if unit else code

    def _name_place(self, area_code: str, lang: str) -> str:
        """Return the names of an area and those around it: from the widest in Chinese, the narrowest in English."""
        codes = [area_code[:digits] for digits in _LEVEL_DIGITS if digits <= len(area_code)]
        names = [pick_name(lang, self.area_names[code]) for code in codes if code in self.area_names]
        # A cell is often called after its village: said once is enough.
        names = [name for name, next in zip(names, [*names[1:], ""], strict=True) if not next.startswith(name)]
        return "".join(names) if lang == "zh" else ", ".join(reversed(names))


def open_speaker(county: County, services: Mapping[str, Service]) -> Speaker:
    """Return the speaker of a county."""
    rows = zip(county.areas.index, county.areas["name"], county.areas["name_en"], strict=True)
    return Speaker(county, services, {str(code): Name(str(zh), str(en)) for code, zh, en in rows})


def _describe_attribute(attribute: Attribute, order: int, lang: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "variable": True,
        "code": attribute.code,
        "datatype": attribute.datatype,
        "required": attribute.required,
        "datatype_description": None,
        "order": order,
        "description": pick_name(lang, attribute.name),
    }
    if attribute.datatype in LISTS:
        described["values"] = [{"key": key, "name": pick_name(lang, name)} for key, name in attribute.values.items()]
    return described


def _shorten(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_DESCRIPTION else f"{text[: LONGEST_DESCRIPTION - 1]}…"
