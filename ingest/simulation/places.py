"""Where the invented things stand: the assets of one kind of a county pack, as columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import pandas

from geo.county import County
from ingest.simulation.chance import Floats, Keys, as_keys, draw
from ingest.simulation.schedule import Happening, write_time


@dataclass(frozen=True, eq=False)
class Places:
    """Things of one kind, as columns.

    lon, lat in degrees; points: the same as GeoJSON; keys: for chance; stagger: 0-1, so that they do not all
    speak at once; rows: what the pack says of them.
    """

    ids: list[str]
    lon: Floats
    lat: Floats
    points: list[dict[str, Any]]
    keys: Keys
    stagger: Floats
    rows: pandas.DataFrame

    def column(self, name: str, default: str) -> list[str]:
        """Return a column of the pack as text, with `default` where the pack has nothing."""
        if name not in self.rows:
            return [default] * len(self.ids)
        return [str(value) if value not in ("", None) else default for value in self.rows[name]]


def pick_places(county: County, kind: str) -> Places:
    """Return the assets of one kind; none is an answer."""
    return as_places(county.assets[county.assets["kind"] == kind])


def as_places(rows: pandas.DataFrame) -> Places:
    """Return rows that have an id as index and `lon`, `lat` as places."""
    ids = [str(name) for name in rows.index]
    lon, lat = rows["lon"].to_numpy(numpy.float64), rows["lat"].to_numpy(numpy.float64)
    points = [{"type": "Point", "coordinates": [x, y]} for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
    keys = as_keys(ids)
    return Places(ids, lon, lat, points, keys, draw(0, "stagger", keys), rows)


def tell_entities(kind: str, places: Places, who: Keys, at: Floats, values: Mapping[str, Floats]) -> list[Happening]:
    """Return one Smart Data Model observation for each of `who` and `at`; `values` has a row for each."""
    columns = {name: column.tolist() for name, column in values.items()}
    return [
        (
            moment,
            f"{places.ids[position]}@{int(moment)}",
            "iot.observed",
            {
                "type": kind,
                "id": places.ids[position],
                "location": places.points[position],
                "dateObserved": write_time(moment),
                **{name: column[row] for name, column in columns.items()},
            },
        )
        for row, (position, moment) in enumerate(zip(who.tolist(), at.tolist(), strict=True))
    ]
