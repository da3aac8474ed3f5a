// The switches of the map's layers, and the legend of those that are on.

import type { CountyMap, Legend } from "../county_map.ts";
import { isHeard } from "../live.ts";
import type { Frame, LayerSpec } from "../wire.ts";
import type { Page } from "./page.ts";
import { make, makeSeverity, setAttribute, syncList } from "./page.ts";

/** What a scene may do with the layers. */
export interface LayerChoice {
  /** Shows these layers and hides all others, whatever a hand has switched before. */
  choose(keys: string[]): void;
}

/** Returns the layers as a scene wants them shown at first. */
export function chooseLayers(page: Page, keys: string[]): LayerSpec[] {
  return page.county.layers.map((spec) => ({ ...spec, shown: isChosen(keys, spec.key) }));
}

/** Whether a scene shows a layer: no scene can leave out that something is an exercise. */
function isChosen(keys: string[], key: string): boolean {
  return keys.includes(key) || key === "exercise";
}

/** Shows the switches and the legend of what is on. */
export function followLayers(page: Page, map: CountyMap, specs: LayerSpec[]): LayerChoice {
  const on = new Set(specs.filter((spec) => spec.shown !== false).map((spec) => spec.key));
  let scene = new Set(on);
  const show = (key: string, visible: boolean) => {
    if (visible === on.has(key)) return;
    if (visible) on.add(key);
    else on.delete(key);
    map.setVisible(key, visible);
  };
  const draw = () => {
    // Nobody switches an exercise off; while there is none, its word on a wall would only alarm.
    const switched = specs.filter((spec) => spec.key !== "exercise" || isPresent(map, spec));
    drawSwitches(page, switched, on, scene, (key) => {
      show(key, !on.has(key));
      draw();
    });
    drawLegend(page, map, specs.filter((spec) => on.has(spec.key) && isPresent(map, spec)));
  };
  draw();
  map.feed.subscribe((frame) => {
    sayUnavailable(page, frame);
    if (frame.feeds || frame.alerts || frame.layers?.["exercise"]) draw();
  });
  return {
    choose(keys) {
      scene = new Set(specs.map(({ key }) => key).filter((key) => isChosen(keys, key)));
      for (const { key } of specs) show(key, scene.has(key));
      draw();
    },
  };
}

/** A feed that nobody sends has nothing on the map, so nothing to explain either; nor has a day without warnings. */
function isPresent(map: CountyMap, spec: LayerSpec): boolean {
  if (spec.key === "exercise") return (map.feed.state.layers.get(spec.key)?.size ?? 0) > 0;
  if (spec.geometry === "area") return map.feed.state.alerts.size > 0;
  return spec.geometry !== "asset" || isHeard(map.feed, spec.feed ?? "");
}

/** A layer that cannot be computed says so on its switch; the others go on. */
function sayUnavailable(page: Page, frame: Frame): void {
  for (const [key, { unavailable }] of Object.entries(frame.layers ?? {})) {
    if (unavailable === undefined) continue;
    const button = page.slot("layers")?.querySelector(`[data-key="${key}"]`) ?? null;
    setAttribute(button, "data-unavailable", unavailable === null ? null : page.say("wall.layer_unavailable"));
  }
}

/** The switches of the scene's own layers stand first; the others show while a hand is near. */
function drawSwitches(page: Page, specs: LayerSpec[], on: Set<string>, scene: Set<string>, toggle: (key: string) => void): void {
  const box = page.slot("layers");
  if (!box) return;
  syncList(
    box,
    [...specs.filter(({ key }) => scene.has(key)), ...specs.filter(({ key }) => !scene.has(key))],
    (spec) => spec.key,
    (spec) => {
      const button = make("button", "switch", page.words(spec.title));
      button.type = "button";
      button.addEventListener("click", () => toggle(spec.key));
      return button;
    },
    (button, spec) => {
      setAttribute(button, "aria-pressed", String(on.has(spec.key)));
      button.classList.toggle("other", !scene.has(spec.key) && !on.has(spec.key));
    },
  );
}

/** Returns how many of some heights go into the first of two columns, so that the higher one is as low as it can be. */
function findHalf(heights: number[]): number {
  const sum = (part: number[]) => part.reduce((a, b) => a + b, 0);
  const highest = heights.map((_, i) => Math.max(sum(heights.slice(0, i + 1)), sum(heights.slice(i + 1))));
  return highest.indexOf(Math.min(...highest)) + 1;
}

function drawLegend(page: Page, map: CountyMap, specs: LayerSpec[]): void {
  const box = page.slot("legend");
  if (!box) return;
  const legends = specs.map((spec) => map.legendFor(spec.key)).filter((legend) => legend !== null);
  const cells = new Set(specs.filter((spec) => spec.geometry === "cell").map((spec) => spec.key));
  const marks = new Map(legends.flatMap((legend) => legend.marks.map((mark) => [mark.name, mark])));
  const known = [...marks.values()].filter(({ name }) => page.sayName("mark", name) !== name);
  const parts: (Legend | Legend["marks"])[] = [...legends.filter(({ classes }) => classes.length), ...(known.length ? [known] : [])];
  // A county is seldom square: its corners are free, so the legend stands in two columns, one on each side.
  const half = findHalf(parts.map((one) => (Array.isArray(one) ? one.length : one.classes.length + 2)));
  while (box.childElementCount < 2) box.append(make("div", "legend-side"));
  [parts.slice(0, half), parts.slice(half)].forEach((side, i) =>
    syncList(
      box.children[i] as HTMLElement,
      side,
      (one) => (Array.isArray(one) ? `marks ${one.map(({ name }) => name).join(" ")}` : one.key),
      (one) => (Array.isArray(one) ? make("ul", "legend-layer marks", ...one.map((mark) => makeMark(page, mark))) : makeLegend(page, one, cells.has(one.key))),
      () => {},
    ),
  );
}

function makeLegend(page: Page, legend: Legend, hatched: boolean): HTMLElement {
  const title = make("div", "legend-title", legend.title);
  if (legend.unit) title.append(make("small", "", legend.unit));
  const box = make("div", "legend-layer", title);
  box.dataset.kind = legend.kind;
  box.dataset.feed = page.county.layers.find(({ key }) => key === legend.key)?.feed ?? "";
  if (legend.kind === "severities") box.append(make("ul", "", ...[1, 2, 3, 4].map((one) => make("li", "", makeSeverity(page, one)))));
  else box.append(makeSteps(legend));
  if (hatched) box.lastElementChild?.append(make("li", "", make("i", "hatched"), make("span", "", legend.blank || page.say("wall.legend_no_data"))));
  return box;
}

/** One band of colours with a word below each: as wide as the words need, and no wider. */
function makeSteps(legend: Legend): HTMLElement {
  return make(
    "ul",
    "steps",
    ...legend.classes.map((one) => {
      const swatch = make("i");
      swatch.style.background = one.colour;
      return make("li", "", swatch, make("span", "", one.label));
    }),
  );
}

function makeMark(page: Page, mark: Legend["marks"][number]): HTMLElement {
  const image = make("img");
  image.src = mark.image;
  image.alt = "";
  return make("li", "", image, page.sayName("mark", mark.name));
}
