"""Codes and the numbering of cells."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import affinity, box

from geo.cells import CodeError, level_of, make_code, number_cells, parent_of, split_code

COUNTY = st.from_regex(r"[0-9]{6}", fullmatch=True)
SEQUENCE = st.integers(0, 999)


@given(COUNTY, SEQUENCE, SEQUENCE, SEQUENCE)
def test_a_code_comes_apart_as_it_was_made(county: str, town: int, village: int, cell: int) -> None:
    town_code = make_code(county, town)
    village_code = make_code(town_code, village)
    cell_code = make_code(village_code, cell)
    assert split_code(cell_code) == (county, f"{town:03d}", f"{village:03d}", f"{cell:03d}")
    assert split_code(town_code) == (county, f"{town:03d}", None, None)
    assert [level_of(code) for code in (county, town_code, village_code, cell_code)] == [
        "county",
        "town",
        "village",
        "cell",
    ]


@given(COUNTY, SEQUENCE, SEQUENCE, SEQUENCE)
def test_every_code_lies_in_its_parent(county: str, town: int, village: int, cell: int) -> None:
    code = make_code(make_code(make_code(county, town), village), cell)
    parents = [code]
    while (parent := parent_of(parents[-1])) is not None:
        assert parents[-1].startswith(parent)
        parents.append(parent)
    assert parents[-1] == county
    assert len(parents) == 4


@pytest.mark.parametrize("code", ["", "33068", "3306810", "33068100100x", "3306811001001001", "٣٣٠٦٨١", " 330681"])
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(CodeError, match="code"):
        level_of(code)


def test_what_does_not_fit_a_code_is_refused() -> None:
    with pytest.raises(CodeError, match="nothing lies inside a cell"):
        make_code("330681001001001", 1)
    with pytest.raises(CodeError, match="from 0 to 999"):
        make_code("330681", 1000)
    with pytest.raises(CodeError, match="from 0 to 999"):
        make_code("330681", -1)


def test_cells_are_numbered_west_to_east_then_north_to_south() -> None:
    grid = [box(x, y, x + 1, y + 1) for y in range(3) for x in range(4)]
    numbers = dict(zip([(x, y) for y in range(3) for x in range(4)], number_cells(grid), strict=True))
    assert [numbers[0, 2], numbers[0, 1], numbers[0, 0], numbers[1, 2]] == [1, 2, 3, 4]
    assert numbers[3, 0] == 12


def test_a_column_may_waver() -> None:
    column = [affinity.translate(box(0, y, 1, y + 1), 0.2 * (y % 2)) for y in range(4)]
    assert number_cells(column) == [4, 3, 2, 1]


def test_no_cells_need_no_numbers() -> None:
    assert number_cells([]) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 5)), min_size=1, max_size=30, unique=True
    ),
    st.randoms(use_true_random=False),
)
def test_numbers_do_not_depend_on_the_order_given(places: list[tuple[int, int, int]], chance: random.Random) -> None:
    shapes = [box(x / 7, y / 7, (x + size) / 7, (y + size) / 7) for x, y, size in places]
    numbers = number_cells(shapes)
    assert sorted(numbers) == list(range(1, len(shapes) + 1))
    order = list(range(len(shapes)))
    chance.shuffle(order)
    shuffled = number_cells([shapes[index] for index in order])
    assert [shuffled[order.index(index)] for index in range(len(shapes))] == numbers
