// The county in the phone: its outlines, and which village a point is in, without asking anybody.

import type { Lang } from "./words.ts";

export interface Outlines {
  county: GeoJSON.FeatureCollection;
  towns: GeoJSON.FeatureCollection;
  villages: GeoJSON.FeatureCollection;
  roads: GeoJSON.FeatureCollection;
  rivers: GeoJSON.FeatureCollection;
}

let asked: Promise<Outlines> | null = null;

/** Fetches the outlines once; the service worker keeps them. */
export function fetchOutlines(revision: string): Promise<Outlines> {
  asked ??= fetch(`/api/public/map/${revision}`).then(async (answer) => {
    if (!answer.ok) throw new Error(`the map: HTTP ${answer.status}`);
    return (await answer.json()) as Outlines;
  });
  asked.catch(() => (asked = null));
  return asked;
}

/** Returns the village and its town at a point, null outside the county. Borders are drawn to some ten metres. */
export function nameVillage(outlines: Outlines, lon: number, lat: number, lang: Lang): string | null {
  const village = outlines.villages.features.find((feature) => contains(feature, lon, lat));
  if (!village) return null;
  // A village's code begins with its town's.
  const code = String(village.properties?.["code"]);
  const town = outlines.towns.features.find(({ properties }) => code.startsWith(String(properties?.["code"])));
  const [inner, outer] = [nameOf(village, lang), town ? nameOf(town, lang) : ""];
  return lang === "en" ? [inner, outer].filter(Boolean).join(", ") : `${outer}${inner}`;
}

function nameOf({ properties }: GeoJSON.Feature, lang: Lang): string {
  const name = String(properties?.["name"] ?? "");
  return lang === "en" ? String(properties?.["name_en"] ?? name) : name;
}

function contains({ geometry }: GeoJSON.Feature, lon: number, lat: number): boolean {
  const polygons =
    geometry.type === "Polygon" ? [geometry.coordinates] : geometry.type === "MultiPolygon" ? geometry.coordinates : [];
  // Inside the outer ring and in none of its holes: a ray crosses an odd number of all the rings' edges.
  return polygons.some((rings) => rings.reduce((odd, ring) => odd !== crossesOdd(ring, lon, lat), false));
}

function crossesOdd(ring: GeoJSON.Position[], lon: number, lat: number): boolean {
  let odd = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [x1, y1] = ring[i] as [number, number];
    const [x2, y2] = ring[j] as [number, number];
    if (y1 > lat !== y2 > lat && lon < x1 + ((lat - y1) / (y2 - y1)) * (x2 - x1)) odd = !odd;
  }
  return odd;
}
