// The duty desk: queue, map and drawer that follow each other, and the filters that all of them share.

import { readJson } from "../answers.ts";
import type { CountyMap } from "../county_map.ts";
import { followLive } from "../live.ts";
import { pause } from "../pause.ts";
import type { Pick } from "../pointer.ts";
import { AlertSheet } from "./alert_sheet.ts";
import { drawAlertBar } from "./alerts.ts";
import { BulkBar } from "./desk/bulk.ts";
import { layChips } from "./desk/chips.ts";
import { laySwitch } from "./desk/coverage.ts";
import { Filters } from "./desk/filters.ts";
import { Intake } from "./desk/intake.ts";
import { MapTools } from "./desk/map_tools.ts";
import { drawSums } from "./desk/sums.ts";
import { TimeBar } from "./desk/time_bar.ts";
import { layViews } from "./desk/views.ts";
import { Drawer } from "./drawer.ts";
import { followHeader } from "./header.ts";
import { followKeys } from "./keys.ts";
import { openMap } from "./map_frame.ts";
import { openPage, type Page } from "./page.ts";
import { followRoster } from "./roster.ts";
import { openQueue, type QueueRow } from "./queue.ts";
import { Siren } from "./sound.ts";

const LAYERS = ["grid", "open_cases", "case_clocks", "smart_bins", "traffic", "staff", "coverage", "alerts", "exercise"];
const SHOWN = new Set(["grid", "open_cases", "case_clocks", "alerts", "exercise"]);
const ALERTS_EVERY_MS = 30_000;
const CASE_ZOOM = 14;
/** So long at most does the map wait for the queue, which is what an officer comes for. */
const QUEUE_FIRST_MS = 3000;

/** Starts the desk on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const page = await openPage(root);
  followHeader(page, feed);
  followRoster(page);
  const filters = new Filters();
  aimExport(page, filters);
  const drawer = new Drawer(page, feed);
  const sheet = new AlertSheet(page, feed, drawer);
  const me = (await readJson("/api/me").catch(() => null)) as { name?: string } | null;
  const tellChips = layChips(page, filters);
  const queue = await openQueue(page, feed, filters);
  const chooseView = layViews(page, feed, filters, queue, me?.name ?? "");
  queue.onCounts((counts) => tellChips(counts.matching));
  drawSums(page, filters, queue);
  const timeBar = new TimeBar(page, feed, filters, page.slot("time-bar")!, queue);
  new BulkBar(page, queue, page.slot("bulk")!);
  const siren = new Siren(page, feed, page.slot("sound")!);
  // The queue works without the map: it comes when it comes.
  let map: CountyMap | null = null;
  let tools: MapTools | null = null;

  const showOnMap = (row: QueueRow | null) => {
    if (row || sheet.shown === null) map?.select(row?.exercise ? "exercise" : "open_cases", row?.id ?? null);
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
  setInterval(drawAlerts, ALERTS_EVERY_MS);
  queue.onSelect((row) => {
    if (row && sheet.shown !== null) showAlert(null);
    drawer.show(row?.case_id ?? null);
    showOnMap(row);
  });
  drawer.onChange = () => queue.followSoon();
  drawer.onRadius = (lon, lat, radiusM) => tools?.showCircle(lon, lat, radiusM);
  drawer.onHover = (one) => tools?.showHover(one);

  const box = page.slot("intake");
  const intake = box && new Intake(page, feed, box, {
    open: (caseId) => drawer.show(caseId),
    placed: (spot, named) => {
      tools?.showPin(spot);
      if (spot && named) map?.focus(spot.lon, spot.lat, CASE_ZOOM);
    },
    arrived: ({ id, case_id, lon, lat }) => {
      queue.selectNew(id);
      drawer.show(case_id);
      map?.select("open_cases", id);
      if (lon !== null && lat !== null) map?.focus(lon, lat);
    },
    joined: (caseId) => {
      drawer.dismiss(); // it may be shown as it stood before
      drawer.show(caseId);
    },
  });

  const search = () => page.root.querySelector<HTMLInputElement>("input.search")?.focus();
  followKeys(page, {
    move: (step) => queue.move(step),
    open: () => {
      const row = queue.current;
      if (row && row.lon !== null && row.lat !== null) map?.focus(row.lon, row.lat, CASE_ZOOM);
      drawer.focus();
    },
    close: () => {
      if (queue.checked().length) return queue.uncheck();
      queue.select(null);
      showAlert(null);
      map?.home();
    },
    check: () => queue.toggle(),
    checkAll: () => queue.checkAll(),
    dispatch: () => drawer.act("dispatch"),
    undo: () => drawer.act("undo"),
    incident: () => drawer.callIncident(),
    search,
    filters: () => page.root.querySelector<HTMLElement>(".chips .chip-box button")?.focus(),
    time: () => timeBar.focus(),
    view: chooseView,
    map: () => map?.maplibre.getCanvas().focus(),
    order: () => queue.orderByNext(),
    lasso: () => tools?.toggleLasso(),
    mute: () => siren.toggle(),
    showNew: () => queue.showNew(),
  });
  const home = page.slot("map");
  if (!home) return;
  const layers = page.county.layers.filter((spec) => LAYERS.includes(spec.key)).map((spec) => ({ ...spec, shown: SHOWN.has(spec.key) }));
  const after = Promise.race([queue.filled, pause(QUEUE_FIRST_MS)]);
  map = await openMap(page, home, { county: { ...page.county, layers }, lang: page.lang, feed, layers, onPick: pick, after });
  if (!map) return;
  // Nothing can be selected on a map that has not been drawn once.
  await map.maplibre.once("idle");
  tools = new MapTools(page, map, filters, queue, home);
  laySwitch(page, map, home.querySelector(".map-tools")!);
  showOnMap(queue.current);

  function pick(pick: Pick | null): void {
    if (intake?.isOpen) return pick ? intake.point(pick) : undefined;
    if (pick?.layer === "alerts") return showAlert(pick.id);
    if (pick?.layer === "grid" && pick.code) return filters.set({ cell: filters.get("cell") === pick.code ? "" : pick.code });
    if ((pick?.layer !== "open_cases" && pick?.layer !== "exercise") || queue.select(pick.id)) return;
    // Beyond the rows that are loaded: the drawer shows it all the same.
    map?.select(pick.layer, pick.id);
    drawer.showAt(pick.id, pick.lon, pick.lat).catch((error) => console.warn("the case cannot be read", error));
  }
}

/** Keeps the link that saves the list in step with the filters. */
function aimExport(page: Page, filters: Filters): void {
  const link = page.slot("export");
  const aim = () => link?.setAttribute("href", `/api/exports/queue.csv?lang=${page.lang}&${filters.query()}`);
  filters.onChange(aim);
  aim();
}

function isSeen(map: CountyMap, lon: number, lat: number): boolean {
  return map.maplibre.getBounds().contains([lon, lat]);
}
