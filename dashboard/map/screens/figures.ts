// The headline figures: value, unit, change with its basis, the last 24 hours, and the age of the data.

import { isHeard, type LiveFeed } from "../live.ts";
import { classOf } from "../style.ts";
import type { Figure } from "../wire.ts";
import type { Page } from "./page.ts";
import { part, setAttribute, setText } from "./page.ts";

/** Figures that are a ratio from 0 to 1 and read as a percentage. */
const RATIOS = new Set(["closed_ratio_24h"]);
const FEED_OF: Record<string, string> = {
  bins_to_empty: "waste",
  traffic_index: "traffic",
  aqi: "air",
  workers_on_duty: "workers",
};
/** Lower bounds of the five levels of the traffic delay index (DTP). */
const TRAFFIC_LEVELS = [0, 0.3, 0.5, 0.6, 0.7];

/** An index has no unit: what it amounts to is said in a word instead. */
const LEVEL_OF: Record<string, (page: Page, value: number) => string> = {
  traffic_index(page, value) {
    const level = TRAFFIC_LEVELS.filter((lowest) => value >= lowest).length;
    return page.say(`wall.traffic_level_${Math.max(1, level)}`);
  },
  aqi(page, value) {
    const spec = page.county.layers.find(({ key }) => key === "air");
    const level = spec ? classOf(spec, value, 0) : null;
    return level === null ? "" : page.words(spec?.legend?.[level]);
  },
};

/** Writes every figure into its place. */
export function drawFigures(page: Page, feed: LiveFeed): void {
  for (const box of page.root.querySelectorAll<HTMLElement>("[data-figure]")) {
    const key = box.dataset.figure ?? "";
    const source = FEED_OF[key] ?? "cases";
    setAttribute(box, "data-feed", source);
    drawFigure(page, box, key, isHeard(feed, source) ? feed.state.figures[key] : undefined, feed.serverNow());
  }
}

function drawFigure(page: Page, box: HTMLElement, key: string, figure: Figure | undefined, now: number): void {
  const value = figure?.value ?? null;
  setText(part(box, "value"), value === null ? "–" : format(page, key, value));
  if (value !== null && LEVEL_OF[key]) setText(part(box, "unit"), LEVEL_OF[key](page, value));
  setAttribute(box, "data-empty", value === null ? "" : null);
  setAttribute(box, "data-nought", value === 0 ? "" : null);
  setText(part(box, "change"), value === null ? "" : sayChange(page, key, figure));
  setText(part(box, "age"), value === null ? page.say("common.no_data") : sayAge(page, figure?.at, now));
  drawSpark(part(box, "spark"), figure?.spark ?? []);
}

function format(page: Page, key: string, value: number): string {
  if (RATIOS.has(key)) return page.number(100 * value, 1);
  return page.number(value, key === "traffic_index" ? 2 : 0);
}

function sayChange(page: Page, key: string, figure: Figure | undefined): string {
  const change = figure?.change ?? null;
  if (change === null) return page.say("wall.change_none");
  const basis = page.say("wall.change_day");
  const size = format(page, key, Math.abs(change));
  if (Number(size.replace(/,/g, "")) === 0) return `${page.say("wall.change_same")} ${basis}`;
  return `${change > 0 ? "▲" : "▼"} ${size} ${basis}`;
}

function sayAge(page: Page, at: number | null | undefined, now: number): string {
  return at ? page.ago(Math.max(0, now - at)) : "";
}

/** Draws 24 values as a line from zero; gaps stay gaps. */
function drawSpark(box: HTMLElement | null, values: (number | null)[]): void {
  if (!box) return;
  if (!box.firstElementChild)
    box.innerHTML = '<svg viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true"><path/></svg>';
  setAttribute(box.querySelector("path"), "d", tracePath(values));
}

/** Returns the SVG path of a sparkline in a box of 100 × 24; lone values become short dashes. */
export function tracePath(values: (number | null)[]): string {
  if (values.every((value) => value === null)) return "";
  const highest = Math.max(...values.map((value) => value ?? 0), 1e-9);
  const step = 100 / Math.max(1, values.length - 1);
  let path = "";
  let open = false;
  values.forEach((value, i) => {
    if (value === null) {
      open = false;
      return;
    }
    const x = (i * step).toFixed(1);
    const y = (22.5 - (21 * Math.max(0, value)) / highest).toFixed(1);
    path += open ? `L${x} ${y}` : `M${x} ${y}h0.5`;
    open = true;
  });
  return path;
}
