// What somebody sent to this wall: a scene, a place or a case, until it is taken back, its time is over or another comes.

import type { CountyMap } from "../county_map.ts";
import type { LiveFeed } from "../live.ts";
import type { Case, WallOrder } from "../wire.ts";
import { type ClockKind, type Colour, colourOf, sayClock } from "./desk/clock.ts";
import { make, makePart, part, type Page, setAttribute, setHidden, setText, showSeverity } from "./page.ts";
import type { Rotation } from "./rotation.ts";
import { nameScene, type Scene } from "./scenes.ts";

const LOOK_EVERY_MS = 1000;
const PLACE_ZOOM = 13;
const CASE_ZOOM = 13.5;

/** What an order works on. */
export interface Obeying {
  scenes: Map<string, Scene>;
  rotation: Rotation;
  map: () => CountyMap | null;
  /** Shows the scene again as it is without an order. */
  restore: (scene: Scene) => void;
}

/** Obeys the orders to a wall as they come; `obey` is to be called again when the map is there. */
export function followOrders(page: Page, feed: LiveFeed, wall: string, on: Obeying): { obey(): void; isOrdered(): boolean } {
  let done = "";
  let before: Scene | null = null;
  const obey = () => {
    const order = findOrder(feed, wall);
    sayOrder(page, feed, order, on.scenes);
    const wanted = order ? `${order.order} ${order.at} ${on.map() !== null}` : "";
    if (wanted === done) return;
    if (order) {
      before ??= on.rotation.turn.scene;
      on.rotation.hold(true);
      carryOut(order, on, before);
    } else {
      on.rotation.hold(false);
      on.map()?.select("open_cases", null);
      if (before) on.rotation.go(before);
      on.restore(on.rotation.turn.scene);
      before = null;
    }
    done = wanted;
  };
  feed.subscribe((frame, kind) => {
    if (kind === "snapshot" || frame.walls) obey();
  });
  setInterval(obey, LOOK_EVERY_MS);
  return { obey, isOrdered: () => findOrder(feed, wall) !== null };
}

/** An order whose time is over is none, also while the server is away and cannot say so. */
function findOrder(feed: LiveFeed, wall: string): WallOrder | null {
  const order = feed.state.walls[wall];
  return order && (order.until === null || order.until > feed.serverNow()) ? order : null;
}

function carryOut(order: WallOrder, on: Obeying, before: Scene): void {
  const map = on.map();
  const scene = order.order === "scene" ? on.scenes.get(order.scene ?? "") : before;
  if (scene && scene !== on.rotation.turn.scene) on.rotation.go(scene);
  else if (scene) on.restore(scene);
  if (!map) return;
  map.select("open_cases", order.case?.id ?? null);
  const spot = order.order === "case" ? order.case : order;
  const box = order.place ? map.boxOf(order.place) : null;
  if (box) map.frame(box);
  else if (spot?.lon != null && spot.lat != null) map.focus(spot.lon, spot.lat, order.case ? CASE_ZOOM : (order.zoom ?? PLACE_ZOOM));
}

function sayOrder(page: Page, feed: LiveFeed, order: WallOrder | null, scenes: Map<string, Scene>): void {
  const box = page.slot("ordered");
  if (!box) return;
  setHidden(box, order === null);
  if (!order) return;
  if (!box.firstElementChild) box.append(makePart("by"), make("div", "card"));
  const roles = JSON.parse(page.root.dataset.roles || "{}") as Record<string, string>;
  const by = page.say("wall.ordered", { role: roles[order.role] ?? order.role, what: nameOrder(page, order, scenes) });
  const until = order.until === null ? "" : ` · ${page.say("wall.ordered_until", { at: page.shortTime(order.until, feed.serverNow()) })}`;
  setText(part(box, "by"), by + until);
  drawCase(page, box.querySelector<HTMLElement>(".card")!, order, feed.serverNow());
}

function nameOrder(page: Page, order: WallOrder, scenes: Map<string, Scene>): string {
  const scene = scenes.get(order.scene ?? "");
  if (order.order === "scene") return scene ? page.words(nameScene(scene)) : (order.scene ?? "");
  if (order.order === "place") return order.name ? page.words(order.name) : page.say("wall.order_here");
  return page.say("wall.order_case");
}

/** Class, place, clock and state: what may stand on a wall of a case. */
function drawCase(page: Page, card: HTMLElement, order: WallOrder, now: number): void {
  setHidden(card, order.order !== "case");
  if (card.hidden) return;
  const one = order.case;
  const key = one ? String(one.id) : "unseen";
  if (card.dataset.case !== key) {
    const head = one ? [make("span", "severity"), makePart("class")] : [];
    card.replaceChildren(make("p", "top", ...head, makePart("state")), makePart("place"), makePart("clock"), makePart("reported"));
    card.dataset.case = key;
  }
  if (!one) return setText(part(card, "state"), page.say("wall.order_unseen"));
  const clock = readClock(one);
  showSeverity(page, card, one.severity);
  setText(part(card, "class"), page.nameCategory(one.category));
  setText(part(card, "state"), page.nameState(one.category, one.state));
  setText(part(card, "place"), page.namePlace(one.cell));
  const colour: Colour = colourOf(clock, now);
  setAttribute(part(card, "clock"), "data-colour", colour);
  setText(part(card, "clock"), colour === "none" ? "" : `${page.say("wall.case_clock")} ${sayClock(page, clock, now)}`);
  setText(part(card, "reported"), `${page.say("wall.case_reported")} ${page.shortTime(one.reported_at, now)}`);
}

function readClock(one: Case) {
  const kind: ClockKind = "total";
  return { clocks: [{ kind, near_at: one.near_at ?? null, due_at: one.due_at ?? null, stopped: one.stopped ?? false }], ended_at: null };
}
