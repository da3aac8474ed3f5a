// The switches of the map's layers, and the legend of those that are on.

import type { CountyMap } from "../map.ts";
import type { LayerSpec } from "../wire.ts";
import type { Page } from "./page.ts";
import { make, setAttribute, syncList } from "./page.ts";

/** Shows the switches and the legend; a scene decides what is on at first. */
export function followLayers(page: Page, map: CountyMap): void {
  const specs = page.county.layers;
  const scene = JSON.parse(page.root.dataset.layers || "[]") as string[];
  const on = new Set(specs.filter((spec) => (scene.length ? scene.includes(spec.key) : spec.shown)).map((spec) => spec.key));
  for (const spec of specs) map.setVisible(spec.key, on.has(spec.key));
  const draw = () => {
    drawSwitches(page, specs, on, (key) => {
      if (on.has(key)) on.delete(key);
      else on.add(key);
      map.setVisible(key, on.has(key));
      draw();
    });
    drawLegend(page, specs.filter((spec) => on.has(spec.key)));
  };
  draw();
}

function drawSwitches(page: Page, specs: LayerSpec[], on: Set<string>, toggle: (key: string) => void): void {
  const box = page.slot("layers");
  if (!box) return;
  syncList(
    box,
    specs,
    (spec) => spec.key,
    (spec) => {
      const button = make("button", "switch", page.words(spec.title));
      button.type = "button";
      button.addEventListener("click", () => toggle(spec.key));
      return button;
    },
    (button, spec) => setAttribute(button, "aria-pressed", String(on.has(spec.key))),
  );
}

function drawLegend(page: Page, specs: LayerSpec[]): void {
  const box = page.slot("legend");
  if (!box) return;
  syncList(box, specs.filter((spec) => spec.legend?.length), (spec) => spec.key, (spec) => makeLegend(page, spec), () => {});
}

function makeLegend(page: Page, spec: LayerSpec): HTMLElement {
  const unit = page.words(spec.unit);
  const title = make("div", "legend-title", page.words(spec.title));
  if (unit) title.append(make("small", "", unit));
  const classes = (spec.legend ?? []).map((one) => {
    const swatch = make("i");
    swatch.style.background = one.colour;
    return make("li", "", swatch, make("span", "", one[page.lang] || one.zh));
  });
  return make("div", "legend-layer", title, make("ul", "", ...classes));
}
