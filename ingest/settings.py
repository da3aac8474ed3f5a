"""Settings from the environment, each with the default that suits one machine and one command."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingError(ValueError):
    """A setting that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Settings:
    """Every setting of every part; a part reads only its own.

    `redis_url` is None only in the supervisor, which then starts the embedded server and passes its address
    on to the parts; `database_url` None means SQLite in `data_dir`.
    """

    county: Path | None = None
    data_dir: Path = Path("data")
    redis_url: str | None = None
    database_url: str | None = None
    web_host: str = "127.0.0.1"
    web_port: int = 8050
    ingest_host: str = "127.0.0.1"
    ingest_port: int = 8060
    ingest_key: str | None = None
    simulator: bool = True
    ui_lang: str = "zh"
    auth: str = "demo"
    partitions: int = 4
    rejected_kept: int = 100_000

    @property
    def web_url(self) -> str:
        """Where a browser on this machine finds the dashboard."""
        return f"http://{_as_reachable(self.web_host)}:{self.web_port}"

    @property
    def ingest_url(self) -> str:
        """Where a sender on this machine finds ingest."""
        return f"http://{_as_reachable(self.ingest_host)}:{self.ingest_port}"

    def as_environ(self) -> dict[str, str]:
        """Return the settings as the environment of a part that is to see the same ones."""
        values = {
            "COUNTY": self.county,
            "DATA_DIR": self.data_dir.resolve(),
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
            "WEB_HOST": self.web_host,
            "WEB_PORT": self.web_port,
            "INGEST_HOST": self.ingest_host,
            "INGEST_PORT": self.ingest_port,
            "INGEST_KEY": self.ingest_key,
            "UI_LANG": self.ui_lang,
            "AUTH": self.auth,
            "PARTITIONS": self.partitions,
            "REJECTED_KEPT": self.rejected_kept,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment gives; raises `SettingError` naming a bad one."""
    county = environ.get("COUNTY")
    return Settings(
        county=Path(county) if county else None,
        data_dir=Path(environ.get("DATA_DIR") or "data"),
        redis_url=environ.get("REDIS_URL") or None,
        database_url=environ.get("DATABASE_URL") or None,
        web_host=environ.get("WEB_HOST") or "127.0.0.1",
        web_port=_read_integer(environ, "WEB_PORT", 8050, highest=65535),
        ingest_host=environ.get("INGEST_HOST") or "127.0.0.1",
        ingest_port=_read_integer(environ, "INGEST_PORT", 8060, highest=65535),
        ingest_key=environ.get("INGEST_KEY") or None,
        simulator=_read_choice(environ, "SIMULATOR", "1", ("0", "1")) == "1",
        ui_lang=_read_choice(environ, "UI_LANG", "zh", ("zh", "en")),
        auth=_read_choice(environ, "AUTH", "demo", ("demo", "on")),
        partitions=_read_integer(environ, "PARTITIONS", 4, highest=1024),
        rejected_kept=_read_integer(environ, "REJECTED_KEPT", 100_000, highest=100_000_000),
    )


def _as_reachable(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _read_integer(environ: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= highest:
        raise SettingError(f"{name} must be a whole number from 1 to {highest}, not {text!r}")
    return int(text)


def _read_choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = environ.get(name) or default
    if text not in choices:
        raise SettingError(f"{name} must be one of {', '.join(choices)}, not {text!r}")
    return text
