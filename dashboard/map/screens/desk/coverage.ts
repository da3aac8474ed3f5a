// The desk's switch from open cases by cell to how patrols and visits cover the cells, with legend and cards.

import { type Cards, createCards } from "../../card.ts";
import type { CountyMap, Legend } from "../../county_map.ts";
import { make, type Page, setAttribute } from "../page.ts";

const USUAL = "grid";
const COVERAGE = "coverage";

/** Adds the switch to the map's tools. */
export function laySwitch(page: Page, map: CountyMap, tools: Element): void {
  const legend = map.legendFor(COVERAGE);
  if (!legend) return;
  const button = make("button", "coverage", `▦ ${legend.title}`);
  const key = makeLegend(legend);
  let cards: Cards | null = null;
  const show = (on: boolean) => {
    setAttribute(button, "aria-pressed", String(on));
    key.hidden = !on;
    map.setVisible(COVERAGE, on);
    map.setVisible(USUAL, !on);
    cards?.destroy();
    cards = on ? createCards(map, { lang: page.lang, only: COVERAGE }) : null;
  };
  button.addEventListener("click", () => show(cards === null));
  tools.append(button, key);
  show(false);
}

function makeLegend({ unit, classes, blank }: Legend): HTMLElement {
  const steps = classes.map(({ colour, label }) => {
    const swatch = make("i");
    swatch.style.background = colour;
    return make("li", "", swatch, label);
  });
  return make("div", "coverage-legend", unit, make("ul", "", ...steps, make("li", "", make("i", "hatched"), blank)));
}
