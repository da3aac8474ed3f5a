"""Counts and last values by time, kept incrementally and forgotten by age."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
    hours: hour (epoch ms // HOUR_MS) → asset's feature id → (observed_ms, value).
    """

    hours: dict[int, dict[int, tuple[int, float]]] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)

    def put(self, asset: int, observed_ms: int, value: float) -> None:
        """Take one reading in; of two at the same moment the larger value stays."""
        hour = observed_ms // HOUR_MS
        assets = self.hours.setdefault(hour, {})
        if (observed_ms, value) > assets.get(asset, (-1, 0.0)):
            assets[asset] = observed_ms, value
            self.dirty.add(hour)

    def forget_before(self, at_ms: int) -> None:
        """Drop every hour that ended before a moment."""
        for hour in [hour for hour in self.hours if (hour + 1) * HOUR_MS <= at_ms]:
            del self.hours[hour]

    def standing(self, hour: int, carried_hours: int) -> Mapping[int, float]:
        """Return each asset's last value as it stood at an hour's end, at most `carried_hours` old hours back."""
        found: dict[int, float] = {}
        for earlier in range(hour - carried_hours, hour + 1):
            found.update((asset, value) for asset, (_, value) in self.hours.get(earlier, {}).items())
        return found


@dataclass
class HourlyFigure:
    """A figure over an `HourlyLast`, computed again only for the hours that changed."""

    table: HourlyLast
    figure: Callable[[Iterable[tuple[int, float]]], float]
    carried_hours: int = 0
    values: dict[int, float] = field(default_factory=dict)

    def at_hours(self, hours: Iterable[int]) -> list[float | None]:
        """Return the figure at each hour; None where no asset has a value."""
        wanted = list(hours)
        changed = {hour + later for hour in self.table.dirty for later in range(self.carried_hours + 1)}
        self.table.dirty.clear()
        for hour in changed:
            self.values.pop(hour, None)
        for hour in wanted:
            if hour not in self.values and (standing := self.table.standing(hour, self.carried_hours)):
                self.values[hour] = self.figure(standing.items())
        self.values = {hour: value for hour, value in self.values.items() if hour in wanted}
        return [self.values.get(hour) for hour in wanted]
