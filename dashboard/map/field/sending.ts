// Sending what waits in a box, once and in order: from the page, and from the service worker when the page is closed.

import type { Box, Kept } from "./box.ts";

const ANSWER_WITHIN_MS = 45_000;

/** What an attempt led to: `again_s` is in how many seconds to try again, null where nothing waits any more. */
export interface Attempt {
  again_s: number | null;
}

/** Hands one thing to the server, and returns what to change in it once it is there; raises `NotNow` or `Refused`. */
export type Deliver<T extends Kept> = (thing: T, box: Box<T>) => Promise<Partial<T>>;

/** Why a thing stays in the box for now. */
export class NotNow extends Error {
  constructor(
    readonly reason: string,
    readonly again_s: number,
  ) {
    super(reason);
  }
}

/** The server will not have it as it is. */
export class Refused extends Error {
  constructor(
    readonly field: string,
    readonly reason: string,
    readonly values: Record<string, string | number> = {},
  ) {
    super(reason);
  }
}

/** Sends everything that waits, the oldest first; whoever else sends just now (a worker, another tab) goes on alone. */
export async function sendWaiting<T extends Kept>(
  box: Box<T>,
  deliver: Deliver<T>,
  changed: () => void = () => undefined,
): Promise<Attempt> {
  if (!navigator.locks) return sendAll(box, deliver, changed);
  return navigator.locks.request(`county-brain-sending-${box.kind}`, () => sendAll(box, deliver, changed));
}

async function sendAll<T extends Kept>(box: Box<T>, deliver: Deliver<T>, changed: () => void): Promise<Attempt> {
  const waiting = (await box.list()).filter(({ state }) => state === "waiting").reverse();
  let again_s: number | null = null;
  for (const thing of waiting) {
    try {
      await keep(box, thing, { ...(await deliver(thing, box)), state: "sent", reason: "" });
    } catch (error) {
      if (error instanceof Refused) {
        const { field, reason, values } = error;
        await keep(box, thing, { state: "refused", field, reason, values });
      } else {
        const { reason, again_s: pause } = error instanceof NotNow ? error : new NotNow("no_network", 20);
        await keep(box, thing, { reason });
        again_s = Math.min(again_s ?? Infinity, pause);
      }
    }
    changed();
    if (thing.reason === "no_network" || thing.reason === "too_often") break; // the next would not go either
  }
  return { again_s };
}

/** Asks the server for something, or gives it something, and returns its answer; raises `NotNow` or `Refused`. */
export async function exchange<A>(path: string, request: RequestInit = {}): Promise<A> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...request, signal: AbortSignal.timeout(ANSWER_WITHIN_MS), cache: "no-store" });
  } catch {
    throw new NotNow("no_network", 20);
  }
  if (answer.ok) return (await answer.json()) as A;
  const said = (await answer.json().catch(() => ({}))) as Partial<Refused>;
  const pause = Number(answer.headers.get("Retry-After")) || 20;
  // A 403 without a reason of its own is the gate's: somebody else is logged in now, or has to change the password first.
  if (answer.status === 401 || (answer.status === 403 && !said.reason)) throw new NotNow("sign_in_again", 60);
  if (answer.status === 429) throw new NotNow("too_often", pause);
  // A proxy that is lost or a server that starts again is no refusal; only a plain no is.
  if (![400, 403, 404, 413, 415, 422].includes(answer.status)) throw new NotNow("away", pause);
  throw new Refused(said.field ?? "", said.reason ?? "refused_unreadable", said.values);
}

async function keep<T extends Kept>(box: Box<T>, thing: T, changes: Partial<Kept>): Promise<void> {
  Object.assign(thing, changes);
  // Somebody may have taken it out of the box meanwhile.
  if (await box.get(thing.id)) await box.put(thing);
}
