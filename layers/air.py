"""Air quality index of each station."""

from datetime import timedelta

from brain.air import LEVEL_TOPS, AirQuality, rate_air, read_concentrations
from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import AIR
from layers.state import LiveState
from layers.things import Sensed
from layers.words import NO_DATA, measure, plain, tell_offline

LEVELS = (
    Title("优", "Excellent"),
    Title("良", "Good"),
    Title("轻度污染", "Lightly polluted"),
    Title("中度污染", "Moderately polluted"),
    Title("重度污染", "Heavily polluted"),
    Title("严重污染", "Severely polluted"),
)
POLLUTANTS = {
    "pm25": ("PM2.5", "µg/m³"),
    "pm10": ("PM10", "µg/m³"),
    "so2": ("SO₂", "µg/m³"),
    "no2": ("NO₂", "µg/m³"),
    "o3": ("O₃", "µg/m³"),
    "co": ("CO", "mg/m³"),
}
NORMAL, SILENT, OFFLINE = range(3)

spec = Spec(
    key="air",
    title=Title("空气质量", "Air quality"),
    geometry="asset",
    feed="air",
    unit=Title("AQI（实时）", "AQI (real time)"),
    stale_after=timedelta(hours=2),
    legend=tuple(
        LegendClass(low, colour, name.zh, name.en)
        for low, colour, name in zip((0, *(top + 1 for top in LEVEL_TOPS)), AIR, LEVELS, strict=True)
    ),
    kinds=("air_station",),
    marks=("normal", "silent", "offline"),
)


def compute(state: LiveState, view: View) -> Frame:
    """Return every station's air quality by HJ 633 and its concentrations; none while it is silent."""
    ids = state.pick_assets(spec.kinds, view.only)
    latest = state.readings.get(spec.feed, {})
    readings = [latest.get(station) for station in ids]
    offline = [state.offline_at(spec.feed, station) for station in ids]
    silent = [
        at is not None or state.is_silent(spec.feed, None if reading is None else reading.observed_ms)
        for at, reading in zip(offline, readings, strict=True)
    ]
    measured = [_concentrations(reading) for reading in readings]
    return Frame(
        ids,
        {
            "quality": [
                None if quiet or reading is None else _rate(state, reading, values)
                for quiet, reading, values in zip(silent, readings, measured, strict=True)
            ],
            "measured": measured,
            "mark": [OFFLINE if at else SILENT if quiet else NORMAL for at, quiet in zip(offline, silent, strict=True)],
            "offline_at": offline,
            "observed_at": [None if reading is None else reading.observed_at for reading in readings],
            "asset": [state.assets[station] for station in ids],
            "place": [state.place_of(state.assets[station].cell) for station in ids],
        },
        state.newest_at(spec.feed),
    )


def draw(frame: Frame) -> Paint:
    """Return each station's index."""
    values = [None if quality is None else quality.aqi for quality in frame.columns["quality"]]
    return Paint(frame.ids, values, frame.columns["mark"])


def headline(frame: Frame) -> Headline:
    """Return the mean index over the stations that speak, rounded."""
    indices = [quality.aqi for quality in frame.columns["quality"] if quality is not None]
    return Headline(round(sum(indices) / len(indices)) if indices else None, Title("AQI", "AQI"), len(indices))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return a station's index, level, deciding pollutant and concentrations."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    quality: AirQuality | None = of["quality"]
    facts = [Fact(Title("AQI", "AQI"), NO_DATA if quality is None else plain(str(quality.aqi)), at=of["observed_at"])]
    if quality:
        facts.append(
            Fact(Title("等级", "Level"), LEVELS[quality.level - 1], tone="bad" if quality.level >= 4 else "plain")
        )
        if quality.primary:
            facts.append(Fact(Title("首要污染物", "Primary pollutant"), plain(POLLUTANTS[quality.primary][0])))
    facts.extend(
        Fact(plain(name), measure(value, unit, 1 if pollutant == "co" else 0), at=of["observed_at"])
        for pollutant, (name, unit) in POLLUTANTS.items()
        if (value := of["measured"].get(pollutant)) is not None
    )
    return Card(of["asset"].name, of["place"], [*tell_offline(of["offline_at"]), *facts])


def _concentrations(reading: Sensed | None) -> dict[str, float]:
    return {} if reading is None else read_concentrations(reading.value, reading.attributes)


def _rate(state: LiveState, reading: Sensed, concentrations: dict[str, float]) -> AirQuality | None:
    return rate_air(concentrations, reading.observed_at.astimezone(state.time_zone).date())
