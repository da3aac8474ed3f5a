// What a person means who points at the map.

import type { LngLat, Map as MapLibre, MapGeoJSONFeature, Point } from "maplibre-gl";
import type { GeoJSONSource } from "maplibre-gl";
import type { Assets } from "./assets.ts";
import { CLUSTERED_TO_ZOOM } from "./flags.ts";
import type { LonLat } from "./geometry.ts";
import { type Drawing, pickable } from "./style.ts";
import type { LayerSpec } from "./wire.ts";

/** What a person has clicked: a feature of a layer, and where on the ground. */
export interface Pick {
  layer: string;
  id: number;
  lon: number;
  lat: number;
  /** A cell's code. */
  code?: string;
}

/** What is drawn somewhere; MapLibre's feature for all but the dots of assets. */
interface Hit {
  layer: string;
  id: number;
  feature?: MapGeoJSONFeature;
}

/** What the map itself knows and does. */
interface Ground {
  readonly isReady: boolean;
  locate(layer: string, id: number): LonLat | null;
  focus(lon: number, lat: number, zoom: number): void;
}

type Box = [[number, number], [number, number]];

/** How near to a dot a finger or a mouse must be, in pixels. */
const MARGIN = 4;

/** Finds what is under a finger or a mouse. */
export class Pointer {
  /** What can be picked of the style's layers, topmost first. */
  private pickable: { mapLayer: string; layer: string; drawing: Drawing }[];

  constructor(
    private map: MapLibre,
    private assets: Assets,
    layers: LayerSpec[],
    private ground: Ground,
  ) {
    this.pickable = pickable(layers);
  }

  /** Whether there is anything to pick at a point of the screen. */
  isOver(point: Point): boolean {
    return this.hit(point) !== null;
  }

  /** Returns what a click at a point of the screen picks; on a cluster it goes in, and picks nothing while it parts. */
  async pickAt(point: Point, at: LngLat): Promise<Pick | null> {
    const hit = this.hit(point);
    if (hit?.feature?.properties["cluster"]) return this.openCluster(hit.feature);
    return hit && this.makePick(hit, at);
  }

  /** Goes in until a cluster parts; what stands at one place never does, and its worst is picked. */
  private async openCluster(cluster: MapGeoJSONFeature): Promise<Pick | null> {
    const source = this.map.getSource(cluster.source) as GeoJSONSource;
    const id = Number(cluster.properties["cluster_id"]);
    const [lon, lat] = (cluster.geometry as GeoJSON.Point).coordinates as LonLat;
    try {
      const zoom = await source.getClusterExpansionZoom(id);
      if (zoom <= CLUSTERED_TO_ZOOM) {
        this.ground.focus(lon, lat, zoom);
        return null;
      }
      const members = await source.getClusterLeaves(id, Number(cluster.properties["point_count"]), 0);
      const [worst] = members.sort((a, b) => Number(a.properties?.["rank"]) - Number(b.properties?.["rank"]));
      return worst ? { layer: this.layerOf(cluster), id: Number(worst.id), lon, lat } : null;
    } catch (error) {
      console.warn("the cluster is there no more", error); // something came or went since it was drawn
      return null;
    }
  }

  private makePick({ layer, id, feature }: Hit, { lng, lat }: LngLat): Pick {
    const place = !feature || feature.geometry.type === "Point" ? this.ground.locate(layer, id) : null;
    return { layer, id, lon: place?.[0] ?? lng, lat: place?.[1] ?? lat, code: feature?.properties["code"] as string | undefined };
  }

  /** Returns the topmost of what is drawn at a point of the screen and may be picked. */
  private hit(point: Point): Hit | null {
    if (!this.ground.isReady) return null;
    const { x, y } = point;
    const box: Box = [
      [x - MARGIN, y - MARGIN],
      [x + MARGIN, y + MARGIN],
    ];
    return (
      this.query(box, (drawing) => drawing !== "areas" && drawing !== "cells") ??
      this.assets.nearest(point, MARGIN) ??
      this.query(box, (drawing) => drawing === "areas") ??
      this.query([x, y], (drawing) => drawing === "cells")
    );
  }

  private query(where: Box | [number, number], isWanted: (drawing: Drawing) => boolean): Hit | null {
    const layers = this.pickable.filter(({ drawing }) => isWanted(drawing)).map(({ mapLayer }) => mapLayer);
    const [feature] = layers.length ? this.map.queryRenderedFeatures(where, { layers }) : [];
    return feature ? { layer: this.layerOf(feature), id: Number(feature.id), feature } : null;
  }

  private layerOf(feature: MapGeoJSONFeature): string {
    return this.pickable.find(({ mapLayer }) => mapLayer === feature.layer.id)!.layer;
  }
}
