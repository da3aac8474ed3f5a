"""The headline figures and the charts of the wall, from the live state.

Every figure has one definition, here. "Now" is the state's moment; a day begins at the county's midnight; "the
last 24 h" are the 24 hours that end now, counted in quarters of an hour.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cases.clocks import Colour
from ingest.tables import as_ms, as_time
from layers import LAYERS
from layers.contract import View
from layers.series import HOUR_MS, QUARTER_MS, HourlyFigure
from layers.state import LiveState
from layers.traffic import delay_share, free_flow_kmh, mean_share

DAY_MS = 24 * HOUR_MS
HOURS = 24
BINS_CARRIED_HOURS = 2  # a bin that spoke within its feed's double limit still counts in an hour


class Figure(msgspec.Struct, frozen=True):
    """One headline figure; `change` is against the day before, `spark` 24 hourly values, oldest first."""

    value: float | None
    change: float | None
    spark: Sequence[float | None]
    at: int | None


class Figures:
    """Computes figures and charts; layer figures again only when their feed changed."""

    def __init__(self, state: LiveState):
        self._state = state
        full_ratio = state.thresholds.bin_full_ratio
        self._bins = HourlyFigure(
            state.hours["waste"],
            lambda standing: float(sum(value >= full_ratio for _, value in standing)),
            BINS_CARRIED_HOURS,
            among=state.only_assets,
        )
        self._traffic = HourlyFigure(
            state.hours["traffic"],
            lambda standing: mean_share([delay_share(v, free_flow_kmh(state, a)) for a, v in standing]) or 0.0,
            among=state.only_assets,
        )
        self._headlines: dict[str, float | None] = {}
        self._bins_by_hour: list[float | None] = []
        self._traffic_by_hour: list[float | None] = []

    def refresh(self, feeds: set[str], measure: Callable[[str], float | None]) -> None:
        """Take the headlines of those layers anew whose feed changed; `measure` gives a layer's by its key."""
        for key in ("smart_bins", "traffic", "air", "staff"):
            if key not in self._headlines or LAYERS[key].spec.feed in feeds:
                self._headlines[key] = measure(key)

    def refresh_hours(self) -> None:
        """Compute the figures by hour anew where readings changed them; dearer than `refresh`, so less often."""
        hours = [hour_ms // HOUR_MS for hour_ms in self._hour_starts()]
        self._bins_by_hour = self._bins.at_hours(hours)
        self._traffic_by_hour = self._traffic.at_hours(hours)

    def figures(self) -> dict[str, Figure]:
        """Return every headline figure."""
        state, now_ms = self._state, self._state.now_ms
        reported, closed, answered = (state.counts[name].between for name in ("reported", "closed", "answered"))
        midnight_ms = self._midnight_ms()
        yesterday_ms, since_midnight_ms = midnight_ms - DAY_MS, now_ms - midnight_ms
        next_ms = now_ms + QUARTER_MS  # the running quarter counts
        reported_by_hour, closed_by_hour = self._by_hour("reported"), self._by_hour("closed")
        at = self._stamp("cases")
        reported_day = reported(next_ms - DAY_MS, next_ms)
        ratio = round(answered(next_ms - DAY_MS, next_ms) / reported_day, 3) if reported_day else None
        severe = sum(state.open_by_severity[severity] for severity in (1, 2))
        severe_net = self._net("severe_reported", "severe_closed")
        open_cases = state.open_by_severity.total()
        open_net = self._net("reported", "closed")
        today = reported(midnight_ms, next_ms)
        closed_today = closed(midnight_ms, next_ms)
        until_ms = yesterday_ms + since_midnight_ms + QUARTER_MS
        return {
            "open_cases": Figure(open_cases, sum(open_net), _stand_before(open_cases, open_net), at),
            "new_today": Figure(today, today - reported(yesterday_ms, until_ms), reported_by_hour, at),
            "closed_today": Figure(closed_today, closed_today - closed(yesterday_ms, until_ms), closed_by_hour, at),
            "closed_ratio_24h": Figure(ratio, None, _unknown(), at),
            "overdue": self._lit("red"),
            "nearly_due": self._lit("yellow"),
            "disputes_open": Figure(self._count_disputes(), None, _unknown(), at),
            "severe_open": Figure(severe, sum(severe_net), _stand_before(severe, severe_net), at),
            "bins_to_empty": self._layer_figure("smart_bins", "waste", self._bins_by_hour),
            "traffic_index": self._layer_figure("traffic", "traffic", self._traffic_by_hour),
            "aqi": self._layer_figure("air", "air", _unknown()),
            "workers_on_duty": self._layer_figure("staff", "workers", _unknown()),
        }

    def charts(self) -> dict[str, dict[str, Any]]:
        """Return every chart as `x` and named `series` of the same length."""
        state = self._state
        hours = [hour_ms // 1000 for hour_ms in self._hour_starts()]
        by_category = heapq.nlargest(12, (+state.open_by_category).items(), key=lambda row: (row[1], row[0]))
        return {
            "cases_by_hour": _chart(hours, reported=self._by_hour("reported"), closed=self._by_hour("closed")),
            "cases_by_class": _chart([code for code, _ in by_category], open=[count for _, count in by_category]),
            "cases_by_town": _chart(
                [state.places.town_codes[town] for town in state.towns],
                open=[state.open_by_town[town] for town in state.towns],
            ),
            "workers_by_town": _chart(
                [state.places.town_codes[town] for town in state.towns],
                on_duty=self._count_workers(),
            ),
            "traffic_by_hour": _chart(hours, index=self._traffic_by_hour),
            "bins_by_hour": _chart(hours, to_empty=self._bins_by_hour),
        }

    def _lit(self, light: Colour) -> Figure:
        return Figure(self._state.open_by_light[light], None, _unknown(), self._stamp("cases"))

    def _count_disputes(self) -> int:
        state = self._state
        return sum(
            count for code, count in state.open_by_category.items() if state.rulebook.flow_of(code).key == "dispute"
        )

    def _count_workers(self) -> list[int]:
        """Return how many workers are on duty in each town, as the layer `staff` counts them."""
        state = self._state
        places = (state.workers[worker].cell for worker in LAYERS["staff"].compute(state, View(state.as_of)).ids)
        by_town = Counter(state.places.cell_towns[cell] for cell in places if cell is not None)
        return [by_town[town] for town in state.towns]

    def _hour_starts(self) -> list[int]:
        """Return the starts of the last 24 hours, the running one last, in epoch ms."""
        running_ms = self._state.now_ms // HOUR_MS * HOUR_MS
        return [running_ms - back * HOUR_MS for back in reversed(range(HOURS))]

    def _by_hour(self, name: str) -> list[int]:
        between = self._state.counts[name].between
        return [between(hour_ms, hour_ms + HOUR_MS) for hour_ms in self._hour_starts()]

    def _net(self, came: str, went: str) -> list[int]:
        return [new - done for new, done in zip(self._by_hour(came), self._by_hour(went), strict=True)]

    def _midnight_ms(self) -> int:
        local = as_time(self._state.now_ms).astimezone(self._state.time_zone)
        return as_ms(local.replace(hour=0, minute=0, second=0, microsecond=0))

    def _layer_figure(self, key: str, feed: str, by_hour: Sequence[float | None]) -> Figure:
        value = self._headlines.get(key)
        first = by_hour[0] if by_hour else None
        change = None if value is None or first is None else round(value - first, 3)
        return Figure(value, change, by_hour, self._stamp(feed))

    def _stamp(self, feed: str) -> int | None:
        newest_ms = self._state.feeds[feed].newest_ms
        return None if newest_ms is None else newest_ms // 1000


def _stand_before(now: int, net: Sequence[int]) -> list[float | None]:
    """Return how many there were at the end of each hour, going back from now by what came and went."""
    standing: list[float | None] = [now]
    for change in reversed(net[1:]):
        now -= change
        standing.append(now)
    return standing[::-1]


def _unknown() -> list[float | None]:
    return [None] * HOURS


def _chart(x: Sequence[Any], **series: Sequence[float | None]) -> dict[str, Any]:
    return {"x": x, "series": series}
