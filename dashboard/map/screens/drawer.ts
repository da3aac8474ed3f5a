// The drawer: one case, understood in ten seconds and acted on in three clicks. Its parts are in `drawer/`.

import { readJson } from "../answers.ts";
import type { LiveFeed } from "../live.ts";
import { Actions } from "./drawer/actions.ts";
import type { CaseFile, Neighbour } from "./drawer/casefile.ts";
import { Clocks } from "./drawer/clocks.ts";
import { GuideSheet } from "./drawer/guide.ts";
import { IncidentStrip } from "./drawer/incident.ts";
import { Facts, Head } from "./drawer/head.ts";
import { Media } from "./drawer/media.ts";
import { Near } from "./drawer/near.ts";
import { ReporterRow } from "./drawer/reporter.ts";
import { Similar } from "./drawer/similar.ts";
import { Timeline } from "./drawer/timeline.ts";
import type { Page } from "./page.ts";
import { make } from "./page.ts";

/** How far a case may be from where it was clicked: coordinates on the map are rounded. */
const SAME_PLACE_M = 20;
const TICK_MS = 1000;
const LOOK_AROUND_EVERY_MS = 30_000;
/** The recorder is behind by a moment: notes and photos may still come. */
const ASK_AGAIN_MS = 1500;
const RETRY_MS = 5000;

/** Shows one case at a time, and asks again when the live feed says that it changed. */
export class Drawer {
  /** Called with a case that somebody has acted on here. */
  onChange: (caseId: string) => void = () => {};
  /** Called when the surroundings are looked at, or another radius is; lon and lat are null when no case is shown. */
  onRadius: (lon: number | null, lat: number | null, radiusM: number) => void = () => {};
  /** Called with the thing in the surroundings that is pointed at. */
  onHover: (one: Neighbour | null) => void = () => {};

  private caseId: string | null = null;
  private file: CaseFile | null = null;
  private asking: AbortController | null = null;
  private askedAgain: ReturnType<typeof setTimeout> | undefined;
  /** Whether the drawer shows something else than a case. */
  private holds = false;
  private readonly box: HTMLElement;
  private readonly sheet = make("article", "case-sheet");
  private readonly head: Head;
  private readonly incident: IncidentStrip;
  private readonly clocks: Clocks;
  private readonly actions: Actions;
  private readonly facts: Facts;
  private readonly reporter: ReporterRow;
  private readonly media: Media;
  private readonly similar: Similar;
  private readonly guide: GuideSheet;
  private readonly timeline: Timeline;
  private readonly near: Near;

  constructor(
    private readonly page: Page,
    feed: LiveFeed,
  ) {
    this.box = page.slot("drawer") ?? make("div");
    this.box.tabIndex = -1;
    const now = () => feed.serverNow();
    this.head = new Head(page);
    this.incident = new IncidentStrip(page, now, () => this.again());
    this.clocks = new Clocks(page, now);
    this.actions = new Actions(page, now, {
      done: (caseId) => {
        this.onChange(caseId);
        this.again();
      },
      stale: () => this.again(),
    });
    this.facts = new Facts(page, now);
    this.reporter = new ReporterRow(page);
    this.media = new Media(page);
    this.similar = new Similar(page, now, { show: (id) => this.show(id), merge: (into) => this.actions.act("merge", { into }) });
    this.guide = new GuideSheet(page);
    this.timeline = new Timeline(page, now);
    this.near = new Near(page, now, Number(page.root.dataset.radiusM) || 800, {
      radius: () => this.tellRadius(),
      hover: (one) => this.onHover(one),
      show: (id) => this.show(id),
    });
    const sections = [this.head.section.element, this.incident.element, this.clocks.element, this.actions.element, this.media.section.element];
    sections.push(this.facts.section.element, this.similar.section.element, this.guide.section.element);
    this.sheet.append(...sections, this.timeline.element, this.near.element);
    this.clear();
    feed.subscribe((frame) => {
      if (this.caseId && frame.cases?.some((one) => one.case_id === this.caseId)) this.again();
    });
    setInterval(() => this.tick(), TICK_MS);
    setInterval(() => void this.near.ask(), LOOK_AROUND_EVERY_MS);
  }

  /** Shows something other than a case, until a case is shown or it is dismissed. */
  present(...content: HTMLElement[]): void {
    this.leave();
    this.holds = true;
    this.box.replaceChildren(...content);
    this.box.parentElement?.scrollTo({ top: 0 });
  }

  dismiss(): void {
    this.holds = false;
    this.show(null);
  }

  show(caseId: string | null): void {
    if (caseId === null && this.holds) return;
    if (caseId !== null && caseId === this.caseId) return;
    this.holds = false;
    this.leave();
    this.caseId = caseId;
    if (caseId === null) this.clear();
    else void this.ask(caseId);
  }

  /** Shows a case that is known only by its place on the map. */
  async showAt(id: number, lon: number, lat: number): Promise<void> {
    const near = (await readJson(`/api/nearby?lon=${lon}&lat=${lat}&radius_m=${SAME_PLACE_M}`)) as Neighbour[];
    const found = near.find((one) => one.kind === "case" && one.id === id);
    if (found?.case_id) this.show(found.case_id);
  }

  focus(): void {
    this.box.focus({ preventScroll: true });
    this.box.parentElement?.scrollTo({ top: 0 });
  }

  /** The case that is shown. */
  get shown(): string | null {
    return this.caseId;
  }

  /** The action that usually comes next, if the viewer may do it. */
  get forward(): string | null {
    return this.actions.forward;
  }

  /** Does an action on the case shown, as a click on its button would: "forward" is what usually comes next, "undo" takes back. */
  act(action: string): void {
    const chosen = action === "forward" ? this.actions.forward : action;
    if (chosen) this.actions.act(chosen);
  }

  /** Asks why the case shown becomes an incident; where it is one, goes to where an entry of its log is written. */
  callIncident(): void {
    if (this.actions.can("begin_incident")) this.actions.act("begin_incident");
    else this.incident.focus();
  }

  private leave(): void {
    this.asking?.abort();
    clearTimeout(this.askedAgain);
    this.near.stop();
    this.similar.forget();
    this.caseId = this.file = null;
    this.onHover(null);
    this.onRadius(null, null, this.near.radius);
  }

  private clear(): void {
    this.box.replaceChildren(
      make("h2", "", this.page.say("drawer.none")),
      make("p", "hint", this.page.say("drawer.hint")),
    );
  }

  private again(): void {
    if (this.caseId) void this.ask(this.caseId);
  }

  private async ask(caseId: string): Promise<void> {
    this.asking?.abort();
    clearTimeout(this.askedAgain);
    const asking = (this.asking = new AbortController());
    try {
      const url = `/api/cases/${encodeURIComponent(caseId)}?lang=${this.page.lang}`;
      const file = (await readJson(url, asking.signal)) as CaseFile;
      if (asking.signal.aborted) return;
      const isNew = this.file?.case_id !== caseId;
      this.file = file;
      this.draw(file, isNew);
      await this.similar.ask(file, asking.signal);
      this.actions.offer(this.similar.likenesses);
      if (!file.recorded && !asking.signal.aborted) this.askedAgain = setTimeout(() => this.again(), ASK_AGAIN_MS);
    } catch (error) {
      if (asking.signal.aborted) return;
      console.warn("the case cannot be read", error);
      this.askedAgain = setTimeout(() => this.again(), RETRY_MS);
      if (this.file?.case_id !== caseId)
        this.box.replaceChildren(make("h2", "", caseId), make("p", "hint", this.page.say("common.unavailable")));
    }
  }

  private draw(file: CaseFile, isNew: boolean): void {
    this.reporter.update(file);
    this.head.update(file);
    this.incident.update(file);
    this.clocks.update(file);
    this.actions.update(file);
    this.media.update(file);
    this.facts.update(file, this.reporter.element);
    this.similar.update(file);
    this.guide.update(file);
    this.timeline.update(file);
    this.near.update(file);
    if (!this.sheet.isConnected) this.box.replaceChildren(this.sheet);
    if (isNew) {
      this.box.parentElement?.scrollTo({ top: 0 });
      this.tellRadius();
    }
  }

  private tellRadius(): void {
    if (this.file) this.onRadius(this.file.lon, this.file.lat, this.near.radius);
  }

  private tick(): void {
    if (!this.file) return;
    this.clocks.tick(this.sheet);
    this.incident.tick();
    this.actions.tick();
  }
}
