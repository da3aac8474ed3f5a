// What can be done to all checked cases at once, and what became of it, case by case.

import { make, type Page } from "../page.ts";
import type { Queue, QueueRow } from "../queue.ts";
import { postJson } from "../drawer/post.ts";

interface Outcome {
  case_id: string;
  result: "applied" | "overtaken" | "pending" | "refused";
  reason?: string | null;
  field?: string | null;
}

/** What a bulk action may need: more than these is asked for in the drawer, case by case. */
const WORDS: Record<string, string[]> = {
  card: ["ordinary", "yellow", "red"],
  grade: ["major", "minor"],
};
const ASKED = new Set(["note", "unit", ...Object.keys(WORDS)]);
const DETAILS = new Set(Object.keys(WORDS));

/** Shows the bar while something is checked. */
export class BulkBar {
  private chosen: string | null = null;
  private working = false;
  private drawn = "";

  constructor(
    private page: Page,
    private queue: Queue,
    private bar: HTMLElement,
  ) {
    queue.onCheck(() => this.draw());
  }

  private draw(): void {
    const rows = this.queue.checked();
    const legal = this.listLegal(rows);
    if (this.chosen && !legal.includes(this.chosen)) this.chosen = null;
    const drawn = JSON.stringify([rows.length, legal, this.chosen, this.working]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.bar.hidden = rows.length === 0;
    if (this.bar.hidden || this.working) return;
    const { page } = this;
    const all = make("button", "", page.say("duty.check_all"));
    all.addEventListener("click", () => this.queue.checkAll());
    const none = make("button", "", page.say("duty.check_none"));
    none.addEventListener("click", () => this.queue.uncheck());
    const buttons = legal.map((key) => {
      const button = make("button", "deed", page.nameAction(rows[0]!.category, key));
      button.dataset.action = key;
      button.setAttribute("aria-pressed", String(key === this.chosen));
      button.addEventListener("click", () => this.choose(key));
      return button;
    });
    this.bar.replaceChildren(
      make("b", "", page.say("duty.checked", { n: rows.length })),
      ...(buttons.length ? buttons : [make("span", "hint", page.say("duty.bulk_none"))]),
      make("span", "gap"),
      all,
      none,
    );
    if (this.chosen) this.bar.append(this.makeForm(this.chosen, rows));
  }

  /** Returns the actions that are legal for every one of the cases and need nothing that only one case can say. */
  private listLegal(rows: QueueRow[]): string[] {
    const [first, ...rest] = rows;
    if (!first) return [];
    return first.actions.filter((key) => rest.every((row) => row.actions.includes(key)) && this.needsOf(key, rows).every((need) => ASKED.has(need)));
  }

  private needsOf(key: string, rows: QueueRow[]): string[] {
    return [...new Set(rows.flatMap((row) => this.page.flowOf(row.category)?.actions[key]?.needs ?? []))];
  }

  private choose(key: string): void {
    // As they are now: other cases may be checked than when the button was made, and these may have moved on.
    const rows = this.queue.checked();
    this.chosen = this.chosen === key ? null : key;
    if (this.chosen && this.needsOf(key, rows).length === 0) void this.act(key, rows, {});
    else this.draw();
  }

  private makeForm(key: string, rows: QueueRow[]): HTMLElement {
    const { page } = this;
    const form = make("form", "bulk-form");
    for (const need of this.needsOf(key, rows)) form.append(this.makeField(need));
    const go = make("button", "go", page.say("duty.bulk_do", { action: page.nameAction(rows[0]!.category, key), n: rows.length }));
    form.append(go);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.act(key, this.queue.checked(), Object.fromEntries(new FormData(form)) as Record<string, string>);
    });
    setTimeout(() => form.querySelector<HTMLElement>("input, select")?.focus());
    return form;
  }

  private makeField(need: string): HTMLElement {
    const { page } = this;
    const label = page.say(`duty.need_${need}`);
    if (need === "note") {
      const input = make("input", "note");
      Object.assign(input, { name: need, required: true, placeholder: label, maxLength: 2000 });
      input.setAttribute("aria-label", label);
      return input;
    }
    const select = make("select", "");
    Object.assign(select, { name: need, required: true });
    select.setAttribute("aria-label", label);
    const words = WORDS[need]?.map((value) => [value, page.say(`duty.${need}_${value}`)] as const);
    const choices = words ?? (page.county.units ?? []).map(({ code }) => [code, page.nameUnit(code)] as const);
    select.append(new Option(label, ""), ...choices.map(([value, text]) => new Option(text, value)));
    return select;
  }

  private async act(action: string, rows: QueueRow[], said: Record<string, string>): Promise<void> {
    const { page, queue } = this;
    this.working = true;
    this.bar.replaceChildren(make("b", "", page.say("duty.bulk_working", { n: rows.length })));
    const details = Object.fromEntries(Object.entries(said).filter(([need]) => DETAILS.has(need)));
    const cases = rows.map((row) => ({ case_id: row.case_id, expects: row.version }));
    const body = { cases, action, details, unit: said["unit"] || null, note: said["note"] || null };
    const answer = await postJson("/api/actions", body);
    const outcomes = (answer.body as { outcomes?: Outcome[] } | null)?.outcomes ?? null;
    this.working = false;
    this.chosen = null;
    this.drawn = "";
    if (outcomes) queue.uncheck();
    this.tell(page.nameAction(rows[0]!.category, action), outcomes);
    queue.followSoon();
    this.draw();
  }

  /** Says what became of it; what did not work is named, case by case. */
  private tell(action: string, outcomes: Outcome[] | null): void {
    const box = this.page.slot("outcome");
    if (!box) return;
    const close = make("button", "drop", "✕");
    close.setAttribute("aria-label", this.page.say("duty.close"));
    close.addEventListener("click", () => (box.hidden = true));
    box.hidden = false;
    if (!outcomes) return box.replaceChildren(make("b", "", `${action}: ${this.page.say("common.unavailable")}`), close);
    const of = (result: string) => outcomes.filter((one) => one.result === result);
    const counts = (["applied", "pending", "overtaken", "refused"] as const)
      .filter((result) => result === "applied" || of(result).length)
      .map((result) => this.page.say(`duty.bulk_${result}`, { n: of(result).length }));
    const failed = outcomes.filter((one) => one.result === "overtaken" || one.result === "refused");
    const lines = failed.map((one) => make("li", "", `${one.case_id} – ${this.page.say(`duty.outcome_${one.result}`)}${one.reason ? `: ${one.reason}` : ""}`));
    box.replaceChildren(make("b", "", `${action}: ${counts.join(" · ")}`), make("ul", "", ...lines), close);
  }
}
