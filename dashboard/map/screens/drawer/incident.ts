// The strip of a case in incident mode: how long it runs, its own page, and one line for the running log.

import { countElapsed } from "../incident_parts.ts";
import type { Page } from "../page.ts";
import { make, makePart, part, setAttribute, setText } from "../page.ts";
import type { CaseFile } from "./casefile.ts";
import { Entry } from "./entry.ts";

export class IncidentStrip {
  readonly element = make("section", "incident-strip");
  private readonly entry: Entry;
  private file: CaseFile | null = null;

  constructor(private readonly page: Page, private readonly now: () => number, done: () => void) {
    const target = () => this.file && { caseId: this.file.case_id, version: this.file.version };
    this.entry = new Entry(page, target, done);
    const link = make("a", "open");
    link.dataset.part = "open";
    this.element.append(make("p", "top", makePart("standing"), makePart("elapsed"), link), this.entry.element);
    this.element.hidden = true;
  }

  update(file: CaseFile): void {
    this.file = file;
    const last = file.incidents.at(-1);
    this.element.hidden = !last;
    if (!last) return;
    const runs = last[1] === null;
    setAttribute(this.element, "data-over", runs ? null : "");
    setText(part(this.element, "standing"), this.page.say(runs ? "incident.running" : "incident.over"));
    const link = part(this.element, "open");
    setText(link, this.page.say(runs ? "incident.open" : "incident.open_over"));
    setAttribute(link, "href", `/incident/${encodeURIComponent(file.case_id)}?lang=${this.page.lang}`);
    this.entry.element.hidden = !runs || !file.actions_legal.some(({ action }) => action === "note");
    this.tick();
  }

  tick(): void {
    const last = this.file?.incidents.at(-1);
    if (last) setText(part(this.element, "elapsed"), countElapsed(this.page, (last[1] ?? this.now()) - last[0]));
  }

  focus(): void {
    if (!this.element.hidden && !this.entry.element.hidden) this.entry.focus();
  }
}
