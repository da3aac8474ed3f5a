"""Where the invented things stand: the assets of one kind of a county pack, as columns."""

from dataclasses import dataclass

import numpy
import pandas

from geo.county import County
from ingest.simulation.chance import Floats, Keys, as_keys


@dataclass(frozen=True, eq=False)
class Places:
    """Things of one kind: ids, places in degrees, a key for chance, and the rows of the pack they come from."""

    ids: list[str]
    lon: Floats
    lat: Floats
    keys: Keys
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
    return Places(ids, lon, lat, as_keys(ids), rows)


def point_at(lon: float, lat: float) -> dict[str, object]:
    """Return a GeoJSON point."""
    return {"type": "Point", "coordinates": [lon, lat]}
