// The county's assets on the map: where each is, what it is called, and the dots and marks of the layers that show it.

import type { Map as MapLibre } from "maplibre-gl";
import { Anchor } from "./anchor.ts";
import { type DotLook, Dots } from "./dots.ts";
import { DotsLayer } from "./dots_layer.ts";
import type { LonLat } from "./geometry.ts";
import type { Tokens } from "./icons.ts";
import { type MarkLook, Marks } from "./marks.ts";
import type { LayerSpec, Words } from "./wire.ts";

/** One thing that the county has: a bin, a detector, a station. */
export interface PlacedAsset {
  id: number;
  kind: string;
  name: Words;
  place: LonLat;
}

/** How a layer's assets look. */
export interface AssetLook {
  dots: DotLook;
  marks: MarkLook;
}

/** Knows every asset, and keeps what is drawn of them for each layer of the feed that shows assets. */
export class Assets {
  /** How many there are of each kind. */
  readonly counts = new Map<string, number>();
  /** What a map draws of them. */
  readonly layer: DotsLayer;
  /** By the layer's key, in the order in which they are drawn. */
  private drawn: Map<string, { spec: LayerSpec; dots: Dots; marks: Marks }>;
  private places = new Map<number, LonLat>();
  private names = new Map<number, Words>();

  constructor(
    private map: MapLibre,
    specs: LayerSpec[],
    tokens: Tokens,
  ) {
    const [anchor, touch] = [new Anchor(map.getCenter().toArray()), () => map.triggerRepaint()];
    const draw = (spec: LayerSpec) => ({ spec, dots: new Dots(anchor, touch), marks: new Marks(anchor, touch) });
    this.drawn = new Map(specs.map((spec) => [spec.key, draw(spec)]));
    const all = [...this.drawn.values()];
    this.layer = new DotsLayer(all.map(({ dots }) => dots), all.map(({ marks }) => marks), tokens);
  }

  has(id: number): boolean {
    return this.places.has(id);
  }

  locate(id: number): LonLat | null {
    return this.places.get(id) ?? null;
  }

  name(id: number): Words | null {
    return this.names.get(id) ?? null;
  }

  /** Adds those that are not known yet. */
  add(assets: PlacedAsset[]): void {
    const added = assets.filter(({ id }) => !this.places.has(id));
    for (const { id, kind, name, place } of added) {
      this.places.set(id, place);
      this.names.set(id, name);
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    }
    for (const { spec, dots } of this.drawn.values()) {
      const kinds = new Set(spec.kinds ?? []);
      dots.add(added.filter(({ kind }) => kinds.has(kind)));
    }
  }

  /** Gives an asset its class in a layer (null for none) and its mark ("" for none). */
  paint(layer: string, id: number, position: number | null, mark: string): void {
    const [drawn, place] = [this.drawn.get(layer), this.places.get(id)];
    if (!drawn || !place) return;
    drawn.dots.paint(id, position);
    drawn.marks.put(id, mark, place);
  }

  /** Returns the class that an asset was given last. */
  classOf(layer: string, id: number): number | null {
    return this.drawn.get(layer)?.dots.classOf(id) ?? null;
  }

  /** Returns how many assets of a layer are marked. */
  countMarks(layer: string): number {
    return this.drawn.get(layer)?.marks.size ?? 0;
  }

  show(layer: string, shown: boolean): void {
    this.drawn.get(layer)?.dots.show(shown);
    this.drawn.get(layer)?.marks.show(shown);
  }

  dress(lookOf: (spec: LayerSpec) => AssetLook): void {
    for (const { spec, dots, marks } of this.drawn.values()) {
      const look = lookOf(spec);
      dots.dress(look.dots);
      marks.dress(look.marks);
    }
  }

  /** Returns the asset that a place of the screen means, with so many pixels to spare: of the topmost layer the nearest. */
  nearest({ x, y }: { x: number; y: number }, marginPx: number): { layer: string; id: number } | null {
    const [place, zoom] = [this.map.unproject([x, y]).toArray(), this.map.getZoom()];
    const topFirst = [...this.drawn].reverse();
    for (const part of ["marks", "dots"] as const)
      for (const [layer, drawn] of topFirst) {
        const id = drawn[part].nearest(place, zoom, marginPx);
        if (id !== null) return { layer, id };
      }
    return null;
  }
}
