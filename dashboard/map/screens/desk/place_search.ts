// Finding a place by its name: the county's cells, and what stands in it with a name of its own.

import { centreOf, fetchPart, type LonLat } from "../../geometry.ts";
import type { Page } from "../page.ts";
import type { CaseFile } from "../drawer/casefile.ts";
import type { Choice } from "./combobox.ts";

/** Where something is: a point, or the middle of a cell of which no more is known. */
export interface Spot {
  lon: number;
  lat: number;
  cell_code?: string;
}

/** Whose a place is, as `GET /api/reports/place` tells it. */
export interface Whose {
  town: string;
  village: string;
  cell: string;
  responsible: CaseFile["responsible"];
}

const MOST_FOUND = 8;

/** Knows the places of the viewer's area by name, once they are loaded. */
export class PlaceSearch {
  private places: (Choice<Spot> & { words: string })[] = [];
  private state: "reading" | "read" | "failed" | null = null;

  constructor(private readonly page: Page) {}

  /** Loads the names, once; after a failure they can still be clicked on the map. */
  async load(): Promise<void> {
    if (this.state === "reading" || this.state === "read") return;
    this.state = "reading";
    try {
      await this.read();
      this.state = "read";
    } catch (error) {
      this.state = "failed";
      console.warn("the names of places cannot be read", error);
    }
  }

  /** Says why nothing is found. */
  sayNone(): string {
    if (this.state === "read") return this.page.say("intake.no_place");
    return this.page.say(this.state === "failed" ? "intake.places_failed" : "intake.places_reading");
  }

  /** Returns the places in whose name every word occurs: cells before things, beginnings before the rest. */
  find(words: string): Choice<Spot>[] {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return [];
    const found = this.places.filter((place) => wanted.every((word) => place.words.includes(word)));
    const begins = (place: Choice<Spot>) => Number(place.label.toLowerCase().startsWith(wanted[0]!));
    const rank = (place: Choice<Spot>) => 2 * Number(place.value.cell_code !== undefined) + begins(place);
    return found.sort((a, b) => rank(b) - rank(a)).slice(0, MOST_FOUND);
  }

  /** Returns a place's names from the largest on (in English from the smallest), and its grid worker. */
  sayWhose({ town, village, cell, responsible }: Whose): string {
    const areas = [town, cell.startsWith(village) ? "" : village, cell].filter(Boolean);
    const names = this.page.lang === "zh" ? areas.join(" ") : areas.reverse().join(", ");
    return [names, responsible?.name, responsible?.phone].filter(Boolean).join(" · ");
  }

  private async read(): Promise<void> {
    const { page } = this;
    const [cells, assets] = await Promise.all([fetchPart(page.county.revision, "cells"), fetchPart(page.county.revision, "assets")]);
    const list = (features: GeoJSON.Feature[], describe: (feature: GeoJSON.Feature) => { detail: string; cell_code?: string }) =>
      features.flatMap((feature) => {
        const point = centreOf(feature);
        return point ? [this.makePlace(feature, point, describe(feature))] : [];
      });
    this.places = [
      ...list(cells.features, ({ id, properties }) => ({ detail: page.namePlace(Number(id)), cell_code: String(properties?.["code"]) })),
      ...list(assets.features, ({ properties }) => ({ detail: page.sayName("kind", String(properties?.["kind"])) })),
    ];
  }

  private makePlace(feature: GeoJSON.Feature, [lon, lat]: LonLat, { detail, cell_code }: { detail: string; cell_code?: string }) {
    const { name = "", name_en = name } = (feature.properties ?? {}) as { name?: string; name_en?: string };
    const words = `${name} ${name_en} ${detail} ${cell_code ?? ""}`.toLowerCase();
    const label = this.page.lang === "en" ? name_en : name;
    return { label, detail, words, value: { lon, lat, ...(cell_code ? { cell_code } : {}) } };
  }
}
