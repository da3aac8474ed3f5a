"""The routes of GeoReport v2, under `/open311/`: each answers in the format of its path's ending.

Whatever goes wrong here is told as the standard says: a list of errors, each with a code and a description.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.connectors import Delivery, open311
from ingest.guard.admission import Desk, admit, check_content_type, hold_body, read_bearer, take
from ingest.guard.room import Gate, NoRoom
from ingest.open311.arriving import RecorderBehindError, find_arriving
from ingest.open311.descriptions import Speaker, open_speaker
from ingest.open311.formats import JSON, XML, render
from ingest.open311.forms import KEY_FIELD, LARGEST_FORM_BYTES, read_form
from ingest.open311.questions import Question
from ingest.open311.requests import (
    ServiceRequest,
    describe_report,
    find_requests,
    list_requests,
    list_updates,
)
from ingest.open311.wording import choose_language
from ingest.pipeline import Batch, as_connector
from ingest.reception import FieldError
from ingest.records import CaseReported, decode_record
from ingest.stream import StreamGap, StreamUnavailable

RETRY_AFTER_S: Final = 2
READS_AT_ONCE: Final = 4
LONGEST_TURN_S: Final = 5.0
_door: Final = as_connector(open311)
_ENDINGS: Final = {".json": JSON, ".xml": XML}
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_STATUS_OF: Final = {"jurisdiction_id": 404, "sender": 403}
"""HTTP status by the field that a request was refused for; 400 for every other."""


@dataclass(frozen=True)
class Call:
    """One request, and what it wants to be answered in."""

    desk: Desk
    speaker: Speaker
    request: Request
    media_type: str
    lang: str

    @property
    def question(self) -> Question:
        """What the URL asks for."""
        zone = self.desk.county.time_zone
        return Question(self.request.query_params, zone, datetime.now(UTC))


Answerer = Callable[[Call, str], Awaitable[tuple[str, Any]]]
"""Returns the name of the root element, and the content; the second argument is what follows in the path."""


def create_open311(desk: Desk) -> Starlette:
    """Return the application to be mounted at `/open311`."""
    speaker = open_speaker(desk.county, desk.preparation.reception.services)
    gate = Gate(READS_AT_ONCE, LONGEST_TURN_S)

    async def answer(request: Request) -> Response:
        path, media_type = _split_path(request)
        what, _, name = path.removeprefix("v2/").partition("/")
        answerers = _ROUTES.get((what, bool(name)), {}) if path.startswith("v2/") or path == "discovery" else {}
        answerer = answerers.get("GET" if request.method == "HEAD" else request.method)
        if not answerers:
            raise HTTPException(404, f"there is nothing at {request.url.path}")
        if answerer is None:
            raise HTTPException(405, f"{request.method} is not taken here", {"Allow": ", ".join(answerers)})
        if "\0" in path or any("\0" in text for text in request.query_params.values()):
            raise HTTPException(400, "the address contains the character NUL")
        call = Call(desk, speaker, request, media_type, _find_language(request, desk.language))
        _check_jurisdiction(request, desk.county.code)
        if answerer is _create_request:
            return await _respond(*await answerer(call, name), media_type, 200)
        # Anybody may read, so reading must not take the threads that others need.
        async with gate.pass_through(urgent=False):
            return await _respond(*await answerer(call, name), media_type, 200)

    async def refuse(request: Request, error: Exception) -> Response:
        status, reason, headers = _judge(error)
        errors = [{"code": status, "description": reason}]
        return await _respond("errors", errors, _split_path(request)[1], status, headers)

    away = (OperationalError, InterfaceError, TimeoutError)
    foreseen = (HTTPException, FieldError, *away, StreamUnavailable, StreamGap, RecorderBehindError, NoRoom)
    # What is not foreseen is answered, too, and goes on to the log.
    return Starlette(
        routes=[Route("/{path:path}", answer, methods=_METHODS)],
        exception_handlers=dict.fromkeys((*foreseen, Exception), refuse),
    )


async def _discover(call: Call, _: str) -> tuple[str, Any]:
    return "discovery", call.speaker.describe_discovery(str(call.request.base_url), call.lang)


async def _list_services(call: Call, _: str) -> tuple[str, Any]:
    speaker = call.speaker
    return "services", [speaker.describe_service(service, call.lang) for service in speaker.services.values()]


async def _define_service(call: Call, code: str) -> tuple[str, Any]:
    service = call.speaker.services.get(code)
    if service is None:
        raise HTTPException(404, f"service_code: there is no service {code!r}")
    return "service_definition", call.speaker.describe_definition(service, call.lang)


async def _create_request(call: Call, _: str) -> tuple[str, Any]:
    desk, request = call.desk, call.request
    content_type = check_content_type(request, open311.CONTENT_TYPES)
    key = read_bearer(request) or request.query_params.get(KEY_FIELD)
    sender = admit(desk, key) if key else None
    async with hold_body(desk, request, LARGEST_FORM_BYTES) as body:
        sender = sender or admit(desk, _read_field(request, body, KEY_FIELD) or "")
        delivery = Delivery(
            body=body, received_at=datetime.now(UTC), content_type=content_type, headers=dict(request.headers)
        )
        answer, _status = await take(desk, sender, _door, delivery)
        if answer.rejected:
            reason = answer.rejected[0].reason
            raise HTTPException(_STATUS_OF.get(reason.partition(":")[0], 400), reason)
        report = _find_report(desk.preparation.prepare(_door, delivery, sender))
        account_id = _read_field(request, body, "account_id")
    return "service_requests", [call.speaker.describe_receipt(report, account_id, call.lang)]


async def _list_requests(call: Call, _: str) -> tuple[str, Any]:
    where, page = call.question.read_filter(), call.question.read_page()
    if where.case_ids is not None:
        found = await _find_requests(call.desk, where.case_ids)
    else:
        found = await asyncio.to_thread(list_requests, call.desk.database, where, page.limit, page.offset)
    return "service_requests", [call.speaker.describe_request(request, call.lang) for request in found]


async def _show_request(call: Call, case_id: str) -> tuple[str, Any]:
    found = await _find_requests(call.desk, [case_id])
    if not found:
        raise HTTPException(404, f"service_request_id: there is no request {case_id!r}")
    return "service_requests", [call.speaker.describe_request(found[0], call.lang)]


async def _show_token(call: Call, token: str) -> tuple[str, Any]:
    # The id of a request is known as soon as there is one, so it is its own token.
    if not await _find_requests(call.desk, [token]):
        raise HTTPException(404, f"token: there is no request {token!r}")
    return "service_requests", [{"service_request_id": token, "token": token}]


async def _list_updates(call: Call, _: str) -> tuple[str, Any]:
    start, end = call.question.read_span()
    case_ids, limit = call.question.read_list("service_request_id"), call.question.read_page().limit
    updates = await asyncio.to_thread(list_updates, call.desk.database, case_ids, start, end, limit)
    return "service_request_updates", [call.speaker.describe_update(update, call.lang) for update in updates]


_ROUTES: Final[Mapping[tuple[str, bool], Mapping[str, Answerer]]] = {
    ("discovery", False): {"GET": _discover},
    ("services", False): {"GET": _list_services},
    ("services", True): {"GET": _define_service},
    ("requests", False): {"GET": _list_requests, "POST": _create_request},
    ("requests", True): {"GET": _show_request},
    ("tokens", True): {"GET": _show_token},
    ("servicerequestupdates", False): {"GET": _list_updates},
}
"""By the first part of the path, and whether there is more of it: what answers to which method."""


async def _find_requests(desk: Desk, case_ids: Sequence[str]) -> list[ServiceRequest]:
    """Return the requests of some ids, in their order; those, too, that only the streams have yet."""
    found, marks = await asyncio.to_thread(find_requests, desk.database, case_ids)
    by_id = {request.case_id: request for request in found}
    missing = [case_id for case_id in case_ids if case_id not in by_id]
    if missing:
        arriving = await find_arriving(desk.watch, marks, missing, desk.preparation.reception.cell_points)
        by_id |= {record.case_id: describe_report(record) for record in arriving}
    return [by_id[case_id] for case_id in case_ids if case_id in by_id]


def _find_report(batch: Batch) -> CaseReported:
    """Return the one report of a form; made a second time of the same delivery, its case has the same id."""
    record = decode_record(next(iter(batch.entries.values()))[0].record)
    assert isinstance(record, CaseReported)
    return record


def _read_field(request: Request, body: bytes, name: str) -> str | None:
    return read_form(body, request.headers.get("content-type", "")).find(name)


def _split_path(request: Request) -> tuple[str, str]:
    """Return the path without its ending, and the media type that the ending, or else `Accept`, asks for."""
    path = str(request.path_params.get("path", ""))
    for ending, media_type in _ENDINGS.items():
        if path.endswith(ending):
            return path.removesuffix(ending), media_type
    return path, JSON if JSON in request.headers.get("accept", "") else XML


def _find_language(request: Request, default: str) -> str:
    return choose_language(request.query_params.get("lang", ""), request.headers.get("accept-language", ""), default)


def _check_jurisdiction(request: Request, county_code: str) -> None:
    asked = request.query_params.get("jurisdiction_id")
    if asked and asked != county_code:
        raise HTTPException(404, f"jurisdiction_id: this is {county_code}, not {asked!r}")


async def _respond(
    root: str, content: Any, media_type: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    body = await asyncio.to_thread(render, root, content, media_type)
    return Response(body, status, headers, media_type if media_type == JSON else f"{media_type}; charset=utf-8")


def _judge(error: Exception) -> tuple[int, str, Mapping[str, str]]:
    """Return the status that an error deserves, what to say of it, and with which headers."""
    match error:
        case HTTPException():
            return error.status_code, str(error.detail), error.headers or {}
        case FieldError():
            return 400, str(error), {}
        case OperationalError() | InterfaceError() | TimeoutError():
            return 503, "the database is away: ask again", {"Retry-After": str(RETRY_AFTER_S)}
        case StreamUnavailable() | StreamGap() | RecorderBehindError():
            reason = "what came last is not recorded yet, so nothing can be said of this request: ask again"
            return 503, reason, {"Retry-After": str(RETRY_AFTER_S)}
        case NoRoom():
            return 503, f"many are asking: {error}", {"Retry-After": str(RETRY_AFTER_S)}
        case _:
            return 500, HTTPStatus(500).phrase, {}
