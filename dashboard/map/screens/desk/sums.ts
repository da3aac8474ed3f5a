// How many cases match, by the light of their clocks, and how many are new since the rows were laid out.

import { make, type Page, setAttribute, setText } from "../page.ts";
import type { Counts, Queue } from "../queue.ts";
import { CLOCK_SHAPES, COLOURS } from "./clock.ts";
import type { Filters } from "./filters.ts";

/** Keeps the sums true; a click on a light filters by it. */
export function drawSums(page: Page, filters: Filters, queue: Queue): void {
  const total = page.slot("total");
  const news = page.slot("news");
  const lights = COLOURS.map((colour) => {
    const light = make("button", "light");
    light.dataset.clock = colour;
    light.addEventListener("click", () => filters.set({ colour: filters.get("colour") === colour ? "" : colour }));
    return light;
  });
  page.slot("lights")?.append(...lights);
  news?.addEventListener("click", () => queue.showNew());
  queue.onCounts((counts: Counts, fresh: number) => {
    setText(total, page.say("duty.total", { total: page.number(counts.matching) }));
    for (const light of lights) {
      const colour = light.dataset.clock as (typeof COLOURS)[number];
      const n = counts.colours?.[colour];
      light.hidden = n === undefined || (n === 0 && colour !== "red");
      setText(light, `${CLOCK_SHAPES[colour]} ${page.say(`duty.colour_${colour}`)} ${page.number(n ?? 0)}`);
      setAttribute(light, "aria-pressed", String(filters.get("colour") === colour));
    }
    setText(news, page.say("duty.news", { n: fresh }));
    if (news) news.hidden = fresh === 0;
  });
}
