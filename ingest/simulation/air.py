"""Air stations: two humps a day, ozone at noon, wind that clears and rain that washes."""

import numpy

from geo.county import County
from ingest.simulation.chance import Floats, Keys, draw_normal, drift
from ingest.simulation.faults import listen
from ingest.simulation.places import pick_places, tell_entities
from ingest.simulation.schedule import DAY_S, HOUR_S, Happening, bump, tell_local
from ingest.simulation.weather import Weather


class Air:
    """The air stations of one county."""

    def __init__(self, county: County, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._zone = county.time_zone
        self._weather = weather
        self.places = pick_places(county, "air_station")
        self._x, self._y = weather.scale(self.places.lon, self.places.lat)

    def happen(self, start: float, end: float, every_s: int) -> list[Happening]:
        """Return what the stations say in [start, end)."""
        heard = listen(self._seed, self.places, every_s, start, end)
        if not len(heard):
            return []
        who, at = heard.who, heard.at
        values = self.measure(who, heard.true_at)
        wild = numpy.where(heard.noisy, 1 + 2 * numpy.abs(draw_normal(self._seed, "air noise", who, at)), 1.0)
        values["pm25"], values["pm10"] = values["pm25"] * wild, values["pm10"] * wild
        return self._tell(who, at, values)

    def measure(self, who: Keys, at: Floats) -> dict[str, Floats]:
        """Return the air at stations (positions) and moments, under AirQualityObserved's names and units.

        Gases and dust in µg/m³, `co` in mg/m³, humidity as a ratio, wind in m/s and degrees from -180 to 180.
        """
        keys, hour = self.places.keys[who], tell_local(self._zone, at).hour
        rain = self._weather.rain(self._x[who], self._y[who], at)
        wind = 0.6 + 4.5 * drift(self._seed, "wind", [0], at, 9 * HOUR_S) * (0.5 + 0.7 * bump(hour, 14, 4))
        turn = drift(self._seed, "wind turn", [0], at, 14 * HOUR_S) + 0.05 * drift(self._seed, "gust", keys, at, 900)
        stale = 12 + 75 * drift(self._seed, "stale air", [0], at, 2.5 * DAY_S) ** 1.6
        traffic = bump(hour, 8, 1.6) + 0.9 * bump(hour, 19.5, 2.4)
        local = 0.75 + 0.5 * drift(self._seed, "local air", keys, at, 5 * HOUR_S)
        pm25 = stale * local * (0.75 + 0.4 * traffic) * 2.2 / (1.4 + 0.5 * wind) / (1 + rain / 12)
        sun = bump(hour, 14.2, 2.8) / (1 + rain / 3)
        warm = drift(self._seed, "warm", [0], at, 3 * DAY_S)
        noise = draw_normal(self._seed, "air", keys, at)
        return {
            "pm25": numpy.maximum(pm25 + 1.2 * noise, 2.0),
            "pm10": numpy.maximum(pm25 * (1.5 + 0.15 * wind) + 2 * noise, 4.0),
            "so2": 5 + 4 * local + 0.03 * pm25,
            "no2": (12 + 30 * traffic) * local / (0.8 + 0.2 * wind),
            "co": 0.35 + 0.25 * traffic * local + 0.004 * pm25,
            "o3": 25 + 95 * sun * (0.7 + 0.5 * drift(self._seed, "ozone", [0], at, 2 * DAY_S)),
            "temperature": 11 + 5 * bump(hour, 14.5, 4.5) + 6 * warm - rain / 10,
            "relativeHumidity": numpy.clip(0.86 - 0.3 * bump(hour, 14.5, 4) + rain / 50, 0.2, 1.0),
            "windSpeed": wind,
            "windDirection": (turn * 720) % 360 - 180,
            "pressure": 1012 + 12 * (drift(self._seed, "pressure", [0], at, 3 * DAY_S) - 0.5),
        }

    def _tell(self, who: Keys, at: Floats, values: dict[str, Floats]) -> list[Happening]:
        rounded: dict[str, Floats] = {
            name: numpy.round(column, 2 if name in ("co", "relativeHumidity") else 1) for name, column in values.items()
        }
        return tell_entities("AirQualityObserved", self.places, who, at, rounded)
