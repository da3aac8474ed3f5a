// Coordinates that a graphics card can hold: it counts in single precision, which is metres for a whole world.

import { MercatorCoordinate } from "maplibre-gl";
import type { LonLat } from "./geometry.ts";
import { project } from "./pen.ts";

const MAGNIFIED = 1e3;
const WORLD_PX = 512;

/** Counts from a place near all that is drawn, in thousandths of MapLibre's Mercator coordinates: exact in any street. */
export class Anchor {
  private origin: MercatorCoordinate;

  constructor(origin: LonLat) {
    this.origin = MercatorCoordinate.fromLngLat(origin);
  }

  locate(place: LonLat): [number, number] {
    const { x, y } = MercatorCoordinate.fromLngLat(place);
    return [(x - this.origin.x) * MAGNIFIED, (y - this.origin.y) * MAGNIFIED];
  }

  /** Returns how many CSS pixels one of its units is long. */
  unitPx(zoom: number): number {
    return (WORLD_PX * 2 ** zoom) / MAGNIFIED;
  }

  /** Returns the matrix from its coordinates to clip space, of MapLibre's (of columns, in double precision). */
  fit(matrix: ArrayLike<number>): Float32Array {
    const fitted = Float32Array.from(matrix, (part, i) => (i < 8 ? part / MAGNIFIED : part));
    fitted.set(project(matrix, this.origin.x, this.origin.y), 12);
    return fitted;
  }
}
