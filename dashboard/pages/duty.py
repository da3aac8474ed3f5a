"""The duty desk's skeleton: filters, queue, the map linked to it, and one case; TypeScript fills it."""

import dash_ag_grid
from dash import html
from dash.development.base_component import Component

from dashboard import ids
from dashboard.intake import CLERKS
from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, list_feeds, mark, slot
from dashboard.people.permissions import may
from dashboard.people.viewer import find_viewer
from dashboard.text import text
from geo.county import County

SURROUNDINGS_M = 800
ROWS_A_BLOCK = 100
BLOCKS_KEPT = 20

# AG Grid in the colours of the tokens; its parameters become CSS values, so variables work.
GRID_THEME = """themeQuartz.withParams({
    backgroundColor: 'var(--ground)', foregroundColor: 'var(--text-high)', headerBackgroundColor: 'var(--raised)',
    headerTextColor: 'var(--text-mid)', borderColor: 'var(--line)', oddRowBackgroundColor: 'var(--ground)',
    rowHoverColor: 'var(--raised)', selectedRowBackgroundColor: 'var(--raised)', accentColor: 'var(--accent)',
    fontFamily: 'inherit', fontSize: 13, headerFontSize: 12, spacing: 4, wrapperBorder: false,
    wrapperBorderRadius: 0, browserColorScheme: 'dark', columnBorder: false })"""


def lay_out(county: County, lang: str) -> Component:
    """Return the desk's skeleton; the filters are the address's, which TypeScript reads and keeps."""
    viewer = find_viewer()
    return lay_root(
        "duty",
        lang,
        [
            lay_header("duty", county, lang),
            lay_lost_banner(),
            _lay_filters(lang),
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
                **mark(aria_label=text(lang, "duty.drawer")),
            ),
            slot("time-bar", "Section", "time-bar"),
            slot("help", "Div", "help", hidden=True, role="dialog", **mark(aria_label=text(lang, "duty.keys"))),
        ],
        radius_m=SURROUNDINGS_M,
        feeds=list_feeds(county),
        walls=text(lang, "walls.to_wall") if viewer and may(viewer, "walls") else "",
    )


def _lay_filters(lang: str) -> Component:
    return html.Section(
        [
            html.H2(text(lang, "duty.filters"), className="hidden-label"),
            html.Div(
                [
                    slot("views", "Nav", "views", **mark(aria_label=text(lang, "duty.views"))),
                    html.Div(
                        [
                            _lay_report(lang),
                            *_lay_export(lang),
                            slot("sound", "Button", "sound"),
                            slot("help-button", "Button", children="?", title=text(lang, "duty.keys")),
                        ],
                        className="tools",
                    ),
                ],
                className="view-bar",
            ),
            slot("chips", "Div", "chips", role="search"),
        ],
        className="filters",
    )


def _lay_report(lang: str) -> Component:
    """Return what `r` presses: it opens the desk's form for whom that is, for others the page for phones."""
    words = text(lang, "duty.report")
    if _is_clerk():
        return slot("report", "Button", "report", children=words)
    return slot("report", "A", "report", children=words, href=f"/report?lang={lang}", target="_blank")


def _lay_export(lang: str) -> list[Component]:
    """Return the link to the list as a file, for whom that is; TypeScript gives it the filters."""
    viewer = find_viewer()
    if viewer is None or not may(viewer, "export"):
        return []
    return [slot("export", "A", "report", children=text(lang, "export.save"), download="")]


def _is_clerk() -> bool:
    viewer = find_viewer()
    return viewer is not None and viewer.role in CLERKS


def _lay_queue(lang: str) -> Component:
    grid = dash_ag_grid.AgGrid(
        id=ids.QUEUE,
        rowModelType="infinite",
        columnDefs=[],
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressMovable": True,
            "wrapHeaderText": False,
            "sortingOrder": ["asc", "desc", None],
        },
        getRowId="params.data.id + ''",
        dashGridOptions={
            "theme": {"function": GRID_THEME},
            "rowSelection": {
                "mode": "multiRow",
                "checkboxes": True,
                "headerCheckbox": False,
                "enableClickSelection": False,
            },
            "selectionColumnDef": {"width": 34, "pinned": None, "resizable": False},
            "cacheBlockSize": ROWS_A_BLOCK,
            "maxBlocksInCache": BLOCKS_KEPT,
            "maxConcurrentDatasourceRequests": 2,
            "blockLoadDebounceMillis": 60,
            "infiniteInitialRowCount": 1,
            "animateRows": False,
            "ensureDomOrder": True,
            "suppressCellFocus": True,
            "suppressHeaderFocus": True,
            "suppressMultiSort": True,
            "overlayNoRowsTemplate": f"<span class='none'>{text(lang, 'duty.none')}</span>",
            "tooltipShowDelay": 600,
            "rowHeight": 42,
            "headerHeight": 28,
        },
        dangerously_allow_code=True,
        style={"height": "100%", "width": "100%"},
    )
    sums = html.Div(
        [
            slot("total", "Span", "total", role="status"),
            slot("lights", "Div", "lights", role="group", **mark(aria_label=text(lang, "duty.colour"))),
            slot("news", "Button", "news", hidden=True, **mark(aria_live="polite")),
        ],
        className="sums",
    )
    return html.Section(
        [
            html.H2(text(lang, "duty.queue"), className="hidden-label"),
            sums,
            html.Div([grid, *_lay_intake(lang)], className="grid-box"),
            slot("bulk", "Div", "bulk", hidden=True, role="toolbar", **mark(aria_label=text(lang, "duty.bulk"))),
            slot("outcome", "Div", "outcome", hidden=True, role="status"),
        ],
        className="queue",
        **mark(aria_label=text(lang, "duty.queue")),
    )


def _lay_intake(lang: str) -> list[Component]:
    """Return the place of the form, over the rows of the queue: the counts above them stay in sight."""
    if not _is_clerk():
        return []
    label = mark(aria_label=text(lang, "duty.report"))
    return [slot("intake", "Section", "intake", hidden=True, role="dialog", **label)]
