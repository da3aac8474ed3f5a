"""How freely traffic moves at each detector, by the speed limits of its class of road."""

from datetime import timedelta
from typing import Any

from brain.traffic import DEFAULT_CLASS
from brain.traffic import rate_speed as rate_speed_by
from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import FLOW
from layers.state import LiveState
from layers.words import NO_DATA, measure, tell_offline

LEVELS = (
    Title("畅通", "Free"),
    Title("基本畅通", "Mostly free"),
    Title("轻度拥堵", "Slow"),
    Title("中度拥堵", "Congested"),
    Title("严重拥堵", "Jammed"),
)
CLASSES = {
    "expressway": Title("快速路", "Expressway"),
    "arterial": Title("主干路", "Arterial road"),
    "branch": Title("次干路、支路", "Branch road"),
}
NORMAL, SILENT, OFFLINE = range(3)

spec = Spec(
    key="traffic",
    title=Title("交通运行", "Traffic"),
    geometry="asset",
    feed="traffic",
    unit=Title("拥堵等级", "congestion level"),
    stale_after=timedelta(minutes=15),
    legend=tuple(
        LegendClass(level, colour, name.zh, name.en)
        for level, (colour, name) in enumerate(zip(FLOW, LEVELS, strict=True), start=1)
    ),
    kinds=("detector",),
    marks=("normal", "silent", "offline"),
)


def compute(state: LiveState, view: View) -> Frame:
    """Return every detector's speed (km/h), congestion level 1–5 and delay share 1 − v / v_free.

    A silent detector keeps its last speed for its card; it has neither level nor share.
    """
    ids = state.pick_assets(spec.kinds, view.only)
    latest = state.readings.get(spec.feed, {})
    readings = [latest.get(detector) for detector in ids]
    offline = [state.offline_at(spec.feed, detector) for detector in ids]
    silent = [
        at is not None or state.is_silent(spec.feed, None if reading is None else reading.observed_ms)
        for at, reading in zip(offline, readings, strict=True)
    ]
    speeds = [None if reading is None else reading.value for reading in readings]
    live = [None if quiet else speed for quiet, speed in zip(silent, speeds, strict=True)]
    roads = [road_class(state, detector) for detector in ids]
    return Frame(
        ids,
        {
            "speed_kmh": speeds,
            "level": [rate_speed(state, road, speed) for road, speed in zip(roads, live, strict=True)],
            "delay": [
                None if speed is None else delay_share(speed, free_flow_kmh(state, detector))
                for detector, speed in zip(ids, live, strict=True)
            ],
            "mark": [OFFLINE if at else SILENT if quiet else NORMAL for at, quiet in zip(offline, silent, strict=True)],
            "offline_at": offline,
            "road_class": roads,
            "vehicles": [None if reading is None else reading.attributes.get("intensity") for reading in readings],
            "observed_at": [None if reading is None else reading.observed_at for reading in readings],
            "asset": [state.assets[detector] for detector in ids],
            "place": [state.place_of(state.assets[detector].cell) for detector in ids],
        },
        state.newest_at(spec.feed),
    )


def draw(frame: Frame) -> Paint:
    """Return each detector's congestion level."""
    return Paint(frame.ids, frame.columns["level"], frame.columns["mark"])


def headline(frame: Frame) -> Headline:
    """Return the traffic index DTP: the mean of 1 − v / v_free over the detectors that speak (0 free … 1 still)."""
    shares = [share for share in frame.columns["delay"] if share is not None]
    return Headline(mean_share(shares), Title("延时指数（0–1）", "delay index (0–1)"), len(shares))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return a detector's speed, level, volume and road class."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    level = of["level"]
    facts = [
        Fact(Title("平均车速", "Mean speed"), measure(of["speed_kmh"], "km/h"), at=of["observed_at"]),
        Fact(
            Title("拥堵等级", "Level"),
            NO_DATA if level is None else LEVELS[level - 1],
            tone="plain" if level is None or level < 4 else "bad",
        ),
        Fact(Title("道路类别", "Road class"), CLASSES[of["road_class"]]),
    ]
    if isinstance(of["vehicles"], int | float):
        volume = Title(f"{of['vehicles']:.0f} 辆", f"{of['vehicles']:.0f} vehicles")
        facts.append(Fact(Title("流量", "Volume"), volume, at=of["observed_at"]))
    return Card(of["asset"].name, of["place"], [*tell_offline(of["offline_at"]), *facts])


def road_class(state: LiveState, detector: int) -> str:
    """Return the class of a detector's road; arterial where the pack does not say."""
    asset = state.assets.get(detector)
    named = str(asset.details.get("road_class")) if asset else DEFAULT_CLASS
    return named if named in CLASSES else DEFAULT_CLASS


def free_flow_kmh(state: LiveState, detector: int) -> float:
    """Return the free-flow speed at a detector: its own, or the pack's for its class of road."""
    asset = state.assets.get(detector)
    own: Any = asset.details.get("free_flow_kmh") if asset else None
    return float(own or state.thresholds.free_flow_kmh[road_class(state, detector)])


def rate_speed(state: LiveState, road: str, speed_kmh: float | None) -> int | None:
    """Return the congestion level 1 (free) … 5 (jammed) of a speed, by the pack's bounds for a class of road."""
    if speed_kmh is None:
        return None
    return rate_speed_by(state.thresholds.road_speed_kmh[road], speed_kmh)


def delay_share(speed_kmh: float, free_kmh: float) -> float:
    """Return 1 − v / v_free, not below 0."""
    return max(0.0, 1 - speed_kmh / free_kmh)


def mean_share(shares: list[float]) -> float | None:
    """Return the mean of delay shares, to three decimals; None for none."""
    return round(sum(shares) / len(shares), 3) if shares else None
