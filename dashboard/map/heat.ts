// Density of points as a heatmap whose cost does not grow with the number of points.
//
// Points are counted into a fixed lattice, finer than the kernel that blurs them, and the lattice's points are
// the heatmap's features, sent once: one more case changes one feature-state, and no source is ever reloaded.
// The kernel has a fixed size on the ground, so a colour means a number of points per km², at every zoom.

import type { LonLat } from "./geometry.ts";

const KM_PER_DEGREE = 111.32;
/** MapLibre draws exp(-4.5 d²/r²): its radius is three standard deviations of the Gaussian. */
const RADIUS_IN_SIGMAS = 3;
/** MapLibre's kernel peaks at 1/√(2π) for weight 1 and intensity 1 (heatmap.vertex.glsl). */
const KERNEL_PEAK = 0.3989422804014327;
/** A kernel of this peak has no extent in MapLibre's shader (its ZERO); the log of less is not a number. */
const SMALLEST_PEAK = 1.01 / 255 / 16;

interface Placed {
  bin: number;
  weight: number;
}

/** Counts weighted points in the lattice's bins; positions are degrees, WGS 84. */
export class HeatBins {
  readonly sigmaKm: number;
  private west: number;
  private south: number;
  private stepLon: number;
  private stepLat: number;
  private columns: number;
  private rows: number;
  private placed = new Map<number, Placed>();
  private counts = new Map<number, number>();
  private changed = new Set<number>();

  /** The kernel's σ is a hundredth of the county's diagonal, so that a county's heat looks alike at any size. */
  constructor(bbox: [number, number, number, number]) {
    const [west, south, east, north] = bbox;
    const kmPerLon = KM_PER_DEGREE * Math.cos(((south + north) / 2) * (Math.PI / 180));
    const diagonalKm = Math.hypot((east - west) * kmPerLon, (north - south) * KM_PER_DEGREE);
    this.sigmaKm = diagonalKm / 100;
    const pitchKm = this.sigmaKm / 2;
    this.stepLon = pitchKm / kmPerLon;
    this.stepLat = pitchKm / KM_PER_DEGREE;
    // One kernel of margin: a case just outside the county still warms its border.
    this.west = west - this.stepLon * 6;
    this.south = south - this.stepLat * 6;
    this.columns = Math.ceil((east - west) / this.stepLon) + 12;
    this.rows = Math.ceil((north - south) / this.stepLat) + 12;
  }

  put(id: number, lon: number, lat: number, weight = 1): void {
    const column = Math.floor((lon - this.west) / this.stepLon);
    const row = Math.floor((lat - this.south) / this.stepLat);
    if (column < 0 || column >= this.columns || row < 0 || row >= this.rows) return this.drop(id);
    const bin = row * this.columns + column;
    const old = this.placed.get(id);
    if (old?.bin === bin && old.weight === weight) return;
    this.drop(id);
    this.placed.set(id, { bin, weight });
    this.count(bin, weight);
  }

  drop(id: number): void {
    const old = this.placed.get(id);
    if (!old) return;
    this.placed.delete(id);
    this.count(old.bin, -old.weight);
  }

  /** Returns the lattice: some twenty thousand points, whose ids are the bins' numbers. */
  lattice(): GeoJSON.FeatureCollection {
    const features = Array.from({ length: this.columns * this.rows }, (_, bin): GeoJSON.Feature => ({
      type: "Feature",
      id: bin,
      properties: {},
      geometry: { type: "Point", coordinates: this.centre(bin) },
    }));
    return { type: "FeatureCollection", features };
  }

  /** Returns the new sum of every bin that changed since the last call. */
  takeChanges(): Map<number, number> {
    const changes = new Map([...this.changed].map((bin) => [bin, this.counts.get(bin) ?? 0]));
    this.changed.clear();
    return changes;
  }

  /** The sums of all bins: what a rebuilt map needs. */
  sums(): Map<number, number> {
    return new Map(this.counts);
  }

  private count(bin: number, weight: number): void {
    this.counts.set(bin, Math.max(0, (this.counts.get(bin) ?? 0) + weight));
    this.changed.add(bin);
  }

  private centre(bin: number): LonLat {
    const row = Math.floor(bin / this.columns);
    const column = bin % this.columns;
    return [this.west + (column + 0.5) * this.stepLon, this.south + (row + 0.5) * this.stepLat];
  }
}

/** Returns MapLibre's heatmap numbers for a kernel on the ground and the density (points/km²) of the last colour. */
export function scaleHeat(sigmaKm: number, topDensity: number, latitude: number) {
  const peakDensity = 1 / (2 * Math.PI * sigmaKm ** 2);
  const intensity = peakDensity / topDensity / KERNEL_PEAK;
  const metresPerPixelAtZoom0 = (40075016.686 * Math.cos((latitude * Math.PI) / 180)) / 512;
  return {
    intensity,
    smallestWeight: SMALLEST_PEAK / (intensity * KERNEL_PEAK),
    radiusAtZoom0: (RADIUS_IN_SIGMAS * sigmaKm * 1000) / metresPerPixelAtZoom0,
  };
}
