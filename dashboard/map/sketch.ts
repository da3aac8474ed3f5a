// The county as a still picture, until there is its map: without a graphics card MapLibre's first takes seconds.

import { MercatorCoordinate } from "maplibre-gl";
import type { LonLat } from "./geometry.ts";
import type { LiveFeed, LiveState } from "./live.ts";
import { SHAPES } from "./markers.ts";
import { chooseDrawing, classOf, colourClasses, type Look, MAIN_ROADS, WATER } from "./style.ts";
import type { CountyInfo, LayerSpec } from "./wire.ts";

/** What of a map's look a sketch needs, and where it leaves room, in pixels. */
export interface SketchLook extends Pick<Look, "geometry" | "layers" | "tokens" | "scale"> {
  box: CountyInfo["bbox"];
  padding: Record<"top" | "bottom" | "left" | "right", number>;
}

type Brush = CanvasRenderingContext2D;
type Project = (place: LonLat) => LonLat;

/** Lays the county's picture over an element as soon as its cells and cases are known; returns how to take it away. */
export function showSketch(element: HTMLElement, look: SketchLook, feed: LiveFeed): () => void {
  const canvas = document.createElement("canvas");
  canvas.className = "sketch";
  canvas.setAttribute("aria-hidden", "true");
  const show = () => {
    if (feed.state.seq === null) return;
    stop();
    draw(canvas, element, look, feed.state);
    element.append(canvas);
  };
  const stop = feed.subscribe(show);
  show();
  return () => {
    stop();
    canvas.remove();
  };
}

function draw(canvas: HTMLCanvasElement, { clientWidth: width, clientHeight: height }: HTMLElement, look: SketchLook, state: LiveState): void {
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  // By the processor: a graphics card that is none takes seconds for so many outlines.
  const brush = canvas.getContext("2d", { willReadFrequently: true })!;
  brush.scale(devicePixelRatio, devicePixelRatio);
  brush.lineJoin = "round";
  brush.fillStyle = look.tokens.ground;
  brush.fillRect(0, 0, width, height);
  const project = fit(look, width, height);
  const drawn = (drawing: string) => look.layers.filter((spec) => chooseDrawing(spec) === drawing);
  fill(brush, look.tokens.raised, look.geometry.county.features, project);
  for (const spec of drawn("cells")) if (spec.shown !== false) drawCells(brush, look, spec, state, project);
  drawLines(brush, look, project);
  for (const spec of drawn("severities")) drawCases(brush, look, spec, state, project);
}

/** Returns the projection that fits the box into its room; it gives pixels. */
function fit({ box: [west, south, east, north], padding }: SketchLook, width: number, height: number): Project {
  const [left, top] = project([west, north]);
  const [right, bottom] = project([east, south]);
  const room = { x: width - padding.left - padding.right, y: height - padding.top - padding.bottom };
  const scale = Math.min(room.x / (right - left), room.y / (bottom - top));
  const from = { x: padding.left + room.x / 2 - (scale * (left + right)) / 2, y: padding.top + room.y / 2 - (scale * (top + bottom)) / 2 };
  return (place) => {
    const [x, y] = project(place);
    return [from.x + scale * x, from.y + scale * y];
  };
}

function project(place: LonLat): LonLat {
  const { x, y } = MercatorCoordinate.fromLngLat(place);
  return [x, y];
}

function drawCells(brush: Brush, { geometry }: SketchLook, spec: LayerSpec, state: LiveState, project: Project): void {
  const features = state.layers.get(spec.key);
  const classed: GeoJSON.Feature[][] = colourClasses(spec).map(() => []);
  for (const cell of geometry.cells.features) {
    const feature = features?.get(Number(cell.id));
    const position = feature ? classOf(spec, feature.value, feature.mark) : null;
    if (position !== null) classed[position]?.push(cell);
  }
  colourClasses(spec).forEach((colour, position) => fill(brush, colour, classed[position]!, project));
}

function drawLines(brush: Brush, { geometry, scale, tokens }: SketchLook, project: Project): void {
  const main = geometry.roads.features.filter(({ properties }) => MAIN_ROADS.includes(String(properties?.["class"])));
  stroke(brush, { colour: WATER, opacity: 0.55, width: scale }, geometry.rivers.features, project);
  stroke(brush, { colour: tokens.mid, opacity: 0.25, width: 0.9 * scale }, main, project);
  stroke(brush, { colour: tokens.ground, opacity: 0.55, width: 0.7 * scale }, geometry.villages.features, project);
  stroke(brush, { colour: tokens.mid, opacity: 0.55, width: 0.9 * scale }, geometry.towns.features, project);
  stroke(brush, { colour: tokens.mid, opacity: 1, width: 1.8 * scale }, geometry.county.features, project);
}

/** Severe cases are always drawn, the others where their layer shows; the worst come last, and with that on top. */
function drawCases(brush: Brush, { scale, tokens }: SketchLook, spec: LayerSpec, state: LiveState, project: Project): void {
  const cases = [...(state.layers.get(spec.key)?.values() ?? [])].sort((a, b) => severityOf(b) - severityOf(a));
  const side = Math.max(18, 0.026 * Math.min(innerHeight, innerWidth)); // a severe case's marker (map.css)
  for (const one of cases) {
    const severe = SHAPES[severityOf(one)];
    if (one.lon === null || one.lat === null || !(severe || spec.shown !== false)) continue;
    const [x, y] = project([one.lon, one.lat]);
    const shape = new Path2D();
    if (severe) shape.addPath(new Path2D(severe), new DOMMatrix([side / 24, 0, 0, side / 24, x - side / 2, y - side / 2]));
    else shape.arc(x, y, 3 * scale, 0, 2 * Math.PI);
    brush.fillStyle = tokens.severities[severityOf(one) - 1]!;
    brush.strokeStyle = tokens.ground;
    brush.lineWidth = 0.8 * scale;
    brush.fill(shape);
    brush.stroke(shape);
  }
}

function severityOf({ value }: { value: number | null }): number {
  return Math.min(4, Math.max(1, value ?? 4));
}

function fill(brush: Brush, colour: string, areas: GeoJSON.Feature[], project: Project): void {
  brush.fillStyle = colour;
  trace(brush, areas, project);
  brush.fill();
}

function stroke(brush: Brush, line: { colour: string; opacity: number; width: number }, features: GeoJSON.Feature[], project: Project): void {
  brush.globalAlpha = line.opacity;
  brush.strokeStyle = line.colour;
  brush.lineWidth = line.width;
  trace(brush, features, project);
  brush.stroke();
  brush.globalAlpha = 1;
}

function trace(brush: Brush, features: GeoJSON.Feature[], project: Project): void {
  brush.beginPath();
  for (const line of features.flatMap(({ geometry }) => linesOf(geometry)))
    line.forEach((place, i) => (i ? brush.lineTo(...project(place)) : brush.moveTo(...project(place))));
}

function linesOf(geometry: GeoJSON.Geometry): LonLat[][] {
  if (geometry.type === "LineString") return [geometry.coordinates as LonLat[]];
  if (geometry.type === "Polygon" || geometry.type === "MultiLineString") return geometry.coordinates as LonLat[][];
  return geometry.type === "MultiPolygon" ? (geometry.coordinates.flat() as LonLat[][]) : [];
}
