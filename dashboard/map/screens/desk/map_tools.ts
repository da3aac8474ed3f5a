// What the desk adds to the map: the ring of the row under the mouse, the lasso, the circle around a case.

import type { GeoJSONSource, LayerSpecification, MapMouseEvent } from "maplibre-gl";
import type { CountyMap } from "../../county_map.ts";
import { make, type Page, setAttribute } from "../page.ts";
import type { Queue } from "../queue.ts";
import type { Filters } from "./filters.ts";

type Ring = [number, number][];

const ACCENT = "#4CC9F0";
const CASES = "open_cases-dots";
/** A lasso is kept to so many corners: it has to fit into an address. */
const MOST_CORNERS = 60;
const LEAST_CORNERS = 3;
const STEP_PX = 6;
const CIRCLE_CORNERS = 72;
const METRES_PER_DEGREE = 111_320;

/** Draws on the map for the desk, and tells it what is circled. */
export class MapTools {
  private isDrawing = false;
  private drawn: Ring = [];
  private button = make("button", "lasso");

  constructor(
    page: Page,
    private map: CountyMap,
    private filters: Filters,
    queue: Queue,
    home: HTMLElement,
  ) {
    const { maplibre } = map;
    this.addLayers();
    maplibre.on("style.load", () => this.addLayers());
    maplibre.boxZoom.disable(); // shift and drag is the lasso's
    this.button.textContent = `◌ ${page.say("duty.lasso")}`;
    this.button.title = page.say("duty.lasso_hint");
    this.button.addEventListener("click", () => this.toggleLasso());
    home.append(make("div", "map-tools", this.button));
    this.followLasso();
    filters.onChange(() => this.showFilter());
    this.showFilter();
    queue.onHover((row) => this.showHover(row));
    maplibre.on("mousemove", CASES, (event) => queue.hover(Number(event.features?.[0]?.id)));
    maplibre.on("mouseleave", CASES, () => queue.hover(null));
  }

  /** Makes the next drag on the map a lasso, or not. */
  toggleLasso(on = !this.isArmed): void {
    setAttribute(this.button, "aria-pressed", String(on));
    this.map.maplibre.getCanvas().classList.toggle("lassoing", on);
  }

  /** Shows the circle around a case; without a place it is taken away. */
  showCircle(lon: number | null, lat: number | null, radiusM: number): void {
    this.show("circle", lon !== null && lat !== null ? polygon(makeCircle(lon, lat, radiusM)) : null);
  }

  /** Rings what is pointed at elsewhere. */
  showHover(one: { lon?: number | null; lat?: number | null } | null): void {
    this.show("hover", one?.lon != null && one.lat != null ? point(one.lon, one.lat) : null);
  }

  /** Marks the place that a report is about. */
  showPin(one: { lon: number; lat: number } | null): void {
    this.show("pin", one && point(one.lon, one.lat));
  }

  private get isArmed(): boolean {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  private addLayers(): void {
    const { maplibre } = this.map;
    const ring = { "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": ACCENT, "circle-stroke-width": 1.5, "circle-radius": 15, "circle-stroke-opacity": 0.8 };
    const pin = { "circle-color": ACCENT, "circle-radius": 7, "circle-stroke-color": "#FFFFFF", "circle-stroke-width": 2 };
    const line = { "line-color": ACCENT, "line-width": 1.8, "line-dasharray": [3, 2] };
    const layers: [string, LayerSpecification[]][] = [
      ["circle", [{ id: "desk-circle", type: "line", source: "desk-circle", paint: { ...line, "line-opacity": 0.8 } }]],
      [
        "lasso",
        [
          { id: "desk-lasso-fill", type: "fill", source: "desk-lasso", paint: { "fill-color": ACCENT, "fill-opacity": 0.1 } },
          { id: "desk-lasso", type: "line", source: "desk-lasso", paint: line },
        ],
      ],
      ["hover", [{ id: "desk-hover", type: "circle", source: "desk-hover", paint: ring }]],
      ["pin", [{ id: "desk-pin", type: "circle", source: "desk-pin", paint: pin }]],
    ];
    for (const [name, drawn] of layers) {
      if (maplibre.getSource(`desk-${name}`)) continue;
      maplibre.addSource(`desk-${name}`, { type: "geojson", data: empty() });
      for (const layer of drawn) maplibre.addLayer(layer);
    }
  }

  private followLasso(): void {
    const { maplibre } = this.map;
    maplibre.on("mousedown", (event) => {
      if (!event.originalEvent.shiftKey && !this.isArmed) return;
      event.preventDefault(); // the map stays where it is
      this.isDrawing = true;
      this.drawn = [[event.lngLat.lng, event.lngLat.lat]];
      document.addEventListener("mouseup", () => this.end(), { once: true });
    });
    maplibre.on("mousemove", (event: MapMouseEvent) => {
      if (!this.isDrawing) return;
      const last = maplibre.project(this.drawn[this.drawn.length - 1]!);
      if (Math.hypot(last.x - event.point.x, last.y - event.point.y) < STEP_PX) return;
      this.drawn.push([event.lngLat.lng, event.lngLat.lat]);
      if (this.drawn.length >= LEAST_CORNERS) this.show("lasso", polygon(this.drawn));
    });
  }

  private end(): void {
    this.isDrawing = false;
    this.toggleLasso(false);
    if (this.drawn.length < LEAST_CORNERS) return this.showFilter();
    const step = Math.ceil(this.drawn.length / MOST_CORNERS);
    const ring = this.drawn.filter((_, i) => i % step === 0);
    this.filters.set({ within: ring.map(([lon, lat]) => `${lon.toFixed(5)},${lat.toFixed(5)}`).join(";") });
  }

  private showFilter(): void {
    const within = this.filters.get("within");
    const ring = within.split(";").map((corner) => corner.split(",").map(Number) as [number, number]);
    this.show("lasso", within ? polygon(ring) : null);
  }

  private show(name: string, feature: GeoJSON.Feature | null): void {
    const source = this.map.maplibre.getSource(`desk-${name}`) as GeoJSONSource | undefined;
    void source?.setData(feature ? { type: "FeatureCollection", features: [feature] } : empty());
  }
}

function makeCircle(lon: number, lat: number, radiusM: number): Ring {
  const [dLat, dLon] = [radiusM / METRES_PER_DEGREE, radiusM / (METRES_PER_DEGREE * Math.cos((lat * Math.PI) / 180))];
  return Array.from({ length: CIRCLE_CORNERS }, (_, i) => {
    const angle = (2 * Math.PI * i) / CIRCLE_CORNERS;
    return [lon + dLon * Math.cos(angle), lat + dLat * Math.sin(angle)];
  });
}

function polygon(ring: Ring): GeoJSON.Feature {
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[...ring, ring[0]!]] } };
}

function point(lon: number, lat: number): GeoJSON.Feature {
  return { type: "Feature", properties: {}, geometry: { type: "Point", coordinates: [lon, lat] } };
}

function empty(): GeoJSON.FeatureCollection {
  return { type: "FeatureCollection", features: [] };
}
