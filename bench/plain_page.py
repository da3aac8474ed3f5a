"""The peer of `map_update`: the same county as a plain Dash page, an interval and a whole figure each second.

This is what Dash's documentation shows for live data, done well: the geometry travels by URL, not in the figure.
"""

import json
import logging
import threading
from typing import Any

import plotly.graph_objects as go
from dash import Dash, Input, Output, dcc, html
from flask import Response
from werkzeug.serving import make_server

from tests.browser.fixture_server import BBOX, FixtureCounty, FixtureHub

# No foreign host; a style whose `sources` are empty plots only once in plotly.js 4.1.
STYLE = {
    "version": 8,
    "sources": {"none": {"type": "geojson", "data": {"type": "FeatureCollection", "features": []}}},
    "layers": [{"id": "ground", "type": "background", "paint": {"background-color": "#0B1220"}}],
}


class PlainPage:
    """The page, served in a thread of its own on a free port of the loopback."""

    def __init__(self, county: FixtureCounty, hub: FixtureHub) -> None:
        assets = county.geometry["assets"]["features"]
        self._places = [feature["geometry"]["coordinates"] for feature in assets]
        self._hub = hub
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", 0, self._make_app(county).server, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()

    def _make_app(self, county: FixtureCounty) -> Dash:
        app = Dash(__name__, assets_folder="none", serve_locally=True, update_title=None)
        cells = json.dumps(county.geometry["cells"])
        app.server.add_url_rule("/cells.json", "cells", lambda: Response(cells, mimetype="application/json"))
        app.layout = html.Div(
            [
                dcc.Graph(id="map", figure=self._draw(), style={"height": "100vh"}),
                dcc.Interval(id="tick", interval=1000),
            ]
        )

        @app.callback(Output("map", "figure"), Input("tick", "n_intervals"), prevent_initial_call=True)
        def redraw(ticks: int) -> go.Figure:
            return self._draw()

        return app

    def _draw(self) -> go.Figure:
        hub = self._hub
        cells, cases = hub.layers["grid"], list(hub.layers["case_heatmap"].values())
        sensors = list(hub.layers["traffic"].items())
        places = [self._places[sensor] for sensor, _ in sensors]
        traces: list[Any] = [
            go.Choroplethmap(
                geojson="/cells.json",
                locations=list(cells),
                z=[cell["values"] for cell in cells.values()],
                zmin=0,
                zmax=10,
                showscale=False,
            ),
            go.Densitymap(lon=[c["lon"] for c in cases], lat=[c["lat"] for c in cases], radius=20, showscale=False),
            go.Scattermap(
                lon=[place[0] for place in places],
                lat=[place[1] for place in places],
                marker={"color": [sensor["values"] for _, sensor in sensors], "size": 5},
            ),
        ]
        west, south, east, north = BBOX
        figure = go.Figure(traces)
        figure.update_layout(
            map={
                "style": STYLE,
                "center": {"lon": (west + east) / 2, "lat": (south + north) / 2},
                "zoom": 9.4,
            },
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            uirevision="same",
            showlegend=False,
        )
        return figure
