// What the map looks like: a MapLibre style made of the county's geometry and its layers' specs. Pure; no glyphs,
// no sprite, no tiles, so it asks no host for anything.
//
// From the ground up: county, cells, water, roads, borders, warnings, people, heat, assets, names, cases.

import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";
import type { AssetLook } from "./assets.ts";
import { clusterBy, lookOfFlags } from "./flags.ts";
import { type Geometry, joinParts, type Part, placeLabels } from "./geometry.ts";
import type { HeatLook } from "./heat_layer.ts";
import type { Tokens } from "./icons.ts";
import type { CountyInfo, Lang, LayerSpec, LegendClass } from "./wire.ts";

/** How a layer of the live feed is drawn. */
export type Drawing = "cells" | "areas" | "assets" | "heat" | "severities" | "halos" | "clusters" | "drills" | "points";

/** Everything the style depends on. `fitZoom` is the zoom at which the county fills the map; `scale` is 1 on a
 *  screen 1080 px high, so that lines and dots keep their share of any wall. */
export interface Look {
  county: CountyInfo;
  geometry: Geometry;
  /** How many assets there are of each kind. */
  assetCounts: Map<string, number>;
  layers: LayerSpec[];
  lang: Lang;
  tokens: Tokens;
  fitZoom: number;
  scale: number;
}

export const FONT_FAMILY = "Noto Sans SC Variable";
/** The style's layer of the towns' names. */
export const NAMES = "town-names";
export const WATER = "#2F6E8F";
export const MAIN_ROADS = ["expressway", "arterial"];
/** Below this number cells are large enough on any wall for their borders to be drawn at all zooms. */
const FEW_CELLS = 400;
/** What stands for no class where a number is needed. */
export const NO_CLASS = -1;
/** Marks that say that a value is not to be trusted: the shape replaces the colour. */
const DISTRUSTED = new Set(["fault", "silent", "offline"]);

/** A warning is picked by its line: what lies inside it must stay within reach. */
const UNPICKED = ["-halo", "-hatch", "-tint", "-drill", "-edge", "-words"];
/** What every part of an exercise's area says. */
export const EXERCISE: Record<Lang, string> = { zh: "演练", en: "EXERCISE" };
/** How strongly a warning tints its area: enough to be seen, too little to change the colour of a cell's class. */
const TINT = 0.14;

const HEAT_COLOURS = ["#1B2A6B00", "#3B2E8C", "#8A3FA0", "#F0803C", "#FFE9C7"];
const DEFAULT_HEAT: LegendClass[] = [0, 0.5, 2, 5, 10].map((lowest, i) => ({
  lowest,
  colour: HEAT_COLOURS[i]!,
  zh: String(lowest),
  en: String(lowest),
}));

/** Returns how a layer is drawn: by its geometry, its key telling the special kinds of points. */
export function chooseDrawing(spec: LayerSpec): Drawing {
  if (spec.geometry === "cell") return "cells";
  if (spec.geometry === "asset") return "assets";
  if (spec.geometry === "area") return "areas";
  if (spec.key.endsWith("heatmap")) return "heat";
  if (spec.key === "case_clocks") return "halos";
  if (spec.key === "alarms") return "clusters";
  if (spec.key === "exercise") return "drills";
  return spec.key === "open_cases" ? "severities" : "points";
}

/** Returns the source of a layer's features; assets and heat are no part of the style and have none. */
export function sourceOf(spec: LayerSpec): string {
  const drawing = chooseDrawing(spec);
  if (drawing === "cells") return drawing;
  return `${drawing === "areas" ? "areas" : "points"}-${spec.key}`;
}

/** Returns the position of a value's class in its legend: what the map paints. None where there is no value, or
 *  where the mark says that it cannot be trusted. */
export function classOf(spec: LayerSpec, value: number | null, mark: number): number | null {
  if (value === null || DISTRUSTED.has(markName(spec, mark))) return null;
  const above = (spec.legend ?? []).findIndex(({ lowest }) => value < lowest);
  return above < 0 ? Math.max(0, (spec.legend?.length ?? 1) - 1) : Math.max(0, above - 1);
}

/** Returns the name of an asset's mark, "" for the normal one (and for cells, whose cases have markers). */
export function markName(spec: LayerSpec, mark: number): string {
  return mark === 0 || spec.geometry !== "asset" ? "" : (spec.marks?.[mark] ?? "other");
}

/** Returns the shape that an asset's mark puts on its dot, "" for none: a silent one is a hollow dot, no shape. */
export function shapeOf(spec: LayerSpec, mark: number): string {
  const name = markName(spec, mark);
  return name === "silent" ? "" : name;
}

/** Returns the names of the marks that a layer's features may carry on the map. */
export function markNames(spec: LayerSpec): string[] {
  return spec.geometry === "asset" ? (spec.marks ?? []).slice(1) : [];
}

/** Returns the style's layers of a layer of the feed; assets and heat are layers of our own (assets.ts, heat_layer.ts). */
export function mapLayersOf(spec: LayerSpec): string[] {
  const suffixes: Record<Drawing, string[]> = {
    cells: ["hatch", "fill"],
    areas: ["tint", "drill", "edge", "drill-line", "line", "drill-words"],
    assets: [],
    heat: [],
    severities: ["dots"],
    halos: ["halo"],
    clusters: ["flags"],
    drills: ["dots", "dot-words"],
    points: ["dots"],
  };
  return suffixes[chooseDrawing(spec)].map((suffix) => `${spec.key}-${suffix}`);
}

/** Returns the style's layers that can be picked, topmost first, each with the feed's layer that it belongs to. */
export function pickable(layers: LayerSpec[]): { mapLayer: string; layer: string; drawing: Drawing }[] {
  const order: Drawing[] = ["clusters", "severities", "drills", "points", "areas", "cells"];
  return order
    .flatMap((drawing) => layers.filter((spec) => chooseDrawing(spec) === drawing).reverse())
    .flatMap((spec) =>
      mapLayersOf(spec)
        .filter((name) => !UNPICKED.some((suffix) => name.endsWith(suffix)))
        .reverse()
        .map((mapLayer) => ({ mapLayer, layer: spec.key, drawing: chooseDrawing(spec) })),
    );
}

/** Returns the whole style. Layers that a spec does not show at first are there, but hidden. */
export function makeStyle(look: Look): StyleSpecification {
  return { version: 8, sources: makeSources(look), layers: makeLayers(look) };
}

function makeSources(look: Look): StyleSpecification["sources"] {
  const { geometry, layers } = look;
  const sources: StyleSpecification["sources"] = {
    county: { type: "geojson", data: geometry.county, buffer: 32 },
    cells: { type: "geojson", data: geometry.cells, tolerance: 0.2, buffer: 32 },
    // One source for all of them: MapLibre masks the whole screen each time that the next layer is of another source.
    lines: { type: "geojson", data: joinParts(geometry, ["rivers", "roads", "villages", "towns", "county"]), buffer: 32 },
    selection: { type: "geojson", data: none() },
    rooms: { type: "geojson", data: none() },
    labels: { type: "geojson", data: placeLabels(geometry.towns) },
  };
  for (const spec of listSourced(layers)) {
    const clusters = chooseDrawing(spec) === "clusters" ? clusterBy(look.scale) : {};
    sources[sourceOf(spec)] ??= { type: "geojson", data: none(), buffer: 64, ...clusters };
  }
  return sources;
}

/** Returns the layers of the feed whose features are in a source of the style. */
function listSourced(layers: LayerSpec[]): LayerSpec[] {
  return layers.filter((spec) => mapLayersOf(spec).length > 0);
}

function isOf(part: Part): ExpressionSpecification {
  return ["==", ["get", "part"], part];
}

/** Returns the style's layers alone, from the ground up. */
export function makeLayers(look: Look): LayerSpecification[] {
  const drawn = (drawing: Drawing) => look.layers.filter((spec) => chooseDrawing(spec) === drawing);
  return [
    { id: "ground", type: "background", paint: { "background-color": look.tokens.ground } },
    { id: "county", type: "fill", source: "county", paint: { "fill-color": look.tokens.raised } },
    ...keepSources(look),
    ...drawn("cells").flatMap((spec) => drawCells(look, spec)),
    ...drawLines(look),
    ...drawBorders(look),
    ...drawn("areas").flatMap((spec) => drawAreas(look, spec)),
    ...drawn("points").map((spec) => drawPoints(look, spec)),
    drawNames(look),
    // Above the names, so that these give way.
    ...drawn("areas").map((spec) => drawDrillWords(look, spec)),
    ...drawn("halos").map((spec) => drawHalos(look, spec)),
    ...drawn("severities").map((spec) => drawCases(look, spec)),
    keepRoom(look),
    ...drawn("clusters").map((spec) => drawClusters(look, spec)),
    ...drawn("drills").flatMap((spec) => drawDrills(look, spec)),
    ...drawSelection(look),
  ];
}

/**
 * Keeps every source in use whose layers can all be hidden, by a layer that draws nothing. MapLibre 6.17 reloads the tiles of
 * a source whose last layer is hidden and then takes them away: its worker is told so in the wrong order, and keeps them for ever.
 */
function keepSources(look: Look): LayerSpecification[] {
  return [...new Set(listSourced(look.layers).map(sourceOf))].map((source) => ({ id: `${source}-kept`, type: "fill", source, filter: false }));
}

/** Returns a size that grows from the county's view to the street's. */
function grow(look: Look, atCounty: number, atStreet: number): ExpressionSpecification {
  const { fitZoom, scale } = look;
  return ["interpolate", ["linear"], ["zoom"], fitZoom, atCounty * scale, fitZoom + 5, atStreet * scale];
}

/** Returns the same for a zoom, in pixels. */
function growAt({ fitZoom, scale }: Look, atCounty: number, atStreet: number): (zoom: number) => number {
  return (zoom) => scale * (atCounty + (atStreet - atCounty) * Math.min(1, Math.max(0, (zoom - fitZoom) / 5)));
}

/** Returns the colours of a layer's classes, by their positions. */
export function colourClasses(spec: LayerSpec): string[] {
  return spec.legend?.length ? spec.legend.map(({ colour }) => colour) : ["#5AA6D6"];
}

/** Returns the colour of a feature's class (see `classOf`); `otherwise` where it has none. */
function classColour(spec: LayerSpec, position: ExpressionSpecification, otherwise: string): ExpressionSpecification {
  const steps = colourClasses(spec).flatMap((colour, i) => [i, colour]);
  return ["step", ["number", position, NO_CLASS], otherwise, ...steps] as unknown as ExpressionSpecification;
}

function visibility(spec: LayerSpec): "visible" | "none" {
  return spec.shown === false ? "none" : "visible";
}

function drawCells(look: Look, spec: LayerSpec): LayerSpecification[] {
  const few = look.geometry.cells.features.length < FEW_CELLS;
  return [
    {
      id: `${spec.key}-hatch`,
      type: "fill",
      source: "county",
      layout: { visibility: visibility(spec) },
      paint: { "fill-pattern": "hatch" },
    },
    {
      id: `${spec.key}-fill`,
      type: "fill",
      source: "cells",
      layout: { visibility: visibility(spec) },
      paint: {
        // As it was sent with the cells, until it is painted anew.
        "fill-color": classColour(spec, ["coalesce", ["feature-state", spec.key], ["get", spec.key]], "rgba(0,0,0,0)"),
        // Antialiasing draws every border twice, and neighbours of one class must look like one area.
        "fill-antialias": few,
        ...(few ? { "fill-outline-color": look.tokens.ground } : {}),
      },
    },
  ];
}

function drawLines(look: Look): LayerSpecification[] {
  const width = (atCounty: number, atStreet: number) => grow(look, atCounty, atStreet);
  const round = { "line-join": "round", "line-cap": "round" } as const;
  const isMain: ExpressionSpecification = ["in", ["get", "class"], ["literal", MAIN_ROADS]];
  return [
    {
      id: "rivers",
      type: "line",
      source: "lines",
      filter: isOf("rivers"),
      layout: round,
      paint: {
        "line-color": WATER,
        "line-opacity": 0.55,
        "line-width": ["interpolate", ["linear"], ["zoom"], look.fitZoom, ["match", ["get", "class"], "river", 1.6 * look.scale, 0.5 * look.scale], look.fitZoom + 5, ["match", ["get", "class"], "river", 8 * look.scale, 3 * look.scale]],
      },
    },
    {
      id: "roads-small",
      type: "line",
      source: "lines",
      minzoom: look.fitZoom + 1,
      filter: ["all", isOf("roads"), ["!", isMain]],
      layout: round,
      paint: { "line-color": look.tokens.mid, "line-opacity": 0.18, "line-width": width(0.4, 3) },
    },
    {
      id: "roads-main",
      type: "line",
      source: "lines",
      filter: ["all", isOf("roads"), isMain],
      layout: round,
      paint: {
        "line-color": look.tokens.mid,
        "line-opacity": ["match", ["get", "class"], "expressway", 0.34, 0.2],
        "line-width": width(0.9, 5),
      },
    },
  ];
}

function drawBorders(look: Look): LayerSpecification[] {
  const { fitZoom, scale, tokens } = look;
  const border = (id: string, where: { source: string; filter?: ExpressionSpecification }, colour: string, opacity: number, from: number, to: number) =>
    ({
      id,
      type: "line",
      ...where,
      layout: { "line-join": "round" },
      paint: { "line-color": colour, "line-opacity": opacity, "line-width": grow(look, from, to) },
    }) satisfies LayerSpecification;
  return [
    {
      ...border("cell-borders", { source: "cells" }, tokens.ground, 0.8, 0.5, 1),
      minzoom: look.geometry.cells.features.length < FEW_CELLS ? 0 : Math.max(0, fitZoom + 1),
    },
    { ...border("village-borders", { source: "lines", filter: isOf("villages") }, tokens.ground, 0.55, 0.7, 1.6) },
    { ...border("town-borders", { source: "lines", filter: isOf("towns") }, tokens.mid, 0.55, 0.9, 2) },
    {
      id: "county-border",
      type: "line",
      source: "lines",
      filter: isOf("county"),
      layout: { "line-join": "round" },
      paint: { "line-color": tokens.mid, "line-width": 1.8 * scale },
    },
  ];
}

/** Areas are outlined in the colour of their level, the worst on top; an exercise is dashed, under all others. */
function drawAreas(look: Look, spec: LayerSpec): LayerSpecification[] {
  const source = sourceOf(spec);
  const colour = classColour(spec, ["get", "class"], look.tokens.mid);
  const isDrill = isExercise(spec);
  const isReal: ExpressionSpecification = ["!", isDrill];
  const worstLast: ExpressionSpecification = ["-", 0, ["get", "value"]];
  const layout = { visibility: visibility(spec), "line-join": "round" as const, "line-sort-key": worstLast };
  const width = grow(look, 3, 5);
  return [
    {
      id: `${spec.key}-tint`,
      type: "fill",
      source,
      filter: isReal,
      layout: { visibility: visibility(spec) },
      paint: { "fill-color": colour, "fill-opacity": TINT, "fill-antialias": false },
    },
    {
      id: `${spec.key}-drill`,
      type: "fill",
      source,
      filter: isDrill,
      layout: { visibility: visibility(spec) },
      paint: { "fill-pattern": "drill", "fill-opacity": 0.5 },
    },
    {
      id: `${spec.key}-edge`,
      type: "line",
      source,
      layout: { visibility: visibility(spec), "line-join": "round" },
      paint: { "line-color": look.tokens.ground, "line-width": grow(look, 6, 9), "line-opacity": 0.7 },
    },
    {
      id: `${spec.key}-drill-line`,
      type: "line",
      source,
      filter: isDrill,
      layout,
      paint: { "line-color": colour, "line-width": width, "line-dasharray": [2, 2] },
    },
    { id: `${spec.key}-line`, type: "line", source, filter: isReal, layout, paint: { "line-color": colour, "line-width": width } },
  ];
}

function isExercise(spec: LayerSpec): ExpressionSpecification {
  return ["==", ["get", "mark"], (spec.marks ?? []).indexOf("exercise")];
}

function drawDrillWords(look: Look, spec: LayerSpec): LayerSpecification {
  const { lang, scale, tokens } = look;
  return {
    id: `${spec.key}-drill-words`,
    type: "symbol",
    source: sourceOf(spec),
    filter: isExercise(spec),
    layout: {
      visibility: visibility(spec),
      "text-field": EXERCISE[lang],
      "text-font": [FONT_FAMILY],
      "text-size": 20 * scale,
      "text-allow-overlap": true,
    },
    paint: { "text-color": tokens.high, "text-halo-color": tokens.ground, "text-halo-width": 3 * scale },
  };
}

/** The heat's legend: densities per km² and their colours. */
export function readHeat(spec: LayerSpec): LegendClass[] {
  return (spec.legend?.length ?? 0) > 1 ? spec.legend! : DEFAULT_HEAT;
}

/** Returns how heat looks. The first class is "hardly anything": it fades in, so that no edge is drawn where nothing is. */
export function lookOfHeat({ fitZoom }: Look, spec: LayerSpec): HeatLook {
  const [first, ...others] = readHeat(spec).map(({ lowest, colour }) => ({ density: lowest, colour }));
  const clear = first!.colour.length === 9 ? first!.colour : `${first!.colour}00`;
  // In the street view the cases themselves are seen.
  const opacity = (zoom: number) => HEAT_OPACITY * Math.min(1, Math.max(0, (fitZoom + 5 - zoom) / 2));
  return { stops: [{ density: 0, colour: clear }, ...others.filter(({ density }) => density > 0)], opacity };
}

const HEAT_OPACITY = 0.78;

/** From this number on a common mark is drawn only where a street's worth of them is in view: there is no room for it. */
const MANY_ASSETS = 10_000;
/** The mark that the highest class says as well; among so many there are thousands of it. */
const COMMON_MARK = "full";

function countAssets(look: Look, spec: LayerSpec): number {
  const kinds = new Set(spec.kinds ?? []);
  return [...look.assetCounts].reduce((sum, [kind, count]) => (kinds.has(kind) ? sum + count : sum), 0);
}

/** Returns how a layer's assets look: few, important ones are larger, thousands of them small. */
export function lookOfAssets(look: Look, spec: LayerSpec): AssetLook {
  const count = countAssets(look, spec);
  const [atCounty, atStreet] = SIZES.find(({ most }) => count < most)!.radius;
  const { ground, low: hollow } = look.tokens;
  const near = Math.floor(look.fitZoom) + 2;
  return {
    dots: { radius: growAt(look, atCounty, atStreet), edge: growAt(look, 0.6, 1.5), classes: colourClasses(spec), ground, hollow },
    marks: { side: growAt(look, 11, 20), isDrawn: (name, zoom) => count < MANY_ASSETS || name !== COMMON_MARK || zoom >= near },
  };
}

/** The radius of a dot in the county's and in the street's view, where there are fewer than so many. */
const SIZES: { most: number; radius: [number, number] }[] = [
  { most: 60, radius: [6, 12] },
  { most: 300, radius: [5, 10] },
  { most: 1000, radius: [3, 9] },
  { most: Infinity, radius: [1.9, 8] },
];

function drawPoints(look: Look, spec: LayerSpec): LayerSpecification {
  return {
    id: `${spec.key}-dots`,
    type: "circle",
    source: sourceOf(spec),
    layout: { visibility: visibility(spec) },
    paint: {
      "circle-color": classColour(spec, ["get", "class"], look.tokens.mid),
      "circle-radius": grow(look, 3, 8),
      "circle-stroke-color": look.tokens.ground,
      "circle-stroke-width": grow(look, 0.8, 1.5),
    },
  };
}

/** What belongs to an exercise: a hollow ring in the colour of its severity, and the word below it. */
function drawDrills(look: Look, spec: LayerSpec): LayerSpecification[] {
  const { lang, scale, tokens } = look;
  const source = sourceOf(spec);
  return [
    {
      id: `${spec.key}-dots`,
      type: "circle",
      source,
      layout: { visibility: visibility(spec) },
      paint: {
        "circle-color": tokens.ground,
        "circle-opacity": 0.6,
        "circle-radius": grow(look, 6, 10),
        "circle-stroke-color": classColour(spec, ["get", "class"], tokens.mid),
        "circle-stroke-width": 2.5 * scale,
      },
    },
    {
      id: `${spec.key}-dot-words`,
      type: "symbol",
      source,
      layout: {
        visibility: visibility(spec),
        "text-field": EXERCISE[lang],
        "text-font": [FONT_FAMILY],
        "text-size": 18 * scale,
        "text-anchor": "top",
        "text-offset": [0, 0.5],
        "text-allow-overlap": true,
      },
      paint: { "text-color": tokens.high, "text-halo-color": tokens.ground, "text-halo-width": 2 * scale },
    },
  ];
}

/** Severities I and II have markers of their own as well (markers.ts). */
function drawCases(look: Look, spec: LayerSpec): LayerSpecification {
  const [one, two, three, four] = look.tokens.severities;
  return {
    id: `${spec.key}-dots`,
    type: "circle",
    source: sourceOf(spec),
    layout: { visibility: visibility(spec), "circle-sort-key": ["-", 0, ["get", "value"]] },
    paint: {
      "circle-color": ["match", ["get", "value"], 1, one, 2, two, 3, three, four],
      "circle-radius": grow(look, 3, 8),
      "circle-stroke-color": look.tokens.ground,
      "circle-stroke-width": grow(look, 0.8, 1.5),
    },
  };
}

/** Rings around cases that are late; `pulse` (0 to 1, a feature state) is how far one is through its only pulse. */
function drawHalos(look: Look, spec: LayerSpec): LayerSpecification {
  const pulse: ExpressionSpecification = ["number", ["feature-state", "pulse"], 1];
  const radius = (least: number): ExpressionSpecification => ["+", least * look.scale, ["*", 10 * look.scale, ["-", 1, pulse]]];
  return {
    id: `${spec.key}-halo`,
    type: "circle",
    source: sourceOf(spec),
    layout: { visibility: visibility(spec), "circle-sort-key": ["get", "value"] },
    paint: {
      "circle-color": "rgba(0,0,0,0)",
      "circle-radius": ["interpolate", ["linear"], ["zoom"], look.fitZoom, radius(5.5), look.fitZoom + 5, radius(13)],
      "circle-stroke-color": classColour(spec, ["get", "class"], look.tokens.mid),
      "circle-stroke-width": ["match", ["get", "value"], 2, 2.2 * look.scale, 1.4 * look.scale],
      "circle-stroke-opacity": ["match", ["get", "value"], 2, 0.95, 0.7],
    },
  };
}

function drawClusters(look: Look, spec: LayerSpec): LayerSpecification {
  const { layout, paint } = lookOfFlags(look.scale, look.tokens, FONT_FAMILY);
  return { id: `${spec.key}-flags`, type: "symbol", source: sourceOf(spec), layout: { ...layout, visibility: visibility(spec) }, paint };
}

/** Names give way to the markers of severe cases, which are elements of the page that MapLibre knows nothing of. */
function keepRoom(look: Look): LayerSpecification {
  return {
    id: "rooms",
    type: "symbol",
    source: "rooms",
    layout: { "icon-image": "room", "icon-size": look.scale, "icon-allow-overlap": true },
  };
}

function drawNames(look: Look): LayerSpecification {
  const { lang, scale, tokens } = look;
  return {
    id: NAMES,
    type: "symbol",
    source: "labels",
    layout: {
      "text-field": ["get", lang === "en" ? "label_en" : "label"],
      "text-font": [FONT_FAMILY],
      // look.md: nothing on a wall is smaller than 1/60 of its height.
      "text-size": 18 * scale,
      "text-max-width": 8,
      "text-padding": 1,
      "text-variable-anchor": ["center", "bottom", "top", "left", "right", "bottom-left", "bottom-right", "top-left", "top-right"],
      "text-radial-offset": 1.1,
      "text-justify": "auto",
      "symbol-sort-key": ["get", "rank"],
    },
    paint: {
      "text-color": tokens.high,
      "text-halo-color": tokens.ground,
      "text-halo-width": 1.6 * scale,
      "text-opacity": 0.92,
    },
  };
}

function drawSelection(look: Look): LayerSpecification[] {
  return [
    {
      id: "selection-line",
      type: "line",
      source: "selection",
      filter: ["!=", ["geometry-type"], "Point"],
      layout: { "line-join": "round" },
      paint: { "line-color": look.tokens.accent, "line-width": 2.5 * look.scale },
    },
    {
      id: "selection-ring",
      type: "circle",
      source: "selection",
      filter: ["==", ["geometry-type"], "Point"],
      paint: {
        "circle-color": "rgba(0,0,0,0)",
        "circle-radius": 11 * look.scale,
        "circle-stroke-color": look.tokens.accent,
        "circle-stroke-width": 2.5 * look.scale,
      },
    },
  ];
}

function none(): GeoJSON.FeatureCollection {
  return { type: "FeatureCollection", features: [] };
}
