"""What the ingest service takes and gives, as OpenAPI 3.1, made from the structs that do the work."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ingest.connectors import cap, http_events, ngsi_ld, ngsi_v2
from ingest.formats.entities import MODELS
from ingest.formats.events import AnyEvent
from ingest.health import Health
from ingest.open311.openapi import describe_open311
from ingest.pipeline import Answer

_REFERENCE: Final = "#/components/schemas/{name}"


class Problem(msgspec.Struct):
    """Why a request was not taken."""

    error: str


def describe_api(largest_body_bytes: int) -> dict[str, Any]:
    """Return the OpenAPI document."""
    types = [AnyEvent, Answer, Health, Problem]
    (event, answer, health, problem), components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "County brain: ingest",
            "version": "1",
            "description": "Events in, as CloudEvents 1.0. De-duplicated by (source, id).",
        },
        "security": [{"key": []}],
        "paths": {
            "/v1/events": {"post": _describe_events(event, answer, problem, largest_body_bytes)},
            "/ngsi-ld/notify": {
                "post": _describe_notification("NGSI-LD", ngsi_ld.CONTENT_TYPES, answer, problem, largest_body_bytes)
            },
            "/v2/notify": {
                "post": _describe_notification("NGSIv2", ngsi_v2.CONTENT_TYPES, answer, problem, largest_body_bytes)
            },
            "/cap": {"post": _describe_alert(answer, problem, largest_body_bytes)},
            **describe_open311(),
            "/health": {
                "get": {
                    "summary": "How the service is, and its counters",
                    "security": [],
                    "responses": {
                        "200": _json("It takes events; `status` is ok or degraded", health),
                        "503": _json("It takes none; `status` is down", health),
                    },
                }
            },
        },
        "components": {
            "schemas": {**components, "Entity": _describe_entity()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe_events(
    event: dict[str, Any], answer: dict[str, Any], problem: dict[str, Any], largest_body_bytes: int
) -> dict[str, Any]:
    return {
        "summary": "Take one event, a batch, or one a line",
        "description": "`data` of `iot.observed` is an `Entity`; of `case.acted` also what its action needs.",
        "requestBody": {
            "required": True,
            "content": {
                http_events.ONE: {"schema": event},
                http_events.BATCH: {"schema": {"type": "array", "items": event}},
                http_events.LINES: {"schema": {"type": "string", "description": "one event a line"}},
                http_events.BINARY: {
                    "schema": {"type": "object", "description": "an event's data; its attributes are ce-* headers"}
                },
            },
        },
        "responses": _describe_answers(answer, problem, largest_body_bytes),
    }


def _describe_notification(
    version: str, content_types: Iterable[str], answer: dict[str, Any], problem: dict[str, Any], largest_body_bytes: int
) -> dict[str, Any]:
    entities = {"type": "array", "items": {"$ref": _REFERENCE.format(name="Entity")}}
    schema = {"type": "object", "properties": {"data": entities}, "required": ["data"]}
    return {
        "summary": f"Take the notification of an {version} broker",
        "description": "Entities in any form of representation; a reading told again is a duplicate.",
        "requestBody": {"required": True, "content": {name: {"schema": schema} for name in content_types}},
        "responses": _describe_answers(answer, problem, largest_body_bytes),
    }


def _describe_alert(answer: dict[str, Any], problem: dict[str, Any], largest_body_bytes: int) -> dict[str, Any]:
    schema = {"type": "string", "description": "a CAP 1.2 message, without a document type declaration"}
    return {
        "summary": "Take an alert, its update or its cancellation",
        "requestBody": {"required": True, "content": {name: {"schema": schema} for name in cap.CONTENT_TYPES}},
        "responses": _describe_answers(answer, problem, largest_body_bytes)
        | {"400": _json("The body is no XML, or such as is never read: with a DTD, too deep, too large", problem)},
    }


def _describe_answers(answer: dict[str, Any], problem: dict[str, Any], largest_body_bytes: int) -> dict[str, Any]:
    return {
        "202": _json("Each event was accepted, known already, or rejected with a reason", answer),
        "400": _json("The body is no JSON at all", problem),
        "401": _json("No key, or a wrong one", problem),
        "403": _json("All of it is what this sender may not send: rejected, with the reason", answer),
        "408": _json("The body did not come in time", problem),
        "413": _json(f"The body has more than {largest_body_bytes} bytes, expanded, or too many values", problem),
        "415": _json("Another content type, or compressed otherwise than with gzip", problem),
        "429": _json("More events a second than this sender may send; come again after Retry-After", problem),
        "503": _json("Nothing was taken for certain; send all of it again after Retry-After", problem),
    }


def _describe_entity() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A key-values entity of a FIWARE Smart Data Model, or an Observation of a declared feed.",
        "properties": {
            "id": {"type": "string"},
            "type": {"enum": [*MODELS, "Observation"]},
        },
        "required": ["id", "type"],
        "additionalProperties": True,
    }


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
