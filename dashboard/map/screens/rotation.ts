// Whose turn it is on the wall: scenes follow each other, wait while a person is at work, and leave out the stale ones.

import type { Scene } from "./scenes.ts";

/** After the last touch of a hand the scene stays for so long. */
const HANDS_OFF_MS = 120_000;
const TICK_MS = 500;

/** What a rotation tells: the scene that shows now, the ones it left out on its way, and whether it stands still. */
export interface Turn {
  scene: Scene;
  skipped: Scene[];
  paused: boolean;
}

export interface Rotation {
  readonly turn: Turn;
  /** The scenes that take turns, in their order. */
  readonly scenes: Scene[];
  next(): void;
  previous(): void;
  togglePause(): void;
  /** Shows one scene; the rotation goes on from there unless it is paused. */
  go(scene: Scene): void;
  /** Keeps the scene as long as somebody has sent it here. */
  hold(held: boolean): void;
  /** Keeps the scene while a person is busy with it. */
  touch(): void;
  stop(): void;
}

/**
 * Starts with a scene and tells every change of the turn.
 *
 * `isStale` says whether a scene has nothing true to show; such a one is left out, and stays out until its turn comes
 * again. `fixed` starts paused: the address asked for this one scene.
 */
export function rotate(
  all: Scene[],
  first: Scene,
  fixed: boolean,
  isStale: (scene: Scene) => boolean,
  show: (turn: Turn) => void,
): Rotation {
  const scenes = all.filter((scene) => scene.turn !== null).sort((a, b) => a.turn! - b.turn!);
  let turn: Turn = { scene: first, skipped: [], paused: fixed };
  let shownAt = Date.now();
  let touchedAt = 0;
  let held = false;
  const tell = (change: Partial<Turn>) => {
    turn = { ...turn, ...change };
    show(turn);
  };
  const go = (scene: Scene) => {
    shownAt = Date.now();
    touchedAt = 0;
    tell({ scene, skipped: scenes.filter(isStale) });
  };
  const step = (by: 1 | -1) => {
    const here = scenes.indexOf(turn.scene);
    const start = here < 0 && by < 0 ? 0 : here;
    for (let away = 1; away <= scenes.length; away++) {
      const scene = scenes[(start + by * away + scenes.length * away) % scenes.length]!;
      if (!isStale(scene)) return go(scene);
    }
    tell({ skipped: scenes });
  };
  const timer = setInterval(() => {
    const now = Date.now();
    if (turn.paused || held || now - touchedAt < HANDS_OFF_MS || now - shownAt < 1000 * turn.scene.dwell_s) return;
    step(1);
  }, TICK_MS);
  show(turn);
  return {
    get turn() {
      return turn;
    },
    scenes,
    next: () => step(1),
    previous: () => step(-1),
    togglePause: () => tell({ paused: !turn.paused }),
    go,
    hold: (wanted) => {
      held = wanted;
      shownAt = Date.now();
    },
    touch: () => (touchedAt = Date.now()),
    stop: () => clearInterval(timer),
  };
}
