// The call for a new severe case: two tones, and a title that flashes until somebody is there again.

import type { LiveFeed } from "../live.ts";
import type { Case } from "../wire.ts";
import { Chime } from "./chime.ts";
import { type Page, setAttribute, setText } from "./page.ts";

const SEVERE = 2;
/** Older than this a report has only been sent late, or has just come into sight. */
const NEW_WITHIN_S = 15 * 60;
const FLASH_EVERY_MS = 1000;
const STORE = "duty-sound";

/** Calls for severe cases; the browser lets nothing sound before the first click or key. */
export class Siren {
  private muted = localStorage.getItem(STORE) === "off";
  private chime = new Chime(() => this.draw());
  private called = new Set<number>();
  private waiting = 0;
  private title = document.title;
  private flash: ReturnType<typeof setInterval> | null = null;

  constructor(
    private page: Page,
    feed: LiveFeed,
    private button: HTMLElement,
  ) {
    button.addEventListener("click", () => this.toggle());
    for (const kind of ["pointerdown", "keydown"] as const)
      document.addEventListener(kind, () => (this.chime.wake(), this.settle()), { capture: true });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.settle());
    feed.subscribe((frame, kind) => {
      if (kind === "snapshot") for (const one of feed.state.cases.keys()) this.called.add(one);
      if (kind === "delta") this.hear(frame.cases ?? [], frame.now ?? feed.serverNow());
    });
    this.draw();
  }

  toggle(): void {
    this.muted = !this.muted;
    localStorage.setItem(STORE, this.muted ? "off" : "on");
    this.chime.wake();
    this.draw();
    if (!this.muted) this.chime.ring();
  }

  private hear(cases: Case[], now: number): void {
    const fresh = cases.filter((one) => one.severity <= SEVERE && one.state === "reported" && now - one.reported_at < NEW_WITHIN_S && !this.called.has(one.id));
    for (const one of fresh) this.called.add(one.id);
    if (fresh.length === 0) return;
    this.waiting += fresh.length;
    if (!this.muted) this.chime.ring();
    this.flash ??= setInterval(() => this.turnTitle(), FLASH_EVERY_MS);
    this.turnTitle();
  }

  private turnTitle(): void {
    const call = this.page.say("duty.title_flash", { n: this.waiting });
    document.title = document.title === call ? this.title : call;
  }

  private settle(): void {
    if (!this.flash) return;
    clearInterval(this.flash);
    this.flash = null;
    this.waiting = 0;
    document.title = this.title;
  }

  private draw(): void {
    const state = this.muted ? "muted" : this.chime.isAllowed ? "on" : "asleep";
    setText(this.button, this.page.say(`duty.sound_${state}`));
    setAttribute(this.button, "data-sound", state);
    setAttribute(this.button, "title", this.page.say(`duty.sound_${state}_hint`));
  }
}
