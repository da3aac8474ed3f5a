"""Water stations: slow by nature, turbid after rain, with oxygen that follows the sun."""

import numpy

from geo.county import County
from ingest.simulation.chance import Floats, Keys, draw, draw_normal, drift
from ingest.simulation.faults import listen
from ingest.simulation.places import pick_places, tell_entities
from ingest.simulation.schedule import DAY_S, Happening, bump, tell_local
from ingest.simulation.weather import Weather


class Water:
    """The water stations of one county."""

    def __init__(self, county: County, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._zone = county.time_zone
        self._weather = weather
        self.places = pick_places(county, "water_station")
        self._x, self._y = weather.scale(self.places.lon, self.places.lat)
        self._dirt = 0.6 + 1.1 * draw(seed, "dirt", self.places.keys) ** 2

    def happen(self, start: float, end: float, every_s: int) -> list[Happening]:
        """Return what the stations say in [start, end)."""
        heard = listen(self._seed, self.places, every_s, start, end)
        if not len(heard):
            return []
        who, at = heard.who, heard.at
        values = self.measure(who, heard.true_at)
        wild = numpy.where(heard.noisy, 1 + numpy.abs(draw_normal(self._seed, "water noise", who, at)), 1.0)
        values["turbidity"], values["codMn"] = values["turbidity"] * wild, values["codMn"] * wild
        return self._tell(who, at, values)

    def measure(self, who: Keys, at: Floats) -> dict[str, Floats]:
        """Return the water at stations (positions) and moments, under WaterQualityObserved's names.

        In mg/L, turbidity in NTU, conductivity in µS/cm, temperature in °C; `codMn` is our own name.
        """
        keys, hour = self.places.keys[who], tell_local(self._zone, at).hour
        runoff = self._weather.runoff(self._x[who], self._y[who], at)
        dirt = self._dirt[who] * (0.8 + 0.4 * drift(self._seed, "water", keys, at, DAY_S))
        temperature = 13 + 4 * drift(self._seed, "water warm", [0], at, 4 * DAY_S) + 0.8 * bump(hour, 15.5, 4)
        noise = 1 + 0.02 * draw_normal(self._seed, "water", keys, at)
        return {
            "temperature": temperature,
            "pH": 7.6 - 0.25 * dirt + 0.15 * bump(hour, 15, 4) - 0.008 * runoff,
            "O2": numpy.maximum((9.6 - 0.12 * (temperature - 13) - 1.6 * dirt + 1.1 * bump(hour, 15, 4)) * noise, 0.5),
            "codMn": (2.6 * dirt + 0.07 * runoff) * noise,
            "NH4": (0.22 * dirt**1.8 + 0.008 * runoff) * noise,
            "P-TOT": (0.06 * dirt**1.4 + 0.003 * runoff) * noise,
            "N-TOT": (1.3 * dirt + 0.03 * runoff) * noise,
            "turbidity": (9 * dirt + 6.5 * runoff) * noise,
            "conductivity": (310 * dirt**0.4 - 3 * runoff) * noise,
            "flow": 3600 * (4 + 9 * draw(self._seed, "river", keys) + 0.9 * runoff),
        }

    def _tell(self, who: Keys, at: Floats, values: dict[str, Floats]) -> list[Happening]:
        rounded: dict[str, Floats] = {
            name: numpy.round(column.clip(min=0), 3 if name in ("NH4", "P-TOT") else 2)
            for name, column in values.items()
        }
        return tell_entities("WaterQualityObserved", self.places, who, at, rounded)
