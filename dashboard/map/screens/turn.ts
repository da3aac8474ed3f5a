// The rotation as a person meets it: whose turn it is in the header, and its keys and buttons.

import type { LiveFeed } from "../live.ts";
import { type Page, setAttribute, setText } from "./page.ts";
import { rotate, type Rotation, type Turn } from "./rotation.ts";
import { nameScene, type Scene } from "./scenes.ts";

/** Starts with the scene that the address asks for or the first one, and shows each when its turn comes. */
export function followTurn(page: Page, feed: LiveFeed, scenes: Map<string, Scene>, show: (scene: Scene) => void): Rotation {
  const first = scenes.get(page.root.dataset.scene ?? "") ?? [...scenes.values()][0]!;
  const isStale = ({ feeds }: Scene) => feeds.length > 0 && feeds.every((key) => !speaks(feed, key));
  let shown: Scene | null = null;
  const rotation = rotate([...scenes.values()], first, page.root.dataset.fixed !== "", isStale, (turn) => {
    sayTurn(page, turn, [...scenes.values()].filter((scene) => scene.turn !== null).length);
    if (turn.scene !== shown) show((shown = turn.scene));
  });
  for (const [deed, act] of [["previous", rotation.previous], ["pause", rotation.togglePause], ["next", rotation.next]] as const)
    page.root.querySelector(`[data-deed=${deed}]`)?.addEventListener("click", act);
  followKeys(rotation);
  return rotation;
}

/** Before the first word of the server nothing is known to be silent. */
function speaks(feed: LiveFeed, key: string): boolean {
  const state = feed.state.feeds.get(key)?.state;
  return state !== "silent" && state !== "never";
}

function followKeys(rotation: Rotation): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || (event.target as Element).closest("input, textarea, .county-map")) return;
    const digit = /^[1-9]$/.test(event.key) ? rotation.scenes[Number(event.key) - 1] : undefined;
    if (event.key === "ArrowRight" || event.key === "PageDown") rotation.next();
    else if (event.key === "ArrowLeft" || event.key === "PageUp") rotation.previous();
    else if (event.key === " " && !(event.target as Element).closest("button, a")) rotation.togglePause();
    else if (digit) rotation.go(digit);
    else return;
    event.preventDefault();
  });
}

function sayTurn(page: Page, { scene, skipped, paused }: Turn, count: number): void {
  const name = page.words(nameScene(scene));
  const place = scene.turn === null ? "" : ` ${scene.turn + 1}/${count}`;
  setText(page.slot("scene"), name + place);
  const names = skipped.map((one) => page.words(nameScene(one)));
  setText(page.slot("skipped"), names.length ? page.say("wall.skipped", { scenes: names.join(page.say("common.comma")) }) : "");
  const button = page.root.querySelector("[data-deed=pause]");
  setText(button, paused ? "▶" : "Ⅱ");
  setAttribute(button, "title", page.say(paused ? "wall.resume" : "wall.pause"));
  setAttribute(button, "aria-pressed", String(paused));
  setAttribute(page.root, "data-paused", paused ? "" : null);
}
