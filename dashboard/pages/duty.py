"""The duty desk: the queue of open cases, the map linked to it, and what is known of one case."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dash_ag_grid
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from cases.rulebook import Rulebook, read_rulebook
from dashboard import ids
from dashboard.briefing import read_limits
from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, list_feeds, mark, slot
from dashboard.places import name_villages
from dashboard.queue import Filters, find_cases, used_share
from dashboard.text import LANGUAGES, choose_language, load_catalogue, text
from geo.county import County
from layers.state import LiveState
from layers.things import Case

if TYPE_CHECKING:
    from dashboard.live import Hub

SHAPES = {1: "▲", 2: "◆", 3: "●", 4: "■"}
SURROUNDINGS_M = 800
FILTERS = ("town", "village", "category", "severity", "state", "channel")
CHANNELS = ("grid_worker", "hotline", "app", "video", "iot", "superior", "patrol", "window")

DROPDOWN_WORDS = {
    "search": "dropdown_search",
    "select_all": "dropdown_all",
    "deselect_all": "dropdown_none",
    "clear_selection": "dropdown_clear",
    "clear_search": "dropdown_clear_search",
    "no_options_found": "dropdown_empty",
    "selected_count": "dropdown_count",
}

# AG Grid in the colours of the tokens; its parameters become CSS values, so variables work.
GRID_THEME = """themeQuartz.withParams({
    backgroundColor: 'var(--ground)', foregroundColor: 'var(--text-high)', headerBackgroundColor: 'var(--raised)',
    headerTextColor: 'var(--text-mid)', borderColor: 'var(--line)', oddRowBackgroundColor: 'var(--ground)',
    rowHoverColor: 'var(--raised)', selectedRowBackgroundColor: 'var(--line)', accentColor: 'var(--accent)',
    fontFamily: 'inherit', fontSize: 14, headerFontSize: 13, spacing: 5, wrapperBorder: false,
    wrapperBorderRadius: 0, browserColorScheme: 'dark', columnBorder: false })"""

# The address keeps the filters, so that a desk can be bookmarked; it is replaced, so "back" leaves the page.
KEEP_FILTERS = """function(...values) {
    const names = %s;
    const query = new URLSearchParams(window.location.search);
    names.forEach((name, i) => {
        const value = Array.isArray(values[i]) ? values[i].join(",") : values[i];
        if (value) query.set(name, value); else query.delete(name);
    });
    const search = query.toString();
    window.history.replaceState(window.history.state, "", window.location.pathname + (search ? "?" + search : ""));
    return window.dash_clientside.no_update;
}"""


def lay_out(county: County, lang: str, query: Mapping[str, str]) -> Component:
    """Return the desk's skeleton with the filters that the address asks for."""
    return lay_root(
        "duty",
        lang,
        [
            lay_header("duty", county, lang),
            lay_lost_banner(),
            _lay_filters(county, lang, query),
            html.Section(
                [html.H2(text(lang, "alert.in_force")), slot("alerts", "Ul", "alerts")],
                className="alert-bar",
                hidden=True,
                **mark(data_slot="alert-bar", aria_live="polite"),
            ),
            _lay_queue(lang),
            html.Main(
                [slot("map", "Div", "map", role="application", **mark(aria_label=text(lang, "duty.map")))],
                className="linked",
            ),
            html.Aside(
                [slot("drawer", "Div", "case-drawer")],
                className="drawer",
                **mark(aria_label=text(lang, "duty.drawer"), aria_live="polite"),
            ),
            slot("help", "Div", "help", hidden=True, role="dialog", **mark(aria_label=text(lang, "duty.keys"))),
        ],
        radius_m=SURROUNDINGS_M,
        feeds=list_feeds(county),
    )


def register_callbacks(dash: Dash, county: County, hub: "Hub") -> None:
    """Register the desk's callbacks; every one is a coroutine, as everything on the event loop must be."""
    limits = read_limits(county)
    places = {lang: name_villages(county, lang) for lang in LANGUAGES}
    inputs = [Input(f"filter-{name}", "value") for name in FILTERS] + [Input(ids.FILTER_TEXT, "value")]

    @dash.callback(
        Output(ids.QUEUE, "rowData"),
        Output(ids.QUEUE_TOTAL, "children"),
        *inputs,
        Input(ids.REFRESH, "data"),
        State(ids.URL, "search"),
    )
    async def fill_queue(*values: Any) -> tuple[list[dict[str, Any]], str]:
        *chosen, _refresh, search = values
        lang = "en" if "lang=en" in (search or "") else choose_language(None, dash.default_language)
        filters = read_filters(dict(zip((*FILTERS, "q"), chosen, strict=True)))

        def look(state: LiveState) -> tuple[list[dict[str, Any]], str]:
            page = find_cases(state, filters, limits, state.now_ms)
            rows = [describe_row(case, state, limits, lang, places[lang]) for case in page.cases]
            return rows, say_total(len(rows), page.matching, lang)

        return await hub.ask(look)

    @dash.callback(
        Output(ids.FILTER_VILLAGE, "options"),
        Output(ids.FILTER_VILLAGE, "value"),
        Input(ids.FILTER_TOWN, "value"),
        State(ids.FILTER_VILLAGE, "value"),
        State(ids.URL, "search"),
    )
    async def offer_villages(
        towns: list[str] | None, chosen: list[str] | None, search: str | None
    ) -> tuple[list[dict[str, str]], list[str]]:
        lang = "en" if "lang=en" in (search or "") else choose_language(None, dash.default_language)
        options = list_areas(county, "village", lang, towns or ())
        offered = {option["value"] for option in options}
        return options, [code for code in chosen or () if code in offered]

    @dash.callback(
        *[Output(f"filter-{name}", "value", allow_duplicate=True) for name in FILTERS],
        Output(ids.FILTER_TEXT, "value"),
        Input(ids.FILTER_CLEAR, "n_clicks"),
        prevent_initial_call=True,
    )
    async def clear_filters(_clicks: int) -> list[Any]:
        return [[] for _ in FILTERS] + [""]

    names = [*FILTERS, "q"]
    dash.clientside_callback(  # type: ignore[no-untyped-call]
        KEEP_FILTERS % names, Output(ids.FILTER_CLEAR, "title"), *inputs, prevent_initial_call=True
    )


def read_filters(chosen: Mapping[str, Any]) -> Filters:
    """Return the filters that a desk's controls say; a village is narrower than its town and replaces it."""
    towns, villages = set(chosen.get("town") or ()), set(chosen.get("village") or ())
    towns -= {code[:9] for code in villages}
    return Filters(
        areas=frozenset(towns | villages),
        categories=frozenset(chosen.get("category") or ()),
        severities=frozenset(int(severity) for severity in chosen.get("severity") or ()),
        states=frozenset(chosen.get("state") or ()),
        channels=frozenset(chosen.get("channel") or ()),
        text=str(chosen.get("q") or ""),
    )


def describe_row(
    case: Case, state: LiveState, limits: Mapping[str, float], lang: str, places: Sequence[str]
) -> dict[str, Any]:
    """Return one row of the queue, in words; no title and no person. places: the name of each cell's village."""
    category = state.categories.get(case.category)
    share = used_share(case, limits, state.now_ms)
    local = case.reported_at.astimezone(state.time_zone)
    return {
        "case_id": case.case_id,
        "id": case.id,
        "lon": case.lon,
        "lat": case.lat,
        "severity": case.severity,
        "severity_text": f"{SHAPES.get(case.severity, '■')} {text(lang, f'severity.{case.severity}')}",
        "category": getattr(category, lang) if category else case.category,
        "place": text(lang, "common.outside") if case.cell is None else places[case.cell],
        "state": getattr(state.rulebook.find_state(case.category, case.state.state).name, lang),
        "channel": _say(lang, "channel", case.channel),
        "reported": f"{local:%m-%d %H:%M}",
        "share": share,
        "clock": say_clock(case, limits, state.now_ms, lang),
    }


def say_clock(case: Case, limits: Mapping[str, float], now_ms: int, lang: str) -> str:
    """Return how much time a case has left or how far it is over, in words."""
    hours = limits.get(case.category)
    if hours is None:
        return "–"
    left_s = hours * 3600 - (now_ms - case.reported_ms) / 1000
    key, name = ("clock_left", "left") if left_s >= 0 else ("clock_over", "over")
    return text(lang, f"duty.{key}", **{name: say_span(abs(left_s), lang)})


def say_span(seconds: float, lang: str) -> str:
    """Return a duration in one unit, minutes at least."""
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * size:
            return text(lang, f"common.span_{unit}", n=int(seconds // size))
    return text(lang, "common.span_minutes", n=int(seconds // 60))


def say_total(shown: int, matching: int, lang: str) -> str:
    """Return how many cases there are, and how many of them are listed where not all fit."""
    if shown == matching:
        return text(lang, "duty.total_all", total=f"{matching:,}")
    return text(lang, "duty.total", shown=f"{shown:,}", total=f"{matching:,}")


def list_areas(county: County, level: str, lang: str, parents: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return towns or villages as the options of a filter; villages only of the towns given."""
    areas = county.areas[county.areas["level"] == level]
    if level == "village":
        areas = areas[areas["parent"].isin(parents)]
    column = areas["name_en"] if lang == "en" else areas["name"]
    return [
        {"value": str(code), "label": str(name) if isinstance(name, str) and name else str(fallback)}
        for code, name, fallback in zip(areas.index, column, areas["name"], strict=True)
    ]


def _lay_filters(county: County, lang: str, query: Mapping[str, str]) -> Component:
    categories = [
        {"value": row.code, "label": row.en if lang == "en" else row.zh} for row in county.categories.values()
    ]
    towns = _read_list(query, "town")
    options = {
        "town": list_areas(county, "town", lang),
        "village": list_areas(county, "village", lang, towns),
        "category": categories,
        "severity": [
            {"value": str(severity), "label": f"{SHAPES[severity]} {text(lang, f'severity.{severity}')}"}
            for severity in (1, 2, 3, 4)
        ],
        "state": [{"value": key, "label": name} for key, name in name_states(read_rulebook(county), lang).items()],
        "channel": [{"value": channel, "label": text(lang, f"channel.{channel}")} for channel in CHANNELS],
    }
    chips = [_lay_chip(name, lang, options[name], _read_list(query, name)) for name in FILTERS]
    search = dcc.Input(
        id=ids.FILTER_TEXT,
        type="search",
        value=query.get("q", ""),
        placeholder=text(lang, "duty.search"),
        debounce=0.3,
        className="search",
    )
    return html.Section(
        [
            html.H2(text(lang, "duty.filters"), className="hidden-label"),
            search,
            *chips,
            html.Button(text(lang, "duty.clear"), id=ids.FILTER_CLEAR, className="clear"),
            html.Span(id=ids.QUEUE_TOTAL, className="total", role="status"),
            html.Span(text(lang, "duty.read_only"), className="badge"),
            dcc.Store(id=ids.REFRESH, data=0),
        ],
        className="filters",
        role="search",
    )


def _lay_chip(name: str, lang: str, options: list[dict[str, str]], value: list[str]) -> Component:
    words: Any = {prop: text(lang, f"duty.{key}") for prop, key in DROPDOWN_WORDS.items()}
    return html.Div(
        dcc.Dropdown(
            id=f"filter-{name}",
            options=options,
            value=value,
            multi=True,
            placeholder=text(lang, f"duty.{name}"),
            labels=words,
            searchable=name in ("town", "village", "category"),
            className="chip",
        ),
        className="chip-box",
        **mark(data_filter=name, aria_label=text(lang, f"duty.{name}")),
    )


def _lay_queue(lang: str) -> Component:
    severity_rules = {f"severity-{severity}": f"params.data.severity == {severity}" for severity in (1, 2, 3, 4)}
    clock_rules = {
        "clock-over": "params.data.share > 1",
        "clock-near": "params.data.share > 0.8 && params.data.share <= 1",
        "clock-good": "params.data.share != null && params.data.share <= 0.8",
    }
    columns: list[dict[str, Any]] = [
        {"field": "clock", "width": 92, "cellClassRules": clock_rules},
        {"field": "severity_text", "width": 104, "cellClassRules": severity_rules},
        {"field": "category", "flex": 4, "minWidth": 120, "tooltipField": "category"},
        {"field": "place", "flex": 5, "minWidth": 150, "tooltipField": "place"},
        {"field": "state", "width": 84},
        {"field": "reported", "width": 104},
    ]
    heads = {column["field"]: text(lang, f"duty.col_{column['field'].removesuffix('_text')}") for column in columns}
    grid = dash_ag_grid.AgGrid(
        id=ids.QUEUE,
        columnDefs=[column | {"headerName": heads[column["field"]]} for column in columns],
        defaultColDef={"sortable": False, "resizable": True, "suppressMovable": True},
        getRowId="params.data.case_id",
        rowData=[],
        dashGridOptions={
            "theme": {"function": GRID_THEME},
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "animateRows": False,
            "suppressCellFocus": True,
            "overlayNoRowsTemplate": html_text(text(lang, "duty.none")),
            "rowHeight": 34,
            "headerHeight": 32,
        },
        dangerously_allow_code=True,
        style={"height": "100%", "width": "100%"},
    )
    return html.Section(
        [html.H2(text(lang, "duty.queue"), className="hidden-label"), grid],
        className="queue",
        **mark(aria_label=text(lang, "duty.queue")),
    )


def name_states(rulebook: Rulebook, lang: str) -> dict[str, str]:
    """Return the names of the states in which a case is open; flows that share one share its name where they can."""
    names: dict[str, str] = {}
    for flow in rulebook.flows.values():
        for state in flow.states.values():
            if not state.ended:
                names.setdefault(state.key, getattr(state.name, lang))
    return names


def html_text(message: str) -> str:
    """Return a message as the HTML that AG Grid shows where there are no rows."""
    return f"<span class='none'>{message}</span>"


def _read_list(query: Mapping[str, str], name: str) -> list[str]:
    return [value for value in query.get(name, "").split(",") if value]


def _say(lang: str, section: str, name: str) -> str:
    return load_catalogue(lang).get(f"{section}.{name}", name)
