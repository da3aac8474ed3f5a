"""Reports from phones: numbers, photos, intake through a real ingest, and what their makers are told of them."""

import io
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import Engine, select

from dashboard.field.number import ALPHABET, NumberError, check_code, make_code, make_number, read_number, show_number
from dashboard.field.pace import Pace
from dashboard.field.photos import LONGEST_SIDE, PhotoRefused, PhotoStore, clean_photo
from dashboard.field.report import list_public
from dashboard.field.routes import make_field_router
from dashboard.publishing import Publisher
from dashboard.text import LANGUAGES, load_catalogue
from geo.county import County
from ingest.settings import Settings
from ingest.tables import case_actions, cases
from tests.appliance import KEY, ROOT, Appliance, act, wait_for
from tests.dashboard.serving import AsViewer, as_viewer, running

GPS_IFD, MAKE, ORIENTATION = 0x8825, 0x010F, 0x0112
SECRET_PLACE = "Pixel of somebody"


@pytest.fixture(scope="module")
def engine(product: Appliance) -> Iterator[Engine]:
    with product.reading() as opened:
        yield opened


@pytest.fixture
def phone(product: Appliance, county: County, engine: Engine, tmp_path: Path) -> Iterator[httpx.Client]:
    """Asks the field's routes, as a resident where `as_viewer` says nothing else; limits begin anew in every test."""
    with opening(county, engine, tmp_path, product.ingest_port) as client:
        yield client


@contextmanager
def opening(county: County, engine: Engine, folder: Path, ingest_port: int) -> Iterator[httpx.Client]:
    """Yields a client of the field's routes alone, in front of the ingest at a port."""
    settings = Settings(data_dir=folder, ingest_port=ingest_port, ingest_key=KEY)
    app = FastAPI()
    app.include_router(make_field_router(settings, county, engine, Publisher(settings)))
    app.add_middleware(AsViewer, viewer=None)
    with running(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


def middle(county: County, position: int = 0) -> tuple[float, float]:
    inside = county.cells.geometry.iloc[position].representative_point()
    return round(inside.x, 6), round(inside.y, 6)


def a_report(county: County, position: int = 0, **changes: Any) -> dict[str, Any]:
    lon, lat = middle(county, position)
    now = datetime.now(UTC).isoformat()
    said = {"id": str(uuid.uuid4()), "made_at": now, "sent_at": now, "category": "0102", "lon": lon, "lat": lat}
    return said | changes


def hand_in(phone: httpx.Client, report: dict[str, Any], **headers: str) -> dict[str, str]:
    answer = phone.post("/api/public/reports", json=report, headers=headers)
    assert answer.status_code == 202, answer.text
    receipt: dict[str, str] = answer.json()
    return receipt


def ask_status(phone: httpx.Client, receipt: dict[str, str]) -> dict[str, Any]:
    """The status, as soon as the recorder has it."""

    def ask() -> dict[str, Any]:
        answer = phone.post("/api/public/status", json={**receipt, "lang": "en"})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return {} if "arriving" in told else told

    return wait_for(ask, what="the recorder")


def a_photo(size: tuple[int, int] = (300, 200), kind: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind, **options)
    return out.getvalue()


def with_place() -> bytes:
    exif = Image.Exif()
    exif[MAKE] = SECRET_PLACE
    exif[ORIENTATION] = 6  # lies on its side
    exif.get_ifd(GPS_IFD)[2] = (29.0, 41.0, 12.0)
    return a_photo(exif=exif)


# --- Numbers and codes ----------------------------------------------------------------------------------------------


def test_a_number_is_read_however_it_is_typed() -> None:
    number = make_number("report-1", date(2026, 11, 10))
    assert re.fullmatch(rf"R261110[{ALPHABET}]{{8}}", number)
    shown = show_number(number)
    assert shown == f"R261110-{number[7:11]}-{number[11:]}"
    for typed in (shown, number, shown.lower(), f" {shown.replace('-', ' ')} ", shown.replace("261110", "26IL1o")):
        assert read_number(typed) == number
    assert make_number("report-1", date(2026, 11, 10)) == number
    assert len({make_number("report-1", date(2026, 11, 10), attempt) for attempt in range(5)}) == 5


def test_every_wrong_character_and_every_swap_is_noticed() -> None:
    for seed in range(5):
        number = make_number(f"report-{seed}", date(2026, 11, 20 + seed))
        wrong = {
            number[:place] + other + number[place + 1 :]
            for place in range(1, len(number))
            for other in ("0123456789" if place < 7 else ALPHABET)
        }
        swapped = {
            number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            for place in range(1, len(number) - 1)
        }
        for typed in (wrong | swapped) - {number}:
            with pytest.raises(NumberError):
                read_number(typed)


@pytest.mark.parametrize("typed", ["", "R", "339901001001001-20261122-abcd1234", "R261122-1111-1111", "Ｒ261122", "\0"])
def test_what_is_no_number_is_said(typed: str) -> None:
    with pytest.raises(NumberError):
        read_number(typed)


def test_a_code_belongs_to_its_number_and_secret() -> None:
    number, other = make_number("a", date(2026, 1, 1)), make_number("b", date(2026, 1, 1))
    code = make_code(b"secret", number)
    assert check_code(b"secret", number, f" {code[:3]}-{code[3:].lower()}")
    assert not check_code(b"secret", other, code)
    assert not check_code(b"another", number, code)
    assert not check_code(b"secret", number, "")
    assert not check_code(b"secret", number, "码")


def test_who_asks_too_often_has_to_wait_and_nobody_else() -> None:
    now = 0.0
    pace = Pace(hourly=60, burst=2, all_by_minute=100, clock=lambda: now)
    assert [pace.take("a"), pace.take("a"), pace.take("a"), pace.take("b")] == [0, 0, 60, 0]
    now = 60.0
    assert [pace.take("a"), pace.take("a")] == [0, 60]
    pace.give_back("a")
    assert pace.take("a") == 0
    crowd = Pace(hourly=60, burst=2, all_by_minute=3, clock=lambda: now)
    assert [crowd.take(name) for name in "abcd"] == [0, 0, 0, 20]


# --- Photos ---------------------------------------------------------------------------------------------------------


def test_a_photo_keeps_nothing_but_its_pixels_upright() -> None:
    dirty = with_place() + b"<script>alert(1)</script>"
    assert SECRET_PLACE.encode() in dirty
    clean = clean_photo(dirty)
    picture = Image.open(io.BytesIO(clean))
    assert (picture.format, picture.size) == ("JPEG", (200, 300))
    assert not picture.getexif()
    assert SECRET_PLACE.encode() not in clean and b"script" not in clean
    assert clean_photo(dirty) == clean


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_kinds_become_jpeg_and_small(kind: str) -> None:
    picture = Image.open(io.BytesIO(clean_photo(a_photo((3000, 1500), kind))))
    assert (picture.format, picture.size) == ("JPEG", (LONGEST_SIDE, LONGEST_SIDE // 2))


def test_what_is_transparent_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(out, "PNG")
    assert Image.open(io.BytesIO(clean_photo(out.getvalue()))).getpixel((20, 20)) == (255, 255, 255)


def with_many_scans(count: int) -> bytes:
    """A small file that tells the same picture again and again, each time another walk over all of it."""
    head, _, last = a_photo((1600, 1200), progressive=True).rpartition(b"\xff\xda")
    return head + (b"\xff\xda" + last.removesuffix(b"\xff\xd9")) * count + b"\xff\xd9"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><script>alert(1)</script>",
        b"GIF89a" + bytes(40),
        a_photo()[:400],
        bytes(7 * 1024 * 1024),
        a_photo((9000, 9000), "PNG"),
        with_many_scans(300),
    ],
    ids=["nothing", "html", "gif", "half", "long", "huge", "endless"],
)
def test_what_is_no_photo_is_refused(body: bytes) -> None:
    with pytest.raises(PhotoRefused):
        clean_photo(body)


def test_photos_wait_two_days_for_their_report_and_are_then_kept_as_long_as_set(tmp_path: Path) -> None:
    store = PhotoStore(tmp_path)
    kept, left = store.take(a_photo()), store.take(a_photo((50, 50)))
    assert store.take(a_photo()) == kept
    assert store.read(kept) is None  # not before its report is here
    assert store.keep(kept) and store.keep(kept)
    assert not store.keep("0" * 32) and not store.keep("../../etc/passwd") and not store.has("")
    day_s, now_s = 86_400, datetime.now(UTC).timestamp()
    assert store.forget_old(400, now_s + 3 * day_s) == 1
    assert store.has(kept) and not store.has(left)
    assert store.forget_old(0, now_s + 1000 * day_s) == 0
    assert store.forget_old(400, now_s + 401 * day_s) == 1
    assert store.read(kept) is None


def test_who_sends_photos_without_reports_leaves_room_for_those_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PhotoStore(tmp_path)
    photos = [a_photo((100 + number, 100)) for number in range(6)]
    monkeypatch.setattr("dashboard.field.photos.MOST_WAITING_BYTES", 4 * len(clean_photo(photos[0])))
    kept = store.take(a_photo((90, 90)))
    assert store.keep(kept)
    ids = []
    for number, photo in enumerate(photos):
        ids.append(store.take(photo))
        (file,) = tmp_path.glob(f"waiting/??/{ids[-1]}.jpg")
        os.utime(file, (number, number))
    there = [store.has(id) for id in ids]
    assert there == sorted(there) and not there[0] and there[-1]  # the oldest went
    assert store.has(kept)


def test_a_photo_that_never_ends_and_too_many_at_once_are_let_go(
    phone: httpx.Client, county: County, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.replies.BODY_WITHIN_S", 0.2)
    assert phone.post("/api/public/photos", content=drip()).status_code == 408
    monkeypatch.setattr("dashboard.field.routes.PHOTOS_IN_MEMORY_BYTES", 100)
    with opening(county, engine, tmp_path, 9) as crowded:
        answer = crowded.post("/api/public/photos", content=a_photo())
        assert (answer.status_code, answer.json()["reason"]) == (503, "away")


def drip() -> Iterator[bytes]:
    for _ in range(20):
        yield b"x"
        time.sleep(0.1)


def test_photos_leave_the_last_of_the_disk_to_cases(
    phone: httpx.Client, county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.field.photos.LEAST_FREE_BYTES", 1 << 60)
    answer = phone.post("/api/public/photos", content=a_photo())
    assert (answer.status_code, answer.json()["reason"]) == (503, "away")
    assert int(answer.headers["retry-after"]) > 0
    assert phone.post("/api/public/reports", json=a_report(county)).status_code == 202


# --- Intake ---------------------------------------------------------------------------------------------------------


def test_a_report_arrives_once_however_often_it_is_sent(
    phone: httpx.Client, county: County, product: Appliance, engine: Engine
) -> None:
    photo = phone.post("/api/public/photos", content=with_place()).json()["id"]
    contact = {"name": "张三丰", "phone": "13812345678"}
    report = a_report(county, photos=[photo], description=" 很臭\n三天了 ", severity=1, contact=contact)
    receipt = hand_in(phone, report)
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert [hand_in(phone, report | {"sent_at": later}) for _ in range(2)] == [receipt, receipt]
    number = read_number(receipt["number"])
    ask_status(phone, receipt)
    with engine.connect() as connection:
        rows = connection.execute(select(cases).where(cases.c.case_id == number)).all()
        reports = connection.execute(select(case_actions).where(case_actions.c.case_id == number)).all()
    assert len(rows) == len(reports) == 1
    assert (rows[0].title, rows[0].description) == ("暴露垃圾：很臭 三天了", "很臭\n三天了")
    assert (rows[0].channel, rows[0].severity) == ("app", 4)  # how severe it is, is not for a resident to say
    assert rows[0].media == f'["/media/{number}/{photo}"]'
    assert rows[0].cell_code == county.cells.index[0]
    assert reports[0].actor is None
    assert "张三丰" not in reports[0].details and "13812345678" not in reports[0].details
    assert product.counters()["duplicate"] >= 2


def test_what_waited_in_a_phone_with_a_wrong_clock_has_the_right_time(
    phone: httpx.Client, county: County, engine: Engine
) -> None:
    made = datetime(2031, 5, 4, 3, 0, tzinfo=UTC)
    report = a_report(county, made_at=made.isoformat(), sent_at=(made + timedelta(hours=5)).isoformat())
    receipt = hand_in(phone, report)
    assert receipt["number"].startswith("R310504-")
    told = ask_status(phone, receipt)
    waited = datetime.now(UTC) - datetime.fromisoformat(told["reported_at"])
    assert timedelta(hours=5) <= waited < timedelta(hours=5, minutes=2)


def test_a_worker_reports_every_class_with_name_and_severity(
    phone: httpx.Client, county: County, engine: Engine
) -> None:
    said = a_report(county, category="D04", severity=2, worker="test-grid_worker")
    receipt = hand_in(phone, said, **as_viewer("grid_worker", str(county.cells.index[0])))
    ask_status(phone, receipt)
    with engine.connect() as connection:
        row = connection.execute(select(cases).where(cases.c.case_id == read_number(receipt["number"]))).one()
        report = connection.execute(select(case_actions).where(case_actions.c.case_id == row.case_id)).one()
    assert (row.category, row.severity, row.channel) == ("D04", 2, "grid_worker")
    assert report.actor == "test-grid_worker"


def test_what_a_worker_made_is_not_sent_in_somebody_elses_name(phone: httpx.Client, county: County) -> None:
    said = a_report(county, worker="test-grid_worker")
    for headers in ({}, as_viewer("dispatcher"), as_viewer("wall")):
        answer = phone.post("/api/public/reports", json=said, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (401, "worker")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lon": 0.0, "lat": 0.0}, "place"),
        ({"lon": "here"}, "lon"),
        ({"category": "9999"}, "category"),
        ({"category": "D04"}, "category"),
        ({"description": "长" * 501}, "description"),
        ({"photos": ["0" * 32]}, "photos"),
        ({"photos": ["../../report.key"]}, "photos"),
        ({"photos": ["0" * 32] * 4}, "photos"),
        ({"severity": 9}, "severity"),
        ({"id": "1"}, "id"),
        ({"made_at": "yesterday"}, "made_at"),
        ({"made_at": "9999-12-31T23:59:59-12:00"}, "made_at"),
        ({"sent_at": "0001-01-01T00:00:00+14:00"}, "sent_at"),
        ({"contact": {"name": "长" * 61}}, "contact"),
        ({"description": "a\0b"}, "description"),
        ({"joins": "a\0b"}, "joins"),
        ({"contact": {"phone": "a\0b"}}, "contact"),
    ],
)
def test_a_report_that_cannot_be_taken_is_refused_by_the_name_of_its_field(
    phone: httpx.Client, county: County, product: Appliance, changes: dict[str, Any], field: str
) -> None:
    before = product.counters()["received"]
    answer = phone.post("/api/public/reports", json=a_report(county) | changes)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert f"report.{answer.json()['reason']}" in load_catalogue("zh")
    assert product.counters()["received"] == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 10_000, b"\xff", b'{"id": 1}'])
def test_what_is_no_report_is_refused(phone: httpx.Client, body: bytes) -> None:
    assert phone.post("/api/public/reports", content=body).status_code == 422


def test_nothing_is_called_accepted_while_ingest_is_away(county: County, engine: Engine, tmp_path: Path) -> None:
    with opening(county, engine, tmp_path, 9) as phone:  # the discard port: nobody listens there
        answer = phone.post("/api/public/reports", json=a_report(county))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "number" not in answer.json()


def test_a_stranger_who_sends_without_end_is_held_back(phone: httpx.Client, county: County) -> None:
    codes = [phone.post("/api/public/reports", content=b"{}").status_code for _ in range(40)]
    assert codes[:30] == [422] * 30 and set(codes[31:]) == {429}
    answer = phone.post("/api/public/reports", content=b"{}")
    assert int(answer.headers["retry-after"]) > 0
    assert phone.post("/api/public/reports", content=b"{}", headers=as_viewer("grid_worker")).status_code == 422


def test_a_report_can_be_added_to_one_near_by(phone: httpx.Client, county: County, engine: Engine) -> None:
    receipt = hand_in(phone, a_report(county, 3))
    ask_status(phone, receipt)
    first = read_number(receipt["number"])
    joined = hand_in(phone, a_report(county, 3, joins=first, description="我也看到了"))
    elsewhere = hand_in(phone, a_report(county, 900, joins=first))
    other_class = hand_in(phone, a_report(county, 3, joins=first, category="0401"))
    assert ask_status(phone, joined)["merged"]
    for alone in (elsewhere, other_class):
        assert not ask_status(phone, alone)["merged"]
    query = select(case_actions.c.event_id).where(case_actions.c.case_id == first)
    with engine.connect() as connection:
        assert {row[0] for row in connection.execute(query)} == {first, read_number(joined["number"])}


def test_the_place_of_a_point_has_a_name(phone: httpx.Client, county: County) -> None:
    lon, lat = middle(county)
    told = phone.post("/api/public/place", json={"lon": lon, "lat": lat}).json()
    assert told["cell"]["zh"] == county.cells["name"].iloc[0]
    assert told["town"]["en"] == county.areas.loc[county.cells.index[0][:9]]["name_en"]
    outside = phone.post("/api/public/place", json={"lon": 0, "lat": 0})
    assert (outside.status_code, outside.json()["field"]) == (422, "place")
    assert phone.post("/api/public/place", content=b"{}").status_code == 422


def test_residents_may_report_events_but_no_disputes_unless_the_pack_says_so(county: County) -> None:
    public = list_public(county)
    assert "0102" in public and "D04" not in public


# --- What became of it ----------------------------------------------------------------------------------------------


def test_the_status_tells_states_times_and_units_but_no_words_and_no_person(
    phone: httpx.Client, county: County, product: Appliance
) -> None:
    contact = {"name": "张三丰", "phone": "13812345678"}
    receipt = hand_in(phone, a_report(county, 5, description="家门口", contact=contact))
    number = read_number(receipt["number"])
    assert ask_status(phone, receipt)["says"] == "Received, waiting to be accepted"
    product.post(
        act(number, "accept", note="内部：领导很重视"),
        act(number, "file", at=(datetime.now(UTC) + timedelta(seconds=1)).isoformat()),
        act(number, "dispatch", unit="U02", at=(datetime.now(UTC) + timedelta(seconds=2)).isoformat()),
        act(number, "supervise", card="red", at=(datetime.now(UTC) + timedelta(seconds=3)).isoformat()),
    )
    told = wait_for(lambda: (found := ask_status(phone, receipt)) and found["unit"] and found, what="the recorder")
    assert (told["state"], told["ended"], told["unit"]) == ("dispatched", False, "Sanitation office")
    assert [step["says"] for step in told["steps"]] == ["Assigned", "Filed", "Accepted", told["steps"][3]["says"]]
    assert told["steps"][0]["unit"] == "Sanitation office"
    assert datetime.fromisoformat(told["expected_at"]) > datetime.now(UTC)
    assert datetime.fromisoformat(told["reported_at"]).utcoffset() == timedelta(hours=8)
    for secret in ("领导", "家门口", "张三丰", "1381", "officer-1", "supervise", "red"):
        assert secret not in str(told)
    product.post(act(number, "close", note="已清理", at=(datetime.now(UTC) + timedelta(seconds=4)).isoformat()))
    told = wait_for(lambda: (found := ask_status(phone, receipt)) and found["ended"] and found, what="the recorder")
    assert (told["says"], told["expected_at"]) == ("Done", None)


def test_a_merged_report_tells_how_the_other_stands(phone: httpx.Client, county: County, product: Appliance) -> None:
    kept, merged = hand_in(phone, a_report(county, 6)), hand_in(phone, a_report(county, 7))
    numbers = read_number(kept["number"]), read_number(merged["number"])
    product.post(act(numbers[1], "merge", into=numbers[0]), act(numbers[0], "accept"))
    told = wait_for(lambda: (found := ask_status(phone, merged))["merged"] and found, what="the merging")
    wait_for(lambda: ask_status(phone, merged)["state"] == "accepted", what="the other one")
    assert told["number"] == merged["number"]


def test_numbers_cannot_be_walked(phone: httpx.Client, county: County) -> None:
    receipt = hand_in(phone, a_report(county, 8))
    for typed in ({"code": "222222"}, {"number": show_number(make_number("other", date.today()))}, {"number": "R1"}):  # noqa: DTZ011
        answer = phone.post("/api/public/status", json=receipt | typed)
        assert (answer.status_code, answer.json()["reason"]) == (404, "refused_unknown")
    codes = [phone.post("/api/public/status", json=receipt | {"code": "222222"}).status_code for _ in range(9)]
    assert codes == [404] * 7 + [429] * 2
    assert phone.post("/api/public/status", json=receipt).status_code == 429  # even a right guess tells nothing now


def test_a_right_answer_costs_nothing(phone: httpx.Client, county: County) -> None:
    receipt = hand_in(phone, a_report(county, 9))
    assert [phone.post("/api/public/status", json=receipt).status_code for _ in range(20)] == [200] * 20


def test_a_photo_is_seen_by_who_made_it_and_by_whose_case_it_is(
    phone: httpx.Client, county: County, product: Appliance
) -> None:
    photo = phone.post("/api/public/photos", content=with_place()).json()["id"]
    receipt = hand_in(phone, a_report(county, 10, photos=[photo]))
    (address,) = ask_status(phone, receipt)["photos"]
    product.post(act(read_number(receipt["number"]), "dispatch", unit="U02"))
    town, other_town = str(county.cells.index[10])[:9], str(county.cells.index[-1])[:9]
    seen = phone.get(address, headers={"x-report-code": receipt["code"]})
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    assert seen.headers["x-content-type-options"] == "nosniff"
    assert "private" in seen.headers["cache-control"]
    assert SECRET_PLACE.encode() not in seen.content
    for viewer in (as_viewer("county_duty"), as_viewer("town_centre", town)):
        assert phone.get(address, headers=viewer).content == seen.content
    wait_for(lambda: phone.get(address, headers=as_viewer("unit", "", "U02")).status_code == 200, what="the dispatch")
    for viewer in (
        {},
        {"x-report-code": "222222"},
        as_viewer("wall"),
        as_viewer("town_centre", other_town),
        as_viewer("unit", "", "U03"),
    ):
        assert phone.get(address, headers=viewer).status_code == 404
    elsewhere = address.replace(photo, "0" * 32)
    assert phone.get(elsewhere, headers=as_viewer("county_duty")).status_code == 404
    assert phone.get(f"/media/{'x' * 20}/..%2f..%2freport.key", headers=as_viewer("county_duty")).status_code == 404


# --- The pages ------------------------------------------------------------------------------------------------------


def test_the_pages_ask_nobody_else_and_are_theirs_who_ask(phone: httpx.Client) -> None:
    for path in ("/report", "/report?lang=en", "/status"):
        page = phone.get(path)
        assert page.status_code == 200
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page.text)
        for address in re.findall(r'(?:src|href)="(/report/files/[^"]+)"', page.text):
            answer = phone.get(address, headers={"accept-encoding": "gzip"})
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"] and answer.headers["content-encoding"] == "gzip"
    assert "D04" not in phone.get("/report").text
    assert "D04" in phone.get("/report", headers=as_viewer("grid_worker")).text
    assert "D04" not in phone.get("/report?as=resident", headers=as_viewer("grid_worker")).text
    worker = phone.get("/report/worker.js?v=1")
    assert worker.headers["service-worker-allowed"] == "/"
    assert phone.get("/report/files/..%2f..%2fapp.py").status_code == 404


def test_the_map_for_phones_is_the_whole_county(phone: httpx.Client, county: County) -> None:
    told: dict[str, Any] = phone.get(f"/api/public/map/{county.revision}").json()
    assert len(told["villages"]["features"]) == (county.areas["level"] == "village").sum()
    assert {"county", "towns", "villages", "roads", "rivers"} == set(told)
    assert phone.get("/api/public/map/other").status_code == 404


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_word_of_the_pages_is_in_the_catalogue(lang: str) -> None:
    catalogue = load_catalogue(lang)
    field = ROOT / "dashboard" / "field" / "templates"
    scripts = ROOT / "dashboard" / "map" / "field"
    used = {
        key
        for file in [*field.glob("*.html"), *scripts.glob("*.ts")]
        for key in re.findall(r"""["'`]((?:report|status)\.[a-z_]+)["'`]""", file.read_text(encoding="utf-8"))
    }
    assert len(used) > 60
    assert used <= catalogue.keys()
    for reason in ("no_network", "away", "too_often", "photos_again", "sign_in_again"):
        assert f"report.{reason}" in catalogue
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "dashboard" / "field").glob("*.py"))
    for reason in re.findall(r'"(refused_[a-z_]+)"', source):
        assert f"report.{reason}" in catalogue or f"status.{reason}" in catalogue, reason
