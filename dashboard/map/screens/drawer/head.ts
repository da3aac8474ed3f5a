// The head: how bad, what, where, whose turn it is; and the facts of the report.

import { makeDrill } from "../alerts.ts";
import type { Page } from "../page.ts";
import { make, makeSeverity } from "../page.ts";
import type { CaseFile, Part } from "./casefile.ts";
import { Section } from "./section.ts";

export class Head {
  readonly section = new Section("case-head");

  constructor(private readonly page: Page) {}

  update(file: CaseFile): void {
    const said = [
      file.case_id, file.severity, file.state, file.category, file.title, file.grade, file.level, file.card, file.owner,
      file.unit, file.is_turn, file.people, file.merged_into, file.returns, file.hand_backs, file.colour, file.complexity,
      file.kind, file.merged_cases, file.parts.map((part) => [part.unit, part.done_at]),
    ];
    this.section.redraw(said, () => this.draw(file));
  }

  private draw(file: CaseFile): Node[] {
    const { page } = this;
    const state = make("span", "state", page.nameState(file.category, file.state));
    state.dataset.open = String(file.open);
    const place = [page.namePlace(file.cell), file.cell_name].filter(Boolean).join(page.lang === "zh" ? " " : ", ");
    const where = make("p", "where", place);
    if (file.people) where.append(make("span", "people", page.say("drawer.people", { n: file.people })));
    return [
      make("div", "drawer-head", ...makeDrill(page, { exercise: file.origin === "exercise" }), makeSeverity(page, file.severity), ...this.listPills(file), state),
      make("h2", "", page.nameCategory(file.category)),
      ...(file.title && file.title !== page.nameCategory(file.category) ? [make("p", "case-title", file.title)] : []),
      where,
      this.makeTurn(file),
      ...(file.parts.length ? [make("ul", "parts", ...file.parts.map((part) => this.makePart(part)))] : []),
    ];
  }

  private listPills(file: CaseFile): Node[] {
    const { page } = this;
    const pills: Node[] = [];
    const add = (kind: string, value: string | null, tone = "") => {
      if (!value) return;
      const pill = make("span", "pill", page.say(`drawer.${kind}_${value}`));
      if (tone) pill.dataset.tone = tone;
      pills.push(pill);
    };
    add("card", file.card, file.card ?? "");
    add("grade", file.grade, file.grade === "major" ? "strong" : "");
    add("level", file.level);
    add("complexity", file.complexity);
    add("colour", file.colour, file.colour ?? "");
    add("kind", file.kind);
    return pills;
  }

  private makeTurn(file: CaseFile): HTMLElement {
    const { page } = this;
    const turn = make("p", "turn");
    if (!file.open) {
      turn.append(file.merged_into ? page.say("drawer.merged_into", { id: file.merged_into }) : page.say("drawer.ended"));
    } else {
      const who = file.is_turn ? page.say("drawer.turn_yours") : page.say("drawer.turn", { role: file.owner_name ?? "" });
      turn.append(make("b", file.is_turn ? "yours" : "", who));
      if (file.unit) turn.append(make("span", "unit", file.unit));
    }
    const counts = [
      file.hand_backs ? page.say("drawer.hand_backs", { n: file.hand_backs }) : "",
      file.returns ? page.say("drawer.returns", { n: file.returns }) : "",
      file.merged_cases.length ? page.say("drawer.merged_cases", { n: file.merged_cases.length }) : "",
    ].filter(Boolean);
    if (counts.length) turn.append(make("span", "counts", counts.join(" · ")));
    return turn;
  }

  /** One co-handling unit; its clock ticks in `clocks.ts`. */
  private makePart(part: Part): HTMLElement {
    const clock = make("span", "part-clock");
    clock.dataset.unit = part.unit_code;
    return make("li", "", make("span", "", part.unit), clock);
  }
}

export class Facts {
  readonly section = new Section("case-facts");

  constructor(private readonly page: Page, private readonly now: () => number) {}

  /** `reporter` is the row of who reported, which asks for a reason before it says more. */
  update(file: CaseFile, reporter: HTMLElement): void {
    const worker = file.responsible;
    const said = [file.case_id, file.description, worker, file.reported_at, file.channel, file.reporter, file.may_unmask, file.lon, file.lat];
    this.section.redraw(said, () => this.draw(file, reporter));
  }

  private draw(file: CaseFile, reporter: HTMLElement): Node[] {
    const { page } = this;
    const worker = file.responsible;
    const rows: [string, string | HTMLElement | null][] = [
      ["description", file.description],
      ["responsible", worker && [worker.name, worker.phone].filter(Boolean).join(" · ")],
      ["reported_at", `${page.shortTime(file.reported_at, this.now())} · ${page.sayName("channel", file.channel)}`],
      ["reporter", file.reporter ? reporter : null],
      // The pack calls its platforms by Chinese names only.
      ["platform", page.lang === "zh" ? (page.category(file.category)?.platform ?? null) : null],
      ["case_id", this.makeNumber(file.case_id)],
      ["coordinates", file.lon === null || file.lat === null ? null : `${file.lon.toFixed(5)}, ${file.lat.toFixed(5)}`],
    ];
    const list = rows.flatMap(([key, value]) => (value ? [make("dt", "", page.say(`drawer.${key}`)), make("dd", "", value)] : []));
    return [make("h3", "", page.say("drawer.facts")), make("dl", "facts", ...list)];
  }

  /** The case's number, and beside it the way to put the case on a wall, for who may. */
  private makeNumber(caseId: string): HTMLElement {
    const box = make("span", "", caseId);
    const words = this.page.root.dataset.walls;
    if (!words) return box;
    const link = make("a", "to-wall", words);
    link.href = `/walls?lang=${this.page.lang}&case=${encodeURIComponent(caseId)}`;
    box.append(" ", link);
    return box;
  }
}
