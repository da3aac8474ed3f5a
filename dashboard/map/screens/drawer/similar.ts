// Cases that may tell of the same thing, and those that have come back; merging is one click from here.

import { readJson } from "../../answers.ts";
import type { Page } from "../page.ts";
import { make } from "../page.ts";
import type { CaseFile, Likeness, Likenesses } from "./casefile.ts";
import { Section } from "./section.ts";

export class Similar {
  readonly section = new Section("case-similar");
  likenesses: Likeness[] = [];
  private found: Likenesses | null = null;

  constructor(
    private readonly page: Page,
    private readonly now: () => number,
    private readonly on: { show(caseId: string): void; merge(into: string): void },
  ) {}

  /** Asks what a case is like; where nobody knows, nothing is shown. */
  async ask(file: CaseFile, signal: AbortSignal): Promise<void> {
    try {
      const url = `/api/cases/${encodeURIComponent(file.case_id)}/similar?lang=${this.page.lang}`;
      this.found = (await readJson(url, signal)) as Likenesses;
      this.likenesses = this.found.duplicates.filter((one) => one.open);
    } catch (error) {
      if (signal.aborted) return;
      console.warn("similar cases cannot be read", error);
      this.found = null;
      this.likenesses = [];
    }
    this.update(file);
  }

  update(file: CaseFile): void {
    const merges = file.actions_legal.some((one) => one.action === "merge");
    this.section.redraw([this.found, merges, file.merged_cases], () => this.draw(merges, file.merged_cases));
  }

  forget(): void {
    this.found = null;
    this.likenesses = [];
    this.section.clear();
  }

  private draw(merges: boolean, merged: string[]): Node[] {
    const { page } = this;
    const { duplicates = [], repeats = [] } = this.found ?? {};
    const list = (key: string, rows: HTMLElement[]) => (rows.length ? [make("h3", "", page.say(key, { n: rows.length })), make("ul", "similar", ...rows)] : []);
    return [
      ...list("drawer.similar", duplicates.map((one) => this.makeRow(one, merges && one.open))),
      ...list("drawer.repeats", repeats.map((one) => this.makeRow(one, false))),
      ...list("drawer.merged_list", merged.map((id) => make("li", "", this.makeLink(id, id)))),
    ];
  }

  private makeRow(one: Likeness, merges: boolean): HTMLElement {
    const { page } = this;
    const title = this.makeLink(one.case_id, one.title || page.nameCategory(one.category));
    const facts = [
      page.nameState(one.category, one.state),
      one.distance_m === null ? "" : page.say("drawer.metres", { n: one.distance_m }),
      page.shortTime(one.reported_at, this.now()),
    ].filter(Boolean);
    const why = one.reasons.map((reason) => reason.text).join(" · ");
    const row = make("li", "", title, make("span", "facts-line", facts.join(" · ")), make("span", "why", why));
    row.dataset.likely = String(one.likely);
    if (merges) {
      const button = make("button", "merge", page.say("drawer.merge_into"));
      button.type = "button";
      button.dataset.focus = `merge-${one.case_id}`;
      button.addEventListener("click", () => this.on.merge(one.case_id));
      row.append(button);
    }
    return row;
  }

  private makeLink(caseId: string, words: string): HTMLElement {
    const link = make("button", "link", words);
    link.type = "button";
    link.dataset.focus = `show-${caseId}`;
    link.addEventListener("click", () => this.on.show(caseId));
    return link;
  }
}
