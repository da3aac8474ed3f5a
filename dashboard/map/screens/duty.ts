// The duty desk: queue, map and drawer that follow each other; rows are filled by Dash, everything else here.

import { createCountyMap, type CountyMap } from "../county_map.ts";
import { followLive, type LiveFeed } from "../live.ts";
import { AlertSheet } from "./alert_sheet.ts";
import { drawAlertBar } from "./alerts.ts";
import { Drawer } from "./drawer.ts";
import { followHeader } from "./header.ts";
import { followKeys } from "./keys.ts";
import { openPage } from "./page.ts";
import { openQueue, type Queue, type QueueRow } from "./queue.ts";

const LAYERS = ["grid", "open_cases", "smart_bins", "traffic", "staff", "alerts"];
const SHOWN = new Set(["open_cases", "alerts"]);
/** The queue is asked for again no more often than this, and at least this often because clocks run. */
const REFRESH_AFTER_MS = 3000;
const REFRESH_EVERY_MS = 30000;
const CASE_ZOOM = 14;

/** Starts the desk on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const page = await openPage(root);
  followHeader(page, feed);
  const drawer = new Drawer(page, feed);
  const sheet = new AlertSheet(page, feed, drawer);
  const queue = await openQueue();
  followCases(feed, queue);
  // The queue works without the map: it comes when it comes.
  let map: CountyMap | null = null;
  const selectOnMap = (row: QueueRow | null) => {
    if (row || sheet.shown === null) map?.select("open_cases", row?.id ?? null);
    if (row && row.lon !== null && row.lat !== null && map && !isSeen(map, row.lon, row.lat)) map.focus(row.lon, row.lat);
  };
  const drawAlerts = () => drawAlertBar(page, feed, sheet.shown, showAlert);
  const showAlert = (id: number | null) => {
    if (id === null) {
      sheet.shown = null;
      drawer.dismiss();
    } else {
      queue.select(null);
      void sheet.show(id);
    }
    map?.select("alerts", id);
    drawAlerts();
  };
  drawAlerts();
  feed.subscribe((frame, kind) => {
    if (kind === "snapshot" || frame.alerts) drawAlerts();
  });
  setInterval(drawAlerts, REFRESH_EVERY_MS);
  queue.onSelect((row) => {
    if (row && sheet.shown !== null) showAlert(null);
    drawer.show(row?.case_id ?? null);
    selectOnMap(row);
  });
  followKeys(page, queue, {
    open: () => {
      const row = queue.selected();
      if (row && row.lon !== null && row.lat !== null) map?.focus(row.lon, row.lat, CASE_ZOOM);
      drawer.focus();
    },
    close: () => {
      queue.select(null);
      showAlert(null);
      map?.home();
    },
  });
  map = await drawMap();
  selectOnMap(queue.selected());

  async function drawMap(): Promise<CountyMap | null> {
    const container = page.slot("map");
    if (!container) return null;
    const layers = page.county.layers
      .filter((spec) => LAYERS.includes(spec.key))
      .map((spec) => ({ ...spec, shown: SHOWN.has(spec.key) }));
    const drawn = await createCountyMap(container, {
      county: { ...page.county, layers },
      lang: page.lang,
      feed,
      layers,
      onPick: (pick) => {
        if (pick?.layer === "alerts") return showAlert(pick.id);
        if (pick?.layer !== "open_cases" || queue.select(pick.id)) return;
        // Beyond the queue's page: the drawer shows it all the same.
        drawn.select("open_cases", pick.id);
        drawer.showAt(pick.id, pick.lon, pick.lat).catch((error) => console.warn("the case cannot be read", error));
      },
    });
    // Nothing can be selected on a map that has not been drawn once.
    await drawn.maplibre.once("idle");
    return drawn;
  }
}

/** Asks Dash for the queue again when cases have changed, a little later and all at once. */
function followCases(feed: LiveFeed, queue: Queue): void {
  let waiting: ReturnType<typeof setTimeout> | null = null;
  feed.subscribe((frame, kind) => {
    if (kind === "snapshot" || (kind === "delta" && (frame.cases?.length || frame.layers?.open_cases)))
      waiting ??= setTimeout(() => {
        waiting = null;
        queue.refresh();
      }, REFRESH_AFTER_MS);
  });
  setInterval(() => queue.refresh(), REFRESH_EVERY_MS);
}

function isSeen(map: CountyMap, lon: number, lat: number): boolean {
  return map.maplibre.getBounds().contains([lon, lat]);
}
