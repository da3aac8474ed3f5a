// The county's map: geometry once, then only id → value. Data never touches the camera and never re-adds a layer.

import * as maplibre from "maplibre-gl";
import { Assets, type PlacedAsset } from "./assets.ts";
import { Camera, type Padding } from "./camera.ts";
import { changes, differs } from "./differences.ts";
import { clusterBy, drawFlag, FLAGS } from "./flags.ts";
import { awaitPart, boxOf, centreOf, fetchGeometry, type Geometry, type LonLat } from "./geometry.ts";
import { HeatBins } from "./heat.ts";
import { HeatLayer } from "./heat_layer.ts";
import { drawHatch, drawRoom, ICON_RATIO, readTokens, showMark, type Tokens } from "./icons.ts";
import type { LiveFeed } from "./live.ts";
import { SevereMarkers } from "./markers.ts";
import { Pace } from "./pace.ts";
import { makePoint, Painter } from "./painter.ts";
import { pause } from "./pause.ts";
import { type Pick, Pointer } from "./pointer.ts";
import { loadFonts, waitForFrame, waitForPicture, waitForSize } from "./readiness.ts";
import { reloadOnce } from "./reload.ts";
import { showSketch, type SketchLook } from "./sketch.ts";
import {
  chooseDrawing,
  FONT_FAMILY,
  type Look,
  lookOfAssets,
  lookOfHeat,
  makeLayers,
  makeStyle,
  mapLayersOf,
  markNames,
  NAMES,
  readHeat,
  sourceOf,
} from "./style.ts";
import { type Asset, type CountyInfo, type Frame, type Lang, type LayerSpec, say, type Words } from "./wire.ts";

export type PickListener = (pick: Pick | null) => void;

/** A legend, ready to be written in HTML. Colours are CSS colours, images data URLs. */
export interface Legend {
  key: string;
  title: string;
  unit: string;
  kind: "steps" | "heat" | "severities";
  /** What a cell without a value means; empty: no data. */
  blank: string;
  classes: { lowest: number; colour: string; label: string }[];
  marks: { name: string; image: string }[];
}

export interface CountyMapOptions {
  county: CountyInfo;
  lang: Lang;
  feed: LiveFeed;
  /** The layers to draw, by key or spec; whether each shows at first is said by its spec. */
  layers: (string | LayerSpec)[];
  /** Called with what was clicked, with null for a click beside everything. */
  onPick?: PickListener;
  /** Pixels to leave free around the county. */
  padding?: Padding;
  /** Whether to draw a scale bar (on by default). */
  scale?: boolean;
  /** When it draws what the feed tells: by default at most four times a second. Who shares it draws in the same frame. */
  pace?: Pace;
  /** What the map waits for; until then there is its sketch. */
  after?: Promise<unknown>;
}

export interface CountyMap {
  readonly container: HTMLElement;
  readonly feed: LiveFeed;
  readonly county: CountyInfo;
  /** MapLibre's own map, for what only it can do. */
  readonly maplibre: maplibre.Map;
  /** When the last frame was drawn, in epoch milliseconds of this browser; null before the first. */
  readonly lastDrawnAt: number | null;
  /** Resolves when the county is drawn, but for its assets; or when that takes too long to wait for. */
  readonly drawn: Promise<void>;
  /** Whether the county pack's assets are there, too: they come when the county is drawn. */
  readonly isWhole: boolean;
  /** Shows or hides a layer; the markers of severe cases stay, whatever is hidden. */
  setVisible(layer: string, visible: boolean): void;
  isVisible(layer: string): boolean;
  /** Outlines one feature in the accent colour; null takes the outline away. The camera stays. */
  select(layer: string, id: number | null): void;
  /** Moves the camera, because a person asked for it. */
  focus(lon: number, lat: number, zoom?: number): void;
  /** Shows the whole county again, or the part that `frame` chose, and keeps it fitted when the window changes. */
  home(): void;
  /** Goes to a part of the county (west, south, east, north), or back to all of it, and stays fitted to it. */
  frame(box: CountyInfo["bbox"] | null): void;
  /** Changes the pixels left free around the county, because a person opened or closed something beside it. */
  setPadding(padding: Padding): void;
  /** Calls back on every click, besides `onPick`; returns how to stop. */
  subscribePicks(listener: PickListener): () => void;
  /** Where a feature is, if the map knows. */
  locate(layer: string, id: number): LonLat | null;
  /** The position in its layer's legend of the class that a cell or an asset is drawn in; null for none. */
  classOf(layer: string, id: number): number | null;
  /** What an asset is called. */
  nameAsset(id: number): Words | null;
  /** The box of a town, village or cell by its code; null for one that the viewer's map does not have. */
  boxOf(code: string): CountyInfo["bbox"] | null;
  legendFor(layer: string): Legend | null;
  destroy(): void;
}

/** The hub sends at most four deltas a second; a burst after a pause is drawn no faster. */
export const DRAW_EVERY_MS = 250;
const PADDING = 24;
/** So long at most do the assets wait for the county to be drawn. */
const COUNTY_FIRST_MS = 5000;
/** A picture that stands still must not be taken for a map that lives. */
const SKETCH_MS = 20_000;

// The workers start while the page is still being made.
maplibre.setWorkerUrl(new URL("./maplibre-gl-worker.js", import.meta.url).href);
maplibre.prewarm();

/** Draws a county's map into an element (of any size, also one that gets its size later) and keeps it live; throws where the browser cannot. */
export async function createCountyMap(container: HTMLElement, options: CountyMapOptions): Promise<CountyMap> {
  const [geometry] = await Promise.all([fetchGeometry(options.county), waitForSize(container)]);
  const drop = showSketch(container, lookOfSketch(container, options, geometry), options.feed);
  setTimeout(drop, SKETCH_MS);
  await Promise.all([loadFonts(geometry), waitForFrame(), options.after]); // the sketch is to be seen before the map's long beginning
  const map = begin(container, options, geometry, drop);
  void waitForPicture(map.maplibre).then(drop);
  window.countyBrain = { ...window.countyBrain, map };
  return map;
}

function begin(container: HTMLElement, options: CountyMapOptions, geometry: Geometry, drop: () => void): DrawnCounty {
  try {
    return new DrawnCounty(container, options, geometry);
  } catch (error) {
    drop(); // a sketch of what will not come would be taken for it
    container.querySelector(".county-map")?.remove();
    throw error;
  }
}

class DrawnCounty implements CountyMap {
  readonly container: HTMLElement;
  readonly feed: LiveFeed;
  readonly county: CountyInfo;
  readonly maplibre: maplibre.Map;
  lastDrawnAt: number | null = null;
  isWhole = false;
  readonly drawn: Promise<void>;
  private specs: Map<string, LayerSpec>;
  private look: Look;
  /** The style's layers as the map has them. */
  private layers: maplibre.LayerSpecification[] = [];
  private tokens: Tokens;
  private listeners = new Set<PickListener>();
  private unsubscribe: () => void;
  private dirty = new Map<string, Set<number>>();
  private pace: Pace;
  /** Whether there is a style to draw with: not before it has come, nor while the graphics context is lost. */
  isReady = false;
  private destroyed = false;
  private selected: { layer: string; id: number } | null = null;
  private camera: Camera;
  /** Null where no layer is a heatmap. */
  private heatLayer: HeatLayer | null;
  private painter: Painter;
  private assets: Assets;
  private pointer: Pointer;
  private legends = new Map<string, Legend>();

  constructor(
    parent: HTMLElement,
    private options: CountyMapOptions,
    private geometry: Geometry,
  ) {
    this.feed = options.feed;
    this.county = options.county;
    this.pace = options.pace ?? new Pace(DRAW_EVERY_MS);
    const [box, padding] = [seenBox(options.county), options.padding ?? PADDING];
    // An element of our own: MapLibre's style sheet sets `position`, and the page's layout is the page's.
    this.container = document.createElement("div");
    this.container.className = "county-map";
    parent.append(this.container);
    this.tokens = readTokens(parent);
    this.specs = new Map(
      chooseSpecs(options).map((spec) => [spec.key, { ...spec }]),
    );
    const heated = this.heated();
    this.heatLayer = heated && new HeatLayer(`${heated.key}-heat`, new HeatBins(options.county.bbox));
    this.maplibre = new maplibre.Map({
      container: this.container,
      style: { version: 8, sources: {}, layers: [] },
      bounds: box,
      fitBoundsOptions: { padding },
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 1, // with 0 all names are placed anew in every frame, not only when something of theirs has changed
      localIdeographFontFamily: `"${FONT_FAMILY}", "Noto Sans CJK SC", sans-serif`,
      locale: options.lang === "zh" ? { "ScaleControl.Kilometers": "公里", "ScaleControl.Meters": "米", "Map.Title": "地图" } : {},
    });
    this.camera = new Camera(this.maplibre, box, padding);
    this.assets = new Assets(this.maplibre, [...this.specs.values()].filter(({ geometry: kind }) => kind === "asset"), this.tokens);
    this.pointer = new Pointer(this.maplibre, this.assets, [...this.specs.values()], this);
    this.maplibre.touchZoomRotate.disableRotation();
    this.maplibre.keyboard.disableRotation();
    if (options.scale !== false) this.maplibre.addControl(new maplibre.ScaleControl({ maxWidth: 0.148 * Math.min(innerHeight, innerWidth) }), "bottom-right");
    this.look = this.makeLook();
    this.dressOwn();
    const markers = new SevereMarkers(this.maplibre, options.lang, (id, lon, lat) =>
      this.pick({ layer: "open_cases", id, lon, lat }),
    );
    this.painter = new Painter({ map: this.maplibre, assets: this.assets, markers, heat: this.heatLayer }, geometry, this.feed);
    this.painter.dye(this.specs.values());
    this.start();
    this.drawn = this.awaitCounty();
    this.unsubscribe = this.feed.subscribe((frame) => this.hear(frame));
    void this.bringAssets();
  }

  setVisible(layer: string, visible: boolean): void {
    const spec = this.specs.get(layer);
    if (!spec) return;
    spec.shown = visible;
    if (!this.isReady) return; // it is applied once there is a style again
    this.applyVisibility(spec);
    const late = visible ? this.painter.takeLate(layer) : [];
    if (late.length === 0) return;
    this.soil(layer, late);
    this.flush(); // what is shown is not to be old even for a moment
  }

  isVisible(layer: string): boolean {
    return this.specs.has(layer) && this.specs.get(layer)?.shown !== false;
  }

  select(layer: string, id: number | null): void {
    this.selected = id === null ? null : { layer, id };
    if (this.isReady) this.drawSelection();
  }

  private drawSelection(): void {
    const feature = this.selected && this.find(this.selected.layer, this.selected.id);
    const features = feature ? [{ ...feature, properties: {} }] : [];
    void this.source("selection").setData({ type: "FeatureCollection", features });
  }

  focus(lon: number, lat: number, zoom?: number): void {
    this.camera.focus(lon, lat, zoom);
  }

  home(): void {
    this.camera.home();
  }

  frame(box: CountyInfo["bbox"] | null): void {
    this.camera.frame(box);
  }

  setPadding(padding: Padding): void {
    if (this.camera.pad(padding)) this.refit();
  }

  subscribePicks(listener: PickListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  classOf(layer: string, id: number): number | null {
    return this.painter.classOf(layer, id) ?? this.assets.classOf(layer, id);
  }

  locate(layer: string, id: number): LonLat | null {
    const feature = this.find(layer, id);
    return feature ? centreOf(feature) : null;
  }

  nameAsset(id: number): Words | null {
    return this.assets.name(id);
  }

  boxOf(code: string): CountyInfo["bbox"] | null {
    const { towns, villages, cells } = this.geometry;
    const areas = [...towns.features, ...villages.features, ...cells.features];
    const area = areas.find(({ properties }) => properties?.["code"] === code);
    return area ? boxOf(area) : null;
  }

  legendFor(layer: string): Legend | null {
    const spec = this.specs.get(layer);
    if (!spec) return null;
    // Walls ask with nearly every frame, and the images are costly to make.
    const known = this.legends.get(layer) ?? this.makeLegend(spec);
    this.legends.set(layer, known);
    return known;
  }

  private makeLegend(spec: LayerSpec): Legend {
    const drawing = chooseDrawing(spec);
    const classes = drawing === "heat" ? readHeat(spec) : (spec.legend ?? []);
    return {
      key: spec.key,
      title: say(spec.title, this.options.lang),
      unit: say(spec.unit, this.options.lang),
      kind: drawing === "heat" ? "heat" : drawing === "severities" || drawing === "clusters" ? "severities" : "steps",
      blank: say(spec.blank, this.options.lang),
      classes: classes.map((one) => ({ lowest: one.lowest, colour: one.colour, label: one[this.options.lang] })),
      marks: markNames(spec).map((name) => ({ name, image: showMark(name, this.tokens) })),
    };
  }

  destroy(): void {
    this.destroyed = true;
    this.isReady = false;
    this.unsubscribe();
    this.listeners.clear();
    this.maplibre.remove();
    this.container.remove();
  }

  private start(): void {
    const { maplibre: map } = this;
    // Fires again when the graphics context was lost and MapLibre has rebuilt the style: feature states are then gone.
    map.on("style.load", () => this.reapply());
    map.on("webglcontextlost", () => (this.isReady = false));
    map.on("render", () => (this.lastDrawnAt = Date.now()));
    map.on("resize", () => this.refit());
    map.on("click", async (event) => this.pick(await this.pointer.pickAt(event.point, event.lngLat)));
    map.on("mousemove", (event) => {
      map.getCanvas().style.cursor = this.pointer.isOver(event.point) ? "pointer" : "";
    });
    const style = makeStyle(this.look);
    this.layers = style.layers;
    map.setStyle(style, { diff: false });
  }

  private async awaitCounty(): Promise<void> {
    await this.maplibre.once("style.load");
    await Promise.race([waitForPicture(this.maplibre), pause(COUNTY_FIRST_MS)]);
  }

  /** Draws the county pack's assets once the county itself is there: they may be a hundred thousand. */
  private async bringAssets(): Promise<void> {
    await this.drawn;
    const { features } = await awaitPart(this.county.revision, "assets");
    if (this.destroyed) return;
    if (!this.isReady) await this.maplibre.once("style.load"); // the graphics context was lost meanwhile
    this.assets.add(features.flatMap(placeAsset));
    this.dress();
    for (const spec of this.specs.values())
      if (spec.geometry === "asset") this.dirty.set(spec.key, new Set(this.feed.state.layers.get(spec.key)?.keys()));
    this.flush();
    await this.maplibre.once("render");
    this.isWhole = true;
  }

  private applyVisibility(spec: LayerSpec): void {
    const visibility = spec.shown === false ? "none" : "visible";
    for (const name of mapLayersOf(spec)) this.maplibre.setLayoutProperty(name, "visibility", visibility);
    if (chooseDrawing(spec) === "cells") this.painter.hatch(spec);
    this.assets.show(spec.key, spec.shown !== false);
    if (chooseDrawing(spec) === "heat") this.heatLayer?.show(spec.shown !== false);
  }

  private addImages(): void {
    const images = [
      ["hatch", drawHatch(this.tokens.line)],
      ["drill", drawHatch(this.tokens.mid, 16, 1.5)],
      ["room", drawRoom()],
    ] as const;
    const flags = FLAGS.map((flag) => [flag.name, drawFlag(flag, this.tokens)] as const);
    for (const [name, pixels] of [...images, ...flags])
      if (!this.maplibre.hasImage(name)) this.maplibre.addImage(name, pixels, { pixelRatio: ICON_RATIO });
  }

  /** Lays the heat and the assets, which are no part of the style, under the names. */
  private addOwn(): void {
    for (const layer of [this.heatLayer, this.assets.layer])
      if (layer && !this.maplibre.getLayer(layer.id)) this.maplibre.addLayer(layer, NAMES);
  }

  private makeLook(): Look {
    const { county, lang } = this.options;
    return {
      county,
      lang,
      geometry: this.geometry,
      assetCounts: this.assets.counts,
      layers: [...this.specs.values()],
      tokens: this.tokens,
      fitZoom: this.camera.fitZoom,
      scale: chooseScale(),
    };
  }

  /** Fits the county into the window's new size, and rescales what is drawn. */
  private refit(): void {
    this.camera.refit();
    this.dress();
  }

  /** Makes the style what it has to be by now. */
  private dress(): void {
    this.look = this.makeLook();
    this.dressOwn();
    if (!this.isReady) return;
    const worn = this.layers;
    this.layers = makeLayers(this.look);
    this.layers.forEach((layer, i) => this.restyle(worn[i]!, layer));
    for (const spec of this.look.layers)
      if (chooseDrawing(spec) === "clusters") void this.source(sourceOf(spec)).setClusterOptions(clusterBy(this.look.scale));
  }

  private dressOwn(): void {
    this.assets.dress((spec) => lookOfAssets(this.look, spec));
    const heated = this.heated();
    if (heated) this.heatLayer?.dress(lookOfHeat(this.look, heated));
  }

  private heated(): LayerSpec | null {
    return [...this.specs.values()].find((spec) => chooseDrawing(spec) === "heat") ?? null;
  }

  private restyle(old: maplibre.LayerSpecification, layer: maplibre.LayerSpecification): void {
    const { maplibre: map } = this;
    for (const [name, value] of changes(old.paint, layer.paint)) map.setPaintProperty(layer.id, name as "fill-color", value as string);
    for (const [name, value] of changes(old.layout, layer.layout)) map.setLayoutProperty(layer.id, name as "icon-size", value as number);
    if ("filter" in layer && differs("filter" in old ? old.filter : null, layer.filter))
      map.setFilter(layer.id, layer.filter);
    if (old.minzoom !== layer.minzoom) map.setLayerZoomRange(layer.id, layer.minzoom ?? 0, layer.maxzoom ?? 24);
  }

  private hear(frame: Frame): void {
    // The county pack has changed: ids mean other features now.
    if (frame.revision && frame.revision !== this.county.revision) reloadOnce("revision", frame.revision);
    for (const [key, columns] of Object.entries(frame.layers ?? {})) {
      if (!this.specs.has(key)) continue;
      this.soil(key, [...columns.ids, ...(columns.gone ?? [])]);
    }
    if (frame.assets?.length) this.schedule();
  }

  /** Has features of a layer drawn anew. */
  private soil(layer: string, ids: Iterable<number>): void {
    const dirty = this.dirty.get(layer) ?? new Set();
    for (const id of ids) dirty.add(id);
    this.dirty.set(layer, dirty);
    this.schedule();
  }

  private schedule(): void {
    if (this.isReady) this.pace.ask(this.flush);
  }

  /** Paints everything anew from the feed's state: after the start, and after a lost graphics context. */
  private reapply(): void {
    this.isReady = true;
    this.addImages();
    this.addOwn();
    this.specs.forEach((spec) => this.applyVisibility(spec));
    this.painter.forgetStates();
    for (const key of this.specs.keys()) this.soil(key, this.painter.takeAll(key));
    this.drawSelection();
  }

  private flush = (): void => {
    if (!this.isReady) return;
    this.addAssets();
    for (const [key, ids] of this.dirty) {
      this.painter.draw(this.specs.get(key)!, ids);
      if (this.selected?.layer === key && ids.has(this.selected.id)) this.drawSelection();
    }
    this.dirty.clear();
  };

  /** Adds the assets that are known only from events. */
  private addAssets(): void {
    const added = [...this.feed.state.assets.values()].filter(({ id }) => !this.assets.has(id));
    if (added.length === 0) return;
    const place = ({ id, kind, name, name_en, lon, lat }: Asset): PlacedAsset => ({ id, kind, name: { zh: name, en: name_en ?? name }, place: [lon, lat] });
    this.assets.add(added.map(place));
    // A reading may have come before what it is of was known.
    for (const spec of this.specs.values()) if (spec.geometry === "asset") this.soil(spec.key, added.map(({ id }) => id));
  }

  private source(name: string): maplibre.GeoJSONSource {
    return this.maplibre.getSource(name) as maplibre.GeoJSONSource;
  }

  private pick(pick: Pick | null): void {
    this.options.onPick?.(pick);
    for (const listener of this.listeners) listener(pick);
  }

  private find(layer: string, id: number): GeoJSON.Feature | null {
    const spec = this.specs.get(layer);
    if (!spec) return null;
    if (spec.geometry === "cell") return this.geometry.cells.features.find((cell) => cell.id === id) ?? null;
    if (spec.geometry === "area") {
      const coordinates = this.feed.state.alerts.get(id)?.outline ?? [];
      return coordinates.length ? { type: "Feature", id, properties: {}, geometry: { type: "MultiPolygon", coordinates } } : null;
    }
    const feature = this.feed.state.layers.get(layer)?.get(id);
    const place = spec.geometry === "asset" ? this.assets.locate(id) : [feature?.lon, feature?.lat];
    if (!place || place[0] == null || place[1] == null) return null;
    return makePoint(id, place as LonLat, {});
  }
}

function lookOfSketch(element: HTMLElement, options: CountyMapOptions, geometry: Geometry): SketchLook {
  const padding = options.padding ?? PADDING;
  return {
    geometry,
    layers: chooseSpecs(options),
    tokens: readTokens(element),
    scale: chooseScale(),
    box: seenBox(options.county),
    padding: typeof padding === "number" ? { top: padding, bottom: padding, left: padding, right: padding } : padding,
  };
}

/** Returns what lines and dots are enlarged by: 1 on a screen 1080 px high. */
function chooseScale(): number {
  return Math.min(3, Math.max(0.75, Math.min(innerHeight, innerWidth) / 1080));
}

function chooseSpecs({ county, layers }: CountyMapOptions): LayerSpec[] {
  const wanted = new Set(layers.map((layer) => (typeof layer === "string" ? layer : layer.key)));
  return county.layers.filter(({ key }) => wanted.has(key));
}

function placeAsset(asset: GeoJSON.Feature): PlacedAsset[] {
  const place = centreOf(asset);
  const zh = String(asset.properties?.["name"] ?? "");
  const en = String(asset.properties?.["name_en"] || zh);
  return place ? [{ id: Number(asset.id), kind: String(asset.properties?.["kind"]), name: { zh, en }, place }] : [];
}

/** The box that the viewer's area lies in: the county's, unless theirs is a part of it. */
function seenBox(county: CountyInfo): CountyInfo["bbox"] {
  return county.scope?.bbox ?? county.bbox;
}
