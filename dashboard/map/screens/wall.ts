// The wall: everything on it is changed in place by the live feed; nothing is drawn for nothing.

import { createCards } from "../card.ts";
import { createCountyMap } from "../county_map.ts";
import { followLive } from "../live.ts";
import { drawAlerts } from "./alerts.ts";
import { followCharts } from "./charts.ts";
import { drawFigures } from "./figures.ts";
import { followHeader } from "./header.ts";
import { chooseLayers, followLayers } from "./layers.ts";
import { openPage } from "./page.ts";
import { drawStream, pulseSevere } from "./stream.ts";
import { drawTowns } from "./towns.ts";

/** Starts the wall on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const page = await openPage(root);
  const redraw = (changed: { figures?: unknown; cases?: unknown; charts?: unknown; alerts?: unknown }): void => {
    if (changed.figures) drawFigures(page, feed);
    if (changed.alerts) drawAlerts(page, feed);
    // A warning takes room from the cases below it.
    if (changed.cases || changed.alerts) drawStream(page, feed);
    if (changed.charts) drawTowns(page, feed);
  };
  const everything = { figures: true, cases: true, charts: true, alerts: true };
  followHeader(page, feed);
  followCharts(page, feed);
  redraw(everything);
  feed.subscribe((frame, kind) => {
    if (kind === "snapshot") redraw(everything);
    else if (kind === "delta") redraw(frame);
    if (kind === "delta") pulseSevere(page, frame);
  });
  // Ages and the number of rows that fit change without any message.
  setInterval(() => {
    drawFigures(page, feed);
    drawAlerts(page, feed);
  }, 5000);
  new ResizeObserver(() => redraw(everything)).observe(root);

  const container = page.slot("map");
  if (!container) return;
  const layers = chooseLayers(page);
  // Room for the switches above and the legend on both sides.
  const h = Math.min(innerHeight, innerWidth);
  const map = await createCountyMap(container, {
    county: { ...page.county, layers },
    lang: page.lang,
    feed,
    layers,
    padding: { top: h * 0.08, bottom: h * 0.03, left: h * 0.15, right: h * 0.15 },
  });
  createCards(map, { lang: page.lang, words: { close: page.say("common.close"), unavailable: page.say("common.unavailable") } });
  followLayers(page, map, layers);
}
