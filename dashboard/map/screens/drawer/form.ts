// The small form for what an action needs: only its fields, the proposal chosen already.

import type { Page } from "../page.ts";
import { make } from "../page.ts";
import type { LegalAction, Likeness, Need, Proposal, Reason } from "./casefile.ts";

/** What has been typed and chosen, by field; kept while somebody else is faster. */
export type Values = Record<string, unknown>;

export const EXTENSION_UNITS = ["working_hours", "working_days", "hours", "days"];
const LONGEST_NOTE = 2000;

export class ActionForm {
  readonly element = make("form", "action-form");
  private readonly faults = new Map<string, HTMLElement>();

  constructor(
    private readonly page: Page,
    readonly legal: LegalAction,
    name: string,
    readonly values: Values,
    private readonly around: { proposal: Proposal | null; likenesses: Likeness[] },
    on: { submit(): void; cancel(): void },
  ) {
    for (const need of legal.needs) if (values[need.field] === undefined && need.proposed !== null) values[need.field] = need.proposed;
    const send = make("button", "confirm", page.say("drawer.confirm", { action: name }));
    send.type = "submit";
    const cancel = make("button", "cancel", page.say("drawer.cancel"));
    cancel.type = "button";
    cancel.addEventListener("click", () => on.cancel());
    this.element.append(make("h4", "", name), ...legal.needs.map((need) => this.makeField(need)), make("div", "form-buttons", send, cancel));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.check()) on.submit();
    });
  }

  /** The body's part that the form says. */
  get said(): { unit?: string; note?: string; details: Record<string, unknown> } {
    const { unit, note, ...details } = this.values;
    const body: { unit?: string; note?: string; details: Record<string, unknown> } = { details };
    if (unit) body.unit = String(unit);
    if (note) body.note = String(note).trim();
    return body;
  }

  /** Puts the cursor where something is to be said; on the button where all is proposed. */
  focus(): void {
    const open = this.legal.needs.find((need) => isEmpty(this.values[need.field]));
    const field = open && this.element.querySelector<HTMLElement>(`[data-field="${open.field}"] :is(textarea, input, select, button)`);
    (field ?? this.element.querySelector<HTMLElement>(".confirm"))?.focus();
  }

  /** Says at a field what is wrong with it, and goes there. */
  showFault(field: string, words: string): void {
    const fault = this.faults.get(field);
    if (!fault) return;
    fault.textContent = words;
    fault.hidden = false;
    this.element.querySelector<HTMLElement>(`[data-field="${field}"] :is(textarea, input, select, button)`)?.focus();
  }

  /** Who is proposed to handle the case; not who reports a part of it done. */
  private get proposal(): Proposal | null {
    return this.legal.action === "part_done" ? null : this.around.proposal;
  }

  private check(): boolean {
    for (const fault of this.faults.values()) fault.hidden = true;
    const missing = this.legal.needs.find((need) => isEmpty(this.values[need.field]));
    if (missing) this.showFault(missing.field, this.page.say("drawer.fault_missing"));
    return !missing;
  }

  private makeField(need: Need): HTMLElement {
    const { page } = this;
    const fault = make("p", "fault");
    fault.hidden = true;
    fault.setAttribute("role", "alert");
    this.faults.set(need.field, fault);
    const makers: Record<Need["kind"], () => HTMLElement> = {
      text: () => this.makeText(need),
      unit: () => this.makeUnit(need),
      units: () => this.makeUnits(need),
      word: () => this.makeChoice(need, need.words.map((word) => [word, page.say(`drawer.${need.field}_${word}`)])),
      case: () => this.makeCase(need),
      extension: () => this.makeExtension(need),
      flag: () => this.makeChoice(need, [[true, page.say("drawer.yes")], [false, page.say("drawer.no")]]),
    };
    const label = make("span", "label", page.say(`drawer.need_${need.field}`));
    label.id = `need-${need.field}`;
    const input = makers[need.kind]();
    if (!input.matches("fieldset")) input.setAttribute("aria-labelledby", label.id);
    const field = make("div", "need", label, input, fault);
    if (need.kind === "unit" && this.proposal) field.append(...this.makeWhy(this.proposal));
    if (need.why?.length) field.append(make("p", "why-proposed", this.sayWhy(need.why)));
    field.dataset.field = need.field;
    return field;
  }

  private makeText(need: Need): HTMLElement {
    const area = make("textarea", "");
    area.rows = 2;
    area.maxLength = LONGEST_NOTE;
    area.value = String(this.values[need.field] ?? "");
    area.addEventListener("input", () => (this.values[need.field] = area.value));
    return area;
  }

  private makeUnit(need: Need): HTMLElement {
    const select = make("select", "");
    const units = this.listUnits();
    const first = units.filter((unit) => need.words.includes(unit.code)).sort((a, b) => need.words.indexOf(a.code) - need.words.indexOf(b.code));
    const others = need.words.length && !this.proposal ? [] : units.filter((unit) => !need.words.includes(unit.code));
    const group = (label: string, list: typeof units) => {
      const box = make("optgroup", "", ...list.map((unit) => new Option(unit.name, unit.code)));
      box.label = label;
      return list.length ? [box] : [];
    };
    select.append(new Option("", ""), ...group(this.page.say("drawer.units_proposed"), first), ...group(this.page.say("drawer.units_others"), others));
    select.value = String(this.values[need.field] ?? "");
    select.addEventListener("change", () => (this.values[need.field] = select.value));
    return select;
  }

  private makeUnits(need: Need): HTMLElement {
    const chosen = new Set((this.values[need.field] as string[] | undefined) ?? []);
    const boxes = this.listUnits().map((unit) => {
      const box = make("input", "");
      box.type = "checkbox";
      box.checked = chosen.has(unit.code);
      box.addEventListener("change", () => {
        if (box.checked) chosen.add(unit.code);
        else chosen.delete(unit.code);
        this.values[need.field] = [...chosen];
      });
      return make("label", "", box, unit.name);
    });
    return this.makeGroup(need, "units", boxes);
  }

  private makeChoice(need: Need, words: [string | boolean, string][]): HTMLElement {
    const radios = words.map(([word, name]) => {
      const radio = make("input", "");
      radio.type = "radio";
      radio.name = `choice-${need.field}`;
      radio.checked = this.values[need.field] === word;
      radio.addEventListener("change", () => (this.values[need.field] = word));
      const label = make("label", "", radio, name);
      label.dataset.word = String(word);
      return label;
    });
    return this.makeGroup(need, "choices", radios);
  }

  private makeCase(need: Need): HTMLElement {
    const input = make("input", "");
    input.type = "text";
    input.value = String(this.values[need.field] ?? "");
    input.setAttribute("list", "similar-cases");
    input.placeholder = this.page.say("drawer.into_hint");
    input.addEventListener("input", () => (this.values[need.field] = input.value.trim()));
    const options = make("datalist", "", ...this.around.likenesses.map((one) => new Option(one.title ?? one.case_id, one.case_id)));
    options.id = "similar-cases";
    const likely = this.around.likenesses.map((one) => {
      const button = make("button", "candidate", one.title || one.case_id);
      button.type = "button";
      button.addEventListener("click", () => {
        input.value = one.case_id;
        this.values[need.field] = one.case_id;
      });
      return button;
    });
    return make("span", "case-input", input, options, ...likely);
  }

  private makeExtension(need: Need): HTMLElement {
    const said = (this.values[need.field] as { amount: number; unit: string } | undefined) ?? { amount: 1, unit: "working_days" };
    this.values[need.field] = said;
    const amount = make("input", "");
    amount.type = "number";
    amount.min = "1";
    amount.max = "1000";
    amount.value = String(said.amount);
    amount.addEventListener("input", () => (said.amount = Number(amount.value)));
    const unit = make("select", "", ...EXTENSION_UNITS.map((one) => new Option(this.page.say(`drawer.unit_${one}`), one)));
    unit.value = said.unit;
    unit.setAttribute("aria-label", this.page.say("drawer.need_extra"));
    unit.addEventListener("change", () => (said.unit = unit.value));
    return make("span", "extension", amount, unit);
  }

  private makeGroup(need: Need, className: string, children: HTMLElement[]): HTMLElement {
    const group = make("fieldset", className, ...children);
    group.setAttribute("aria-labelledby", `need-${need.field}`);
    return group;
  }

  private makeWhy(proposal: Proposal): HTMLElement[] {
    const { page } = this;
    const why = [proposal.rule, this.sayWhy(proposal.why)].filter(Boolean).join(" · ");
    const back = proposal.handed_back.map((one) =>
      make("p", "handed-back", page.say("drawer.handed_back", { unit: one.unit_name, reason: one.reason ?? "" })),
    );
    return [make("p", "why-proposed", page.say("drawer.proposed_why", { unit: proposal.unit_name, why })), ...back];
  }

  private sayWhy(why: Reason[]): string {
    return why.map((one) => `${this.page.say(`drawer.why_${one.condition}`)} ${this.sayFound(one.condition, one.found)}`).join(" · ");
  }

  private sayFound(condition: string, found: string): string {
    const { page } = this;
    if (condition === "category") return page.nameCategory(found);
    if (condition === "severity") return page.sayName("severity", found);
    if (condition === "channel") return page.sayName("channel", found);
    if (condition === "level") return page.say(`drawer.level_${found}`);
    return found;
  }

  private listUnits(): { code: string; name: string }[] {
    return (this.page.county.units ?? []).map((unit) => ({ code: unit.code, name: unit[this.page.lang] || unit.zh }));
  }
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "string" && !value.trim()) || (Array.isArray(value) && !value.length);
}
