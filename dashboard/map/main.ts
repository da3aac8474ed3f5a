// The entry of the bundle: finds the screen that Dash renders and starts it.
//
// How a page loads it: MapLibre 6 is an ES module with a worker of its own, so the bundle is one too, and Dash,
// which includes every script of assets/ as a classic one, must leave the folder alone (`assets_path_ignore=["build"]`).
// Each page's head brings in /assets/build/county-brain.css and county-brain.js itself (dashboard/factory.py).
// A screen is any element with `data-screen="wall"`, "duty", "feeds" or "briefing" ("map" is the map alone); its module
// exports `start(root: HTMLElement)`. A page whose screen is replaced by another (Dash's navigation) starts the new one.

import "@fontsource-variable/noto-sans-sc/index.css";
import "maplibre-gl/dist/maplibre-gl.css";
import "./map.css";
import { askAhead } from "./answers.ts";
import type { CountyMap } from "./county_map.ts";
import { askGeometry } from "./geometry.ts";
import { followLive, type LiveFeed } from "./live.ts";
import type { CountyInfo } from "./wire.ts";

declare global {
  interface Window {
    /** What tests and a curious operator's console may look at. */
    countyBrain?: { feed?: LiveFeed; map?: CountyMap };
  }
}

type Screen = { start(root: HTMLElement): unknown };

const screens: Record<string, () => Promise<Screen>> = {
  wall: () => import("./screens/wall.ts"),
  duty: () => import("./screens/duty.ts"),
  feeds: () => import("./screens/feeds.ts"),
  alarms: () => import("./screens/alarms_page.ts"),
  briefing: () => import("./screens/briefing.ts"),
  incident: () => import("./screens/incident.ts"),
  handover: () => import("./screens/handover.ts"),
  walls: () => import("./screens/walls.ts"),
  map: () => import("./bare.ts"),
};

const MAPPED = new Set(["wall", "duty"]);

// A page's first screen is loaded while Dash still renders the page, which is named like it.
const named = location.pathname.split("/")[1] ?? "";
if (MAPPED.has(named)) askCounty().catch(() => undefined); // whoever reads it sees what went wrong, and asks again
void screens[named]?.();

async function askCounty(): Promise<void> {
  followLive("/live");
  const { revision } = (await askAhead("/api/county")) as CountyInfo;
  askGeometry(revision);
  void askAhead(`/api/places/${revision}`);
}

const started = new WeakSet<Element>();

async function startScreens(): Promise<void> {
  for (const root of document.querySelectorAll<HTMLElement>("[data-screen]")) {
    const load = screens[root.dataset["screen"] ?? ""];
    if (!load || started.has(root)) continue;
    started.add(root);
    (await load()).start(root);
  }
}

new MutationObserver(() => void startScreens()).observe(document.documentElement, { childList: true, subtree: true });
void startScreens();
