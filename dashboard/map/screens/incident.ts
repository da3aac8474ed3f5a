// One incident on a page of its own: live while it stands, at any moment of it by the slider, and on paper.

import { followLive, type LiveFeed } from "../live.ts";
import type { Incident } from "../wire.ts";
import { Entry } from "./drawer/entry.ts";
import { followHeader } from "./header.ts";
import { drawHead, drawParts, type Room } from "./incident_parts.ts";
import { make, openPage, type Page, setText } from "./page.ts";

const TICK_MS = 1000;
/** SQL is behind the streams by a moment. */
const ASK_AGAIN_MS = 1500;
const RETRY_MS = 5000;
const ROOM: Room = { rows: () => Infinity, isTight: false };

/** What GET /api/incidents/{case_id} answers beside the incident itself. */
interface Told extends Incident {
  title: string | null;
  reason: string | null;
  conclusion: string | null;
  as_of: number;
  first_at: number;
  /** When the last of it was known; null while it stands. */
  last_at: number | null;
  /** When the forces were noted; null where they are those of now. */
  forces_at: number | null;
  version: number;
  actions: string[];
}

/** Starts the page on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const page = await openPage(root);
  followHeader(page, feed);
  printInLight();
  const sheet = new Sheet(page, feed, root.dataset.case ?? "");
  feed.subscribe((frame, kind) => {
    const isTold = frame.cases?.some((one) => one.case_id === sheet.caseId) || frame.incidents;
    if (kind === "snapshot" || isTold) sheet.follow();
  });
  setInterval(() => sheet.tick(), TICK_MS);
  sheet.follow();
}

class Sheet {
  private told: Told | null = null;
  /** Moments at which something was done, as far as known: where the replay stops. */
  private moments: number[] = [];
  /** The moment that is looked at; null: the newest. */
  private at: number | null = null;
  private asking: AbortController | null = null;
  private again: ReturnType<typeof setTimeout> | undefined;
  private readonly slider = make("input", "");
  private readonly entry: Entry;

  constructor(
    private readonly page: Page,
    private readonly feed: LiveFeed,
    readonly caseId: string,
  ) {
    this.slider.type = "range";
    this.slider.setAttribute("aria-label", page.say("incident.replay"));
    this.slider.addEventListener("input", () => this.look(Number(this.slider.value)));
    page.slot("slider")?.append(this.slider);
    const target = () => this.told && { caseId, version: this.told.version };
    this.entry = new Entry(page, target, () => this.follow());
    page.slot("entry")?.append(this.entry.element);
    this.press("newest", () => this.look(null));
    this.press("print", () => window.print());
    for (const deed of ["earlier", "later"]) page.root.querySelector(`[data-deed=${deed}]`)?.addEventListener("click", () => this.step(deed));
    setText(page.slot("newest"), page.say("incident.newest"));
    setText(page.slot("print"), page.say("incident.print"));
  }

  /** Asks for the newest, and once more for what SQL did not have yet; a replay is left alone. */
  follow(): void {
    if (this.at !== null) return;
    void this.ask();
    clearTimeout(this.again);
    this.again = setTimeout(() => this.at === null && void this.ask(), ASK_AGAIN_MS);
  }

  /** Lets the clocks count on. */
  tick(): void {
    if (this.told && this.at === null) this.draw(this.told);
  }

  private look(at: number | null): void {
    const { told } = this;
    if (!told) return;
    this.at = at === null || at >= this.lastAt(told) ? null : Math.max(at, told.first_at);
    clearTimeout(this.again);
    void this.ask();
  }

  private step(deed: string): void {
    const { told } = this;
    if (!told) return;
    const here = this.at ?? this.lastAt(told);
    const next = deed === "later" ? this.moments.find((at) => at > here) : this.moments.findLast((at) => at < here);
    if (next !== undefined) this.look(next);
    else if (deed === "later") this.look(null);
  }

  private async ask(): Promise<void> {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const at = this.at === null ? "" : `?at=${this.at}`;
    const url = `/api/incidents/${encodeURIComponent(this.caseId)}${at}`;
    try {
      const answer = await fetch(url, { headers: { accept: "application/json" }, signal: asking.signal });
      if (answer.status === 404) return this.sayGone();
      if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
      const told = (await answer.json()) as Told;
      if (asking.signal.aborted) return;
      this.told = told;
      if (this.at === null) this.moments = told.log.map((line) => line.at).filter((moment) => moment >= told.first_at);
      this.draw(told);
    } catch (error) {
      if (asking.signal.aborted) return;
      console.warn("the incident cannot be read", error);
      this.again = setTimeout(() => void this.ask(), RETRY_MS);
    }
  }

  private sayGone(): void {
    const gone = this.page.slot("gone");
    if (!gone) return;
    setText(gone, this.page.say("incident.gone"));
    gone.hidden = this.told !== null;
  }

  private draw(told: Told): void {
    const { page } = this;
    const sheet = page.slot("sheet");
    const head = page.slot("incident");
    if (!sheet || !head) return;
    sheet.hidden = false;
    const now = this.at ?? told.last_at ?? this.feed.serverNow();
    if (!head.childElementCount) this.layMore(head, told);
    drawHead(page, head, told, now, ...head.querySelectorAll(".more"));
    this.drawMore(head, told);
    const list = page.slot("incident_log");
    const atEnd = !list || list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
    drawParts(page, told, now, ROOM);
    if (atEnd) list?.scrollTo({ top: list.scrollHeight });
    const noted = told.forces_at === null ? "" : `${page.say("incident.noted")} ${page.shortTime(told.forces_at, now)}`;
    setText(page.slot("incident_forces-sum"), noted);
    this.drawReplay(told, now);
    this.entry.element.hidden = this.at !== null || told.last_at !== null || !told.actions.includes("note");
  }

  private layMore(head: HTMLElement, told: Told): void {
    const link = make("a", "more to-desk", this.page.say("incident.to_desk"));
    link.href = `/duty?lang=${this.page.lang}&q=${encodeURIComponent(told.case_id)}&show=all`;
    head.append(make("p", "more title"), make("p", "more reason"), make("p", "more conclusion"), link);
  }

  private drawMore(head: HTMLElement, told: Told): void {
    const { page } = this;
    const said = { title: [told.title, told.case_id].filter(Boolean).join(" · "), reason: told.reason, conclusion: told.conclusion };
    for (const [name, words] of Object.entries(said)) {
      const line = head.querySelector<HTMLElement>(`.${name}`);
      setText(line, words ? (name === "title" ? words : page.say(`incident.${name}`, { words })) : "");
      if (line) line.hidden = !words;
    }
  }

  private drawReplay(told: Told, now: number): void {
    const { page, slider } = this;
    const last = this.lastAt(told);
    slider.min = String(told.first_at);
    slider.max = String(last);
    slider.value = String(this.at ?? last);
    slider.setAttribute("aria-valuetext", page.shortClock(now, last));
    const isLive = this.at === null && told.last_at === null;
    const asOf = page.say("incident.as_of", { at: `${page.time(now, "date")} ${page.time(now, "clock")}` });
    setText(page.slot("moment"), isLive ? `${page.say("incident.live")} · ${asOf}` : asOf);
    const newest = page.slot("newest");
    if (newest) newest.hidden = this.at === null;
    page.root.dataset.replay = this.at === null ? "" : "yes";
  }

  private lastAt(told: Told): number {
    return told.last_at ?? Math.floor(this.feed.serverNow());
  }

  private press(slot: string, act: () => void): void {
    this.page.slot(slot)?.addEventListener("click", act);
  }
}

/** Paper is light whatever the screen is. */
function printInLight(): void {
  const print = matchMedia("print");
  const theme = document.documentElement.dataset.theme ?? "dark";
  print.addEventListener("change", () => (document.documentElement.dataset.theme = print.matches ? "light" : theme));
}
