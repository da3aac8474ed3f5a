// Whether the map is really drawn: frames may go on arriving while the graphics context is gone, and yesterday's picture
// would look like now.

import type { CountyMap } from "../county_map.ts";
import type { LiveFeed } from "../live.ts";
import { type Page, setHidden, setText } from "./page.ts";

/** So long a map may stand still before the wall says so. */
const STILL_MS = 15_000;
/** So long after its last picture it is drawn anew though nothing has changed. */
const REDRAW_AFTER_MS = 4000;
const LOOK_EVERY_MS = 1000;

/** Draws the map now and then though nothing has changed, and says so where it is not drawn; returns how often the context was lost. */
export function watchDrawing(page: Page, feed: LiveFeed, map: CountyMap): () => number {
  let lost = 0;
  let lookedAt = Date.now();
  map.maplibre.on("webglcontextlost", () => lost++);
  setInterval(() => {
    const now = Date.now();
    // A machine that slept, or a tab that was hidden, draws nothing and shows nothing: it has its time from now on.
    if (document.hidden || now - lookedAt > STILL_MS) map.maplibre.triggerRepaint();
    else sayStill(page, feed, map, now);
    lookedAt = now;
    if (now - (map.lastDrawnAt ?? 0) > REDRAW_AFTER_MS) map.maplibre.triggerRepaint();
  }, LOOK_EVERY_MS);
  return () => lost;
}

function sayStill(page: Page, feed: LiveFeed, map: CountyMap, now: number): void {
  const banner = page.slot("still");
  if (!banner) return;
  const stillMs = now - (map.lastDrawnAt ?? now);
  const isStill = stillMs > STILL_MS && feed.connection.state === "live";
  if (isStill) setText(banner, page.say("wall.still", { ago: page.ago(stillMs / 1000) }));
  setHidden(banner, !isStill);
}
