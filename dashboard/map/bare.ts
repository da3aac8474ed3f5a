// A page that is the map and nothing else: for embedding, for the browser tests and for the benchmark.

import { readJson } from "./answers.ts";
import { createCards } from "./card.ts";
import { createCountyMap } from "./county_map.ts";
import { followLive } from "./live.ts";
import type { CountyInfo, Lang } from "./wire.ts";

/** Starts the map in an element with `data-screen="map"` and, optionally, `data-lang`. */
export async function start(root: HTMLElement): Promise<void> {
  const county = (await readJson("/api/county")) as CountyInfo;
  const lang: Lang = root.dataset["lang"] === "en" ? "en" : "zh";
  const map = await createCountyMap(root, { county, lang, feed: followLive(), layers: county.layers });
  createCards(map, { lang });
}
