// Everything that was done, in order, those actions too that came to nothing.

import type { Page } from "../page.ts";
import { make, setText, syncList } from "../page.ts";
import type { CaseFile, Deed } from "./casefile.ts";
import { EXTENSION_UNITS } from "./form.ts";

interface Row {
  deed: Deed;
  number: number;
  /** How long the case stayed where this action brought it, in seconds; null where it did not move it. */
  stayed: number | null;
  running: boolean;
  paused: boolean;
}

export class Timeline {
  readonly element = make("section", "case-timeline");
  private readonly list = make("ol", "timeline");

  constructor(private readonly page: Page, private readonly now: () => number) {
    this.element.append(make("h3", "", page.say("drawer.timeline")), this.list);
  }

  update(file: CaseFile): void {
    syncList(
      this.list,
      listRows(file, this.now()),
      (row) => row.deed.key,
      () => make("li", "", make("time"), make("b"), make("span", "who"), make("span", "mark"), make("span", "note"), make("span", "stayed")),
      (element, row) => this.fill(element, row, file),
    );
  }

  private fill(element: HTMLElement, row: Row, file: CaseFile): void {
    const { page } = this;
    const { deed } = row;
    const [time, what, who, mark, note, stayed] = [...element.children];
    element.dataset.mark = deed.mark;
    element.dataset.paused = String(row.paused);
    setText(time ?? null, page.shortTime(deed.at, this.now()));
    setText(what ?? null, page.nameAction(file.category, deed.action));
    setText(who ?? null, this.sayWho(deed, file));
    setText(mark ?? null, deed.mark ? page.say(`drawer.mark_${deed.mark}`) : "");
    const unit = deed.unit && this.isGiven(deed, file) ? `→ ${deed.unit}` : "";
    setText(note ?? null, [unit, ...this.listDetails(deed), deed.note].filter(Boolean).join(" · "));
    const key = row.paused ? "drawer.stood_still" : row.running ? "drawer.stays" : "drawer.stayed";
    setText(stayed ?? null, row.stayed === null || !deed.state ? "" : page.say(key, { state: page.nameState(file.category, deed.state), span: page.span(row.stayed) }));
  }

  private sayWho(deed: Deed, file: CaseFile): string {
    const unit = this.isGiven(deed, file) ? null : deed.unit;
    const elsewhere = deed.action === "report" ? this.page.sayName("channel", file.channel) : this.page.say("drawer.actor_elsewhere");
    return [deed.role_name, unit].filter(Boolean).join(" · ") || elsewhere;
  }

  /** Whether the unit of an action is whom the case was given to, not who acted. */
  private isGiven(deed: Deed, file: CaseFile): boolean {
    const action = this.page.flowOf(file.category)?.actions[deed.action];
    return deed.action !== "part_done" && !!action?.needs.includes("unit");
  }

  private listDetails(deed: Deed): string[] {
    const { page } = this;
    return Object.entries(deed.details ?? {}).flatMap(([field, value]) => {
      if (field === "units" && Array.isArray(value)) return [value.join(page.lang === "zh" ? "、" : ", ")];
      if (field === "into") return [page.say("drawer.into", { id: String(value) })];
      if (field === "satisfied") return [page.say(value ? "drawer.satisfied" : "drawer.unsatisfied")];
      if (field === "extra") {
        const { amount, unit } = value as { amount?: number; unit?: string };
        return EXTENSION_UNITS.includes(unit ?? "") ? [`${amount} ${page.say(`drawer.unit_${unit}`)}`] : [];
      }
      return typeof value === "string" ? [page.sayName("drawer", `${field}_${value}`)] : [];
    });
  }
}

/** An action that moved the case (or was the report) began a stay, which the next such one ended. */
function listRows(file: CaseFile, now: number): Row[] {
  const moved: boolean[] = [];
  let state: string | null = null;
  for (const deed of file.actions) {
    const moves: boolean = deed.mark !== "overtaken" && deed.mark !== "undone" && !!deed.state && deed.state !== state;
    moved.push(moves);
    if (moves) state = deed.state;
  }
  return file.actions.map((deed, number) => {
    const next = file.actions.findIndex((_, later) => later > number && moved[later]);
    const running = next < 0;
    const until = running ? now : (file.actions[next]?.at ?? now);
    const ended = running && !file.open;
    const stayed = moved[number] && !ended ? until - deed.at : null;
    return { deed, number, stayed, running, paused: !!moved[number] && file.stops.some(([start]) => start === deed.at) };
  });
}
