// Ranked lists with bars on scales that do not jump: towns by a count, and the features of a layer by their value.

import type { CountyMap } from "../county_map.ts";
import { isHeard, type LiveFeed } from "../live.ts";
import type { LayerSpec } from "../wire.ts";
import { classOf } from "../style.ts";
import { fitRows, isParked, make, makePart, type Page, part, setAttribute, setText, syncList } from "./page.ts";
import { roundScale } from "./scale.ts";

interface Row {
  key: string;
  name: string;
  words: string;
  /** The bar's length, 0 to 1. */
  share: number;
  colour?: string;
}

const scales = new WeakMap<HTMLElement, number>();

/** Shows the towns by the count of a chart of the live feed, most first. */
export function drawTowns(page: Page, feed: LiveFeed): void {
  for (const list of page.root.querySelectorAll<HTMLElement>("[data-chart-of]")) {
    const chart = isHeard(feed, feedOf(list)) ? feed.state.charts[list.dataset.chartOf ?? ""] : undefined;
    const counts = chart ? (Object.values(chart.series)[0] ?? []) : [];
    const towns = (chart?.x ?? []).map((code, i) => ({ code: String(code), count: counts[i] ?? 0 }));
    towns.sort((a, b) => b.count - a.count || a.code.localeCompare(b.code));
    const scale = roundScale(towns[0]?.count ?? 0, scales.get(list) ?? 0);
    scales.set(list, scale);
    const rows = towns.map(({ code, count }) => ({
      key: code,
      name: page.nameTown(code),
      words: page.number(count),
      share: count / scale,
    }));
    drawRows(page, list, rows);
  }
}

/** Shows the features of a layer whose values are highest; those that cannot be trusted now are left out. */
export function drawExtremes(page: Page, feed: LiveFeed, map: CountyMap): void {
  for (const list of page.root.querySelectorAll<HTMLElement>("[data-extremes-of]")) {
    const spec = page.county.layers.find(({ key }) => key === list.dataset.extremesOf);
    if (!spec || isParked(list)) continue;
    if (!isHeard(feed, feedOf(list))) {
      drawRows(page, list, []);
      continue;
    }
    if (!map.isWhole) continue; // nothing has a name yet
    const trusted = [...(feed.state.layers.get(spec.key) ?? [])].flatMap(([id, { value, mark }]) => {
      const position = classOf(spec, value, mark);
      return value === null || position === null ? [] : [{ id, value, position }];
    });
    trusted.sort((a, b) => b.value - a.value || a.id - b.id);
    // Of more than fit, those that are as they should be are no extremes.
    const extreme = trusted.length > fitRows(list) ? trusted.filter(({ position }) => position > 0) : trusted;
    const rows = extreme.slice(0, fitRows(list)).map(({ id, value, position }) => ({
      key: String(id),
      name: page.words(map.nameAsset(id)),
      ...read(page, spec, value, position),
      colour: spec.legend?.[position]?.colour,
    }));
    drawRows(page, list, rows, trusted.length ? page.say("wall.extremes_calm", { class: page.words(spec.legend?.[0]) }) : undefined);
  }
}

function feedOf(list: HTMLElement): string {
  return list.closest<HTMLElement>("[data-feed]")?.dataset.feed ?? "";
}

/** Returns how a value reads and how long its bar is: a ratio is its own length, all else counts its classes. */
function read(page: Page, spec: LayerSpec, value: number, position: number): { words: string; share: number } {
  if (spec.key === "smart_bins") return { words: `${page.number(100 * value)} %`, share: Math.min(1, value) };
  const share = (position + 1) / (spec.legend?.length || 1);
  return { words: spec.key === "air" ? page.number(value) : page.words(spec.legend?.[position]), share };
}

function drawRows(page: Page, list: HTMLElement, rows: Row[], none = page.say("common.no_data")): void {
  syncList(
    list,
    rows.slice(0, fitRows(list)),
    (row) => row.key,
    () => make("li", "rank", makePart("name"), makePart("bar", "bar"), makePart("value")),
    (element, row) => {
      setText(part(element, "name"), row.name);
      setText(part(element, "value"), row.words);
      const colour = row.colour ? `; --fill: ${row.colour}` : "";
      setAttribute(part(element, "bar"), "style", `--share: ${row.share.toFixed(3)}${colour}`);
    },
    "alike",
  );
  setAttribute(list, "data-empty", rows.length ? null : none);
}
