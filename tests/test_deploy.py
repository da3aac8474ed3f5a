"""What `deploy/` and `docs/operations.md` name exists: commands, settings, files; and Valkey takes its file."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from ingest.__main__ import COMMANDS
from ingest.child import start_child
from ingest.embedded import find_server
from ingest.settings import read_settings
from tests.appliance import ROOT, free_port, wait_for

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
PYTHON = "/opt/county-brain/.venv/bin/python"
# Of the deployment itself, not of a part.
OWN_NAMES = {"REDIS_PASSWORD", "POSTGRES_PASSWORD", "VERSION", "INGEST_BIND"}
NAME = r"[A-Z][A-Z0-9_]+"


class Asked(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def list_settings() -> set[str]:
    asked = Asked()
    read_settings(asked)
    return asked.names


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def check_command(words: list[str]) -> None:
    """Fail where `words`, as they follow Python, are not a command of ours."""
    if words[0] == "app.py":
        assert (ROOT / "app.py").is_file() and len(words) == 1
    elif words[:2] == ["-m", "ingest"]:
        assert words[2] in COMMANDS, words
    else:
        assert words[:2] in (["-m", "dashboard"], ["-m", "cases"], ["-m", "brain"]), words
        ask_for_help(tuple(word.replace("%i", "8051") for word in words))


@cache
def ask_for_help(words: tuple[str, ...]) -> None:
    """Fail where a command does not know its own words."""
    command = [sys.executable, *words, "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0 and f"{words[1]} {words[2]}" in told.stdout, told


def test_every_setting_is_in_the_template_and_in_the_manual() -> None:
    settings = list_settings()
    assert {"COUNTY", "PARTITIONS", "READINGS_KEPT_DAYS"} < settings
    template = (DEPLOY / "county-brain.env").read_text(encoding="utf-8")
    assert set(re.findall(rf"^#?({NAME})=", template, re.MULTILINE)) == settings | OWN_NAMES
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (`.*?) \|", manual, re.MULTILINE)
    assert {name for cell in table for name in re.findall(f"`({NAME})`", cell)} >= settings


def test_the_template_shows_the_defaults() -> None:
    template = (DEPLOY / "county-brain.env").read_text(encoding="utf-8")
    shown = dict(re.findall(rf"^#({NAME})=(.+)$", template, re.MULTILINE))
    defaults = read_settings({}).as_environ()
    assert {name: value for name, value in shown.items() if name not in OWN_NAMES} == {
        name: defaults[name] for name in shown if name not in OWN_NAMES
    }


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_units_start_what_there_is(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    for command in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE):
        for words in re.findall(rf"{PYTHON} ((?:-m \w+ \w+|app\.py)(?: --port %i)?)", command):
            check_command(words.split())
        for name in re.findall(rf"({NAME})=", command):
            assert name in list_settings(), name
    assert set(re.findall(r"\$\$?\{?([A-Z]\w+)", text)) <= list_settings() | OWN_NAMES
    for other in re.findall(r"^(?:PartOf|WantedBy)=(county-\S+)$", text, re.MULTILINE):
        assert (unit.parent / other).is_file(), other


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(PYTHON, sys.executable)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
        sections = re.findall(r"^\[(\w+)\]$", text, re.MULTILINE)
        assert sections[0] == "Unit" and set(sections) <= {"Unit", "Service", "Timer", "Install"}
        if systemd:
            told = subprocess.run(
                [systemd, "verify", tmp_path / unit.name], capture_output=True, text=True, check=False
            )
            assert (told.returncode, told.stderr) == (0, ""), unit.name


def test_compose_names_what_there_is(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"valkey-1", "valkey-2", "valkey-3", "postgres", "ingest-1", "ingest-2", "recorder-1", "recorder-2"} < set(
        services
    )
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        assert set(service["networks"]) <= compose["networks"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in compose["volumes"], volume
        if service["image"].startswith("county-brain:"):
            assert service["environment"].keys() <= list_settings(), name
            assert service["command"][0] == "python"
            check_command(service["command"][1:])
    names = [services[name]["environment"]["RECORDER_NAME"] for name in services if name.startswith("recorder")]
    assert len(set(names)) == len(names) == 2


def test_what_compose_is_told_is_in_the_template() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    template = (DEPLOY / "county-brain.env").read_text(encoding="utf-8")
    asked = set(re.findall(rf"(?<!\$)\$\{{({NAME})", text))
    assert asked and asked <= set(re.findall(rf"^#?({NAME})=", template, re.MULTILINE))


def test_the_proxy_leads_to_services(compose: dict[str, Any]) -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    servers = re.findall(r"server ([\w-]+):(\d+)", text)
    assert {name for name, _ in servers} == {"ingest-1", "ingest-2", "web", "live"} <= compose["services"].keys()
    assert dict(servers)["live"] == compose["services"]["live"]["command"][-1]
    upstreams = set(re.findall(r"^upstream (\w+)", text, re.MULTILINE))
    assert set(re.findall(r"proxy_pass http://(\w+)", text)) == upstreams
    assert text.count("{") == text.count("}")


def test_the_image_is_made_of_what_there_is() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    sources = [word for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert "ingest" in sources and all((ROOT / source).exists() for source in sources)
    packages = {folder.parent.name for folder in ROOT.glob("*/__init__.py")}
    assert packages - {"tests", "bench", "docs"} <= set(sources), "a package that the image lacks"


def test_a_real_server_takes_the_file(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "password.conf").write_text("requirepass secret\nprimaryauth secret\n")
    options = {"--dir": str(tmp_path), "--port": str(port), "--cluster-port": str(free_port()), "--bind": "127.0.0.1"}
    process = start_child(
        [
            *(str(find_server()), str(DEPLOY / "valkey.conf")),
            *(word for option in options.items() for word in option),
            *("--include", str(tmp_path / "password.conf")),
        ]
    )
    client: Any = redis.Redis(port=port, password="secret", decode_responses=True)

    def answers() -> bool:
        assert process.poll() is None, "it ended"
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    try:
        wait_for(answers, what="the server")
        assert client.info("cluster")["cluster_enabled"] == 1
        told = client.config_get("append*", "maxmemory*", "cluster-*")
        assert (told["appendonly"], told["appendfsync"]) == ("yes", "always")
        assert told["maxmemory-policy"] == "noeviction"
        assert (told["cluster-require-full-coverage"], told["cluster-replica-no-failover"]) == ("no", "yes")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
    finally:
        client.close()
        process.kill()
        process.wait()
