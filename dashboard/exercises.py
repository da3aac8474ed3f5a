"""Exercises for the browser: who begins and ends one, what all screens ask, and the playing of it.

That an exercise begins is an event that goes through ingest like every officer's act; every screen learns of it from
the live state. While one runs that has a scenario, this process publishes what happens in it.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from msgspec import Meta
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dashboard.frames import describe_exercise
from dashboard.live import Hub, HubAway
from dashboard.people.audit import Audit, open_audit
from dashboard.people.forms import has_token, name_address, read_form
from dashboard.people.notes import record
from dashboard.people.permissions import may
from dashboard.people.sheets import NO_STORE, Sheets
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.publishing import PublishAway, Publisher, PublishRefused
from dashboard.replies import JsonResponse, read_body, shield
from dashboard.text import text
from geo.county import County
from ingest.records import EXERCISE
from ingest.rows.exercises import read_exercises
from ingest.settings import Settings
from ingest.simulation.scenarios import SCENARIOS, play
from ingest.tables import as_time
from layers.exercise_book import Exercise, ExerciseBook

DEFAULT_HOURS: Final = 4
LOOK_EVERY_S: Final = 0.5
SEEN_WITHIN_S: Final = 3.0
AWAY_PAUSE_S: Final = 2.0

log = logging.getLogger(__name__)


class Beginning(msgspec.Struct, forbid_unknown_fields=True):
    """An exercise that is to begin; `hours` is when it ends by itself, `scenario` empty where none is played."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    reason: Annotated[str, Meta(max_length=500)] = ""
    hours: Annotated[float, Meta(gt=0, le=24)] = DEFAULT_HOURS
    scenario: str = ""


class ExerciseFault(ValueError):  # noqa: N818 - it says what is the case
    """What cannot be done; the message is a key of the catalogue's section `exercise`."""


@dataclass(frozen=True)
class ExerciseDesk:
    """What the routes work with; one a process."""

    county: County
    hub: Hub
    engine: Engine
    publisher: Publisher
    notes: Audit

    async def find_running(self) -> Exercise | None:
        """Return the exercise that runs; raises `HubAway`."""
        return await self.hub.ask(lambda state: state.exercises.find_running(state.clock_ms))

    async def begin(self, viewer: Viewer, beginning: Beginning, address: str) -> str:
        """Begin an exercise and return its key, once the live state knows it (or after a while).

        Raises `ExerciseFault`, `HubAway`, `PublishAway`, `SQLAlchemyError`.
        """
        if beginning.scenario and beginning.scenario not in SCENARIOS:
            raise ExerciseFault("no_scenario")
        if await self.find_running() is not None:
            raise ExerciseFault("runs")
        data = draft_beginning(viewer, beginning, datetime.now(UTC))
        await record(self.notes, viewer, "exercise.begin", data["exercise"], {"name": beginning.name}, address)
        await self.publisher.publish("exercise.begun", data)
        await self._wait(data["exercise"])
        return str(data["exercise"])

    async def end(self, viewer: Viewer, address: str) -> str:
        """End the exercise that runs; raises likewise."""
        running = await self.find_running()
        if running is None:
            raise ExerciseFault("none_runs")
        await record(self.notes, viewer, "exercise.end", running.key, address=address)
        await self.publisher.publish("exercise.ended", draft_end(viewer, running.key, datetime.now(UTC)))
        await self._wait(None)
        return running.key

    async def _wait(self, key: str | None) -> None:
        """Wait until the live state has it, so that the next page shows it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEEN_WITHIN_S):
                while (running := await self.find_running()) is None or running.key != key:
                    if running is None and key is None:
                        return
                    await self.hub.wait()


def draft_beginning(viewer: Viewer, beginning: Beginning, now: datetime) -> dict[str, Any]:
    """Return the data of the event that begins an exercise."""
    data = {
        "exercise": f"{now:%Y%m%d-%H%M}-{secrets.token_hex(2)}",
        "name": beginning.name,
        "reason": beginning.reason,
        "actor": viewer.name,
        "role": viewer.role,
        "at": now,
        "until": now + timedelta(hours=beginning.hours),
    }
    return data | ({"scenario": beginning.scenario} if beginning.scenario else {})


def draft_end(viewer: Viewer, key: str, now: datetime) -> dict[str, Any]:
    """Return the data of the event that ends an exercise."""
    return {"exercise": key, "actor": viewer.name, "role": viewer.role, "at": now}


def read_book(engine: Engine) -> ExerciseBook:
    """Return every exercise that SQL knows; blocking."""
    book = ExerciseBook()
    for told in read_exercises(engine):
        book.put(told)
    return book


# -- playing ------------------------------------------------------------------------------------------------------


async def keep_playing(desk: ExerciseDesk) -> None:
    """Publish what happens in the scenario of the exercise that runs, as it happens; goes on for ever.

    Several processes may do so at once, and one again after a restart: ingest takes each event once.
    """
    told: tuple[str, datetime] | None = None
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            running = await desk.find_running()
            scenario = SCENARIOS.get((running and running.begun.scenario) or "")
            if running is None or scenario is None:
                told = None
                continue
            now, begun = datetime.now(UTC), running.begun.at
            since = told[1] if told and told[0] == running.key else begun - timedelta(seconds=1)
            for one in play(desk.county, scenario, running.key, begun, since, now):
                await desk.publisher.publish(one.kind, one.data, one.id, EXERCISE)
            told = running.key, now
        except (HubAway, PublishAway) as error:
            log.info("the exercise waits: %s", error)
            await asyncio.sleep(AWAY_PAUSE_S)
        except PublishRefused as reason:
            log.warning("ingest refused what belongs to the exercise: %s", reason)
            await asyncio.sleep(AWAY_PAUSE_S)


# -- routes -------------------------------------------------------------------------------------------------------


def open_exercise_desk(
    settings: Settings, county: County, hub: Hub, engine: Engine, publisher: Publisher
) -> ExerciseDesk:
    """Return the desk with its own opening of the audit log."""
    return ExerciseDesk(county, hub, engine, publisher, open_audit(settings))


def make_exercise_router(desk: ExerciseDesk, sheets: Sheets) -> APIRouter:
    """Return `/exercise`, `/api/exercises…` and what every screen asks; its lifespan plays, and closes the desk."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        playing = asyncio.create_task(keep_playing(desk), name="exercise")
        yield
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        await asyncio.to_thread(desk.notes.close)

    router = APIRouter(lifespan=lifespan)
    _add_public(router, desk)
    _add_api(router, desk)
    _add_page(router, desk, sheets)
    return router


def _add_public(router: APIRouter, desk: ExerciseDesk) -> None:
    @router.get("/api/public/exercise", response_class=Response, summary="Whether an exercise runs: for every screen")
    async def tell() -> Response:
        return JsonResponse({"exercise": await shield(desk.hub.ask(describe_exercise))})


def _add_api(router: APIRouter, desk: ExerciseDesk) -> None:
    @router.get("/api/exercises", response_class=Response, summary="Every exercise, the newest first")
    async def list_all() -> Response:
        _need_right()
        book = await shield(asyncio.to_thread(read_book, desk.engine))
        return JsonResponse({"exercises": [_describe(one) for one in book.list_all()]})

    @router.post("/api/exercises", response_class=Response, summary="Begin an exercise")
    async def begin(request: Request) -> Response:
        viewer, beginning = _need_right(), read_body(await request.body(), Beginning)
        key = await _do(desk.begin(viewer, beginning, name_address(request)))
        return JsonResponse({"exercise": key}, 202)

    @router.post("/api/exercises/end", response_class=Response, summary="End the exercise that runs")
    async def end(request: Request) -> Response:
        return JsonResponse({"exercise": await _do(desk.end(_need_right(), name_address(request)))}, 202)


def _need_right() -> Viewer:
    """Return who is asking; raises `HTTPException` 403 for who has nothing to do with exercises."""
    viewer = get_viewer()
    if not may(viewer, "exercise"):
        raise HTTPException(403, "your role may not do this")
    return viewer


async def _do(deed: Awaitable[str]) -> str:
    """Return the key of the exercise that something was done to; raises `HTTPException`."""
    try:
        return await shield(deed)
    except ExerciseFault as fault:
        raise HTTPException(409, text("en", f"exercise.{fault}")) from None


def _describe(one: Exercise) -> dict[str, Any]:
    begun = one.begun
    return {
        **{name: getattr(begun, name) for name in ("exercise", "name", "reason", "scenario", "actor", "role")},
        "begun_at": one.begun_ms // 1000,
        "ends_at": one.ends_ms // 1000,
        "ended_by": one.ended_by,
    }


def _add_page(router: APIRouter, desk: ExerciseDesk, sheets: Sheets) -> None:
    async def show(request: Request, status: int = 200, notice: str = "") -> Response:
        lang = sheets.choose_lang(request)
        try:
            book = await asyncio.to_thread(read_book, desk.engine)
            running = await desk.find_running()
        except (HubAway, SQLAlchemyError):
            return sheets.say(request, "away", 503)
        return sheets.show(
            request,
            "exercise",
            status,
            heading=text(lang, "common.page_exercise"),
            running=running and _tell(running, desk.county),
            past=[_tell(one, desk.county) for one in book.list_all() if running is None or one.key != running.key][:50],
            scenarios=[(one.key, one.title.en if lang == "en" else one.title.zh) for one in SCENARIOS.values()],
            hours=DEFAULT_HOURS,
            notice=notice and text(lang, f"exercise.{notice}"),
        )

    @router.get("/exercise", include_in_schema=False)
    async def show_page(request: Request) -> Response:
        if not may(get_viewer(), "exercise"):
            return sheets.say(request, "forbidden", 403)
        return await show(request)

    @router.post("/exercise", include_in_schema=False)
    async def act(request: Request) -> Response:
        form, viewer = await read_form(request), _need_right()
        if not has_token(request, form):
            return sheets.say(request, "token_wrong", 403)
        try:
            if form.get("deed") == "end":
                await desk.end(viewer, name_address(request))
            else:
                await desk.begin(viewer, _read_beginning(form), name_address(request))
        except ExerciseFault as fault:
            return await show(request, 422, str(fault))
        except (HubAway, PublishAway, SQLAlchemyError):
            return await show(request, 503, "away")
        return RedirectResponse(f"/exercise?lang={sheets.choose_lang(request)}", 303, NO_STORE)


def _read_beginning(form: dict[str, str]) -> Beginning:
    said = {name: form.get(name, "").strip() for name in ("name", "reason", "scenario")}
    try:
        return msgspec.convert({**said, "hours": float(form.get("hours", ""))}, Beginning)
    except ValueError:  # msgspec.ValidationError is one
        raise ExerciseFault("bad_form") from None


def _tell(one: Exercise, county: County) -> dict[str, str]:
    def clock(ms: int) -> str:
        return f"{as_time(ms).astimezone(county.time_zone):%Y-%m-%d %H:%M}"

    begun = one.begun
    return {
        "key": one.key,
        "name": begun.name,
        "reason": begun.reason,
        "by": begun.actor,
        "begun": clock(one.begun_ms),
        "ends": clock(one.ends_ms),
        "ended_by": one.ended_by or "",
    }
