// The drawer: what is known of one case: facts, clock with its rule, timeline, surroundings. Read-only.

import type { LiveFeed } from "../live.ts";
import type { Page } from "./page.ts";
import { make, makeSeverity, readJson } from "./page.ts";

/** A moment as the API says it: RFC 3339, or epoch seconds. */
type Moment = string | number;

interface Action {
  action: string;
  actor?: string | null;
  unit?: string | null;
  at: Moment;
  note?: string | null;
}

/** What /api/cases/{case_id} answers; the reporter is masked by the server. */
interface CaseDetail {
  case_id: string;
  category: string;
  severity: number;
  state: string;
  channel: string;
  title?: string | null;
  description?: string | null;
  people?: number | null;
  unit?: string | null;
  reporter?: { name?: string | null; phone?: string | null } | null;
  cell?: number | null;
  lon: number | null;
  lat: number | null;
  reported_at: Moment;
  received_at?: Moment | null;
  closed_at?: Moment | null;
  actions?: Action[];
}

interface Neighbour {
  kind: string;
  id?: number;
  name?: string | null;
  name_en?: string | null;
  distance_m: number;
  value?: string | { zh: string; en: string } | null;
  at?: Moment | null;
  category?: string;
  severity?: number;
  case_id?: string;
}

const NEAR = 0.8;
/** How far a case may be from where it was clicked: coordinates on the map are rounded. */
const SAME_PLACE_M = 20;
const CLOCK_EVERY_MS = 15000;
const KINDS = ["grid_worker", "worker", "camera", "bin", "detector", "air_station", "water_station", "case"];
const MOST_OF_A_KIND = 4;

/** Shows one case at a time, and asks again when the live feed says that it changed. */
export class Drawer {
  private caseId: string | null = null;
  private detail: CaseDetail | null = null;
  private asking: AbortController | null = null;
  /** Whether the drawer shows something else than a case. */
  private holds = false;
  private readonly box: HTMLElement;
  private readonly radius: number;

  constructor(
    private readonly page: Page,
    private readonly feed: LiveFeed,
  ) {
    this.box = page.slot("drawer") ?? make("div");
    this.box.tabIndex = -1;
    this.radius = Number(page.root.dataset.radiusM) || 800;
    this.clear();
    feed.subscribe((frame) => {
      if (this.caseId && frame.cases?.some((one) => one.case_id === this.caseId)) void this.ask(this.caseId);
    });
    setInterval(() => this.drawClock(), CLOCK_EVERY_MS);
  }

  /** Shows something other than a case, until a case is shown or it is dismissed. */
  present(...content: HTMLElement[]): void {
    this.asking?.abort();
    this.caseId = this.detail = null;
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
    this.holds = false;
    this.caseId = caseId;
    this.asking?.abort();
    if (caseId === null) this.clear();
    else void this.ask(caseId);
  }

  /** Shows a case that is known only by its place on the map. */
  async showAt(id: number, lon: number, lat: number): Promise<void> {
    const near = readNeighbours((await readJson(`/api/nearby?lon=${lon}&lat=${lat}&radius_m=${SAME_PLACE_M}`)) as Neighbour[]);
    const found = near.find((one) => one.kind === "case" && one.id === id);
    if (found?.case_id) this.show(found.case_id);
  }

  focus(): void {
    this.box.focus({ preventScroll: true });
    this.box.parentElement?.scrollTo({ top: 0 });
  }

  private clear(): void {
    this.detail = null;
    this.box.replaceChildren(
      make("h2", "", this.page.say("duty.drawer_none")),
      make("p", "hint", this.page.say("duty.drawer_hint")),
    );
  }

  private async ask(caseId: string): Promise<void> {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    try {
      const url = `/api/cases/${encodeURIComponent(caseId)}?lang=${this.page.lang}`;
      const detail = (await readJson(url, asking.signal)) as CaseDetail;
      const near = detail.lon === null || detail.lat === null ? [] : await this.askNear(detail, asking.signal);
      if (asking.signal.aborted) return;
      this.detail = detail;
      this.draw(detail, near);
    } catch (error) {
      if (asking.signal.aborted) return;
      console.warn("the case cannot be read", error);
      if (this.detail?.case_id !== caseId)
        this.box.replaceChildren(make("h2", "", caseId), make("p", "hint", this.page.say("common.unavailable")));
    }
  }

  private async askNear(detail: CaseDetail, signal: AbortSignal): Promise<Neighbour[]> {
    const url = `/api/nearby?lon=${detail.lon}&lat=${detail.lat}&radius_m=${this.radius}&lang=${this.page.lang}`;
    const answer = (await readJson(url, signal)) as Neighbour[] | Record<string, Neighbour[]>;
    return readNeighbours(answer).filter((one) => one.case_id !== detail.case_id);
  }

  private draw(detail: CaseDetail, near: Neighbour[]): void {
    const { page, box } = this;
    const scroll = box.parentElement?.scrollTop ?? 0;
    box.replaceChildren(
      make("div", "drawer-head", makeSeverity(page, detail.severity), make("span", "state", page.nameState(detail.category, detail.state))),
      make("h2", "", page.nameCategory(detail.category)),
      ...(detail.title ? [make("p", "case-title", detail.title)] : []),
      make("div", "case-clock"),
      this.makeFacts(detail),
      this.makeTimeline(detail),
      this.makeNear(near),
    );
    this.drawClock();
    if (box.parentElement) box.parentElement.scrollTop = scroll;
  }

  private makeFacts(detail: CaseDetail): HTMLElement {
    const { page } = this;
    const now = this.feed.serverNow();
    const reporter = [detail.reporter?.name, detail.reporter?.phone].filter(Boolean).join(" ");
    const place = page.namePlace(detail.cell ?? null);
    const facts: [string, string | null | undefined][] = [
      ["case_id", detail.case_id],
      ["place", place],
      ["coordinates", detail.lon === null || detail.lat === null ? null : `${detail.lon.toFixed(5)}, ${detail.lat.toFixed(5)}`],
      ["reported_at", page.shortTime(toSeconds(detail.reported_at) ?? 0, now)],
      ["col_channel", page.sayName("channel", detail.channel)],
      ["unit", detail.unit],
      ["platform", page.category(detail.category)?.platform],
      ["reporter", reporter],
      ["people", detail.people == null ? null : String(detail.people)],
      ["description", detail.description],
    ];
    const rows = facts.flatMap(([key, value]) => (value ? [make("dt", "", page.say(`duty.${key}`)), make("dd", "", value)] : []));
    return make("section", "", make("h3", "", page.say("duty.facts")), make("dl", "facts", ...rows));
  }

  /** Elapsed time against the class's limit, with the rule said. */
  private drawClock(): void {
    const box = this.box.querySelector<HTMLElement>(".case-clock");
    const detail = this.detail;
    if (!box || !detail) return;
    const { page } = this;
    const category = page.category(detail.category);
    const limit = category?.limit_hours ? category.limit_hours * 3600 : null;
    const reported = toSeconds(detail.reported_at) ?? 0;
    const end = toSeconds(detail.closed_at) ?? this.feed.serverNow();
    const used = Math.max(0, end - reported);
    if (!limit) {
      box.dataset.clock = "none";
      box.replaceChildren(make("p", "", page.say("duty.clock_none")));
      return;
    }
    const left = limit - used;
    const share = used / limit;
    box.dataset.clock = share > 1 ? "over" : share > NEAR ? "near" : "good";
    const verdict = detail.closed_at
      ? page.say("duty.clock_closed")
      : page.say(left >= 0 ? "duty.clock_left" : "duty.clock_over", { [left >= 0 ? "left" : "over"]: page.span(Math.abs(left)) });
    const bar = make("span", "clock-bar");
    bar.style.setProperty("--share", String(Math.min(1, share)));
    const sum = page.say("duty.clock_used", { used: page.span(used), limit: page.span(limit) });
    const rule = page.say("duty.clock_rule", { category: page.nameCategory(detail.category), limit: category?.limit_hours ?? "" });
    const source = category?.source ? ` ${page.say("duty.clock_source", { source: category.source })}` : "";
    const doubt = category?.verified === false ? ` (${page.say("duty.clock_unverified")})` : "";
    box.replaceChildren(
      make("p", "verdict", verdict),
      bar,
      make("p", "sum", sum),
      make("p", "rule", rule + source + doubt),
    );
  }

  private makeTimeline(detail: CaseDetail): HTMLElement {
    const { page } = this;
    const now = this.feed.serverNow();
    const actions = detail.actions ?? [];
    const rows = actions.map((one) =>
      make(
        "li",
        "",
        make("time", "", page.shortTime(toSeconds(one.at) ?? 0, now)),
        make("b", "", page.nameAction(detail.category, one.action)),
        make("span", "", [one.unit, one.note].filter(Boolean).join(" · ")),
      ),
    );
    const body = rows.length ? make("ol", "timeline", ...rows) : make("p", "hint", page.say("duty.timeline_none"));
    return make("section", "", make("h3", "", page.say("duty.timeline")), body);
  }

  private makeNear(near: Neighbour[]): HTMLElement {
    const { page } = this;
    const groups = KINDS.flatMap((kind) =>
      near
        .filter((one) => one.kind === kind)
        .sort((a, b) => a.distance_m - b.distance_m)
        .slice(0, MOST_OF_A_KIND),
    );
    const rows = groups.map((one) => {
      const name = one.kind === "case" ? page.nameCategory(one.category ?? "") : (page.lang === "en" && one.name_en) || one.name || "";
      return make(
        "li",
        "",
        make("b", "", page.sayName("kind", one.kind)),
        make("span", "name", name),
        make("span", "value", page.words(one.value)),
        make("span", "far", page.say("duty.metres", { n: Math.round(one.distance_m) })),
      );
    });
    const title = page.say("duty.surroundings", { radius: this.radius });
    const body = rows.length ? make("ul", "near", ...rows) : make("p", "hint", page.say("duty.surroundings_none"));
    return make("section", "", make("h3", "", title), body);
  }
}

function readNeighbours(answer: Neighbour[] | Record<string, Neighbour[]>): Neighbour[] {
  return Array.isArray(answer) ? answer : Object.values(answer).flat();
}

function toSeconds(moment: Moment | null | undefined): number | null {
  if (moment == null) return null;
  return typeof moment === "number" ? moment : Date.parse(moment) / 1000;
}
