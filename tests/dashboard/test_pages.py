"""The screens as a browser first gets them: language, assets, nothing foreign, nothing that opens by itself."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects
import pytest
from plotly.offline import get_plotlyjs_version
from plotly.utils import PlotlyJSONEncoder
from starlette.testclient import TestClient

from dashboard import ids
from dashboard.charts import WALL_CHARTS, draw_skeleton, make_template, read_tokens
from dashboard.factory import make_app
from dashboard.live import Hub
from dashboard.pages import wall
from dashboard.places import list_places, name_villages
from dashboard.scenes import FIGURES, PANELS, read_scenes
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.settings import Settings
from ingest.store import open_database

SCREENS = ("wall", "duty", "briefing", "feeds")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, county: County) -> Iterator[TestClient]:
    """The web application with an empty database, and with Redis away: pages come all the same."""
    folder = tmp_path_factory.mktemp("web")
    database_url = f"sqlite:///{folder / 'county.db'}"
    upgrade_database(database_url)
    engine = open_database(database_url, read_only=True)
    hub = Hub(county, f"unix://{folder / 'no.sock'}", database_url)
    app = make_app(Settings(data_dir=folder), county, hub, engine)
    with TestClient(app, "http://localhost", follow_redirects=False) as client:
        yield client
    engine.dispose()


def render(client: TestClient, path: str, search: str = "") -> str:
    """Return the layout of a page as JSON, as Dash's renderer asks for it."""
    answer = client.post(
        "/_dash-update-component",
        json={
            "output": f"{ids.PAGE}.children",
            "outputs": {"id": ids.PAGE, "property": "children"},
            "inputs": [{"id": ids.URL, "property": "pathname", "value": path}],
            "state": [{"id": ids.URL, "property": "search", "value": search}],
            "changedPropIds": [f"{ids.URL}.pathname"],
        },
    )
    assert answer.status_code == 200
    return json.dumps(answer.json()["response"][ids.PAGE]["children"], ensure_ascii=False)


def test_the_first_page_has_its_assets(client: TestClient) -> None:
    page = client.get("/wall").text
    for asset in ("tokens.css", "base.css", "wall.css", "desk.css", "briefing.css", "feeds.css"):
        assert f"/assets/{asset}" in page
    version = Path("assets/build/version.txt").read_text()
    assert f'<script type="module" async src="/assets/build/county-brain.js?v={version}"></script>' in page
    assert f"/assets/build/county-brain.css?v={version}" in page


def test_the_root_leads_to_the_wall(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.is_redirect and answer.headers["location"] == "/wall"


@pytest.mark.parametrize("screen", SCREENS)
def test_a_page_is_in_the_language_asked_for(client: TestClient, screen: str) -> None:
    chinese, english = client.get(f"/{screen}").text, client.get(f"/{screen}?lang=en").text
    assert '<html lang="zh-CN"' in chinese and "<title>云溪县 · " in chinese
    assert '<html lang="en"' in english and "<title>Yunxi County · " in english
    assert f'data-theme="{"light" if screen == "briefing" else "dark"}"' in chinese


@pytest.mark.parametrize("screen", SCREENS)
def test_a_page_names_no_foreign_host(client: TestClient, screen: str) -> None:
    page = client.get(f"/{screen}").text
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page) == []


def test_no_websocket_and_no_developer_tools(client: TestClient) -> None:
    config = re.search(r'<script id="_dash-config"[^>]*>(.*?)</script>', client.get("/wall").text)
    assert config
    settings = json.loads(config.group(1))
    assert "websocket" not in settings and settings["ui"] is False and settings["update_title"] == ""
    assert client.post("/_mcp", json={}).status_code in (404, 405)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_of_fastapi_that_fetches_from_elsewhere(client: TestClient, path: str) -> None:
    assert "cdn" not in client.get(path).text


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(("lang", "word"), [("zh", "虚构县域"), ("en", "Fictional county")])
def test_every_screen_says_that_the_county_is_invented(client: TestClient, screen: str, lang: str, word: str) -> None:
    layout = render(client, f"/{screen}", f"?lang={lang}")
    assert f'"data-screen": "{screen}"' in layout and word in layout


def test_the_wall_has_its_panels(client: TestClient) -> None:
    layout = render(client, "/wall")
    for figure in FIGURES:
        assert f'"data-figure": "{figure}"' in layout
    for panel in PANELS:
        assert layout.count(f'"data-panel": "{panel}"') == 1
    for chart in WALL_CHARTS:
        assert f'"data-chart": "{chart}"' in layout
    for name in ("map", "layers", "legend", "stream", "towns", "feeds", "ages", "clock", "as-of", "origin", "lost"):
        assert f'"data-slot": "{name}"' in layout


def test_the_address_may_ask_for_one_scene(client: TestClient) -> None:
    for search, scene, fixed in (
        ("?scene=waste", "waste", "waste"),
        ("", "overview", ""),
        ("?scene=no", "overview", ""),
    ):
        layout = render(client, "/wall", search)
        assert f'"data-scene": "{scene}"' in layout and f'"data-fixed": "{fixed}"' in layout


def test_the_desk_has_a_place_for_each_of_its_parts(client: TestClient) -> None:
    props = [one.get("props", {}) for one in walk(json.loads(render(client, "/duty")))]
    slots = {one["data-slot"] for one in props if "data-slot" in one}
    assert slots >= {
        "views",
        "chips",
        "total",
        "lights",
        "news",
        "bulk",
        "outcome",
        "map",
        "drawer",
        "time-bar",
        "help",
    }
    (grid,) = (one for one in props if one.get("id") == ids.QUEUE)
    assert grid["rowModelType"] == "infinite" and "rowData" not in grid


def test_the_briefing_without_data_says_so(client: TestClient) -> None:
    assert "尚无案件数据" in render(client, "/briefing")
    assert "无法识别的时刻" in render(client, "/briefing", "?as_of=soon")


def test_an_unknown_page_says_what_there_is(client: TestClient) -> None:
    assert "没有这个页面" in render(client, "/nowhere")


def test_the_briefing_is_also_json(client: TestClient) -> None:
    assert len(client.get("/api/briefing?lang=en").json()["figures"]) == 12
    assert client.get("/api/briefing?as_of=soon").status_code == 400


def test_places_name_the_village_of_every_cell(client: TestClient, county: County) -> None:
    answer = client.get(f"/api/places/{county.revision}")
    assert "immutable" in answer.headers["cache-control"]
    places = answer.json()
    assert len(places["cells"]) == len(county.cells)
    village = places["villages"][places["cells"][0]]
    code = str(county.cells.index[0])
    assert village["code"] == code[:12] and places["towns"][village["town"]]["code"] == code[:9]
    assert client.get("/api/places/0123").status_code == 404


def test_villages_are_named_as_each_language_says_them(county: County) -> None:
    places = list_places(county)
    village = places["villages"][places["cells"][7]]
    town = places["towns"][village["town"]]
    assert name_villages(county, "zh")[7] == town["name"] + village["name"]
    assert name_villages(county, "en")[7] == f"{village['name_en']}, {town['name_en']}"


@pytest.mark.parametrize("key", WALL_CHARTS)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_wall_charts_are_valid_and_empty(key: str, lang: str) -> None:
    figure = draw_skeleton(key, lang)
    plotly.graph_objects.Figure(figure)
    assert all(trace["x"] == [] for trace in figure["data"])


def test_charts_have_the_colours_of_the_style_sheet() -> None:
    css = (Path(__file__).resolve().parents[2] / "assets" / "tokens.css").read_text(encoding="utf-8")
    for theme in ("light", "dark"):
        tokens = read_tokens(theme)
        assert f"--series-1: {tokens['series-1']};" in css
        assert make_template(theme)["layout"]["colorway"][0] == tokens["series-1"]
    assert read_tokens("light")["ground"] != read_tokens("dark")["ground"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["text-high", "text-mid", "text-low", *[f"severity-{n}" for n in (1, 2, 3, 4)]])
@pytest.mark.parametrize("ground", ["ground", "raised"])
def test_text_has_the_contrast_of_wcag_aa(theme: str, name: str, ground: str) -> None:
    tokens = read_tokens(theme)
    light, dark = sorted((luminance(tokens[name]), luminance(tokens[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_layouts_are_serialisable(county: County) -> None:
    layout = wall.lay_out(county, "zh", read_scenes(county)).to_plotly_json()  # type: ignore[no-untyped-call]
    json.dumps(layout, cls=PlotlyJSONEncoder)


def luminance(colour: str) -> float:
    """Relative luminance of #RRGGBB, as WCAG 2.2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def walk(layout: Any) -> Iterator[dict[str, Any]]:
    """Yield every component of a layout."""
    if isinstance(layout, list):
        for part in layout:
            yield from walk(part)
    elif isinstance(layout, dict):
        yield layout
        yield from walk(layout.get("props", {}).get("children"))


def test_a_wall_loads_bars_and_lines_and_no_grid(client: TestClient) -> None:
    """What a page evaluates before its first picture; the charts' code is of the version that Python draws for."""
    page, desk = (client.get(path).text for path in ("/wall", "/duty"))
    grid = '<script src="/_dash-component-suites/dash_ag_grid/'
    assert grid not in page and grid in desk
    config = json.loads(re.search(r'id="_dash-config"[^>]*>(.*?)</script>', page)[1])  # type: ignore[index]
    asked = client.get(config["plotlyjs_url"])
    assert asked.status_code == 200 and len(asked.content) < 2_000_000
    assert f"plotly.js (basic - minified) v{get_plotlyjs_version()}" in asked.text[:200]
