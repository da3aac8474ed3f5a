// A case's clocks as a person reads them: colour, shape and words, counted in the browser.

import type { Page } from "../page.ts";

export type Colour = "green" | "yellow" | "red" | "stopped" | "none";

/** Whose limit a clock has: the whole case's, its step's, or its card's for answering it and for settling the case. */
export type ClockKind = "total" | "step" | "accept" | "handle";

/** One clock; moments in epoch seconds. */
export interface Deadline {
  kind: ClockKind;
  near_at: number | null;
  due_at: number | null;
  stopped: boolean;
}

/** What has clocks: the first of them ends first, and is the one that is shown. */
export interface Clocked {
  clocks: Deadline[];
  ended_at: number | null;
}

export const CLOCK_SHAPES: Record<Colour, string> = { green: "○", yellow: "◐", red: "●", stopped: "‖", none: "–" };
export const COLOURS = Object.keys(CLOCK_SHAPES) as Colour[];
const DAY = 86400;

/** Returns the light at a moment of the clock that ends first; after the end the one at which it ended. */
export function colourOf({ clocks: [first], ended_at }: Clocked, now: number): Colour {
  if (first?.stopped) return "stopped";
  if (!first || first.due_at === null || first.near_at === null) return "none";
  const at = ended_at === null ? now : Math.min(now, ended_at);
  return at <= first.near_at ? "green" : at <= first.due_at ? "yellow" : "red";
}

/** Returns how much is left or over: to the second within two days, in days beyond. */
export function sayClock(page: Page, one: Clocked, now: number): string {
  const colour = colourOf(one, now);
  if (colour === "none") return "–";
  if (colour === "stopped") return `${CLOCK_SHAPES.stopped} ${page.say("duty.clock_stopped")}`;
  if (one.ended_at !== null) return `${CLOCK_SHAPES[colour]} ${page.say(colour === "red" ? "duty.clock_late" : "duty.clock_kept")}`;
  const left = (one.clocks[0]?.due_at ?? now) - now;
  const words = page.say(left >= 0 ? "duty.clock_left" : "duty.clock_over", { [left >= 0 ? "left" : "over"]: countSpan(page, Math.abs(left)) });
  return `${CLOCK_SHAPES[colour]} ${words}`;
}

/** Returns when clocks are due, a line each; of those of some kinds where `kinds` says so. */
export function sayDeadlines(page: Page, { clocks }: Clocked, kinds?: ClockKind[]): string {
  return clocks
    .filter((clock) => kinds?.includes(clock.kind) ?? true)
    .map((clock) => {
      const due = clock.stopped || clock.due_at === null ? null : page.time(clock.due_at, "moment");
      const name = page.say(`duty.clock_${clock.kind}`);
      return due === null ? page.say("duty.clock_stands", { name }) : page.say("duty.clock_due", { name, due });
    })
    .join("\n");
}

function countSpan(page: Page, seconds: number): string {
  if (seconds >= 2 * DAY) return page.say("common.span_days", { n: Math.floor(seconds / DAY) });
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
