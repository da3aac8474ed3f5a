"""GeoReport's paths in the OpenAPI document of ingest."""

from collections.abc import Sequence
from typing import Any, Final

from ingest.open311.formats import JSON, XML
from ingest.open311.forms import KEY_FIELD, LARGEST_FORM_BYTES, MULTIPART, URLENCODED

_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_NUMBER: Final = {"type": "number"}
_COUNT: Final = {"type": "integer"}
_FLAG: Final = {"type": "boolean"}

_SERVICE: Final = {
    **dict.fromkeys(("service_code", "service_name", "description", "keywords", "group"), _TEXT),
    "metadata": _FLAG,
    "type": {"enum": ["realtime"]},
}
_ATTRIBUTE: Final = {
    **dict.fromkeys(("code", "datatype", "datatype_description", "description"), _TEXT),
    **dict.fromkeys(("variable", "required"), _FLAG),
    "order": _COUNT,
    "values": {"type": "array", "items": {"type": "object", "properties": {"key": _TEXT, "name": _TEXT}}},
}
_REQUEST: Final = {
    **dict.fromkeys(("service_request_id", "status_notes", "service_name", "service_code", "description"), _TEXT),
    **dict.fromkeys(("agency_responsible", "service_notice", "address", "address_id", "zipcode"), _TEXT),
    **dict.fromkeys(("requested_datetime", "updated_datetime", "expected_datetime"), _MOMENT),
    **dict.fromkeys(("media_url", "grid_code"), _TEXT),
    **dict.fromkeys(("lat", "long"), _NUMBER),
    "status": {"enum": ["open", "closed"]},
}
_UPDATE: Final = {
    **dict.fromkeys(("update_id", "service_request_id", "status", "description", "media_url"), _TEXT),
    "updated_datetime": _MOMENT,
}
_FORM: Final = {
    **dict.fromkeys((KEY_FIELD, "jurisdiction_id", "service_code", "address_id", "address_string", "crs"), _TEXT),
    **dict.fromkeys(("description", "first_name", "last_name", "phone", "email", "media_url", "account_id"), _TEXT),
    **dict.fromkeys(("lat", "long"), _NUMBER),
    "requested_datetime": _MOMENT,
}
_LIST: Final = {
    **dict.fromkeys(("service_request_id", "service_code", "status"), _TEXT),
    **dict.fromkeys(("start_date", "end_date", "updated_after", "updated_before"), _MOMENT),
    **dict.fromkeys(("lat", "long", "radius"), _NUMBER),
    **dict.fromkeys(("page", "page_size"), _COUNT),
}
_UPDATES: Final = {"service_request_id": _TEXT, "start_date": _MOMENT, "end_date": _MOMENT}


def describe_open311() -> dict[str, Any]:
    """Return the paths under `/open311`."""
    receipt = {"service_request_id": _TEXT, "service_notice": _TEXT, "account_id": _TEXT}
    definition = _object({"service_code": _TEXT, "attributes": _array(_ATTRIBUTE)})
    endpoint = {"specification": _TEXT, "url": _TEXT, "changeset": _MOMENT, "type": _TEXT, "formats": _array(None)}
    discovery = _object({"changeset": _MOMENT, "contact": _TEXT, "key_service": _TEXT, "endpoints": _array(endpoint)})
    token = {"service_request_id": _TEXT, "token": _TEXT}
    v2 = "/open311/v2"
    return {
        "/open311/discovery.{format}": {"get": _describe_read("Where GeoReport v2 is", discovery)},
        f"{v2}/services.{{format}}": {"get": _describe_read("What can be reported", _array(_SERVICE))},
        f"{v2}/services/{{service_code}}.{{format}}": {
            "get": _describe_read("What a report may or must say", definition, ["service_code"])
        },
        f"{v2}/requests.{{format}}": {
            "get": _describe_read("Requests that pass every filter", _array(_REQUEST), query=_LIST),
            "post": _describe_create(_array(receipt)),
        },
        f"{v2}/requests/{{service_request_id}}.{{format}}": {
            "get": _describe_read("One request", _array(_REQUEST), ["service_request_id"])
        },
        f"{v2}/tokens/{{token}}.{{format}}": {"get": _describe_read("The id of a request", _array(token), ["token"])},
        f"{v2}/servicerequestupdates.{{format}}": {
            "get": _describe_read("What was done about requests", _array(_UPDATE), query=_UPDATES)
        },
    }


def _describe_read(
    summary: str, schema: dict[str, Any], names: Sequence[str] = (), query: dict[str, Any] | None = None
) -> dict[str, Any]:
    parameters = [_in_path("format", {"enum": ["json", "xml"]}), *(_in_path(name, _TEXT) for name in names)]
    asked = {**(query or {}), "jurisdiction_id": _TEXT, "lang": {"enum": ["zh", "en"]}}
    parameters += [{"name": name, "in": "query", "schema": kind} for name, kind in asked.items()]
    return {"summary": summary, "security": [], "parameters": parameters, "responses": _describe_answers(schema)}


def _describe_create(schema: dict[str, Any]) -> dict[str, Any]:
    form = {**_object(_FORM), "required": ["service_code"], "additionalProperties": _TEXT}
    return {
        "summary": "Report something; 200 once it can no more be lost",
        "description": f"The key may be `{KEY_FIELD}` in the form, too. `attribute[CODE]` as the service defines it.",
        "parameters": [_in_path("format", {"enum": ["json", "xml"]})],
        "requestBody": {"required": True, "content": {kind: {"schema": form} for kind in (URLENCODED, MULTIPART)}},
        "responses": _describe_answers(schema)
        | {
            "401": _in_both("No key, or a wrong one", _errors()),
            "403": _in_both("Not this sender's to report", _errors()),
            "413": _in_both(f"The form has more than {LARGEST_FORM_BYTES} bytes", _errors()),
            "415": _in_both("No form", _errors()),
            "429": _in_both("More than the sender's rate; wait for Retry-After", _errors()),
        },
    }


def _describe_answers(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "200": _in_both("The answer", schema),
        "400": _in_both("A parameter or field makes no sense; the description begins with its name", _errors()),
        "404": _in_both("There is no such thing here, or the jurisdiction is another", _errors()),
        "503": _in_both("It cannot be said or taken now; ask again after Retry-After", _errors()),
    }


def _errors() -> dict[str, Any]:
    return _array({"code": _COUNT, "description": _TEXT})


def _in_both(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": schema}, XML: {"schema": schema}}}


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _array(properties: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "array", "items": _TEXT if properties is None else _object(properties)}
