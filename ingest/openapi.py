"""What the ingest service takes and gives, as OpenAPI 3.1, made from the structs that do the work."""

from typing import Any, Final

import msgspec

from ingest.connectors import http_events
from ingest.entities import MODELS
from ingest.events import AnyEvent
from ingest.health import Health
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
            },
        },
        "responses": {
            "202": _json("Each event was accepted, known already, or rejected with a reason", answer),
            "400": _json("The body is no JSON at all", problem),
            "401": _json("No key, or a wrong one", problem),
            "413": _json(f"The body has more than {largest_body_bytes} bytes", problem),
            "415": _json("Another content type", problem),
            "429": _json("Too many requests at once; wait for Retry-After", problem),
            "503": _json("Nothing was taken for certain; send all of it again after Retry-After", problem),
        },
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
