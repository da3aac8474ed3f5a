// The wall's scenes: which panels stand where and which layers the map shows. Panels are never made anew: a scene puts
// those that are there into its regions and parks the others.

import type { Words } from "../wire.ts";
import type { Page } from "./page.ts";

/** A scene of the county, as the server's skeleton tells it (dashboard/scenes.py). */
export interface Scene {
  key: string;
  zh: string;
  en: string;
  layers: string[];
  figures: string[];
  left: string[];
  right: string[];
  below: string[];
  /** The feeds it lives by. */
  feeds: string[];
  dwell_s: number;
  /** Its place in the rotation; null where it shows only when asked for. */
  turn: number | null;
  /** West, south, east, north of what its map shows; null for all that the viewer may see. */
  box: [number, number, number, number] | null;
}

const REGIONS = ["left", "right", "below"] as const;
/** So many headline figures fit a column; the others show where there are two. */
const FIGURES_IN_A_COLUMN = 6;

export function readScenes(page: Page): Map<string, Scene> {
  const scenes = JSON.parse(page.root.dataset.scenes || "[]") as Scene[];
  return new Map(scenes.map((scene) => [scene.key, scene]));
}

export function nameScene({ zh, en }: Scene): Words {
  return { zh, en };
}

/** Puts a scene's panels into their regions, in its order. */
export function arrange(page: Page, scene: Scene): void {
  const parked = page.root.querySelector("[data-region=parked]");
  const panels = new Map([...page.root.querySelectorAll<HTMLElement>("[data-panel]")].map((panel) => [panel.dataset.panel!, panel]));
  for (const name of REGIONS) {
    const region = page.root.querySelector<HTMLElement>(`[data-region=${name}]`);
    if (!region) continue;
    const wanted = scene[name].map((key) => panels.get(key)).filter((panel) => panel !== undefined);
    for (const panel of [...region.children]) if (!wanted.includes(panel as HTMLElement)) parked?.append(panel);
    wanted.forEach((panel, i) => {
      if (region.children[i] !== panel) region.insertBefore(panel, region.children[i] ?? null);
    });
    region.dataset.count = String(wanted.length);
  }
  const figures = panels.get("figures");
  if (figures) figures.dataset.count = String(scene.figures.length);
  for (const figure of page.root.querySelectorAll<HTMLElement>("[data-figure]")) {
    const position = scene.figures.indexOf(figure.dataset.figure!);
    figure.hidden = position < 0;
    figure.style.order = String(position);
    figure.classList.toggle("last-odd", position === scene.figures.length - 1 && position % 2 === 0);
    figure.classList.toggle("more", position >= FIGURES_IN_A_COLUMN);
  }
  page.root.dataset.scene = scene.key;
  // Plotly measures its box when the window changes, not when its panel was parked meanwhile.
  window.dispatchEvent(new Event("resize"));
}
