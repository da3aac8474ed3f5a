// The county's geometry: fetched once per pack revision, never sent again.

import { askAhead, readJson } from "./answers.ts";
import { pause } from "./pause.ts";
import type { CountyInfo } from "./wire.ts";

const ASK_AGAIN_MS = 5000;

const PARTS = ["cells", "villages", "towns", "county", "roads", "rivers"] as const;
export type Part = (typeof PARTS)[number];
export type Geometry = Record<Part, GeoJSON.FeatureCollection>;
export type LonLat = [number, number];

/** Fetches a county's geometry but for its assets, which come when the county is drawn; what a pack lacks is empty. */
export async function fetchGeometry(county: CountyInfo): Promise<Geometry> {
  const fetched = await Promise.all(PARTS.map((part) => awaitPart(county.revision, part)));
  return Object.fromEntries(PARTS.map((part, i) => [part, fetched[i]])) as Geometry;
}

/** Fetches one part. */
export async function fetchPart(revision: string, part: Part | "assets"): Promise<GeoJSON.FeatureCollection> {
  return (await readJson(addressOf(revision, part))) as GeoJSON.FeatureCollection;
}

/** Fetches one part, and asks again until the server answers. */
export async function awaitPart(revision: string, part: Part | "assets"): Promise<GeoJSON.FeatureCollection> {
  for (;;) {
    try {
      return await fetchPart(revision, part);
    } catch (error) {
      console.warn("geometry is asked for again:", error);
      await pause(ASK_AGAIN_MS);
    }
  }
}

/** Asks ahead for what `fetchGeometry` fetches. */
export function askGeometry(revision: string): void {
  for (const part of PARTS) void askAhead(addressOf(revision, part));
}

function addressOf(revision: string, part: Part | "assets"): string {
  return `/api/geometry/${revision}/${part}`;
}

/** Returns several parts as one collection; each feature says which `part` it is of, and its `class`. */
export function joinParts(geometry: Geometry, parts: Part[]): GeoJSON.FeatureCollection {
  const features = parts.flatMap((part) =>
    geometry[part].features.map((feature) => ({ ...feature, properties: { part, class: feature.properties?.["class"] } })),
  );
  return { type: "FeatureCollection", features };
}

/** What a map leaves out of an English name, as an atlas does: every town on it is a town. */
const ENGLISH_KINDS = / (Town|Township|Subdistrict)$/;

/** Returns one point with `label` and `label_en` for each polygon, inside it; bigger areas come first. */
export function placeLabels(areas: GeoJSON.FeatureCollection): GeoJSON.FeatureCollection {
  const labelled = areas.features.map((area) => ({ area, ring: largestRing(area.geometry) }));
  labelled.sort((a, b) => ringArea(b.ring) - ringArea(a.ring));
  return {
    type: "FeatureCollection",
    features: labelled
      .filter(({ ring }) => ring.length > 2)
      .map(({ area, ring }, rank) => ({
        type: "Feature",
        properties: { rank, ...nameOf(area) },
        geometry: { type: "Point", coordinates: pointInside(ring) },
      })),
  };
}

function nameOf({ properties }: GeoJSON.Feature): { label: string; label_en: string } {
  const name = String(properties?.["name"] ?? "");
  return { label: name, label_en: String(properties?.["name_en"] ?? name).replace(ENGLISH_KINDS, "") };
}

/** Returns a point inside a feature: the point itself, or the middle of a polygon's largest part. */
export function centreOf(feature: GeoJSON.Feature): LonLat | null {
  if (feature.geometry.type === "Point") return feature.geometry.coordinates as LonLat;
  const ring = largestRing(feature.geometry);
  return ring.length > 2 ? pointInside(ring) : null;
}

/** Returns the west, south, east and north of an area. */
export function boxOf({ geometry }: GeoJSON.Feature): [number, number, number, number] {
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.type === "MultiPolygon" ? geometry.coordinates : [];
  const [lons, lats] = [0, 1].map((axis) => polygons.flat(2).map((place) => place[axis]!)) as [number[], number[]];
  const least = (all: number[]) => all.reduce((a, b) => Math.min(a, b));
  const most = (all: number[]) => all.reduce((a, b) => Math.max(a, b));
  return [least(lons), least(lats), most(lons), most(lats)];
}

function largestRing(geometry: GeoJSON.Geometry): LonLat[] {
  const polygons =
    geometry.type === "Polygon"
      ? [geometry.coordinates]
      : geometry.type === "MultiPolygon"
        ? geometry.coordinates
        : [];
  const rings = polygons.map((polygon) => (polygon[0] ?? []) as LonLat[]);
  return rings.reduce((best, ring) => (ringArea(ring) > ringArea(best) ? ring : best), [] as LonLat[]);
}

function ringArea(ring: LonLat[]): number {
  return Math.abs(shoelace(ring).area);
}

/** Signed area (square degrees) and centroid by the shoelace formula. */
function shoelace(ring: LonLat[]): { area: number; lon: number; lat: number } {
  let [area, lon, lat] = [0, 0, 0];
  ring.forEach(([x1, y1], i) => {
    const [x2, y2] = ring[(i + 1) % ring.length]!;
    const cross = x1 * y2 - x2 * y1;
    area += cross / 2;
    lon += ((x1 + x2) * cross) / 6;
    lat += ((y1 + y2) * cross) / 6;
  });
  return { area, lon: lon / area, lat: lat / area };
}

/** The middle of the longest stretch inside the ring on its centroid's parallel: always inside, mostly central. */
function pointInside(ring: LonLat[]): LonLat {
  const { lat } = shoelace(ring);
  const crossings: number[] = [];
  ring.forEach(([x1, y1], i) => {
    const [x2, y2] = ring[(i + 1) % ring.length]!;
    if (y1 > lat !== y2 > lat) crossings.push(x1 + ((lat - y1) / (y2 - y1)) * (x2 - x1));
  });
  crossings.sort((a, b) => a - b);
  let [best, width] = [ring[0]![0], -1];
  for (let i = 0; i + 1 < crossings.length; i += 2) {
    const [west, east] = [crossings[i]!, crossings[i + 1]!];
    if (east - west > width) [best, width] = [(west + east) / 2, east - west];
  }
  return [best, lat];
}
