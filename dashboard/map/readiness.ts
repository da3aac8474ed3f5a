// What a map waits for before it is born, and how it knows that it is to be seen.

import type { Map as MapLibre } from "maplibre-gl";
import type { Geometry } from "./geometry.ts";
import { pause } from "./pause.ts";
import { EXERCISE, FONT_FAMILY } from "./style.ts";

const FONTS_WAIT_MS = 3000;
const FRAME_WAIT_MS = 500;

/** Waits for a frame with all that is there to draw; unlike "idle" it comes while the feed keeps the map busy, too. */
export function waitForPicture(map: MapLibre): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!map.getSource("cells") || !map.loaded()) return; // an empty style is loaded, too
      map.off("render", look);
      resolve();
    };
    map.on("render", look);
  });
}

/** Dash renders before the style sheets have settled: a map must not be born into an element of no size. */
export function waitForSize(element: HTMLElement): Promise<void> {
  return new Promise((resolve) => {
    const observer = new ResizeObserver(() => {
      if (element.clientWidth === 0 || element.clientHeight === 0) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(element);
  });
}

/** Waits until a frame with all that is there now has been handed over to be shown; a hidden page has none. */
export function waitForFrame(): Promise<unknown> {
  const frame = new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve))));
  return Promise.race([frame, pause(FRAME_WAIT_MS)]);
}

/** MapLibre draws each name's glyphs once: with our font if it is there by then, else with the system's. */
export async function loadFonts(geometry: Geometry): Promise<void> {
  const names = geometry.towns.features.map(({ properties }) => `${properties?.["name"]}${properties?.["name_en"] ?? ""}`);
  const fonts = document.fonts.load(`16px "${FONT_FAMILY}"`, names.join("") + EXERCISE.zh + EXERCISE.en);
  await Promise.race([fonts.catch(() => undefined), pause(FONTS_WAIT_MS)]);
}
