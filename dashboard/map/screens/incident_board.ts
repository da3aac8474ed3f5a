// Incidents on the wall: while one stands, every rotating wall shows it; several take turns. What a duty officer sends
// goes before, and a hand that leaves the scene has its time.

import type { CountyMap } from "../county_map.ts";
import type { LiveFeed } from "../live.ts";
import type { Incident } from "../wire.ts";
import { drawHead, drawParts, type Room } from "./incident_parts.ts";
import { make, measureRows, type Page, setText } from "./page.ts";
import type { Rotation } from "./rotation.ts";
import type { Scene } from "./scenes.ts";

const SCENE = "incident";
const TICK_MS = 1000;
const ZOOM = 13.5;
const ROOM: Room = { rows: measureRows, isTight: true };

/** What the board works on. */
export interface Board {
  scenes: Map<string, Scene>;
  rotation: Rotation;
  map: () => CountyMap | null;
  /** Whether somebody has sent this wall something. */
  isOrdered: () => boolean;
}

/** Shows incidents as they begin; `aim` brings the map to the one that is shown, if any is. */
export function followIncidents(page: Page, feed: LiveFeed, on: Board): { aim(): boolean } {
  const scene = on.scenes.get(SCENE);
  const isFixed = page.root.dataset.fixed !== "";
  let before: Scene | null = null;
  let holds = false;
  let leftAt = 0;
  let shown: string | null = null;

  const choose = (): Incident | null => {
    const standing = [...feed.state.incidents.values()].sort((a, b) => a.begun_at - b.begun_at);
    const turn = Math.floor(feed.serverNow() / (scene?.dwell_s ?? 1));
    return standing[turn % Math.max(1, standing.length)] ?? null;
  };
  const aim = (): boolean => {
    const incident = on.rotation.turn.scene === scene ? choose() : null;
    if (incident?.lon == null || incident.lat == null) return false;
    on.map()?.focus(incident.lon, incident.lat, ZOOM);
    const found = [...feed.state.incidents].find(([, one]) => one.case_id === incident.case_id);
    on.map()?.select("open_cases", found?.[0] ?? null);
    return true;
  };
  const takeTurns = (incident: Incident | null) => {
    if (!scene || isFixed) return;
    const { turn } = on.rotation;
    if (on.isOrdered()) {
      holds = false;
    } else if (incident && turn.scene === scene) {
      if (!holds) on.rotation.hold((holds = true));
      leftAt = 0;
    } else if (incident) {
      leftAt ||= holds ? Date.now() : 1;
      if (Date.now() - leftAt < 1000 * turn.scene.dwell_s) return;
      before = turn.scene;
      on.rotation.hold((holds = true));
      on.rotation.go(scene);
    } else if (holds || turn.scene === scene) {
      on.rotation.hold((holds = false));
      on.map()?.select("open_cases", null);
      leftAt = 0;
      if (turn.scene === scene) on.rotation.go(before ?? on.rotation.scenes[0]!);
    }
  };
  const follow = () => {
    const incident = choose();
    takeTurns(incident);
    draw(page, feed, incident);
    const key = on.rotation.turn.scene === scene ? (incident?.case_id ?? null) : null;
    if (key !== shown && key !== null) aim();
    shown = key;
  };
  feed.subscribe((frame, kind) => {
    if (kind === "snapshot" || frame.incidents) follow();
  });
  setInterval(follow, TICK_MS);
  return { aim };
}

function draw(page: Page, feed: LiveFeed, incident: Incident | null): void {
  const head = page.slot("incident");
  if (!head || head.closest("[data-region=parked]")) return;
  for (const panel of page.root.querySelectorAll<HTMLElement>("[data-panel^=incident_]")) panel.classList.toggle("idle", !incident);
  if (!incident) {
    delete head.dataset.key;
    if (!head.querySelector(".none")) head.replaceChildren(make("p", "none", page.say("incident.none_standing")));
    return;
  }
  const turn = make("p", "turn-of");
  drawHead(page, head, incident, feed.serverNow(), turn);
  const all = [...feed.state.incidents.values()].sort((a, b) => a.begun_at - b.begun_at);
  const i = all.findIndex((one) => one.case_id === incident.case_id) + 1;
  setText(head.querySelector(".turn-of"), all.length > 1 ? page.say("incident.turn", { i, n: all.length }) : "");
  drawParts(page, incident, feed.serverNow(), ROOM);
}
