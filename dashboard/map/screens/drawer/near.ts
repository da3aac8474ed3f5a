// What is around a case, within a radius that the officer can pull: who is on duty, what sees it, what measures it.

import { readJson } from "../../answers.ts";
import type { Page } from "../page.ts";
import { make, setAttribute, setText, syncList } from "../page.ts";
import type { CaseFile, Neighbour } from "./casefile.ts";

const RADII_M = [100, 200, 300, 500, 800, 1000, 1500, 2000, 3000, 5000];
const KINDS = ["worker", "camera", "bin", "detector", "air_station", "water_station", "noise", "case"];
const MOST_OF_A_KIND = 4;
const PULLED_FOR_MS = 200;

interface Group {
  kind: string;
  all: Neighbour[];
}

export class Near {
  readonly element = make("section", "case-near");
  radius: number;
  private readonly title = make("label", "");
  private readonly slider = make("input", "");
  private readonly list = make("ul", "near");
  private readonly none = make("p", "hint");
  private file: CaseFile | null = null;
  private asking: AbortController | null = null;
  private pulling: ReturnType<typeof setTimeout> | undefined;
  private opened = new Set<string>();
  /** What each row shows now: workers move on. */
  private readonly things = new WeakMap<HTMLElement, Neighbour>();

  constructor(
    private readonly page: Page,
    private readonly now: () => number,
    radius: number,
    private readonly on: { radius(): void; hover(one: Neighbour | null): void; show(caseId: string): void },
  ) {
    this.radius = radius;
    this.slider.type = "range";
    this.slider.id = "near-radius";
    this.slider.min = "0";
    this.slider.max = String(RADII_M.length - 1);
    this.slider.value = String(nearestStep(radius));
    this.title.htmlFor = this.slider.id;
    this.none.textContent = page.say("drawer.near_none");
    this.none.hidden = true;
    this.slider.addEventListener("input", () => this.pull());
    this.element.append(make("h3", "", this.title, this.slider), this.list, this.none);
    this.list.addEventListener("mouseleave", () => this.on.hover(null));
  }

  update(file: CaseFile): void {
    if (file.case_id !== this.file?.case_id) this.list.replaceChildren();
    this.file = file;
    this.element.hidden = file.lon === null || file.lat === null;
    this.drawTitle();
    void this.ask();
  }

  /** Asks again: readings and people move on. */
  async ask(): Promise<void> {
    const { file } = this;
    this.asking?.abort();
    if (!file || file.lon === null || file.lat === null) return;
    const asking = (this.asking = new AbortController());
    try {
      const url = `/api/nearby?lon=${file.lon}&lat=${file.lat}&radius_m=${this.radius}`;
      const near = (await readJson(url, asking.signal)) as Neighbour[];
      this.draw(near.filter((one) => one.case_id !== file.case_id));
    } catch (error) {
      if (!asking.signal.aborted) console.warn("the surroundings cannot be read", error);
    }
  }

  stop(): void {
    this.asking?.abort();
    this.file = null;
  }

  private pull(): void {
    this.radius = RADII_M[Number(this.slider.value)] ?? this.radius;
    this.drawTitle();
    this.on.radius();
    clearTimeout(this.pulling);
    this.pulling = setTimeout(() => void this.ask(), PULLED_FOR_MS);
  }

  private drawTitle(): void {
    const words = this.radius < 1000 ? this.page.say("drawer.metres", { n: this.radius }) : this.page.say("drawer.kilometres", { n: this.radius / 1000 });
    setText(this.title, this.page.say("drawer.near", { radius: words }));
    setAttribute(this.slider, "aria-valuetext", words);
  }

  private draw(near: Neighbour[]): void {
    const kinds = [...KINDS, ...new Set(near.map((one) => one.kind).filter((kind) => !KINDS.includes(kind)))];
    const groups = kinds.map((kind) => ({ kind, all: near.filter((one) => one.kind === kind) })).filter((group) => group.all.length);
    this.none.hidden = groups.length > 0;
    syncList(this.list, groups, (group) => group.kind, (group) => this.makeGroup(group), (element, group) => this.fillGroup(element, group));
  }

  private makeGroup(group: Group): HTMLElement {
    const head = make("button", "group");
    head.type = "button";
    const things = make("ul", "things");
    if (group.kind === "case") things.setAttribute("role", "group"); // its rows are buttons, see makeThing
    const element = make("li", "", head, things);
    head.addEventListener("click", () => {
      if (!this.opened.delete(group.kind)) this.opened.add(group.kind);
      void this.ask();
    });
    return element;
  }

  private fillGroup(element: HTMLElement, group: Group): void {
    const { page } = this;
    const [head, things] = [...element.children] as [HTMLButtonElement, HTMLElement];
    const all = this.opened.has(group.kind);
    const shown = all ? group.all : group.all.slice(0, MOST_OF_A_KIND);
    setText(head, page.say("drawer.near_group", { kind: page.sayName("kind", group.kind), n: group.all.length }));
    setAttribute(head, "aria-expanded", String(all || group.all.length <= MOST_OF_A_KIND));
    head.disabled = group.all.length <= MOST_OF_A_KIND;
    syncList(things, shown, (one) => String(one.id), (one) => this.makeThing(one), (row, one) => this.fillThing(row, one));
  }

  private makeThing(one: Neighbour): HTMLElement {
    const row = make("li", "", make("span", "name"), make("span", "value"), make("span", "age"), make("span", "far"));
    row.tabIndex = 0;
    row.addEventListener("mouseenter", () => this.on.hover(this.things.get(row) ?? null));
    row.addEventListener("focus", () => this.on.hover(this.things.get(row) ?? null));
    row.addEventListener("blur", () => this.on.hover(null));
    if (one.kind === "case" && one.case_id) {
      const { case_id: caseId } = one;
      row.setAttribute("role", "button");
      row.addEventListener("click", () => this.on.show(caseId));
      row.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        this.on.show(caseId);
      });
    }
    return row;
  }

  private fillThing(row: HTMLElement, one: Neighbour): void {
    const { page } = this;
    const [name, value, age, far] = [...row.children];
    const title = one.kind === "case" ? page.nameCategory(one.category ?? "") : (page.lang === "en" && one.name_en) || one.name || "";
    row.dataset.mark = one.mark ?? "";
    this.things.set(row, one);
    setText(name ?? null, title);
    setText(value ?? null, [page.words(one.value), one.mark ? page.sayName("mark", one.mark) : ""].filter(Boolean).join(" · "));
    setText(age ?? null, one.at ? page.ago(Math.max(0, this.now() - one.at)) : "");
    setText(far ?? null, page.say("drawer.metres", { n: Math.round(one.distance_m) }));
  }
}

function nearestStep(radius: number): number {
  return RADII_M.reduce((best, one, step) => (Math.abs(one - radius) < Math.abs((RADII_M[best] ?? 0) - radius) ? step : best), 0);
}
