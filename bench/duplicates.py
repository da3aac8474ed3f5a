"""How well likely duplicates are found: Chicago's flags, Chinese messages to government, and the time of a query.

Chicago (`../shared/data/chicago_sanitation_311`): a report counts as proposed if a report before it scores at least
`likely`. Its address stands in for its words; all have one class. The truth is the city's flag on the later report.
A second time each point is moved as a telephone would (σ 15 m both ways), for the city's are those of addresses; a
third time the nature of the complaint, which people choose differently for one matter, is put among the words, too.
The peer is the plain rule that knows these flags best: the same address, still open, at most three days ago.

`in_top3` asks whether the parent is among the first three shown: an unflagged report of the last 30 days at the same
address, completed on the same day as the duplicate. A duplicate that has no such parent is not asked for.
"""

import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas
import scipy.sparse

from bench.table import print_table
from cases.calendars import DAY_MS
from cases.duplicate_index import DuplicateIndex
from cases.duplicates import METRES_PER_DEGREE, DuplicateRules, Likeness, Report
from cases.wording import split_words

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RUN_IN_DAYS = 60
PARENT_DAYS = 30
STRONG = 0.5  # cosine of TF-IDF over whole messages from which two tell of the same matter
WEEK = numpy.timedelta64(7, "D")
BUSY_CASES = 100_000
QUERIES = 2_000


@dataclass(frozen=True)
class Complaint:
    """A report of Chicago's with what the city knew of it: its flag, and the days it came and was done (of 1970)."""

    report: Report
    flagged: bool
    address: str
    day: int
    done_day: int | None


@dataclass(frozen=True)
class Quality:
    """What came out: of `reports`, `flagged` by the city; `proposed` by us, `hits` of them flagged."""

    reports: int
    flagged: int
    proposed: int
    hits: int
    parents: int
    parents_in_top3: int

    @property
    def precision(self) -> float:
        """Share of the proposed that the city flagged."""
        return self.hits / self.proposed

    @property
    def recall(self) -> float:
        """Share of the flagged that were proposed."""
        return self.hits / self.flagged

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    @property
    def top3(self) -> float:
        """Share of the known parents that are among the first three shown."""
        return self.parents_in_top3 / self.parents


def run() -> list[dict[str, object]]:
    """Return one row a measure; those on real data only where it is there."""
    rules = DuplicateRules()
    rows: list[dict[str, object]] = _measure_real_data(rules) if DATA.is_dir() else []
    for name, figure in measure_speed(rules).items():
        rows.append({"measure": f"{BUSY_CASES:,} cases: {name}", "value": round(figure, 1)})
    return rows


def _measure_real_data(rules: DuplicateRules) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for what, moved_m, with_nature in (("", 0.0, False), (", 15 m off", 15.0, False), (", nature", 15.0, True)):
        complaints = read_chicago(DATA, moved_m, with_nature)
        for first, last in ((2011, 2013), (2014, 2014)):
            rows.append(_show(f"Chicago {first}-{last}{what}", measure_chicago(complaints, first, last, rules)))
    rows.append(_show("Chicago 2014-2014, plain rule", measure_plain_rule(read_chicago(DATA), 2014)))
    for name, value in measure_messages(DATA, rules).items():
        rows.append({"measure": f"messages: {name}", "value": value})
    return rows


def read_chicago(data: Path, moved_m: float = 0.0, with_nature: bool = False) -> list[Complaint]:
    """Return Chicago's complaints in the order in which they came; `moved_m` is the σ by which points are moved."""
    frame = pandas.read_parquet(data / "chicago_sanitation_311" / "chicago_sanitation_311.parquet")
    frame = frame[frame["latitude"].notna()].drop_duplicates("sr_number").sort_values(["creation_date", "sr_number"])
    chance = numpy.random.default_rng(15)
    narrow = math.cos(math.radians(41.8))
    lon = frame["longitude"] + chance.normal(0, moved_m, len(frame)) / METRES_PER_DEGREE / narrow
    lat = frame["latitude"] + chance.normal(0, moved_m, len(frame)) / METRES_PER_DEGREE
    complaints = []
    for row, x, y in zip(frame.itertuples(), lon, lat, strict=True):
        day, done_day = _number_day(row.creation_date), _number_day(row.completion_date)
        assert day is not None
        report = Report(
            case_id=row.sr_number,
            category="sanitation",
            reported_ms=day * DAY_MS,
            text=f"{row.street_address} {row.nature}" if with_nature else row.street_address,
            lon=x,
            lat=y,
            ended_ms=None if done_day is None else done_day * DAY_MS,
        )
        complaints.append(Complaint(report, row.status.endswith("Dup"), row.street_address, day, done_day))
    return complaints


def measure_chicago(complaints: Sequence[Complaint], first_year: int, last_year: int, rules: DuplicateRules) -> Quality:
    """Return how well the duplicates of some whole years are found, with the two months before as what was known."""
    index = DuplicateIndex(rules)
    start = _number_day(pandas.Timestamp(first_year, 1, 1)) or 0
    stop = _number_day(pandas.Timestamp(last_year + 1, 1, 1)) or 0
    earlier: dict[str, list[Complaint]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for one in complaints:
        if start <= one.day < stop:
            found = index.find_duplicates(one.report)
            proposed = bool(found) and found[0].likely
            counts["reports"] += 1
            counts["flagged"] += one.flagged
            counts["proposed"] += proposed
            counts["hits"] += proposed and one.flagged
            parents = _find_parents(one, earlier[one.address])
            counts["parents"] += bool(parents)
            counts["parents_in_top3"] += bool(parents & {likeness.other.case_id for likeness in found[:3]})
        if start - RUN_IN_DAYS <= one.day < stop:
            index.put(one.report)
            earlier[one.address].append(one)
    return Quality(**counts)


def measure_plain_rule(complaints: Sequence[Complaint], year: int) -> Quality:
    """Return how well a rule does that asks for nothing but the same address, still open, at most three days ago."""
    start, stop = (_number_day(pandas.Timestamp(one, 1, 1)) or 0 for one in (year, year + 1))
    earlier: dict[str, list[Complaint]] = defaultdict(list)
    flagged, proposed = [], []
    for one in complaints:
        same = earlier[one.address]
        if start <= one.day < stop:
            flagged.append(one.flagged)
            proposed.append(any(one.day - it.day <= 3 and (it.done_day or one.day) >= one.day for it in same))
        same.append(one)
    return Quality(len(flagged), sum(flagged), sum(proposed), sum(map(min, flagged, proposed)), 0, 0)


def measure_messages(data: Path, rules: DuplicateRules) -> dict[str, int | float]:
    """Return how messages of one week and district repeat each other, by their titles and by their whole texts.

    Titles and districts are all that our index is given. What two whole texts share (TF-IDF, cosine from `STRONG`)
    stands in for a truth that nobody wrote down.
    """
    frame = read_messages(data)
    index = DuplicateIndex(rules)
    strong = _find_strong_pairs(frame)
    ours: dict[tuple[int, int], Likeness] = {}
    for number, report in enumerate(list_messages(frame)):
        for likeness in index.find_duplicates(report):
            ours[int(likeness.other.case_id), number] = likeness
        index.put(report)
    listed = strong & ours.keys()
    return {
        "messages": len(frame),
        "pairs of one matter by whole texts": len(strong),
        "of these listed": len(listed),
        "share": round(len(listed) / len(strong), 3),
        "listed in all": len(ours),
        "messages that repeat one": len({later for _, later in strong}),
    }


def read_messages(data: Path) -> pandas.DataFrame:
    """Return the messages with a time and a district, in order, each text once a writer; `district` like A7县."""
    frame = pandas.read_csv(data / "cn_gov_messages_2020" / "messages_hotspot.csv.gz")
    frame["at"] = pandas.to_datetime(frame["created_at"], errors="coerce", format="mixed")
    frame["district"] = (frame["title"] + frame["text"]).str.extract(r"([A-Z]\d+[市区县])", expand=False)
    known = frame[frame["at"].notna() & frame["district"].notna()]
    return known.sort_values(["at", "msg_id"]).reset_index(drop=True)


def list_messages(frame: pandas.DataFrame) -> Iterator[Report]:
    """Yield messages as reports open for a week whose place is known by district only; a row's number is the case's."""
    for row in frame.itertuples():
        at_ms = int(row.at.timestamp() * 1000)
        yield Report(str(row.Index), "message", at_ms, row.title, cell_code=row.district, ended_ms=at_ms + 7 * DAY_MS)


def measure_speed(rules: DuplicateRules) -> dict[str, float]:
    """Return µs of CPU to put, to ask and to remove one case among `BUSY_CASES` in a county of 40 km, towns crowded."""
    reports = list(make_busy_county())
    index = DuplicateIndex(rules)
    put_us = _time_each(index.put, reports)
    asked = random.Random(3).sample(reports, QUERIES)
    ask_us = _time_each(index.find_duplicates, asked)
    return {
        "put, us": put_us,
        "query, us": ask_us,
        "remove, us": _time_each(lambda report: index.remove(report.case_id), reports),
    }


def make_busy_county() -> Iterator[Report]:
    """Yield 100,000 made-up cases of a month, two thirds of them in towns of a kilometre or so, with Chinese titles."""
    chance = random.Random(2)
    towns = [(chance.uniform(120.0, 120.4), chance.uniform(29.5, 29.9)) for _ in range(25)]
    places, troubles = (
        ["东门街", "人民路", "解放路", "城西村", "学府社区", "河滨公园"],
        ["垃圾堆放", "井盖破损", "占道经营", "路灯不亮", "违章停车"],
    )
    for number in range(BUSY_CASES):
        town = chance.choice(towns)
        lon, lat = (chance.gauss(middle, 0.005) for middle in town)
        if number % 3 == 0:
            lon, lat = chance.uniform(120.0, 120.4), chance.uniform(29.5, 29.9)
        title = f"{chance.choice(places)}{chance.randrange(400)}号{chance.choice(troubles)}无人处理"
        reported_ms = chance.randrange(30 * DAY_MS)
        ended_ms = reported_ms + chance.randrange(20 * DAY_MS) if chance.random() < 0.5 else None
        cell = f"{lon:.2f} {lat:.2f}"
        yield Report(f"C{number}", f"01{chance.randrange(20):02}", reported_ms, title, lon, lat, cell, ended_ms)


def _time_each(deed: Any, reports: Sequence[Report]) -> float:
    began = time.process_time()
    for report in reports:
        deed(report)
    return (time.process_time() - began) / len(reports) * 1e6


def _find_parents(one: Complaint, earlier: Sequence[Complaint]) -> set[str]:
    """Return the unflagged reports that a duplicate can be one of, by its address and by when both were completed."""
    if not one.flagged or one.done_day is None:
        return set()
    return {
        other.report.case_id
        for other in earlier
        if not other.flagged and other.done_day == one.done_day and one.day - other.day <= PARENT_DAYS
    }


def _find_strong_pairs(frame: pandas.DataFrame) -> set[tuple[int, int]]:
    """Return the pairs of messages, earlier and later, of one district within a week whose whole texts are alike."""
    words = [split_words(f"{title} {text}") for title, text in zip(frame["title"], frame["text"], strict=True)]
    number = {word: position for position, word in enumerate(sorted(frozenset[str]().union(*words)))}
    rows = numpy.repeat(numpy.arange(len(words)), [len(one) for one in words])
    columns = numpy.array([number[word] for one in words for word in sorted(one)])
    table = scipy.sparse.csr_array((numpy.ones(len(rows)), (rows, columns)), shape=(len(words), len(number)))
    rarity = numpy.log((1 + len(words)) / (1 + table.sum(axis=0))) + 1
    table = table * rarity
    table = scipy.sparse.csr_array(table / numpy.sqrt((table * table).sum(axis=1))[:, None])
    at = frame["at"].to_numpy()
    pairs: set[tuple[int, int]] = set()
    for members in frame.groupby("district").indices.values():
        alike = scipy.sparse.coo_array(table[members] @ table[members].T)
        strong = (alike.data >= STRONG) & (alike.row < alike.col)
        one, other = members[alike.row[strong]], members[alike.col[strong]]
        near = at[other] - at[one] <= WEEK
        pairs.update(zip(one[near].tolist(), other[near].tolist(), strict=True))
    return pairs


def _number_day(moment: pandas.Timestamp) -> int | None:
    return None if pandas.isna(moment) else int(moment.timestamp() // 86_400)


def _show(measure: str, quality: Quality) -> dict[str, object]:
    return {
        "measure": measure,
        "reports": quality.reports,
        "flagged": quality.flagged,
        "precision": round(quality.precision, 3),
        "recall": round(quality.recall, 3),
        "F1": round(quality.f1, 3),
        "parents": quality.parents,
        "in_top3": round(quality.top3, 3) if quality.parents else "",
        "value": "",
    }


if __name__ == "__main__":
    print_table(run())
