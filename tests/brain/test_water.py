"""Single-factor classes against the limits of GB 3838-2002, table 1."""

import pytest

from brain.water import WORST, rate_water


@pytest.mark.parametrize(
    ("measured", "grade", "deciding"),
    [
        ({"cod_mn": 2.0}, 1, ("cod_mn",)),
        ({"cod_mn": 2.1}, 2, ("cod_mn",)),
        ({"cod_mn": 15.1}, WORST, ("cod_mn",)),
        ({"dissolved_oxygen": 7.5}, 1, ("dissolved_oxygen",)),
        ({"dissolved_oxygen": 5.9}, 3, ("dissolved_oxygen",)),
        ({"dissolved_oxygen": 1.9}, WORST, ("dissolved_oxygen",)),
        ({"ph": 7.1}, 1, ("ph",)),
        ({"ph": 9.2}, WORST, ("ph",)),
        ({"cod": 15}, 1, ("cod",)),  # classes I and II share the limit
        ({"cod_mn": 3.0, "ammonia_n": 1.2, "total_p": 0.05}, 4, ("ammonia_n",)),
        ({"ammonia_n": 1.2, "total_p": 0.25}, 4, ("ammonia_n", "total_p")),
    ],
)
def test_known_values(measured: dict[str, float], grade: int, deciding: tuple[str, ...]) -> None:
    quality = rate_water(measured)
    assert quality is not None
    assert (quality.grade, quality.deciding) == (grade, deciding)


def test_lakes_are_judged_more_strictly() -> None:
    river, lake = rate_water({"total_p": 0.1, "total_n": 3.0}), rate_water({"total_p": 0.1, "total_n": 3.0}, lake=True)
    assert river is not None
    assert lake is not None
    assert (river.grade, river.name) == (2, "II")
    assert (lake.grade, lake.name, lake.deciding) == (WORST, "劣V", ("total_n",))


def test_nothing_known_is_no_class() -> None:
    assert rate_water({}) is None
    assert rate_water({"turbidity": 4.0, "cod_mn": None}) is None
