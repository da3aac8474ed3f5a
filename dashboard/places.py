"""Names of places for the browser: which cell is in which village and town, sent once a revision."""

from functools import cache
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from dashboard.text import text
from geo.county import County

FOREVER = "public, max-age=31536000, immutable"


def list_places(county: County) -> dict[str, Any]:
    """Return the names of towns and villages, and per cell the position of its village.

    `towns` and `villages` are lists of {code, name, name_en}, a village with the position of its `town`;
    `cells` holds, for each cell in feature-id order, the position of its village.
    """
    areas = county.areas
    towns, villages = areas[areas["level"] == "town"], areas[areas["level"] == "village"]
    town_at = {code: place for place, code in enumerate(towns.index)}
    village_at = {code: place for place, code in enumerate(villages.index)}
    return {
        "towns": [_describe(row) for row in towns.itertuples()],
        "villages": [{**_describe(row), "town": town_at.get(row.parent)} for row in villages.itertuples()],
        "cells": [village_at.get(parent) for parent in county.cells["parent"]],
    }


def name_villages(county: County, lang: str) -> list[str]:
    """Return for each cell, in feature-id order, its town and village in the order that a language says them."""
    names = {str(row.Index): _describe(row)["name_en" if lang == "en" else "name"] for row in county.areas.itertuples()}
    parents = dict(county.areas["parent"].items())
    villages = {
        code: [names.get(parents.get(code) or "", ""), names.get(code, "")] for code in set(county.cells["parent"])
    }
    said = {code: ", ".join(reversed(pair)) if lang == "en" else "".join(pair) for code, pair in villages.items()}
    return [said[parent] for parent in county.cells["parent"]]


def name_cell(county: County, code: str | None, lang: str) -> str:
    """Return a cell's town and village; the code of one that the pack does not have, and a word for none."""
    if code is None:
        return text(lang, "common.outside")
    return _map_cells(county, lang).get(code, code)


@cache
def _map_cells(county: County, lang: str) -> dict[str, str]:
    return dict(zip(map(str, county.cells.index), name_villages(county, lang), strict=True))


def make_places_router(county: County) -> APIRouter:
    """Return the route `/api/places/{revision}`, which a browser may keep for ever."""
    router = APIRouter(prefix="/api")
    places = list_places(county)

    @router.get("/places/{revision}")
    async def read_places(revision: str, response: Response) -> dict[str, Any]:
        # The same for every area: the names of towns and villages are on any map.
        if revision.partition("-")[0] != county.revision:
            raise HTTPException(404, f"the county's revision is {county.revision}")
        response.headers["Cache-Control"] = FOREVER
        return places

    return router


def _describe(row: Any) -> dict[str, Any]:
    name_en = row.name_en if isinstance(row.name_en, str) and row.name_en else row.name
    return {"code": row.Index, "name": row.name, "name_en": name_en}
