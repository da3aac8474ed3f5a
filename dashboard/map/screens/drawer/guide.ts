// The handling guide of the class: what to do, whom to call, by what law.

import type { Page } from "../page.ts";
import { make } from "../page.ts";
import type { CaseFile, Guide, Matter } from "./casefile.ts";
import { Section } from "./section.ts";

/** For what is severe the guide is open from the start. */
const OPEN_FROM = 2;

export class GuideSheet {
  readonly section = new Section("case-guide");

  constructor(private readonly page: Page) {}

  update(file: CaseFile): void {
    const said = [file.case_id, file.guide, file.matter];
    this.section.redraw(said, () => (file.guide || file.matter ? this.draw(file, file.severity <= OPEN_FROM) : []));
  }

  private draw(file: CaseFile, open: boolean): Node[] {
    const { page } = this;
    const guide: Guide = file.guide ?? { steps: [], calls: [], basis: [] };
    const calls = guide.calls.map((call) => {
      const who = call.unit ?? call.role ?? "";
      const phone = call.phone ? make("b", "phone", call.phone) : "";
      return make("li", "", make("b", "", who), phone, make("span", "", call.why));
    });
    const basis = guide.basis.map((one) => {
      const title = make("b", "", page.say("drawer.law", { law: one.law }), one.article ? ` ${one.article}` : "");
      const doubt = one.verified ? [] : [make("span", "doubt", page.say("drawer.unverified"))];
      const row = make("li", "", title, make("span", "", one.says), ...doubt);
      row.title = one.source;
      return row;
    });
    const details = make(
      "details",
      "guide",
      make("summary", "", page.say("drawer.guide")),
      make("ol", "steps", ...guide.steps.map((step) => make("li", "", step))),
      ...this.drawMatter(file.matter),
      ...(calls.length ? [make("h4", "", page.say("drawer.calls")), make("ul", "calls", ...calls)] : []),
      ...(basis.length ? [make("h4", "", page.say("drawer.basis")), make("ul", "basis", ...basis)] : []),
    );
    details.open = open;
    return [details];
  }

  /** What the matter list asks: when it enters, how it is done, when it leaves. */
  private drawMatter(matter: Matter | null): Node[] {
    if (!matter) return [];
    const { page } = this;
    const said: [string, string | undefined][] = [
      ["admission", matter.admission],
      ["standard", matter.standard],
      ["exit", matter.exit],
      ["grade", matter.grade_rule],
    ];
    const rows = said.flatMap(([key, words]) => (words ? [make("dt", "", page.say(`drawer.matter_${key}`)), make("dd", "", words)] : []));
    const title = make("h4", "", page.say(matter.listed ? "drawer.matter" : "drawer.matter_none", { version: matter.version }));
    return [title, make("dl", "facts", ...rows)];
  }
}
