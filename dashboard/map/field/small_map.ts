// A small map of the county to put a finger on: villages, towns, roads and rivers, and one pin. No host but ours.

import * as maplibre from "maplibre-gl";
import { placeLabels } from "../geometry.ts";
import { readTokens } from "../icons.ts";
import type { Outlines } from "./outlines.ts";
import { type Lang, say } from "./words.ts";

export interface SmallMap {
  /** Puts the pin somewhere and shows its surroundings. */
  show(lon: number, lat: number): void;
  /** Takes the pin away. */
  unpin(): void;
  /** Takes the pin away and shows the whole county. */
  clear(): void;
  /** The middle of the map, for those who do not tap. */
  middle(): { lon: number; lat: number };
}

const FONTS = ["system-ui", "PingFang SC", "Noto Sans SC", "Noto Sans CJK SC", "Microsoft YaHei", "sans-serif"];
const STREET_ZOOM = 14;
const VILLAGES_FROM = 11;

/** Draws the county; `onTap` is told where a finger came down. `version` is that of the page's files. */
export async function createSmallMap(
  container: HTMLElement,
  outlines: Outlines,
  options: { bbox: [number, number, number, number]; lang: Lang; version: string; onTap: (lon: number, lat: number) => void },
): Promise<SmallMap> {
  const { bbox, lang, version, onTap } = options;
  await loadStyle(`/report/files/small-map.css?v=${version}`);
  maplibre.setWorkerUrl(new URL(`./maplibre-gl-worker.js?v=${version}`, import.meta.url).href);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = new maplibre.Map({
    container,
    style: makeStyle(container, outlines, lang),
    bounds: bbox,
    fitBoundsOptions: { padding: 8 },
    attributionControl: false,
    dragRotate: false,
    touchPitch: false,
    renderWorldCopies: false,
    fadeDuration: 0,
    localIdeographFontFamily: FONTS.join(","),
    locale: { "Map.Title": say("report.map"), "Marker.Title": say("report.pin") },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  const pin = new maplibre.Marker({ color: readTokens(container).accent });
  const put = (lon: number, lat: number) => pin.setLngLat([lon, lat]).addTo(map);
  map.on("click", ({ lngLat }) => {
    put(lngLat.lng, lngLat.lat);
    onTap(lngLat.lng, lngLat.lat);
  });
  return {
    show: (lon, lat) => {
      put(lon, lat);
      const zoom = Math.max(map.getZoom(), STREET_ZOOM);
      if (still) map.jumpTo({ center: [lon, lat], zoom });
      else map.easeTo({ center: [lon, lat], zoom, duration: 300 });
    },
    unpin: () => void pin.remove(),
    clear: () => {
      pin.remove();
      map.fitBounds(bbox, { padding: 8, animate: false });
    },
    middle: () => ({ lon: map.getCenter().lng, lat: map.getCenter().lat }),
  };
}

function makeStyle(container: HTMLElement, outlines: Outlines, lang: Lang): maplibre.StyleSpecification {
  const tokens = readTokens(container);
  const geojson = (data: GeoJSON.FeatureCollection): maplibre.GeoJSONSourceSpecification => ({ type: "geojson", data });
  const line = (source: string, colour: string, width: number, dashes?: number[]): maplibre.LayerSpecification => ({
    id: source,
    type: "line",
    source,
    layout: { "line-join": "round" },
    paint: { "line-color": colour, "line-width": width, ...(dashes ? { "line-dasharray": dashes } : {}) },
  });
  const names = (id: string, from: number, size: number, to = 24): maplibre.LayerSpecification => ({
    id,
    type: "symbol",
    source: id,
    minzoom: from,
    maxzoom: to,
    layout: {
      "text-field": ["get", lang === "en" ? "label_en" : "label"],
      "text-font": [FONTS[0]!],
      "text-size": size,
      "text-max-width": 7,
    },
    paint: { "text-color": tokens.high, "text-halo-color": tokens.ground, "text-halo-width": 1.6 },
  });
  return {
    version: 8,
    sources: {
      county: geojson(outlines.county),
      villages: geojson(outlines.villages),
      towns: geojson(outlines.towns),
      roads: geojson(outlines.roads),
      rivers: geojson(outlines.rivers),
      "town-names": geojson(placeLabels(outlines.towns)),
      "village-names": geojson(placeLabels(outlines.villages)),
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": tokens.line } },
      { id: "land", type: "fill", source: "county", paint: { "fill-color": tokens.ground } },
      { ...line("villages", "#B4C0D0", 1.5), minzoom: VILLAGES_FROM - 1 } as maplibre.LayerSpecification,
      line("rivers", "#7CB7E8", 2),
      line("roads", "#E0A94A", 2),
      line("towns", tokens.low, 1, [3, 2]),
      line("county", tokens.mid, 2),
      names("town-names", 0, 13, VILLAGES_FROM + 1),
      names("village-names", VILLAGES_FROM + 1, 14),
    ],
  };
}

async function loadStyle(href: string): Promise<void> {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = href;
  await new Promise((done) => {
    style.onload = style.onerror = done;
    document.head.append(style);
  });
}
