"""Grid workers: on duty by shifts, walking about in their own cell."""

import numpy
import shapely
from numpy.typing import NDArray

from geo.county import County
from ingest.simulation.chance import Floats, Keys, draw, drift
from ingest.simulation.places import pick_places
from ingest.simulation.schedule import Happening, find_due, tell_local, write_time

STROLL_S = 1500
"""A worker is somewhere else in the cell after so long."""

MOST_A_SECOND = 7
"""Where there are very many workers, each is heard more rarely."""


class Workers:
    """The grid workers of one county's roster."""

    def __init__(self, county: County, seed: int) -> None:
        self._seed = seed
        self._zone = county.time_zone
        self.places = pick_places(county, "grid_worker")
        self._reach = _measure_reach(county, self.places.rows["cell_code"].tolist(), self.places.lon, self.places.lat)

    def happen(self, start: float, end: float, every_s: int) -> list[Happening]:
        """Return where workers are in [start, end): those on duty, and once more who has just gone off."""
        every_s = max(every_s, len(self.places.ids) // MOST_A_SECOND)
        who, at = find_due(self.places.stagger, every_s, start, end)
        if not len(who):
            return []
        on_duty = self.on_duty(who, at)
        told = on_duty | self.on_duty(who, at - every_s)
        who, at, on_duty = who[told], at[told], on_duty[told]
        lon, lat = self.locate(who, at)
        columns = zip(who.tolist(), at.tolist(), lon.tolist(), lat.tolist(), on_duty.tolist(), strict=True)
        ids = self.places.ids
        return [
            (
                moment,
                f"{ids[position]}@{int(moment)}",
                "worker.located",
                {"worker_id": ids[position], "lon": x, "lat": y, "at": write_time(moment), "on_duty": duty},
            )
            for position, moment, x, y, duty in columns
        ]

    def on_duty(self, who: Keys, at: Floats) -> NDArray[numpy.bool_]:
        """Tell who is on duty: six in ten by day on weekdays, fewer at the weekend, a few by night."""
        local = tell_local(self._zone, at)
        keys = self.places.keys[who]
        chance = draw(self._seed, "duty", keys, local.day)
        begins = 7.5 + draw(self._seed, "duty from", keys)
        day = (chance < numpy.where(local.weekend, 0.35, 0.6)) & (local.hour >= begins) & (local.hour < begins + 9.5)
        evening = (chance > 0.94) & (local.hour >= 17) & (local.hour < 21.5)
        watch = draw(self._seed, "night duty", keys, numpy.where(local.hour < 8, local.day - 1, local.day))
        night = (watch < 0.03) & ((local.hour >= 20.5) | (local.hour < 8))
        return day | evening | night

    def locate(self, who: Keys, at: Floats) -> tuple[Floats, Floats]:
        """Return lon and lat of workers (positions); always inside a circle that lies in their cell."""
        keys = self.places.keys[who]
        # The square inside a circle has sides of 1.41 radii.
        side = 1.4 * self._reach[who]
        east = (drift(self._seed, "stroll east", keys, at, STROLL_S) - 0.5) * side
        north = (drift(self._seed, "stroll north", keys, at, STROLL_S) - 0.5) * side
        return numpy.round(self.places.lon[who] + east, 6), numpy.round(self.places.lat[who] + north, 6)


def _measure_reach(county: County, cells: list[str | None], lon: Floats, lat: Floats) -> Floats:
    """Return how far (degrees) each worker can go in any direction from home without leaving the cell."""
    shapes = county.cells.geometry
    borders = dict(zip(shapes.index, shapely.boundary(shapes.to_numpy()), strict=True))
    nowhere = shapely.Point()
    own = numpy.array([borders.get(code, nowhere) for code in cells], dtype=object)
    return numpy.nan_to_num(shapely.distance(own, shapely.points(lon, lat)), nan=0.0) * 0.98
