"""How full each smart bin is, and which need somebody: full, faulty, silent or on fire."""

from datetime import timedelta
from typing import Any

from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import FILL
from layers.state import LiveState
from layers.things import Sensed
from layers.words import NO_DATA, OBSERVED, measure, plain, tell_offline
from layers.words import OFFLINE as OFFLINE_WORD

FIRE_CELSIUS = 70.0  # a bin in the summer sun stays below 60 °C
OK, FULL, FAULT, SILENT, FIRE, OFFLINE = range(6)
FAULTS = frozenset({"dropped", "moved", "vandalized"})  # of WasteContainer's `status`

MARKS = (
    Title("正常", "OK"),
    Title("待清运", "To empty"),
    Title("故障", "Fault"),
    Title("失联", "Silent"),
    Title("起火", "Fire"),
    OFFLINE_WORD,
)
spec = Spec(
    key="smart_bins",
    title=Title("智能垃圾箱", "Smart bins"),
    geometry="asset",
    feed="waste",
    unit=Title("满溢度", "fill ratio"),
    stale_after=timedelta(hours=1),
    legend=tuple(
        LegendClass(low, colour, text, text)
        for low, colour, text in zip(
            (0, 0.25, 0.5, 0.7, 0.8), FILL, ("0–25 %", "25–50 %", "50–70 %", "70–80 %", "≥80 %"), strict=True
        )
    ),
    kinds=("bin",),
    marks=("ok", "full", "fault", "silent", "fire", "offline"),
)

# WasteContainer's `storedWasteKind`, in the words of GB/T 19095-2019 where it has one.
WASTE_KINDS = {
    "organic": Title("厨余垃圾", "Organic"),
    "inorganic": Title("其他垃圾", "Residual"),
    "other": Title("其他垃圾", "Residual"),
    "hazardous": Title("有害垃圾", "Hazardous"),
    "batteries": Title("有害垃圾：电池", "Batteries"),
    "electronics": Title("有害垃圾：电子", "Electronics"),
    "plastic": Title("可回收物：塑料", "Plastic"),
    "glass": Title("可回收物：玻璃", "Glass"),
    "metal": Title("可回收物：金属", "Metal"),
    "paper": Title("可回收物：纸", "Paper"),
    "oil": Title("废油", "Oil"),
}


def compute(state: LiveState, view: View) -> Frame:
    """Return every bin with its last fill ratio (0–1) and its mark; a bin never heard of has no value."""
    ids = state.pick_assets(spec.kinds, view.only)
    latest = state.readings.get(spec.feed, {})
    readings = [latest.get(bin_) for bin_ in ids]
    offline = [state.offline_at(spec.feed, bin_) for bin_ in ids]
    full_ratio = state.thresholds.bin_full_ratio
    return Frame(
        ids,
        {
            "fill_ratio": [None if reading is None else reading.value for reading in readings],
            "mark": [
                _mark(state, reading, at is not None, full_ratio) for reading, at in zip(readings, offline, strict=True)
            ],
            "offline_at": offline,
            "celsius": [_number(reading, "temperature") for reading in readings],
            "observed_at": [None if reading is None else reading.observed_at for reading in readings],
            "asset": [state.assets[bin_] for bin_ in ids],
            "place": [state.place_of(state.assets[bin_].cell) for bin_ in ids],
        },
        state.newest_at(spec.feed),
    )


def draw(frame: Frame) -> Paint:
    """Return each bin's fill ratio and mark."""
    ratios = [None if ratio is None else round(ratio, 2) for ratio in frame.columns["fill_ratio"]]
    return Paint(frame.ids, ratios, frame.columns["mark"])


def headline(frame: Frame) -> Headline:
    """Return how many bins are to be emptied, of those that speak."""
    marks = [mark for mark in frame.columns["mark"] if mark not in (SILENT, OFFLINE)]
    value = sum(mark in (FULL, FIRE) for mark in marks) if marks else None
    return Headline(value, Title("个", "bins"), len(marks))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return a bin's fill, condition and kind of waste."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    ratio, mark, asset = of["fill_ratio"], of["mark"], of["asset"]
    facts = [
        Fact(
            Title("满溢度", "Fill"),
            NO_DATA if ratio is None else measure(ratio * 100, "%"),
            at=of["observed_at"],
            tone="warn" if mark == FULL else "plain",
        ),
        Fact(Title("状态", "Condition"), MARKS[mark], tone="bad" if mark in (FAULT, FIRE) else "plain"),
        *tell_offline(of["offline_at"]),
    ]
    if of["celsius"] is not None:
        facts.append(Fact(Title("温度", "Temperature"), measure(of["celsius"], "°C"), at=of["observed_at"]))
    kind, capacity_l = asset.details.get("waste_kind"), asset.details.get("capacity_l")
    if kind:
        facts.append(Fact(Title("类别", "Kind of waste"), WASTE_KINDS.get(str(kind), plain(str(kind)))))
    if capacity_l:
        facts.append(Fact(Title("容量", "Capacity"), measure(float(capacity_l), "L")))
    if of["observed_at"] is None:
        facts.append(Fact(OBSERVED, NO_DATA))
    return Card(asset.name, of["place"], facts)


def _mark(state: LiveState, reading: Sensed | None, offline: bool, full_ratio: float) -> int:
    """Return the worst that can be said of a bin; fire before anything else, also of one that went offline since."""
    if reading is None or state.is_silent(spec.feed, reading.observed_ms):
        return OFFLINE if offline else SILENT
    status = reading.attributes.get("status")
    celsius = _number(reading, "temperature")
    if status == "burning" or (celsius is not None and celsius >= FIRE_CELSIUS):
        return FIRE
    if offline:
        return OFFLINE
    if status in FAULTS or reading.value is None:
        return FAULT
    return FULL if reading.value >= full_ratio else OK


def _number(reading: Sensed | None, attribute: str) -> float | None:
    value: Any = None if reading is None else reading.attributes.get(attribute)
    return float(value) if isinstance(value, int | float) else None
