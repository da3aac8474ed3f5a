"""The table of permissions: whole, and as the county's offices are."""

import pytest

from cases.flow import ROLES as CASE_ROLES
from dashboard.people.permissions import DEEDS, PAGES, RIGHTS, may, may_reach
from dashboard.people.viewer import ROLES, Viewer


def list_roles(right: str) -> set[str]:
    return {role for role in ROLES if may(Viewer("x", "X", role), right)}


def test_the_table_names_every_role_and_every_right() -> None:
    assert set(RIGHTS) == set(ROLES)
    assert set().union(*RIGHTS.values()) == {*PAGES, *DEEDS}


def test_who_acts_on_cases_has_a_desk_to_do_it() -> None:
    assert list_roles("act") == set(CASE_ROLES)
    assert list_roles("act") <= list_roles("duty")


def test_administrators_serve_and_do_not_look_into_cases() -> None:
    assert list_roles("people") == {"administrator"}
    assert not RIGHTS["administrator"] & {"act", "unmask", "hand_over", "export", "visits"}


def test_a_wall_shows_the_wall_and_nothing_else() -> None:
    assert RIGHTS["wall"] == {"wall"}


def test_only_those_with_a_desk_see_more_than_counts() -> None:
    for right in ("unmask", "hand_over", "patrols", "visits", "export"):
        assert list_roles(right) <= list_roles("duty"), right


def test_what_nobody_wrote_down_nobody_may() -> None:
    assert list_roles("everything") == set()
    assert not may(Viewer("x", "X", "emperor"), "wall")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("page", PAGES)
def test_an_address_asks_for_the_right_of_its_page(role: str, page: str) -> None:
    viewer = Viewer("x", "X", role)
    for path in (f"/{page}", f"/{page}/", f"/{page}/more", f"//{page}"):
        assert may_reach(viewer, path) == may(viewer, page), path
    assert may_reach(viewer, f"/{page}-other")  # another address


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/api/cases", "duty"),
        ("/api/cases/A-1/actions", "duty"),
        ("/api/nearby", "duty"),
        ("/api/incidents/A-1", "duty"),
        ("/incident/A-1", "duty"),
        ("/api/feeds", "feeds"),
        ("/api/briefing", "briefing"),
        ("/api/alarms/load", "alarms"),
        ("/api/alarms/bin_fire:bin-7/actions", "alarms"),
        ("/api/alarms/actions", "alarm"),
        ("/api/walls/hall/orders", "walls"),
        ("/api/wall/beat", "wall"),
        ("/api/exports/queue.csv", "export"),
        ("/api/exports/performance.csv", "export"),
        ("/api/exercises/end", "exercise"),
        ("/exercise", "exercise"),
    ],
)
def test_the_api_asks_for_the_right_of_the_page_that_it_serves(role: str, path: str, right: str) -> None:
    viewer = Viewer("x", "X", role)
    assert may_reach(viewer, path) == may(viewer, right)
    assert may_reach(viewer, "/api/county") and may_reach(viewer, "/live")
