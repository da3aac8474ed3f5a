// The wall: everything on it is changed in place by the live feed; nothing is drawn for nothing.

import { createCards } from "../card.ts";
import { type CountyMap, DRAW_EVERY_MS } from "../county_map.ts";
import { followLive, type LiveFeed } from "../live.ts";
import { Pace } from "../pace.ts";
import type { Frame } from "../wire.ts";
import { drawAlarms } from "./alarms.ts";
import { drawAlerts } from "./alerts.ts";
import { Announcer } from "./announcer.ts";
import { followCharts, hangCharts } from "./charts.ts";
import { drawFigures } from "./figures.ts";
import { followHeader } from "./header.ts";
import { drawHealth } from "./health.ts";
import { followIncidents } from "./incident_board.ts";
import { chooseLayers, followLayers, type LayerChoice } from "./layers.ts";
import { openMap } from "./map_frame.ts";
import { followOrders } from "./orders.ts";
import { followRows, openPage, type Page } from "./page.ts";
import { keepPresence, nameWall } from "./presence.ts";
import { drawExtremes, drawTowns } from "./ranking.ts";
import { arrange, readScenes, type Scene } from "./scenes.ts";
import { followRelease } from "./release.ts";
import { followStandings } from "./standings.ts";
import { watchDrawing } from "./still.ts";
import { drawStream, pulseSevere } from "./stream.ts";
import { followTurn } from "./turn.ts";

type Changed = Partial<Record<"figures" | "cases" | "charts" | "alerts" | "alarms" | "flood" | "layers" | "feeds", unknown>>;

/** A county of so many cells is drawn once a second at most: an update of it comes in more than one frame. */
const MANY_CELLS = 5000;
const MANY_DRAWN_EVERY_MS = 1000;
/** So long at most do the charts wait for the map. */
const CHARTS_AFTER_MS = 8000;
/** Ages and the number of rows that fit change without any message. */
const AGES_MS = 5000;

/** Starts the wall on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const page = await openPage(root);
  let map: CountyMap | null = null;
  let layers: LayerChoice | null = null;
  const standings = followStandings(page, feed);
  const redraw = (changed: Changed): void => {
    if (changed.figures) drawFigures(page, feed);
    if (changed.alerts) drawAlerts(page, feed);
    const alarmsChanged = changed.alarms || changed.flood !== undefined;
    if (alarmsChanged) drawAlarms(page, feed);
    // Warnings and alarms take room from the cases between them.
    if (changed.cases || changed.alerts || alarmsChanged) drawStream(page, feed);
    if (changed.charts) drawTowns(page, feed);
    if (changed.layers && map) drawExtremes(page, feed, map);
    if (changed.feeds) drawHealth(page, feed);
  };
  const redrawAll = () => {
    redraw({ figures: true, cases: true, charts: true, alerts: true, alarms: true, layers: true, feeds: true });
    standings.draw();
  };
  const drawCharts = followCharts(page, feed);
  let incidents: { aim(): boolean } | null = null;
  const show = (scene: Scene) => {
    arrange(page, scene);
    layers?.choose(scene.layers);
    if (!incidents?.aim()) map?.frame(scene.box);
    redrawAll();
    drawCharts();
  };
  followRelease(page, feed);
  followHeader(page, feed);
  new Announcer(page, feed, page.slot("voice")!);
  const scenes = readScenes(page);
  const rotation = followTurn(page, feed, scenes, show);
  const wall = nameWall(page);
  let drawn: CountyMap | null = null;
  let contextsLost = () => 0;
  const orders = wall === null ? null : followOrders(page, feed, wall, { scenes, rotation, map: () => drawn, restore: show });
  if (wall !== null) keepPresence(page, feed, wall, { rotation, map: () => drawn, contextsLost: () => contextsLost() });
  incidents = followIncidents(page, feed, { scenes, rotation, map: () => map, isOrdered: () => orders?.isOrdered() ?? false });
  // Map and panels keep one pace: what both draw is one frame of the page.
  const pace = new Pace(page.places.cells.length < MANY_CELLS ? DRAW_EVERY_MS : MANY_DRAWN_EVERY_MS);
  let heard: Frame[] = [];
  const redrawHeard = () => {
    const frames = heard;
    heard = [];
    redraw(Object.assign({}, ...frames));
    for (const frame of frames) pulseSevere(page, frame);
  };
  feed.subscribe((frame, kind) => {
    if (kind === "snapshot") redrawAll();
    else if (kind === "delta") {
      heard.push(frame);
      pace.ask(redrawHeard);
    }
  });
  setInterval(() => {
    drawFigures(page, feed);
    drawAlerts(page, feed);
    drawAlarms(page, feed);
    drawHealth(page, feed);
    standings.draw();
  }, AGES_MS);
  new ResizeObserver(redrawAll).observe(root);
  followRows(redrawAll);

  const scene = rotation.turn.scene;
  setTimeout(() => hangCharts(page), CHARTS_AFTER_MS);
  map = await drawMap(page, feed, scene, pace);
  if (!map) return;
  void map.drawn.then(() => hangCharts(page));
  layers = followLayers(page, map, chooseLayers(page, scene.layers));
  show(rotation.turn.scene); // the turn may have moved on meanwhile
  for (const gesture of ["pointerdown", "wheel"]) map.container.addEventListener(gesture, rotation.touch, { passive: true });
  contextsLost = watchDrawing(page, feed, map);
  // A map that is empty still has been drawn, too: only from here on is it said that the county was.
  await map.maplibre.once("idle");
  drawn = map;
  orders?.obey();
}

async function drawMap(page: Page, feed: LiveFeed, scene: Scene, pace: Pace): Promise<CountyMap | null> {
  const container = page.slot("map");
  if (!container) return null;
  const layers = chooseLayers(page, scene.layers);
  // Room for the switches above and the legend on both sides.
  const h = Math.min(innerHeight, innerWidth);
  const map = await openMap(page, container, {
    county: { ...page.county, layers },
    lang: page.lang,
    feed,
    layers,
    pace,
    padding: { top: h * 0.08, bottom: h * 0.03, left: h * 0.15, right: h * 0.15 },
  });
  if (map) createCards(map, { lang: page.lang, words: { close: page.say("common.close"), unavailable: page.say("common.unavailable") } });
  return map;
}
