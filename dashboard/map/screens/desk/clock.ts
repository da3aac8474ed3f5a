// A case's clock as a person reads it: colour, shape and words, counted in the browser.

import type { Page } from "../page.ts";

export type Colour = "green" | "yellow" | "red" | "stopped" | "none";

/** What a clock is read from; moments in epoch seconds. */
export interface Clocked {
  near_at: number | null;
  due_at: number | null;
  stopped: boolean;
  ended_at?: number | null;
}

export const CLOCK_SHAPES: Record<Colour, string> = { green: "○", yellow: "◐", red: "●", stopped: "‖", none: "–" };
export const COLOURS = Object.keys(CLOCK_SHAPES) as Colour[];
const DAY = 86400;

/** Returns the light of a clock at a moment; after the end the one at which it ended. */
export function colourOf(one: Clocked, now: number): Colour {
  if (one.stopped) return "stopped";
  if (one.due_at === null || one.near_at === null) return "none";
  const at = one.ended_at == null ? now : Math.min(now, one.ended_at);
  return at <= one.near_at ? "green" : at <= one.due_at ? "yellow" : "red";
}

/** Returns how much is left or over: to the second within two days, in days beyond. */
export function sayClock(page: Page, one: Clocked, now: number): string {
  const colour = colourOf(one, now);
  if (colour === "none") return "–";
  if (colour === "stopped") return `${CLOCK_SHAPES.stopped} ${page.say("duty.clock_stopped")}`;
  if (one.ended_at != null) return `${CLOCK_SHAPES[colour]} ${page.say(colour === "red" ? "duty.clock_late" : "duty.clock_kept")}`;
  const left = (one.due_at ?? now) - now;
  const words = page.say(left >= 0 ? "duty.clock_left" : "duty.clock_over", { [left >= 0 ? "left" : "over"]: countSpan(page, Math.abs(left)) });
  return `${CLOCK_SHAPES[colour]} ${words}`;
}

function countSpan(page: Page, seconds: number): string {
  if (seconds >= 2 * DAY) return page.say("common.span_days", { n: Math.floor(seconds / DAY) });
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
