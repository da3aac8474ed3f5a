"""`python -m dashboard serve | live | accounts | wall | audit | exercise`: screens, hub alone, and what is done at
the machine itself."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from dashboard import care, exercise_command
from dashboard.api import make_live_router
from dashboard.live import Hub
from dashboard.people import audit_command, wall_commands
from dashboard.people.commands import add_arguments, run_command
from dashboard.people.entrance import guard_app
from dashboard.people.register import find_register
from geo.county import County, PackError
from ingest.pack import open_county
from ingest.settings import SettingError, Settings, read_settings
from ingest.start import StartError, check_exposure
from ingest.store import name_database, open_database
from ingest.supervisor import EXIT_HOPELESS

STOP_WITHIN_S = 5
EXIT_FAULT = 1

log = logging.getLogger("dashboard")


class HubServer(uvicorn.Server):
    """A server that lets viewers go before it waits for open answers, and stops when its hub fails."""

    def __init__(self, config: uvicorn.Config, hub: Hub):
        super().__init__(config)
        self._hub = hub
        self.failed = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End every live stream, then stop."""
        self._hub.release()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and begin to watch the hub."""
        await super().startup(sockets)
        self._watch = asyncio.create_task(self._watch_hub())

    async def _watch_hub(self) -> None:
        # Ours to end with: a screen that is served but never changes would be worse than one that is away.
        fault = await self._hub.wait_for_fault()
        log.error("the live hub failed", exc_info=fault)
        self.failed = self.should_exit = True


def main(words: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C; 0 after a clean stop, 2 with one line for what cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="the screens, the web API and the live stream")
    live = commands.add_parser("live", help="the live stream alone: /live, /health and /metrics")
    live.add_argument("--port", type=int, help="instead of WEB_PORT, where the screens are")
    add_arguments(commands.add_parser("accounts", help="who may log in"))
    wall_commands.add_arguments(commands.add_parser("wall", help="walls that show without a log-in"))
    care.add_arguments(commands.add_parser("care", help="the register of those whom care is for"))
    audit_command.add_arguments(commands.add_parser("audit", help="who did and saw what, and whether that is whole"))
    exercise_command.add_arguments(commands.add_parser("exercise", help="begin and end an exercise"))
    arguments = parser.parse_args(words)
    try:
        settings = read_settings()
        if arguments.command == "audit":
            return audit_command.run_command(arguments, settings)
        if arguments.command == "exercise":
            return exercise_command.run_command(arguments, settings)
        county = open_county(settings)
        if arguments.command == "care":
            return care.run_command(arguments, settings, county)
        if arguments.command == "wall":
            return wall_commands.run_command(arguments, settings, county)
        if arguments.command == "accounts":
            return run_command(arguments, settings, county)
        check_exposure(settings)
        if settings.redis_url is None:
            raise SettingError("REDIS_URL is not set; python app.py starts everything, a server included")
        port = getattr(arguments, "port", None) or settings.web_port
        with socket.create_server((settings.web_host, port)) as listener:
            return serve(settings, county, listener, live_only=arguments.command == "live")
    except (SettingError, PackError, StartError) as reason:
        print(f"county-brain: {reason}", file=sys.stderr)
    except OSError as reason:
        print(f"county-brain: WEB_PORT on {settings.web_host} cannot be used: {reason.strerror}", file=sys.stderr)
    return EXIT_HOPELESS


def serve(settings: Settings, county: County, listener: socket.socket, live_only: bool = False) -> int:
    """Serve on an open socket until told to stop; return the exit code."""
    assert settings.redis_url is not None
    database_url = name_database(settings)
    tick_s = settings.live_tick_ms / 1000
    hub = Hub(county, settings.redis_url, database_url, settings.partitions, tick_s=tick_s)
    engine = open_database(database_url, read_only=True)
    app = _make_live_app(settings, county, hub, engine) if live_only else _make_full_app(settings, county, hub, engine)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        ws="none",
        forwarded_allow_ips=settings.web_proxies,
    )
    server = HubServer(config, hub)
    # uvicorn raises the signal again once it has stopped in order; by then it means nothing any more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore_signal)
    server.run(sockets=[listener])
    engine.dispose()
    return EXIT_FAULT if server.failed else 0


def _make_live_app(settings: Settings, county: County, hub: Hub, engine: Engine) -> FastAPI:
    app = FastAPI(title="County Brain: live", openapi_url=None)
    app.include_router(make_live_router(hub, engine))
    guard_app(app, settings, county, find_register(settings), pages=False)
    return app


def _make_full_app(settings: Settings, county: County, hub: Hub, engine: Engine) -> FastAPI:
    # Imported here: the hub alone needs neither Dash nor Plotly.
    from dashboard.factory import make_app

    return make_app(settings, county, hub, engine)


def _ignore_signal(_number: int, _frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
