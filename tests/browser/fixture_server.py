"""A server of a made-up county that speaks the wire format: the map's tests and benchmark need nobody else.

The hub here is a list of frames that a test writes; a viewer is a cursor into it, as in the real one.
"""

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

PROJECT = Path(__file__).resolve().parents[2]
BBOX = (120.0, 29.5, 120.5, 29.95)
QUANTITY = ("#16324F", "#1A4A73", "#1D5C8E", "#1F6FA8", "#5AA6D6", "#8AD4FF")
FLOW = ("#FF5A5F", "#FF9F1C", "#FFD166", "#8FBF8F", "#2E8B7A")
SEVERITY = ("#FF5A5F", "#FF9F1C", "#FFD166", "#5AA9E6")
BEAT_S = 5.0

PAGE = """<!DOCTYPE html><html lang="zh-CN" data-theme="dark"><head><meta charset="utf-8">
<link rel="stylesheet" href="/assets/tokens.css"><link rel="stylesheet" href="/assets/build/county-brain.css">
<link rel="icon" href="data:,">
<style>html, body { margin: 0; height: 100%; background: #0B1220 } [data-screen] { position: fixed; inset: 0 }</style>
</head><body><div data-screen="map"></div>
<script type="module" src="/assets/build/county-brain.js"></script></body></html>"""

Json = dict[str, Any]


@dataclass
class FixtureCounty:
    """What the web API says about a county: `/api/county` and its geometry by part."""

    county: Json
    geometry: dict[str, Json]


@dataclass
class FixtureHub:
    """Layers as they are now, and every frame that led there."""

    layers: dict[str, dict[int, Json]] = field(default_factory=dict)
    epoch: str = "fixture1"
    muted: bool = False
    frames: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seq(self) -> int:
        """The number of the newest frame."""
        return len(self.frames)

    def send(self, layers: dict[str, Json], **rest: Any) -> int:
        """Fold a delta in, queue it for every viewer, and return its number."""
        for key, columns in layers.items():
            self._fold(self.layers.setdefault(key, {}), columns)
        frame = {"seq": self.seq + 1, **self._times(), "layers": layers, **rest}
        self.frames.append(("delta", json.dumps(frame)))
        return self.seq

    def restart(self, layers: dict[str, Json]) -> None:
        """Forget everything, as a hub that starts anew: viewers get a snapshot of `layers`."""
        self.epoch, self.layers = self.epoch + "x", {}
        self.frames = []
        self.send(layers)

    def snapshot(self) -> str:
        """Return the whole state as one frame."""
        layers = {key: self._columns(features) for key, features in self.layers.items()}
        return json.dumps({"seq": self.seq, **self._times(), "revision": "fixture", "layers": layers})

    async def follow(self, last: str) -> AsyncIterator[str]:
        """Yield server-sent events: what was missed after `last`, or a snapshot, then whatever comes."""
        epoch, _, seq = last.partition("-")
        resumes = epoch == self.epoch and seq.isdigit()
        following, cursor = self.epoch, int(seq) if resumes else self.seq
        if not resumes:
            yield self._event("snapshot", self.snapshot(), cursor)
        beaten = time.monotonic()
        while following == self.epoch:
            while not self.muted and following == self.epoch and cursor < self.seq:
                kind, data = self.frames[cursor]
                cursor += 1
                beaten = time.monotonic()
                yield self._event(kind, data, cursor)
            if not self.muted and time.monotonic() - beaten > BEAT_S:
                beaten = time.monotonic()
                yield self._event("beat", json.dumps({"seq": cursor, **self._times()}), cursor)
            await asyncio.sleep(0.01)

    def _event(self, kind: str, data: str, seq: int) -> str:
        return f"id: {self.epoch}-{seq}\nevent: {kind}\ndata: {data}\n\n"

    @staticmethod
    def _times() -> Json:
        return {"now": int(time.time()), "as_of": int(time.time())}

    @staticmethod
    def _fold(features: dict[int, Json], columns: Json) -> None:
        names = [name for name in ("values", "marks", "lon", "lat") if columns.get(name)]
        for i, feature_id in enumerate(columns["ids"]):
            features[feature_id] = {name: columns[name][i] for name in names}
        for feature_id in columns.get("gone", ()):
            features.pop(feature_id, None)

    @staticmethod
    def _columns(features: dict[int, Json]) -> Json:
        columns: Json = {"ids": list(features)}
        names = next(iter(features.values()), {"values": None})
        return columns | {name: [one[name] for one in features.values()] for name in names}


def make_county(cells: int, bins: int, detectors: int) -> FixtureCounty:
    """Return a county of square cells in 5 × 5 towns, with assets strewn over it; the same every time."""
    west, south, east, north = BBOX
    across = round(cells**0.5)
    down = -(-cells // across)
    squares = [_square(i, i % across, i // across, across, down) for i in range(cells)]
    towns = [_square(i, i % 5, i // 5, 5, 5) for i in range(25)]
    for i, town in enumerate(towns):
        town["properties"] |= {"name": f"第{i + 1}镇", "name_en": f"Town {i + 1}"}
    dice = random.Random(7)
    assets = [
        _feature(i, {"type": "Point", "coordinates": [dice.uniform(west, east), dice.uniform(south, north)]})
        | {"properties": {"kind": "bin" if i < bins else "detector", "name": f"A{i}"}}
        for i in range(bins + detectors)
    ]
    county = {
        "name": {"zh": "测试县", "en": "Test County"},
        "code": "339901",
        "bbox": BBOX,
        "revision": "fixture",
        "time_zone": "Asia/Shanghai",
        "layers": make_layers(),
    }
    parts = {"cells": squares, "villages": towns, "towns": towns, "county": [_square(0, 0, 0, 1, 1)]}
    parts |= {"assets": assets, "roads": [], "rivers": []}
    geometry = {part: {"type": "FeatureCollection", "features": features} for part, features in parts.items()}
    return FixtureCounty(county, geometry)


def make_app(county: FixtureCounty, hub: FixtureHub) -> Starlette:
    """Return the application that serves a county, its live stream and a page with nothing but the map."""

    async def page(request: Request) -> Response:
        return HTMLResponse(PAGE)

    async def about(request: Request) -> Response:
        return JSONResponse(county.county)

    async def geometry(request: Request) -> Response:
        part = county.geometry.get(request.path_params["part"])
        return JSONResponse(part) if part else Response(status_code=404)

    async def explain(request: Request) -> Response:
        layer, feature_id = request.path_params["layer"], request.path_params["feature_id"]
        feature = hub.layers.get(layer, {}).get(feature_id)
        if feature is None:
            return Response(status_code=404)
        facts = [{"label": "值", "value": str(feature["values"]), "at": int(time.time()), "tone": "plain"}]
        return JSONResponse({"title": f"{layer} {feature_id}", "place": "第1镇", "facts": facts})

    async def live(request: Request) -> Response:
        last = request.query_params.get("last") or request.headers.get("last-event-id", "")
        return StreamingResponse(hub.follow(last), media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/county", about),
            Route("/api/geometry/{revision}/{part}", geometry),
            Route("/api/explain/{layer}/{feature_id:int}", explain),
            Route("/live", live),
            Mount("/assets", StaticFiles(directory=PROJECT / "assets")),
        ]
    )


class RunningServer:
    """A server in a thread of its own, on a free port of the loopback; it can be killed and come back."""

    def __init__(self, app: Any, port: int | None = None) -> None:
        self.app = app
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start to serve; returns when the port answers."""
        config = uvicorn.Config(
            self.app,
            host="127.0.0.1",
            port=self.port,
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        """Cut every stream and close the port."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()


def make_layers() -> list[Json]:
    """Return the layers' specs as `/api/county` gives them."""

    def spec(key: str, zh: str, geometry: str, colours: tuple[str, ...], bounds: list[float], **rest: Any) -> Json:
        steps = [
            {"lowest": low, "colour": colour, "zh": f"≥ {low:g}", "en": f"≥ {low:g}"}
            for low, colour in zip(bounds, colours, strict=True)
        ]
        title = {"zh": zh, "en": key}
        return {"key": key, "title": title, "geometry": geometry, "unit": title, "legend": steps, **rest}

    marks = ["normal", "full", "fault", "silent"]
    return [
        spec("grid", "网格", "cell", QUANTITY, [0, 1, 2, 3, 5, 8]),
        spec(
            "case_heatmap",
            "热力",
            "point",
            ("#1B2A6B00", "#3B2E8C", "#8A3FA0", "#F0803C", "#FFE9C7"),
            [0, 0.5, 2, 5, 10],
        ),
        spec("open_cases", "未结案件", "point", SEVERITY, [1, 2, 3, 4]),
        spec("smart_bins", "垃圾箱", "asset", QUANTITY[1:], [0, 0.2, 0.4, 0.6, 0.8], kinds=["bin"], marks=marks),
        spec("traffic", "车速", "asset", FLOW, [0, 15, 25, 35, 50], kinds=["detector"], marks=["normal", "fault"]),
    ]


def _feature(feature_id: int, geometry: Json) -> Json:
    return {"type": "Feature", "id": feature_id, "properties": {}, "geometry": geometry}


def _square(feature_id: int, column: int, row: int, columns: int, rows: int) -> Json:
    west, south, east, north = BBOX
    x = [west + (east - west) * (column + i) / columns for i in (0, 1)]
    y = [south + (north - south) * (row + i) / rows for i in (0, 1)]
    ring = [[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]], [x[0], y[0]]]
    return _feature(feature_id, {"type": "Polygon", "coordinates": [ring]})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
