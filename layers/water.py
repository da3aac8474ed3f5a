"""Class of surface water at each station."""

from datetime import timedelta

from brain.water import WORST, WaterQuality, rate_water, read_measured
from layers.contract import Card, Fact, Frame, Headline, LegendClass, Paint, Spec, Title, View
from layers.palettes import WATER
from layers.state import LiveState
from layers.things import Sensed
from layers.words import NO_DATA, measure, plain, tell_offline

CLASSES = (
    Title("I 类", "Class I"),
    Title("II 类", "Class II"),
    Title("III 类", "Class III"),
    Title("IV 类", "Class IV"),
    Title("V 类", "Class V"),
    Title("劣 V 类", "Worse than V"),
)
# Our field: label, unit, decimals.
FIELDS = {
    "cod_mn": (Title("高锰酸盐指数", "CODMn"), "mg/L", 1),
    "dissolved_oxygen": (Title("溶解氧", "Dissolved oxygen"), "mg/L", 1),
    "ammonia_n": (Title("氨氮", "NH₃-N"), "mg/L", 2),
    "total_p": (Title("总磷", "Total phosphorus"), "mg/L", 3),
    "cod": (Title("化学需氧量", "COD"), "mg/L", 1),
    "bod5": (Title("五日生化需氧量", "BOD5"), "mg/L", 1),
    "ph": (Title("pH", "pH"), "", 1),
}
NORMAL, SILENT, OFFLINE = range(3)

spec = Spec(
    key="water",
    title=Title("地表水质", "Surface water"),
    geometry="asset",
    feed="water",
    unit=Title("水质类别", "class of GB 3838"),
    stale_after=timedelta(hours=8),
    legend=tuple(
        LegendClass(grade, colour, name.zh, name.en)
        for grade, (colour, name) in enumerate(zip(WATER, CLASSES, strict=True), start=1)
    ),
    kinds=("water_station",),
    marks=("normal", "silent", "offline"),
)


def compute(state: LiveState, view: View) -> Frame:
    """Return every station's class by GB 3838 (worst single factor) and what it measured; none while silent."""
    ids = state.pick_assets(spec.kinds, view.only)
    latest = state.readings.get(spec.feed, {})
    readings = [latest.get(station) for station in ids]
    offline = [state.offline_at(spec.feed, station) for station in ids]
    silent = [
        at is not None or state.is_silent(spec.feed, None if reading is None else reading.observed_ms)
        for at, reading in zip(offline, readings, strict=True)
    ]
    measured = [_measured(reading) for reading in readings]
    return Frame(
        ids,
        {
            "quality": [None if quiet else rate_water(values) for quiet, values in zip(silent, measured, strict=True)],
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
    """Return each station's class, 1 (I) … 6 (worse than V)."""
    values = [None if quality is None else quality.grade for quality in frame.columns["quality"]]
    return Paint(frame.ids, values, frame.columns["mark"])


def headline(frame: Frame) -> Headline:
    """Return the share of stations at class III or better, of those that speak."""
    grades = [quality.grade for quality in frame.columns["quality"] if quality is not None]
    share = round(sum(grade <= 3 for grade in grades) / len(grades), 3) if grades else None
    return Headline(share, Title("达到或优于 III 类的比例", "share at class III or better"), len(grades))


def explain(frame: Frame, feature_id: int) -> Card:
    """Return a station's class, what decides it, and what it measured."""
    position = frame.find(feature_id)
    of = {name: column[position] for name, column in frame.columns.items()}
    quality: WaterQuality | None = of["quality"]
    facts = [
        Fact(
            Title("水质类别", "Class"),
            NO_DATA if quality is None else CLASSES[quality.grade - 1],
            at=of["observed_at"],
            tone="bad" if quality and quality.grade == WORST else "plain",
        )
    ]
    if quality and quality.grade > 3:
        labels = [FIELDS[field][0] for field in quality.deciding]
        names = Title("、".join(label.zh for label in labels), ", ".join(label.en for label in labels))
        facts.append(Fact(Title("超标因子", "Decided by"), names, tone="warn"))
    facts.extend(
        Fact(label, measure(of["measured"][field], unit, digits), at=of["observed_at"])
        for field, (label, unit, digits) in FIELDS.items()
        if field in of["measured"]
    )
    river = of["asset"].details.get("river")
    if river:
        facts.append(Fact(Title("河流", "River"), plain(str(river))))
    return Card(of["asset"].name, of["place"], [*tell_offline(of["offline_at"]), *facts])


def _measured(reading: Sensed | None) -> dict[str, float]:
    return {} if reading is None else read_measured(reading.value, reading.attributes)
