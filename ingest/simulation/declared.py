"""Feeds that only the county pack knows: a number at some places, with a day and a night."""

import numpy

from geo.county import County, Feed
from ingest.simulation.chance import Floats, Keys, draw, draw_normal, drift
from ingest.simulation.faults import listen
from ingest.simulation.places import Places, as_places, pick_places
from ingest.simulation.schedule import Happening, bump, tell_local, write_time

MOST_PLACES = 40


class Declared:
    """One declared feed of a county: at the pack's assets of that kind, else at some of its cells."""

    def __init__(self, county: County, seed: int, feed: Feed) -> None:
        self._seed = seed
        self._zone = county.time_zone
        self._feed = feed
        places = pick_places(county, feed.key)
        self.places = places if places.ids else _pick_cells(county, seed, feed.key)

    def happen(self, start: float, end: float, every_s: int) -> list[Happening]:
        """Return what the feed says in [start, end)."""
        heard = listen(self._seed, self.places, every_s, start, end)
        if not len(heard):
            return []
        who, at = heard.who, heard.at
        wild = numpy.where(heard.noisy, 0.25 * draw_normal(self._seed, "declared noise", who, at), 0.0)
        values = numpy.round(self.measure(who, heard.true_at) * (1 + wild), 1)
        return [self._tell(*row) for row in zip(who.tolist(), at.tolist(), values.tolist(), strict=True)]

    def measure(self, who: Keys, at: Floats) -> Floats:
        """Return the values at places (positions) and moments, in the feed's unit."""
        keys, hour = self.places.keys[who], tell_local(self._zone, at).hour
        awake = 1 / (1 + numpy.exp(-1.8 * (hour - 6.5))) / (1 + numpy.exp(1.2 * (hour - 22)))
        part = 0.55 * awake + 0.2 * bump(hour, 18.5, 2) + 0.25 * drift(self._seed, self._feed.key, keys, at, 1200)
        low, high = self._span()
        place = 0.85 + 0.3 * draw(self._seed, "declared place", keys)
        values: Floats = low + (high - low) * part * place
        return values

    def _span(self) -> tuple[float, float]:
        """Return what is usual: around the feed's thresholds, or what its unit suggests."""
        if self._feed.thresholds:
            return 0.6 * self._feed.thresholds[0], 1.1 * self._feed.thresholds[-1]
        return (41.0, 72.0) if (self._feed.unit or "").startswith("dB") else (10.0, 100.0)

    def _tell(self, position: int, at: float, value: float) -> Happening:
        places = self.places
        data = {
            "type": "Observation",
            "feed": self._feed.key,
            "id": places.ids[position],
            "lon": float(places.lon[position]),
            "lat": float(places.lat[position]),
            "value": value,
            "observed_at": write_time(at),
        }
        if self._feed.unit:
            data["unit"] = self._feed.unit
        return at, f"{self._feed.key}/{places.ids[position]}@{int(at)}", "iot.observed", data


def _pick_cells(county: County, seed: int, key: str) -> Places:
    """Return up to `MOST_PLACES` cells, as places named after the feed and the cell."""
    points = county.cells.geometry.representative_point()
    rows = county.cells.drop(columns="geometry").assign(lon=points.x, lat=points.y)
    every = max(len(rows) // MOST_PLACES, 1)
    rows = rows.iloc[int(draw(seed, key, 0)[0] * every) :: every]
    rows.index = [f"{key}-{code}" for code in rows.index]
    return as_places(rows)
