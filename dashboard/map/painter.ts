// Draws a layer's features as its drawing asks: of those that changed, what is new, moved or gone, and nothing else.

import type { GeoJSONFeatureDiff, GeoJSONSource, Map as MapLibre } from "maplibre-gl";
import type { Assets } from "./assets.ts";
import { rankOf } from "./flags.ts";
import type { Geometry, LonLat } from "./geometry.ts";
import type { HeatLayer } from "./heat_layer.ts";
import type { Feature, LiveFeed } from "./live.ts";
import type { SevereMarkers } from "./markers.ts";
import { Pulses } from "./pulses.ts";
import { chooseDrawing, classOf, NO_CLASS, shapeOf, sourceOf } from "./style.ts";
import type { LayerSpec } from "./wire.ts";

/** What the feed knows of a layer. */
type Features = ReadonlyMap<number, Feature>;

interface Diff {
  add: GeoJSON.Feature[];
  update: GeoJSONFeatureDiff[];
  remove: number[];
}

/** The map, and what is drawn on it besides the sources of its style. */
interface Canvas {
  map: MapLibre;
  assets: Assets;
  markers: SevereMarkers;
  /** Null where no layer is a heatmap. */
  heat: HeatLayer | null;
}

/** Knows what is drawn of every layer, and makes it what the feed tells. */
export class Painter {
  /** The classes of each layer's cells, of those that have one: as they were sent to be drawn, and as they were painted since. */
  private dyed = new Map<string, Map<number, number>>();
  private painted = new Map<string, Map<number, number>>();
  /** The features that a layer's own source has. */
  private known = new Map<string, Set<number>>();
  /** What changed in layers that do not show. */
  private late = new Map<string, Set<number>>();
  /** The layers whose features have been drawn once: what comes from then on is new. */
  private settled = new Set<string>();
  /** The severe cases that names give way to. */
  private rooms = new Set<number>();
  private overdue = new Set<number>();
  private pulses: Pulses;

  constructor(
    private canvas: Canvas,
    private geometry: Geometry,
    private feed: LiveFeed,
  ) {
    this.pulses = new Pulses(canvas.map);
  }

  /** Gives the cells the classes that are known already as they are sent to be drawn: ten thousand states are dearer. */
  dye(specs: Iterable<LayerSpec>): void {
    for (const spec of specs) {
      if (chooseDrawing(spec) !== "cells") continue;
      const classes = new Map<number, number>();
      for (const [id, { value, mark }] of this.feed.state.layers.get(spec.key) ?? []) {
        const position = classOf(spec, value, mark);
        if (position !== null) classes.set(id, position);
      }
      for (const cell of this.geometry.cells.features)
        cell.properties = { ...cell.properties, [spec.key]: classes.get(Number(cell.id)) ?? NO_CLASS };
      this.dyed.set(spec.key, classes);
    }
    this.forgetStates();
  }

  /** Takes note that the map has no feature states: at first, and after a lost graphics context. */
  forgetStates(): void {
    this.painted = new Map([...this.dyed].map(([key, classes]) => [key, new Map(classes)]));
  }

  /** Returns the position in its layer's legend of the class that a cell is drawn in; null for none. */
  classOf(layer: string, id: number): number | null {
    return this.painted.get(layer)?.get(id) ?? null;
  }

  /** Returns what changed in a layer while it did not show, and forgets it. */
  takeLate(layer: string): number[] {
    const late = [...(this.late.get(layer) ?? [])];
    this.late.delete(layer);
    return late;
  }

  /** Returns every feature of a layer that may look otherwise than it should once the feature states are gone. */
  takeAll(layer: string): number[] {
    const { dyed, feed } = this;
    return [...(dyed.get(layer)?.keys() ?? []), ...(feed.state.layers.get(layer)?.keys() ?? []), ...this.takeLate(layer)];
  }

  /** Draws those of a layer's features that changed; of one that left there is no word any more. */
  draw(spec: LayerSpec, changed: Set<number>): void {
    const told = this.feed.state.layers.get(spec.key);
    const features: Features = told ?? new Map();
    const drawing = chooseDrawing(spec);
    if (drawing === "severities") this.drawMarkers(spec, changed, features);
    if (drawing === "halos") this.drawHalos(spec, changed, features);
    if (drawing === "assets") this.drawAssets(spec, changed, features);
    else if (drawing === "heat") this.drawHeat(changed, features);
    else if (spec.shown === false) this.putOff(spec, changed, features);
    else if (drawing === "cells") this.drawCells(spec, changed, features);
    else if (drawing === "areas") this.drawAreas(spec, changed, features);
    else this.drawPoints(spec, changed, features);
    if (told) this.settled.add(spec.key);
  }

  /** Hatches the county where cells have no value; under cells that all have one it would be drawn for nothing. */
  hatch(spec: LayerSpec): void {
    const { map } = this.canvas;
    const isBare = this.painted.get(spec.key)!.size < this.geometry.cells.features.length;
    const [hatch, visibility] = [`${spec.key}-hatch`, isBare && spec.shown !== false ? "visible" : "none"] as const;
    // MapLibre goes through all of its style also where nothing is set that was not so before.
    if (map.getLayoutProperty(hatch, "visibility") !== visibility) map.setLayoutProperty(hatch, "visibility", visibility);
  }

  /** Leaves what changed in a layer that does not show until it does: MapLibre would draw a frame for nothing. */
  private putOff(spec: LayerSpec, changed: Set<number>, features: Features): void {
    const ids = this.late.get(spec.key) ?? new Set();
    for (const id of changed)
      if (features.has(id) || spec.geometry === "cell" || this.knownIds(spec).has(id)) ids.add(id);
      else ids.delete(id); // it came and went unseen
    this.late.set(spec.key, ids);
  }

  private drawCells(spec: LayerSpec, changed: Set<number>, features: Features): void {
    for (const id of changed) this.paintClass(spec, id, features.get(id));
    this.hatch(spec);
  }

  /** Paints a cell's class, if it is another than before. */
  private paintClass(spec: LayerSpec, id: number, feature: Feature | undefined): void {
    const position = feature ? classOf(spec, feature.value, feature.mark) : null;
    const painted = this.painted.get(spec.key)!;
    if ((painted.get(id) ?? null) === position) return;
    if (position === null) painted.delete(id);
    else painted.set(id, position);
    this.canvas.map.setFeatureState({ source: "cells", id }, { [spec.key]: position ?? NO_CLASS });
  }

  /** Lets the cases pulse that have just become overdue: not those that were so when the map was opened. */
  private drawHalos(spec: LayerSpec, changed: Set<number>, features: Features): void {
    const last = (spec.legend?.length ?? 0) - 1;
    const late = [...changed].filter((id) => classOf(spec, features.get(id)?.value ?? null, 0) === last);
    const fresh = late.filter((id) => !this.overdue.has(id));
    for (const id of changed) this.overdue.delete(id);
    for (const id of late) this.overdue.add(id);
    if (this.settled.has(spec.key) && spec.shown !== false) this.pulses.start(sourceOf(spec), fresh);
  }

  private drawAssets(spec: LayerSpec, changed: Set<number>, features: Features): void {
    for (const id of changed) {
      const feature = features.get(id);
      const position = feature ? classOf(spec, feature.value, feature.mark) : null;
      this.canvas.assets.paint(spec.key, id, position, feature ? shapeOf(spec, feature.mark) : "");
    }
  }

  private drawAreas(spec: LayerSpec, changed: Set<number>, features: Features): void {
    const known = this.knownIds(spec);
    const diff = emptyDiff();
    for (const id of changed) {
      const feature = features.get(id);
      const coordinates = this.feed.state.alerts.get(id)?.outline ?? [];
      if (known.delete(id)) diff.remove.push(id);
      if (!feature || coordinates.length === 0) continue;
      const properties = { ...pointProperties(spec, feature), mark: feature.mark };
      diff.add.push({ type: "Feature", id, properties, geometry: { type: "MultiPolygon", coordinates } });
      known.add(id);
    }
    this.update(sourceOf(spec), diff);
  }

  private drawHeat(changed: Set<number>, features: Features): void {
    const heat = this.canvas.heat!;
    for (const id of changed) {
      const feature = features.get(id);
      const place = placeOf(feature);
      if (place) heat.bins.put(id, ...place, feature!.value ?? 1);
      else heat.bins.drop(id);
    }
    heat.refresh();
  }

  private drawMarkers(spec: LayerSpec, changed: Set<number>, features: Features): void {
    const { markers } = this.canvas;
    const rooms = emptyDiff();
    for (const id of changed) {
      const feature = features.get(id);
      const place = placeOf(feature);
      if (place) markers.put(id, feature!.value, ...place, this.settled.has(spec.key));
      else markers.drop(id);
      if (this.rooms.delete(id)) rooms.remove.push(id);
      if (!place || !markers.has(id)) continue;
      this.rooms.add(id);
      rooms.add.push(makePoint(id, place, {}));
    }
    this.update("rooms", rooms);
  }

  private drawPoints(spec: LayerSpec, changed: Set<number>, features: Features): void {
    const known = this.knownIds(spec);
    const diff = emptyDiff();
    for (const id of changed) {
      const feature = features.get(id);
      const place = placeOf(feature);
      if (place && known.has(id)) diff.update.push(moved(id, place, pointProperties(spec, feature!)));
      else if (place) diff.add.push(makePoint(id, place, pointProperties(spec, feature!)));
      else if (known.has(id)) diff.remove.push(id);
      if (place) known.add(id);
      else known.delete(id);
    }
    this.update(sourceOf(spec), diff);
  }

  private knownIds(spec: LayerSpec): Set<number> {
    let known = this.known.get(spec.key);
    if (!known) this.known.set(spec.key, (known = new Set()));
    return known;
  }

  private update(source: string, diff: Diff): void {
    if (diff.add.length + diff.update.length + diff.remove.length > 0)
      void (this.canvas.map.getSource(source) as GeoJSONSource).updateData(diff);
  }
}

export function makePoint(id: number, coordinates: LonLat, properties: GeoJSON.GeoJsonProperties): GeoJSON.Feature {
  return { type: "Feature", id, properties, geometry: { type: "Point", coordinates } };
}

function emptyDiff(): Diff {
  return { add: [], update: [], remove: [] };
}

function placeOf(feature: Feature | undefined): LonLat | null {
  return feature && feature.lon !== null && feature.lat !== null ? [feature.lon, feature.lat] : null;
}

function pointProperties(spec: LayerSpec, { value, mark }: Feature): Record<string, number | null> {
  if (chooseDrawing(spec) === "clusters") return { rank: rankOf(value ?? 4, mark) };
  return { value, class: classOf(spec, value, mark) };
}

function moved(id: number, coordinates: LonLat, properties: Record<string, number | null>): GeoJSONFeatureDiff {
  const changed = Object.entries(properties).map(([key, value]) => ({ key, value }));
  return { id, newGeometry: { type: "Point", coordinates }, addOrUpdateProperties: changed };
}
