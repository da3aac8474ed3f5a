"""The list of incidents: those that stand first, each stretch of its own, and nobody else's."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cases.rulebook import read_rulebook
from dashboard.incident_list import Stretch, list_stretches
from dashboard.pages import incidents
from dashboard.people.viewer import Viewer, current_viewer
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.store import open_database
from ingest.tables import as_ms
from tests.dashboard.serving import OFFICER
from tests.ingest.samples import Writer
from tests.layers.worlds import NOON, act, report

MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(tmp_path: Path, county: County) -> Iterator[Engine]:
    """Case 1 in the first cell, twice an incident; case 2 in the last, which is one; case 3 never was."""
    url = f"sqlite:///{tmp_path / 'county.db'}"
    upgrade_database(url)
    engine = open_database(url)
    Writer(engine).write(
        report(county, 1, severity=1, category="0102", title="起火，联系13812345678"),
        act(1, "begin_incident", NOON),
        act(1, "end_incident", NOON + 10 * MINUTE),
        act(1, "begin_incident", NOON + 30 * MINUTE),
        act(1, "end_incident", NOON + 90 * MINUTE),
        report(county, 2, cell=len(county.cells) - 1, category="0102"),
        act(2, "begin_incident", NOON + 20 * MINUTE),
        report(county, 3, category="0102"),
        act(3, "accept", NOON + MINUTE),
    )
    yield engine
    engine.dispose()


def tell(stretches: list[Stretch]) -> list[tuple[str, int, int | None]]:
    start = as_ms(NOON)
    return [
        (
            one.case.case_id,
            (one.begun_ms - start) // 60_000,
            None if one.ended_ms is None else (one.ended_ms - start) // 60_000,
        )
        for one in stretches
    ]


def test_those_that_stand_are_first_and_the_newest_follow(engine: Engine, county: County) -> None:
    found = tell(list_stretches(engine, read_rulebook(county), OFFICER))
    assert found == [("C2", 20, None), ("C1", 30, 90), ("C1", 0, 10)]


def test_a_town_sees_its_own(engine: Engine, county: County) -> None:
    town = str(county.cells.index[0])[:9]
    found = tell(list_stretches(engine, read_rulebook(county), Viewer("x", "X", "town_centre", town)))
    assert found == [("C1", 30, 90), ("C1", 0, 10)]


@pytest.mark.parametrize(("lang", "lasted"), [("zh", "1 小时"), ("en", "1 h")])
def test_the_page_leads_to_each_and_masks(engine: Engine, county: County, lang: str, lasted: str) -> None:
    token = current_viewer.set(OFFICER)
    try:
        page = str(incidents.lay_out(county, lang, engine, read_rulebook(county)))
    finally:
        current_viewer.reset(token)
    assert f"/incident/C1?lang={lang}" in page and f"/incident/C2?lang={lang}" in page
    assert "138****5678" in page and "13812345678" not in page
    assert lasted in page
