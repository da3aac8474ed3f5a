"""Every door keeps the contract in `ingest/connectors/__init__.py`: its fixtures parse, and no bytes make it raise."""

import ast
import importlib
import pkgutil
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ingest.connectors
from geo.profile import Datastream
from ingest.connectors import Delivery, Parsed, Refusal
from ingest.pipeline import Connector, as_connector
from ingest.reception import Reception
from ingest.records import decode_record, encode_record

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "connectors"
NAMES = [module.name for module in pkgutil.iter_modules(ingest.connectors.__path__)]
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RECEPTION = Reception(
    county_code="339901",
    zone=ZoneInfo("Asia/Shanghai"),
    categories=frozenset({"0102"}),
    declared_feeds={"noise": "dB"},
    asset_points={"B-1": (120.5, 29.5)},
    cell_points={"339901001001001": (120.2, 29.6)},
    asset_kinds={"B-1": "bin"},
    datastreams={"42": Datastream("42", "waste", "B-1")},
    measure_names={"bin": {"l": "fillingLevel", "t": "temperature"}},
)
FOREIGN_TO_A_DOOR = {"asyncio", "time", "random", "redis", "sqlalchemy", "httpx", "socket", "threading", "subprocess"}


def load(name: str) -> Connector:
    return as_connector(importlib.import_module(f"ingest.connectors.{name}"))


def list_bodies(name: str) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = tomllib.loads((FIXTURES / name / "fixtures.toml").read_text())["body"]
    return bodies


def deliver(fixture: dict[str, Any], body: bytes) -> Delivery:
    return Delivery(
        body=body,
        received_at=NOW,
        content_type=fixture["content_type"],
        headers=fixture.get("headers", {}),
        topic=fixture.get("topic", ""),
    )


def check(parsed: Parsed) -> None:
    """Hold a door's answer to what the pipeline relies on."""
    assert isinstance(parsed, Parsed)
    assert parsed.unreadable is None or not parsed.items
    for item in parsed.items:
        if isinstance(item, Refusal):
            assert item.field
            assert item.reason.startswith(f"{item.field}: ")
            assert isinstance(item.body, bytes)
        else:
            assert item.source
            assert item.id
            assert item.received_at == NOW
            assert decode_record(encode_record(item)) == item


@pytest.mark.parametrize("name", NAMES)
def test_a_door_has_the_names_of_the_contract(name: str) -> None:
    door = load(name)
    assert name == door.NAME
    assert door.CONTENT_TYPES
    assert door.ALONE in door.CONTENT_TYPES
    assert all(text == text.strip().lower() and ";" not in text for text in door.CONTENT_TYPES)


@pytest.mark.parametrize("name", NAMES)
def test_a_door_owns_no_redis_clock_or_sleep(name: str) -> None:
    source = (Path(ingest.connectors.__path__[0]) / f"{name}.py").read_text()
    tree = ast.walk(ast.parse(source))
    imported = set()
    for node in tree:
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {(node.module or "").partition(".")[0], node.module}
    assert not imported & FOREIGN_TO_A_DOOR
    assert not imported & {"ingest.stream", "ingest.store", *(f"ingest.connectors.{other}" for other in NAMES)}
    assert "datetime.now" not in source


@pytest.mark.parametrize("name", NAMES)
def test_every_content_type_has_a_fixture(name: str) -> None:
    bodies = list_bodies(name)
    assert {body["content_type"] for body in bodies} == set(load(name).CONTENT_TYPES)
    assert any(body["refusals"] for body in bodies)


@pytest.mark.parametrize(("name", "body"), [(name, body) for name in NAMES for body in list_bodies(name)])
def test_fixtures_parse(name: str, body: dict[str, Any]) -> None:
    parsed = load(name).parse(deliver(body, (FIXTURES / name / body["file"]).read_bytes()), RECEPTION)
    check(parsed)
    refusals = [item for item in parsed.items if isinstance(item, Refusal)]
    assert (len(parsed.items) - len(refusals), len(refusals)) == (body["records"], body["refusals"]), refusals


@pytest.mark.parametrize(("name", "body"), [(name, body) for name in NAMES for body in list_bodies(name)])
def test_a_refused_event_by_itself_is_refused_for_the_same_reason(name: str, body: dict[str, Any]) -> None:
    door = load(name)
    parsed = door.parse(deliver(body, (FIXTURES / name / body["file"]).read_bytes()), RECEPTION)
    for item in parsed.items:
        if isinstance(item, Refusal):
            alone = door.parse(deliver({**body, "content_type": door.ALONE, "headers": {}}, item.body), RECEPTION)
            assert [other.reason for other in alone.items if isinstance(other, Refusal)] == [item.reason] or (
                not alone.items and alone.unreadable
            )


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(deadline=None)
def test_no_bytes_make_a_door_raise(name: str, data: st.DataObject) -> None:
    door = load(name)
    fixture = data.draw(st.sampled_from(list_bodies(name)))
    body = data.draw(st.binary() | st.text().map(str.encode))
    check(door.parse(deliver(fixture, body), RECEPTION))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(deadline=None)
def test_a_damaged_body_does_not_either(name: str, data: st.DataObject) -> None:
    door = load(name)
    fixture = data.draw(st.sampled_from(list_bodies(name)))
    body = bytearray((FIXTURES / name / fixture["file"]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        body[start : start + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=6))
    check(door.parse(deliver(fixture, bytes(body)), RECEPTION))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}+14:00"),
)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_odd_values_anywhere_do_not_either(name: str, data: st.DataObject) -> None:
    door = load(name)
    fixture = data.draw(st.sampled_from(list_bodies(name)))
    body = (FIXTURES / name / fixture["file"]).read_bytes()
    try:
        tree = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return  # not one JSON document: the damaged bodies above are for those
    node = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(ODD)
    check(door.parse(deliver(fixture, msgspec.json.encode(tree)), RECEPTION))
