"""Loop detectors: rush hours by class of road, incidents, rain and floods, on one fundamental diagram.

Speed, flow and occupancy follow from one number, the density relative to the critical one (Drake, Schofer and
May 1967: v = v_free · exp(-(k/k_c)²/2)), so that they always agree with each other.
"""

from dataclasses import dataclass

import numpy

from geo.county import County
from ingest.simulation.chance import Floats, Keys, draw, draw_normal, drift
from ingest.simulation.faults import listen
from ingest.simulation.places import pick_places
from ingest.simulation.schedule import DAY_S, HOUR_S, Happening, LocalTime, bump, tell_local, write_time
from ingest.simulation.weather import Flood, Weather

PERIOD_S = 120
"""An observation tells of the two minutes before it."""

LANES = {"expressway": 3, "arterial": 2, "branch": 1}
CRITICAL_DENSITY_KM = {"expressway": 25.0, "arterial": 30.0, "branch": 35.0}  # vehicles per km and lane
VEHICLE_M, LOOP_M = 4.8, 1.8
WALKING_KMH = 5.0
INCIDENTS_PER_DAY = 0.02
FLOOD_REACH_S = 10 * HOUR_S


@dataclass(frozen=True)
class Flow:
    """What detectors measure, each lane averaged: km/h, vehicles/h over all lanes, vehicles/km and lane."""

    speed_kmh: Floats
    flow_h: Floats
    density_km: Floats


class Traffic:
    """The detectors of one county."""

    def __init__(self, county: County, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._zone = county.time_zone
        self._weather = weather
        self.places = pick_places(county, "detector")
        classes = [name if name in LANES else "branch" for name in self.places.column("road_class", "branch")]
        limits, free = county.thresholds.road_speed_kmh, county.thresholds.free_flow_kmh
        given = self.places.column("free_flow_kmh", "nan")
        keys = self.places.keys
        self._free_kmh = numpy.array(
            [free[name] if text == "nan" else float(text) for name, text in zip(classes, given, strict=True)]
        ) * (0.97 + 0.12 * draw(seed, "free flow", keys))
        self._lanes = numpy.array([LANES[name] for name in classes])
        self._critical = numpy.array([CRITICAL_DENSITY_KM[name] for name in classes])
        self._slow_kmh = numpy.array([limits[name][2] for name in classes])
        self._pressure = 0.5 + 0.95 * draw(seed, "pressure", keys) ** 2
        self._tide = draw(seed, "tide", keys)
        self.x, self.y = weather.scale(self.places.lon, self.places.lat)

    def happen(self, start: float, end: float, every_s: int) -> list[Happening]:
        """Return what the detectors say in [start, end)."""
        heard = listen(self._seed, self.places, every_s, start, end)
        if not len(heard):
            return []
        who, at = heard.who, heard.at
        flow = self.measure(who, heard.true_at)
        noise = numpy.where(heard.noisy, draw_normal(self._seed, "speed noise", who, at) * 25, 0.0)
        speed = numpy.maximum(flow.speed_kmh + noise, 0.0)
        return self._tell(who, at, Flow(speed, flow.flow_h, flow.density_km))

    def measure(self, who: Keys, at: Floats) -> Flow:
        """Return the traffic at detectors (positions) and moments."""
        load = self._load(who, at)
        x, y = self.x[who], self.y[who]
        rain = self._weather.rain(x, y, at)
        speed = self._free_kmh[who] * numpy.exp(-0.5 * load**2) * (1 - 0.15 * numpy.minimum(rain / 15, 1))
        speed = speed * (1 + 0.03 * draw_normal(self._seed, "speed", self.places.keys[who], at))
        density = load * self._critical[who]
        flooded = self._find_flooded(who, at)
        speed[flooded] = WALKING_KMH * (0.7 + 0.5 * draw(self._seed, "walking", who[flooded], at[flooded]))
        density[flooded] = 3.0 * self._critical[who[flooded]]
        return Flow(speed, speed * density * self._lanes[who], density)

    def floods(self, start: float, end: float) -> list[Flood]:
        """Return the floods of the storms that begin in [start, end); a flood's spot is a detector's position."""
        return self._weather.floods(self.x, self.y, self.places.keys, start, end)

    def _load(self, who: Keys, at: Floats) -> Floats:
        """Return the density relative to the critical one: above 1 the road is past its best."""
        local = tell_local(self._zone, at)
        keys = self.places.keys[who]
        profile = _shape_day(local, self._tide[who])
        wander = 0.8 + 0.4 * drift(self._seed, "load", keys, at, 1800)
        return self._pressure[who] * profile * wander + self._find_incidents(keys, at)

    def _find_incidents(self, keys: Keys, at: Floats) -> Floats:
        day = numpy.floor(at / DAY_S)
        began = (day + 0.22 + 0.75 * draw(self._seed, "incident at", keys, day)) * DAY_S
        lasts = (20 + 50 * draw(self._seed, "incident for", keys, day)) * 60
        struck = draw(self._seed, "incident", keys, day) < INCIDENTS_PER_DAY
        return numpy.where(struck & (began <= at) & (at < began + lasts), 1.3, 0.0)

    def _find_flooded(self, who: Keys, at: Floats) -> Keys:
        """Return the positions, in `who`, of detectors under water."""
        under = numpy.zeros(len(who), dtype=bool)
        for flood in self.floods(float(at.min()) - FLOOD_REACH_S, float(at.max()) + 1):
            under |= (who == flood.spot) & (flood.begins <= at) & (at < flood.ends)
        return numpy.nonzero(under)[0]

    def _tell(self, who: Keys, at: Floats, flow: Flow) -> list[Happening]:
        places = self.places
        occupancy = numpy.minimum(flow.density_km * (VEHICLE_M + LOOP_M) / 1000, 1.0)
        counted = numpy.round(flow.flow_h * PERIOD_S / 3600)
        lane_flow = numpy.maximum(flow.flow_h / self._lanes[who], 1.0)
        gap = numpy.maximum(1000 / numpy.maximum(flow.density_km, 0.2) - VEHICLE_M, 0.0)
        columns = zip(
            who.tolist(),
            at.tolist(),
            numpy.round(flow.speed_kmh, 1).tolist(),
            counted.astype(int).tolist(),
            numpy.round(occupancy, 4).tolist(),
            numpy.round(3600 / lane_flow, 1).tolist(),
            numpy.round(gap, 1).tolist(),
            (flow.speed_kmh < self._slow_kmh[who]).tolist(),
            strict=True,
        )
        return [
            (
                moment,
                f"{places.ids[position]}@{int(moment)}",
                "iot.observed",
                {
                    "type": "TrafficFlowObserved",
                    "id": places.ids[position],
                    "location": places.points[position],
                    "dateObserved": write_time(moment),
                    "dateObservedFrom": write_time(moment - PERIOD_S),
                    "dateObservedTo": write_time(moment),
                    "averageVehicleSpeed": speed,
                    "intensity": count,
                    "occupancy": occupied,
                    "averageHeadwayTime": headway,
                    "averageGapDistance": distance,
                    "averageVehicleLength": VEHICLE_M,
                    "congested": slow,
                },
            )
            for position, moment, speed, count, occupied, headway, distance, slow in columns
        ]


def _shape_day(local: LocalTime, tide: Floats) -> Floats:
    """Return demand over the day, about 0.06 at night to 1.1 at the worst; `tide` 1 is a road of the morning."""
    hour = local.hour
    daytime = 0.42 / (1 + numpy.exp(-2.2 * (hour - 6.3))) / (1 + numpy.exp(1.1 * (hour - 20.8)))
    morning = (0.35 + 0.45 * tide) * bump(hour, 7.8, 0.75)
    evening = (0.75 - 0.35 * tide) * bump(hour, 17.7, 0.95)
    weekday = 0.06 + daytime + morning + evening
    weekend = 0.07 + 0.85 * daytime + 0.25 * bump(hour, 10.8, 1.6) + 0.3 * bump(hour, 16.6, 1.9)
    demand: Floats = numpy.where(local.weekend, weekend, weekday)
    return demand
