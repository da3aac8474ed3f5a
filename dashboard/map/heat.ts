// Density of points, at a cost that does not grow with the number of points.
//
// Points are counted into a lattice, finer than the kernel that blurs them: one more case adds one kernel. The kernel has
// a fixed size on the ground, so a colour means a number of points per km², at every zoom.

const KM_PER_DEGREE = 111.32;
/** The lattice's pitch in standard deviations of the kernel, and how far the kernel reaches in them. */
const PITCH = 0.5;
const REACH = 3;
const REACH_BINS = REACH / PITCH;

interface Placed {
  bin: number;
  weight: number;
}

/** Sums weighted points up to a density; positions are degrees, WGS 84. */
export class HeatBins {
  readonly columns: number;
  readonly rows: number;
  /** Points per km² at each bin's middle: rows from the south, each from the west. */
  readonly densities: Float64Array;
  /** Grows with each change. */
  revision = 0;
  private kernel: Float64Array;
  private west: number;
  private south: number;
  private stepLon: number;
  private stepLat: number;
  private placed = new Map<number, Placed>();

  /** The kernel's σ is a hundredth of the county's diagonal, so that a county's heat looks alike at any size. */
  constructor(bbox: [number, number, number, number]) {
    const [west, south, east, north] = bbox;
    const kmPerLon = KM_PER_DEGREE * Math.cos(((south + north) / 2) * (Math.PI / 180));
    const diagonalKm = Math.hypot((east - west) * kmPerLon, (north - south) * KM_PER_DEGREE);
    const sigmaKm = diagonalKm / 100;
    const pitchKm = sigmaKm * PITCH;
    this.kernel = makeKernel(sigmaKm);
    this.stepLon = pitchKm / kmPerLon;
    this.stepLat = pitchKm / KM_PER_DEGREE;
    // One kernel of margin: a case just outside the county still warms its border.
    this.west = west - this.stepLon * REACH_BINS;
    this.south = south - this.stepLat * REACH_BINS;
    this.columns = Math.ceil((east - west) / this.stepLon) + 2 * REACH_BINS;
    this.rows = Math.ceil((north - south) / this.stepLat) + 2 * REACH_BINS;
    this.densities = new Float64Array(this.columns * this.rows);
  }

  /** West, south, east and north of the lattice. */
  get box(): [number, number, number, number] {
    return [this.west, this.south, this.west + this.columns * this.stepLon, this.south + this.rows * this.stepLat];
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
    this.add(bin, weight);
  }

  drop(id: number): void {
    const old = this.placed.get(id);
    if (!old) return;
    this.placed.delete(id);
    this.add(old.bin, -old.weight);
  }

  /** The number of points that are placed. */
  get size(): number {
    return this.placed.size;
  }

  private add(bin: number, weight: number): void {
    const [row, column] = [Math.floor(bin / this.columns), bin % this.columns];
    const width = 2 * REACH_BINS + 1;
    const [south, north] = [Math.max(0, row - REACH_BINS), Math.min(this.rows - 1, row + REACH_BINS)];
    const [west, east] = [Math.max(0, column - REACH_BINS), Math.min(this.columns - 1, column + REACH_BINS)];
    for (let y = south; y <= north; y++)
      for (let x = west; x <= east; x++)
        this.densities[y * this.columns + x]! += weight * this.kernel[(y - row + REACH_BINS) * width + x - column + REACH_BINS]!;
    this.revision += 1;
  }
}

/** Returns what one point adds to the densities around it: a Gaussian of two dimensions, in points per km². */
function makeKernel(sigmaKm: number): Float64Array {
  const peak = 1 / (2 * Math.PI * sigmaKm ** 2);
  const offsets = Array.from({ length: 2 * REACH_BINS + 1 }, (_, i) => (i - REACH_BINS) * PITCH);
  return Float64Array.from(offsets.flatMap((y) => offsets.map((x) => peak * Math.exp(-(x ** 2 + y ** 2) / 2))));
}
