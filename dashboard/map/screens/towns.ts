// Open cases by town, most first, as bars on one scale that does not jump.

import type { LiveFeed } from "../live.ts";
import type { Page } from "./page.ts";
import { fitRows, make, makePart, part, setAttribute, setText, syncList } from "./page.ts";
import { roundScale } from "./scale.ts";

interface Town {
  code: string;
  open: number;
}

let scale = 0;

/** Shows as many towns as fit. */
export function drawTowns(page: Page, feed: LiveFeed): void {
  const list = page.slot("towns");
  const chart = feed.state.charts.cases_by_town;
  if (!list) return;
  const values = chart ? (chart.series.open ?? Object.values(chart.series)[0] ?? []) : [];
  const towns: Town[] = (chart?.x ?? []).map((code, i) => ({ code: String(code), open: values[i] ?? 0 }));
  towns.sort((a, b) => b.open - a.open || a.code.localeCompare(b.code));
  scale = roundScale(towns[0]?.open ?? 0, scale);
  syncList(
    list,
    towns.slice(0, fitRows(list)),
    (town) => town.code,
    () => make("li", "town", makePart("name"), makePart("bar", "bar"), makePart("open")),
    (row, town) => {
      setText(part(row, "name"), page.nameTown(town.code));
      setText(part(row, "open"), page.number(town.open));
      setAttribute(part(row, "bar"), "style", `--share: ${(town.open / scale).toFixed(3)}`);
    },
  );
  setAttribute(list, "data-empty", towns.length ? null : page.say("common.no_data"));
}
