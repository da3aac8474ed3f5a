"""How patrols and visits cover a cell: whose numbers these are, which are not told, and when they change."""

from datetime import timedelta

from cases.rounds import COVERED_DAYS, FEWEST
from geo.county import County
from ingest.tables import as_ms
from layers import coverage
from layers.contract import Frame, View
from layers.excerpt import Excerpt, Scope
from layers.state import LiveState
from tests.layers.worlds import NOON, care_for, check_in, live

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
OTHER = 700  # of another town, where there is one plan of patrols


def see(state: LiveState, *cells: int) -> Frame:
    return coverage.compute(state, View(state.as_of, frozenset(cells)))


def shares(state: LiveState, *cells: int) -> list[float | None]:
    return list(coverage.draw(see(state, *cells)).values)


def tell(state: LiveState, cell: int) -> dict[str, str]:
    return {fact.label.en: fact.value.en for fact in coverage.explain(see(state, cell), cell).facts}


def test_patrols_count_by_the_turns_that_are_over(county: County) -> None:
    walked = [check_in(county, NOON - weeks * WEEK, cell=OTHER) for weeks in (1, 2, 4)]
    state = live(county, *walked, *walked)
    assert shares(state, OTHER) == [75]
    card = tell(state, OTHER)
    assert (card["Done"], card["Patrols"]) == ("75 % (3/4)", "75 % (3/4)")
    assert card["Patrols missed"] == "1" and "Patrols overdue" not in card


def test_all_is_all_and_one_miss_among_many_is_not(county: County) -> None:
    walked = [check_in(county, NOON - weeks * WEEK, cell=OTHER) for weeks in range(1, 6)]
    state = live(county, *walked)
    assert shares(state, OTHER) == [100]
    state.put_entries(care_for(county, OTHER, 300))
    assert shares(state, OTHER) == [1]  # rounded down
    visits = [check_in(county, NOON - DAY, OTHER, "care", f"P{OTHER}-{number}") for number in range(299)]
    for visit in visits:
        state.apply(visit)
    state.advance(as_ms(NOON + DAY))
    assert shares(state, OTHER) == [99]


def test_few_visits_are_neither_told_nor_counted(county: County) -> None:
    walked = [check_in(county, NOON - weeks * WEEK, cell=OTHER) for weeks in range(1, 6)]
    state = live(county, *walked)
    cards = []
    for persons in (0, FEWEST - 1):  # nor can one tell few from none
        state.put_entries(care_for(county, OTHER, persons))
        assert shares(state, OTHER) == [100]
        cards.append(tell(state, OTHER))
    assert cards[0] == cards[1]
    state.put_entries(care_for(county, OTHER, FEWEST))
    assert tell(state, OTHER)["Visits"] == f"0 % (0/{FEWEST})"


def test_no_card_names_anybody(county: County) -> None:
    state = live(county, check_in(county, cell=3), check_in(county, cell=3, plan="care", person="P3-0"))
    state.put_entries(care_for(county, 3, 9))
    told = str(coverage.explain(see(state, 3), 3))
    assert "GW-" not in told and "P3" not in told and county.cells["responsible"].iloc[3] not in told


def test_a_day_of_the_county_and_a_check_in_change_what_is_drawn(county: County) -> None:
    state = live(county, check_in(county, NOON - DAY, cell=OTHER))
    state.take_changes()
    state.advance(as_ms(NOON + timedelta(hours=11)))
    assert not state.take_changes().cells
    state.advance(as_ms(NOON + timedelta(hours=13)))  # past the county's midnight, by UTC the same day
    assert state.take_changes().cells == set(state.cells)
    state.apply(check_in(county, NOON, cell=2))
    state.apply(check_in(county, NOON, cell=2))
    state.apply(check_in(county, NOON - COVERED_DAYS * 4 * DAY, cell=4))  # too old to count
    assert state.take_changes().cells == {2}


def test_nothing_is_due_where_no_plan_is(county: County) -> None:
    state = live(county, check_in(county, cell=OTHER))
    assert shares(state, OTHER) == [0]
    state.rounds.rounds = type(state.rounds.rounds)({}, {}, county.time_zone)
    state.advance(as_ms(NOON + DAY))
    assert shares(state, OTHER) == [None]
    assert tell(state, OTHER)["Done"] == "No tasks due"


def test_a_town_sees_its_own_as_it_changes(county: County) -> None:
    whole = live(county, check_in(county, NOON - WEEK, cell=OTHER))
    town = Excerpt(county, whole, Scope(str(county.cells.index[OTHER])[:9]))
    whole.take_changes()
    town.take_changes()
    whole.apply(check_in(county, NOON - 2 * WEEK, cell=OTHER))
    whole.apply(check_in(county, NOON - 2 * WEEK, cell=0))
    assert town.follow(whole.take_changes())
    assert town.take_changes().cells == {OTHER}
    assert shares(town, OTHER) == shares(whole, OTHER) == [50]
    assert shares(town, 0) == []
