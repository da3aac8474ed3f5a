"""Settings from the environment, each with the default that suits one machine and one command."""

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KEPT_DAYS: Mapping[str, int] = {
    "readings": 400,
    "reading_hours": 0,
    "workers": 30,
    "feed_minutes": 8,
    "alarms": 400,
    "alerts": 400,
    "reporters": 0,
    "cases": 0,
}
"""How many days each table's rows are kept, where `<TABLE>_KEPT_DAYS` does not say otherwise; 0 is for ever."""


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
    personal_key_file: Path | None = None
    simulator: bool = True
    steward: str = "1"
    steward_days: int = 60
    alarms: bool = True
    ui_lang: str = "zh"
    live_tick_ms: int = 250
    auth: str = "demo"
    session_idle_minutes: int = 30
    session_hours: int = 12
    wall_session_days: int = 30
    web_proxies: str = "127.0.0.1"
    partitions: int = 4
    recorder_name: str | None = None
    rejected_kept: int = 100_000
    rejected_kept_mb: int = 256
    polls: Path | None = None
    mqtt_url: str | None = None
    mqtt_client_id: str = "county-brain"
    mqtt_ca_file: Path | None = None
    mqtt_cert_file: Path | None = None
    mqtt_key_file: Path | None = None
    mqtt_topics: tuple[str, ...] = ()
    mqtt_share: str | None = None
    senders: Path | None = None
    redis_memory_mb: int | None = None
    redis_fsync: str = "everysec"
    ingest_connections: int = 1024
    ingest_connections_per_address: int = 256
    ingest_bodies_mb: int = 64
    ingest_head_timeout_s: int = 10
    ingest_body_timeout_s: int = 30
    readings_wait_at_memory_percent: int = 80
    readings_wait_at_unrecorded: int = 10_000_000
    readings_wait_at_disk_mb: int = 256
    stream_kept_s: int = 300
    stream_longest: int = 500_000
    media_kept_days: int = 400
    kept_days: Mapping[str, int] = field(default_factory=lambda: dict(KEPT_DAYS))

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
            "PERSONAL_KEY_FILE": self.personal_key_file and self.personal_key_file.resolve(),
            "STEWARD": self.steward,
            "STEWARD_DAYS": self.steward_days,
            "ALARMS": int(self.alarms),
            "UI_LANG": self.ui_lang,
            "LIVE_TICK_MS": self.live_tick_ms,
            "AUTH": self.auth,
            "SESSION_IDLE_MINUTES": self.session_idle_minutes,
            "SESSION_HOURS": self.session_hours,
            "WALL_SESSION_DAYS": self.wall_session_days,
            "WEB_PROXIES": self.web_proxies,
            "PARTITIONS": self.partitions,
            "RECORDER_NAME": self.recorder_name,
            "REJECTED_KEPT": self.rejected_kept,
            "REJECTED_KEPT_MB": self.rejected_kept_mb,
            "POLLS": self.polls and self.polls.resolve(),
            "MQTT_URL": self.mqtt_url,
            "MQTT_CLIENT_ID": self.mqtt_client_id,
            "MQTT_CA_FILE": self.mqtt_ca_file and self.mqtt_ca_file.resolve(),
            "MQTT_CERT_FILE": self.mqtt_cert_file and self.mqtt_cert_file.resolve(),
            "MQTT_KEY_FILE": self.mqtt_key_file and self.mqtt_key_file.resolve(),
            "MQTT_TOPICS": " ".join(self.mqtt_topics) or None,
            "MQTT_SHARE": self.mqtt_share,
            "SENDERS": self.senders and self.senders.resolve(),
            "REDIS_MEMORY_MB": self.redis_memory_mb,
            "REDIS_FSYNC": self.redis_fsync,
            "INGEST_CONNECTIONS": self.ingest_connections,
            "INGEST_CONNECTIONS_PER_ADDRESS": self.ingest_connections_per_address,
            "INGEST_BODIES_MB": self.ingest_bodies_mb,
            "INGEST_HEAD_TIMEOUT_S": self.ingest_head_timeout_s,
            "INGEST_BODY_TIMEOUT_S": self.ingest_body_timeout_s,
            "READINGS_WAIT_AT_MEMORY_PERCENT": self.readings_wait_at_memory_percent,
            "READINGS_WAIT_AT_UNRECORDED": self.readings_wait_at_unrecorded,
            "READINGS_WAIT_AT_DISK_MB": self.readings_wait_at_disk_mb,
            "STREAM_KEPT_S": self.stream_kept_s,
            "STREAM_LONGEST": self.stream_longest,
            "MEDIA_KEPT_DAYS": self.media_kept_days,
            **{_name_kept(table): days for table, days in self.kept_days.items()},
        }
        return {name: str(value) for name, value in values.items() if value is not None}


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment gives; raises `SettingError` naming a bad one."""
    county = environ.get("COUNTY")
    web_host = environ.get("WEB_HOST") or "127.0.0.1"
    return Settings(
        county=Path(county) if county else None,
        data_dir=Path(environ.get("DATA_DIR") or "data"),
        redis_url=environ.get("REDIS_URL") or None,
        database_url=environ.get("DATABASE_URL") or None,
        web_host=web_host,
        web_port=_read_integer(environ, "WEB_PORT", 8050, highest=65535),
        ingest_host=environ.get("INGEST_HOST") or "127.0.0.1",
        ingest_port=_read_integer(environ, "INGEST_PORT", 8060, highest=65535),
        ingest_key=environ.get("INGEST_KEY") or None,
        personal_key_file=_read_path(environ, "PERSONAL_KEY_FILE"),
        simulator=_read_choice(environ, "SIMULATOR", "1", ("0", "1")) == "1",
        steward=_read_choice(environ, "STEWARD", "1", ("0", "1", "all")),
        steward_days=_read_integer(environ, "STEWARD_DAYS", 60, highest=3660),
        alarms=_read_choice(environ, "ALARMS", "1", ("0", "1")) == "1",
        ui_lang=_read_choice(environ, "UI_LANG", "zh", ("zh", "en")),
        live_tick_ms=_read_integer(environ, "LIVE_TICK_MS", 250, highest=10_000),
        auth=_read_choice(environ, "AUTH", "demo" if is_loopback(web_host) else "on", ("demo", "on")),
        session_idle_minutes=_read_integer(environ, "SESSION_IDLE_MINUTES", 30, highest=1440),
        session_hours=_read_integer(environ, "SESSION_HOURS", 12, highest=168),
        wall_session_days=_read_integer(environ, "WALL_SESSION_DAYS", 30, highest=3660),
        web_proxies=environ.get("WEB_PROXIES") or "127.0.0.1",
        partitions=_read_integer(environ, "PARTITIONS", 4, highest=1024),
        recorder_name=environ.get("RECORDER_NAME") or None,
        rejected_kept=_read_integer(environ, "REJECTED_KEPT", 100_000, highest=100_000_000),
        rejected_kept_mb=_read_integer(environ, "REJECTED_KEPT_MB", 256, highest=1_000_000),
        polls=Path(environ["POLLS"]) if environ.get("POLLS") else None,
        mqtt_url=environ.get("MQTT_URL") or None,
        mqtt_client_id=environ.get("MQTT_CLIENT_ID") or "county-brain",
        mqtt_ca_file=_read_path(environ, "MQTT_CA_FILE"),
        mqtt_cert_file=_read_path(environ, "MQTT_CERT_FILE"),
        mqtt_key_file=_read_path(environ, "MQTT_KEY_FILE"),
        mqtt_topics=tuple((environ.get("MQTT_TOPICS") or "").split()),
        mqtt_share=environ.get("MQTT_SHARE") or None,
        senders=Path(environ["SENDERS"]) if environ.get("SENDERS") else None,
        redis_memory_mb=_read_integer(environ, "REDIS_MEMORY_MB", 0, highest=16 * 1024 * 1024) or None,
        redis_fsync=_read_choice(environ, "REDIS_FSYNC", "everysec", ("everysec", "always")),
        ingest_connections=_read_integer(environ, "INGEST_CONNECTIONS", 1024, highest=100_000),
        ingest_connections_per_address=_read_integer(environ, "INGEST_CONNECTIONS_PER_ADDRESS", 256, highest=100_000),
        ingest_bodies_mb=_read_integer(environ, "INGEST_BODIES_MB", 64, highest=65_536),
        ingest_head_timeout_s=_read_integer(environ, "INGEST_HEAD_TIMEOUT_S", 10, highest=3600),
        ingest_body_timeout_s=_read_integer(environ, "INGEST_BODY_TIMEOUT_S", 30, highest=3600),
        readings_wait_at_memory_percent=_read_integer(environ, "READINGS_WAIT_AT_MEMORY_PERCENT", 80, highest=100),
        readings_wait_at_unrecorded=_read_integer(environ, "READINGS_WAIT_AT_UNRECORDED", 10_000_000, highest=10**10),
        readings_wait_at_disk_mb=_read_integer(environ, "READINGS_WAIT_AT_DISK_MB", 256, highest=10**7),
        stream_kept_s=_read_integer(environ, "STREAM_KEPT_S", 300, highest=7 * 86_400),
        stream_longest=_read_integer(environ, "STREAM_LONGEST", 500_000, highest=1_000_000_000),
        media_kept_days=_read_integer(environ, "MEDIA_KEPT_DAYS", 400, highest=100_000, lowest=0),
        kept_days={
            table: _read_integer(environ, _name_kept(table), days, highest=100_000, lowest=0)
            for table, days in KEPT_DAYS.items()
        },
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host's address; a name that nobody knows is not ours."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback if ":" not in host else host == "::1"
    except OSError:
        return False


def _name_kept(table: str) -> str:
    return f"{table.upper()}_KEPT_DAYS"


def _as_reachable(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _read_path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text) if text else None


def _read_integer(environ: Mapping[str, str], name: str, default: int, highest: int, lowest: int = 1) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise SettingError(f"{name} must be a whole number from {lowest} to {highest}, not {text!r}")
    return int(text)


def _read_choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = environ.get(name) or default
    if text not in choices:
        raise SettingError(f"{name} must be one of {', '.join(choices)}, not {text!r}")
    return text
