// The wall's voice: a new severe alarm is sounded, and spoken where this machine has a voice of the page's language.

import type { FrameKind, LiveFeed } from "../live.ts";
import { pause } from "../pause.ts";
import type { Alarm, Frame } from "../wire.ts";
import { groupOf, listStanding, nameAlarm, SEVERE } from "./alarms.ts";
import { Chime } from "./chime.ts";
import { type Page, setAttribute, setText } from "./page.ts";

/** When the county's walls speak, as the server's skeleton says (dashboard/voice.py). */
interface Voice {
  /** The two ends of the quiet hours as HH:MM in county time. */
  quiet: [string, string] | null;
  quiet_severity: number;
}

/** An alarm that came longer ago than this is told as news no more: the wall was away. */
const NEW_WITHIN_S = 5 * 60;
/** One that comes again sooner than this chatters, and is not told again unless it is worse. */
const AGAIN_AFTER_S = 5 * 60;
/** What comes together is told together; a flood is known within a second. */
const GATHER_MS = 1500;
/** More than this at once are told in one sentence. */
const ONE_BY_ONE = 3;
const RING_MS = 900;
/** Opening the machine's sound takes the page a tenth of a second. */
const WAKE_AFTER_MS = 5000;
const SPEAK_AT_MOST_MS = 30_000;
const DRAW_EVERY_MS = 10_000;
const STORE = "wall-voice";
const PAUSE = { zh: "，", en: ", " };
/** Languages of voices by those of pages; cmn is Mandarin as espeak calls it. */
const SPOKEN = { zh: /^(zh|cmn)\b/i, en: /^en\b/i };

export class Announcer {
  private muted = localStorage.getItem(STORE) === "off";
  private chime = new Chime(() => this.draw());
  /** Every alarm as it came last; null before the first snapshot, which is no news. */
  private heard: Map<number, { severity: number; raisedAt: number }> | null = null;
  private waiting = new Set<number>();
  /** The causes that were told in the flood that lasts, each with its worst severity; null: none was. */
  private flooding: Map<string, number> | null = null;
  private busy = false;

  constructor(
    private page: Page,
    private feed: LiveFeed,
    private button: HTMLElement,
  ) {
    button.addEventListener("click", () => this.toggle());
    document.addEventListener("keydown", ({ key, ctrlKey, altKey, metaKey }) => {
      if (key === "m" && !ctrlKey && !altKey && !metaKey) this.toggle();
    });
    for (const kind of ["pointerdown", "keydown"] as const) document.addEventListener(kind, () => this.chime.wake(), { capture: true });
    requestIdleCallback(() => this.chime.wake(), { timeout: WAKE_AFTER_MS }); // a kiosk may sound without a gesture
    this.findVoice(); // browsers load their voices at the first question
    feed.subscribe((frame, kind) => this.hear(frame, kind));
    setInterval(() => this.draw(), DRAW_EVERY_MS);
    this.draw();
  }

  private toggle(): void {
    this.muted = !this.muted;
    localStorage.setItem(STORE, this.muted ? "off" : "on");
    if (this.muted) window.speechSynthesis?.cancel();
    this.draw();
  }

  private hear(frame: Frame, kind: FrameKind): void {
    if (kind !== "snapshot" && !frame.alarms && frame.flood === undefined) return;
    const { alarms, flood } = this.feed.state;
    if (!flood) this.flooding = null;
    const now = this.feed.serverNow();
    const before = this.heard;
    const heard = new Map([...(before ?? [])].filter(([id, { raisedAt }]) => alarms.has(id) || now - raisedAt < AGAIN_AFTER_S));
    for (const { id, severity, raised_at } of alarms.values()) {
      const known = heard.get(id);
      const raisedAt = raised_at ?? 0;
      const isNew = known ? severity < known.severity || raisedAt - known.raisedAt > AGAIN_AFTER_S : now - raisedAt < NEW_WITHIN_S;
      heard.set(id, { severity, raisedAt });
      if (before && isNew) this.waiting.add(id);
    }
    this.heard = heard;
    if (this.waiting.size && !this.busy) void this.tellAll();
  }

  /** Tells what waits until nothing does; what comes meanwhile waits with it. */
  private async tellAll(): Promise<void> {
    this.busy = true;
    this.chime.wake(); // the page may be so young that it has not been opened yet
    while (this.waiting.size) {
      await pause(GATHER_MS);
      const due = this.listDue();
      if (due.length) await this.say(this.choose(due));
    }
    this.busy = false;
  }

  /** Returns what of the waiting is still to be told at this hour, the worst first; the rest waits no more. */
  private listDue(): Alarm[] {
    const most = this.muted || !this.chime.isAllowed ? 0 : this.leastSeverity();
    const due = listStanding(this.feed).filter(
      (alarm) => this.waiting.has(alarm.id) && alarm.state === "unacked" && alarm.severity <= most && !this.wasToldInFlood(alarm),
    );
    this.waiting = new Set(due.map(({ id }) => id));
    return due.sort((a, b) => a.severity - b.severity || (a.raised_at ?? 0) - (b.raised_at ?? 0));
  }

  /** In a flood a cause is told once, and once more if it grows worse. */
  private wasToldInFlood(alarm: Alarm): boolean {
    return (this.flooding?.get(groupOf(this.page, alarm).key) ?? Infinity) <= alarm.severity;
  }

  /** Returns the sentence to say next; what it speaks of waits no more. */
  private choose(due: Alarm[]): string {
    const { page } = this;
    const { flood } = this.feed.state;
    const worst = this.sayOne(due[0]!);
    const begins = flood && this.flooding === null;
    const together = begins || due.length > ONE_BY_ONE;
    const told = together ? due : due.slice(0, 1);
    for (const alarm of told) this.waiting.delete(alarm.id);
    if (flood) {
      this.flooding ??= new Map();
      for (const alarm of [...told].reverse()) this.flooding.set(groupOf(page, alarm).key, alarm.severity); // the worst last
    }
    if (begins) return page.say("wall.say_flood", { n: listStanding(this.feed).length, worst });
    return together ? page.say("wall.say_many", { n: due.length, worst }) : worst;
  }

  private sayOne(alarm: Alarm): string {
    const { what, where } = nameAlarm(this.page, alarm);
    const severity = this.page.sayName("severity", String(alarm.severity));
    return this.page.say("wall.say_alarm", { severity, name: what, where: where.join(PAUSE[this.page.lang]) || this.page.words(this.page.county.name) });
  }

  private async say(words: string): Promise<void> {
    this.chime.ring();
    await pause(RING_MS);
    const voice = this.findVoice();
    if (!voice || this.muted) return;
    const utterance = new SpeechSynthesisUtterance(words);
    utterance.voice = voice;
    utterance.lang = voice.lang;
    const ended = new Promise((resolve) => (utterance.onend = utterance.onerror = resolve));
    speechSynthesis.speak(utterance);
    await Promise.race([ended, pause(SPEAK_AT_MOST_MS)]);
    speechSynthesis.cancel(); // one that hangs would hold up all that follow
  }

  /** Only a voice of this machine: others send what they say to somebody's servers. */
  private findVoice(): SpeechSynthesisVoice | null {
    const voices = window.speechSynthesis?.getVoices() ?? [];
    return voices.find(({ lang, localService }) => localService && SPOKEN[this.page.lang].test(lang)) ?? null;
  }

  /** Returns the least severity that is told at this hour. */
  private leastSeverity(): number {
    return this.isQuiet() ? this.voice.quiet_severity : SEVERE;
  }

  private isQuiet(): boolean {
    const { quiet } = this.voice;
    if (!quiet) return false;
    const [from, to] = quiet;
    const now = this.page.time(this.feed.serverNow(), "time");
    return from < to ? from <= now && now < to : now >= from || now < to;
  }

  private get voice(): Voice {
    return JSON.parse(this.page.root.dataset.voice!) as Voice;
  }

  private draw(): void {
    const quiet = this.isQuiet() ? (this.voice.quiet_severity ? "quiet" : "silent") : "on";
    const state = this.muted ? "muted" : this.chime.isAllowed ? quiet : "asleep";
    setText(this.button, this.page.say(`wall.voice_${state}`));
    setAttribute(this.button, "data-voice", state);
    setAttribute(this.button, "title", this.page.say(`wall.voice_${state}_hint`));
    setAttribute(this.button, "aria-pressed", String(this.muted));
  }
}
