// A wall's own word that it shows, every few seconds; and what it does when it is told that it must not.

import { readJson } from "../answers.ts";
import { keep, nameMachine } from "../machine.ts";
import type { CountyMap } from "../county_map.ts";
import type { LiveFeed } from "../live.ts";
import { makeId, postJson } from "./drawer/post.ts";
import { make, type Page, setText } from "./page.ts";
import type { Rotation } from "./rotation.ts";

const BEAT_MS = 10_000;
const MB = 1024 * 1024;
const SHORT_NAME = 4;

interface Refusal {
  by?: string | null;
  at?: number | null;
}

/** What a wall knows of its own drawing. */
export interface Shown {
  rotation: Rotation;
  map: () => CountyMap | null;
  contextsLost: () => number;
}

/** Returns what this wall is called, and writes it in its header; null where the page is not a wall's own. */
export function nameWall(page: Page): string | null {
  const given = page.root.dataset.wall;
  if (given === undefined) return null;
  const asked = new URLSearchParams(location.search).get("wall");
  const name = given || asked || keep("wall", () => `wall-${makeId().slice(0, SHORT_NAME)}`);
  const box = page.slot("wall-name");
  setText(box, name);
  if (box) box.hidden = false;
  return name;
}

/** Says every few seconds that this wall shows, until it must not: then a calm page stands there until it may again. */
export function keepPresence(page: Page, feed: LiveFeed, wall: string, shown: Shown): void {
  const openedAt = Math.round(feed.serverNow() * 1000);
  let [scene, since] = ["", openedAt];
  const beat = async () => {
    const { turn } = shown.rotation;
    if (turn.scene.key !== scene) [scene, since] = [turn.scene.key, Math.round(feed.serverNow() * 1000)];
    const { status, body } = await postJson("/api/wall/beat", {
      wall,
      beat: {
        machine: nameMachine(),
        scene,
        paused: turn.paused,
        width: innerWidth,
        height: innerHeight,
        ratio: devicePixelRatio,
        opened_at: openedAt,
        shown_since: since,
        drawn_at: onServerClock(feed, shown.map()?.lastDrawnAt ?? null),
        frame_at: onServerClock(feed, feed.connection.lastFrameAt && feed.connection.lastFrameAt * 1000),
        heap_mb: readHeap(),
        contexts_lost: shown.contextsLost(),
        version: readVersion(),
      },
    });
    await obey(status, body as Refusal | null);
    setTimeout(() => void beat(), BEAT_MS);
  };
  const obey = async (status: number, refusal: Refusal | null) => {
    if (status === 200 && isCalm(page)) location.reload();
    else if (status === 409) calm(page, feed, "taken", {});
    else if (status === 410 && refusal?.at) {
      const roles = JSON.parse(page.root.dataset.roles || "{}") as Record<string, string>;
      calm(page, feed, "off", { by: roles[refusal.by ?? ""] ?? "–", at: page.time(refusal.at, "moment") });
    } else if (status === 410) calm(page, feed, "unknown", {});
    else if (status === 403) await readJson("/api/me").catch(() => null); // which brings the token that was missing
    // Whatever else is the case, the server or its database is away: the picture stays, and its age says how old it is.
  };
  void beat();
}

function calm(page: Page, feed: LiveFeed, why: string, values: Record<string, string>): void {
  const box = page.slot("calm");
  if (!box) return;
  feed.close();
  box.hidden = false;
  const name = page.slot("wall-name")?.textContent ?? "";
  const [heading, hint] = [make("h2", "", page.say(`wall.calm_${why}`)), make("p", "", page.say(`wall.calm_${why}_hint`, values))];
  if (box.dataset.why !== why) box.replaceChildren(make("p", "county", name), heading, hint);
  box.dataset.why = why;
}

function isCalm(page: Page): boolean {
  return page.slot("calm")?.hidden === false;
}

/** Returns a moment of this browser's clock (epoch ms) as the server's clock has it. */
function onServerClock(feed: LiveFeed, at: number | null): number | null {
  return at ? Math.round(at + feed.serverNow() * 1000 - Date.now()) : null;
}

function readHeap(): number | null {
  const { memory } = performance as Performance & { memory?: { usedJSHeapSize: number } };
  return memory ? Math.round(memory.usedJSHeapSize / MB) : null;
}

function readVersion(): string {
  const sheet = document.querySelector<HTMLLinkElement>('link[href*="county-brain.css"]');
  return sheet ? (new URL(sheet.href).searchParams.get("v") ?? "") : "";
}
