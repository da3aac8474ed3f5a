"""Counts and last values by time, kept incrementally and forgotten by age."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

HOUR_MS = 3_600_000
# Every time zone's offset is a multiple of a quarter hour, so quarters add up to anybody's hours and days.
QUARTER_MS = HOUR_MS // 4


@dataclass
class QuarterCounts:
    """How often something happened in each quarter of an hour; keys are epoch ms // QUARTER_MS."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, at_ms: int, by: int) -> None:
        """Count one happening up (`by` = 1) or take it back (-1)."""
        quarter = at_ms // QUARTER_MS
        self.counts[quarter] += by
        if not self.counts[quarter]:
            del self.counts[quarter]

    def between(self, from_ms: int, to_ms: int) -> int:
        """Return the count from `from_ms` (inclusive) to `to_ms` (exclusive), both moved down to a quarter."""
        return sum(self.counts[quarter] for quarter in range(from_ms // QUARTER_MS, to_ms // QUARTER_MS))


@dataclass
class HourlyLast:
    """The last value of each asset in each hour of UTC.

    Last values, not means: whichever order readings come in, and however often, the table is the same.
    hours: hour (epoch ms // HOUR_MS) → asset's feature id → (observed_ms, value). changed: hour → the number of the
    change that was its last, so that any number of readers can each tell what is new to them.
    """

    hours: dict[int, dict[int, tuple[int, float]]] = field(default_factory=dict)
    changed: dict[int, int] = field(default_factory=dict)
    changes: int = 0

    def put(self, asset: int, observed_ms: int, value: float) -> None:
        """Take one reading in; of two at the same moment the larger value stays."""
        hour = observed_ms // HOUR_MS
        assets = self.hours.setdefault(hour, {})
        if (observed_ms, value) > assets.get(asset, (-1, 0.0)):
            assets[asset] = observed_ms, value
            self.changes += 1
            self.changed[hour] = self.changes

    def forget_before(self, at_ms: int) -> None:
        """Drop every hour that ended before a moment."""
        for hour in [hour for hour in self.hours if (hour + 1) * HOUR_MS <= at_ms]:
            del self.hours[hour]
            self.changed.pop(hour, None)

    def standing(self, hour: int, carried_hours: int, among: Collection[int] | None = None) -> Mapping[int, float]:
        """Return each asset's last value as it stood at an hour's end, at most `carried_hours` old hours back.

        among: the assets asked for; None is all.
        """
        found: dict[int, float] = {}
        for earlier in range(hour - carried_hours, hour + 1):
            last = self.hours.get(earlier, {})
            asked = last if among is None else [asset for asset in among if asset in last]
            found.update((asset, last[asset][1]) for asset in asked)
        return found


@dataclass
class HourlyFigure:
    """A figure over an `HourlyLast`, or over some of its assets, computed again only for the hours that changed."""

    table: HourlyLast
    figure: Callable[[Iterable[tuple[int, float]]], float]
    carried_hours: int = 0
    among: Collection[int] | None = None
    values: dict[int, float] = field(default_factory=dict)
    seen: int = 0  # the table's changes

    def at_hours(self, hours: Iterable[int]) -> list[float | None]:
        """Return the figure at each hour; None where no asset has a value."""
        wanted = list(hours)
        fresh = [hour for hour, change in self.table.changed.items() if change > self.seen]
        self.seen = self.table.changes
        for changed in {hour + later for hour in fresh for later in range(self.carried_hours + 1)}:
            self.values.pop(changed, None)
        for hour in wanted:
            if hour not in self.values and (standing := self.table.standing(hour, self.carried_hours, self.among)):
                self.values[hour] = self.figure(standing.items())
        self.values = {hour: value for hour, value in self.values.items() if hour in wanted}
        return [self.values.get(hour) for hour in wanted]
