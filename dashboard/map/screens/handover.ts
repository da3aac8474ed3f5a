// The hand-over: Dash renders what is told; here notes are kept while they are written, shifts are signed and planned.
//
// Notes live in this tab alone until they are signed: they may be about people, and the desk's computer is everybody's.

import { postJson } from "./drawer/post.ts";
import { make } from "./page.ts";

const OPEN_UP_TO = 6; // rows of a table that are shown without a click, beside the first

type Say = (key: string, values?: Record<string, string | number>) => string;

interface Signature {
  title: string;
  signed_at: number;
}

interface Outcome {
  result?: "signed" | "overtaken" | "pending";
  by?: Signature | null;
  detail?: string;
  planned?: number;
  field?: string;
  reason?: string;
  line?: number | null;
}

/** Makes the rendered page work. */
export function start(root: HTMLElement): void {
  const texts = JSON.parse(root.dataset.texts || "{}") as Record<string, string>;
  const say: Say = (key, values = {}) =>
    (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  const panel = root.querySelector<HTMLFormElement>("form.panel");
  layTools(root, say, panel?.dataset.sign === "give");
  layGroups(root, say);
  layEarlier(root);
  const notes = layNotes(root, panel);
  if (panel) laySigning(root, panel, notes, say);
  layRoster(root, say);
  openForPrint(root);
}

function layTools(root: HTMLElement, say: Say, isDraft: boolean): void {
  const tools = root.querySelector<HTMLElement>('[data-slot="tools"]');
  if (!tools || root.dataset.view !== "sheet") return;
  if (isDraft) tools.append(makeButton(say("handover.refresh"), "refresh", () => location.reload()));
  tools.append(makeButton(say("handover.print"), "print", () => window.print()));
}

function makeButton(label: string, name: string, act: () => void): HTMLButtonElement {
  const button = make("button", name, label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

// -- tables: Dash's renderer is slow at many rows -------------------------------------------------------------------

interface CaseRow {
  id: string;
  severity: number;
  shape: string;
  severity_name: string;
  class: string;
  title: string;
  place: string;
  state: string;
  more: string;
  colour: string;
  clock: string;
  due: string;
  note: string | null;
}

interface Group {
  key: string;
  name: string;
  total: number;
  rows: CaseRow[];
}

/** Makes a table for each reason why cases are listed; a long one is folded, unless there are notes in it. */
function layGroups(root: HTMLElement, say: Say): void {
  const place = root.querySelector<HTMLElement>('[data-slot="groups"]');
  if (!place) return;
  const heads = JSON.parse(place.dataset.heads || "[]") as string[][];
  for (const group of JSON.parse(place.dataset.groups || "[]") as Group[]) {
    const rows = group.rows.map((row) => makeCaseRow(row, root, say));
    const summary = make("summary", "", group.name, make("b", "", sayCount(rows.length, group.total)));
    const details = make("details", "group", summary, makeTable(heads, rows));
    details.dataset.group = group.key;
    details.open = !place.childElementCount || rows.length <= OPEN_UP_TO || group.rows.some((row) => row.note);
    place.append(details);
  }
}

/** "20 / 281": of so many, a case under several reasons being listed under the weightiest. */
function sayCount(shown: number, total: number): string {
  return shown === total ? String(total) : `${shown} / ${total}`;
}

function makeCaseRow(row: CaseRow, root: HTMLElement, say: Say): HTMLTableRowElement {
  const shape = make("i", "", row.shape);
  shape.setAttribute("aria-hidden", "true");
  const severity = make("span", "severity", shape, row.severity_name);
  severity.dataset.severity = String(row.severity);
  const link = make("a", "", row.class);
  link.href = `/duty?${new URLSearchParams({ lang: root.dataset.lang ?? "zh", q: row.id, show: "all" })}`;
  const clock = make("span", "clock", row.clock);
  clock.dataset.colour = row.colour;
  const note = make("td", "note", row.note ?? "");
  if (row.note === null) {
    const writing = make("div", "writing");
    writing.dataset.note = row.id;
    writing.dataset.label = say("handover.note_for", { case_id: row.id });
    note.append(writing);
  }
  const line = make(
    "tr",
    "",
    make("td", "", severity),
    make("td", "", link, make("small", "", row.title, " ", make("span", "id", row.id))),
    make("td", "", row.place),
    make("td", "", row.state, make("small", "", row.more)),
    make("td", "", clock, make("small", "", row.due)),
    note,
  );
  line.dataset.case = row.id;
  return line;
}

function makeTable(heads: string[][], rows: HTMLTableRowElement[]): HTMLTableElement {
  const cells = heads.map(([name = "", label = ""]) => {
    const cell = make("th", name, label);
    cell.scope = "col";
    return cell;
  });
  return make("table", "", make("thead", "", make("tr", "", ...cells)), make("tbody", "", ...rows));
}

function layEarlier(root: HTMLElement): void {
  const place = root.querySelector<HTMLElement>('[data-slot="earlier"]');
  if (!place) return;
  const heads = JSON.parse(place.dataset.heads || "[]") as string[][];
  const rows = JSON.parse(place.dataset.rows || "[]") as { href: string; whole: string; words: string[] }[];
  const lines = rows.map((row) => {
    const link = make("a", "", row.words[0] ?? "");
    link.href = row.href;
    const cells = row.words.slice(1).map((word, place) => make("td", heads[place + 1]?.[0] ?? "", word));
    const last = cells.at(-1);
    if (last) last.dataset.whole = row.whole;
    return make("tr", "", make("td", "", link), ...cells);
  });
  place.append(makeTable(heads, lines));
}

// -- notes ---------------------------------------------------------------------------------------------------------

/** Puts a field into every place for a note, and returns what is in them by case; "" is the general one. */
function layNotes(root: HTMLElement, panel: HTMLFormElement | null): () => Map<string, string> {
  const slot = `${root.dataset.viewer} ${panel?.dataset.date} ${panel?.dataset.shift}`;
  const fields = [...root.querySelectorAll<HTMLElement>("[data-note]")].map((place) => {
    const field = make("textarea");
    const key = `handover ${slot} ${place.dataset.note}`;
    field.rows = place.dataset.note ? 1 : 5;
    field.maxLength = 4000;
    field.setAttribute("aria-label", place.dataset.label ?? "");
    if (!place.dataset.note) field.placeholder = place.dataset.label ?? "";
    field.value = sessionStorage.getItem(key) ?? "";
    const fit = () => {
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight + 2}px`;
    };
    field.addEventListener("input", () => {
      if (field.value) sessionStorage.setItem(key, field.value);
      else sessionStorage.removeItem(key);
      fit();
    });
    place.append(field);
    if (field.value) {
      place.closest("details")?.setAttribute("open", "");
      fit();
    }
    return { id: place.dataset.note ?? "", key, field };
  });
  root.addEventListener("signed", () => fields.forEach(({ key }) => sessionStorage.removeItem(key)));
  return () => new Map(fields.map(({ id, field }) => [id, field.value.trim()]));
}

// -- signing -------------------------------------------------------------------------------------------------------

function laySigning(root: HTMLElement, panel: HTMLFormElement, notes: () => Map<string, string>, say: Say): void {
  const { sign, date, shift, seen, asOf } = panel.dataset;
  const gives = sign === "give";
  const button = panel.querySelector<HTMLButtonElement>("button.sign");
  const password = fillSlot(panel, "password", "password", say);
  const confirmed = fillSlot(panel, "confirm", "checkbox", say);
  const remark = gives ? null : fillBefore(panel, say("handover.remark"));
  panel.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!button || button.disabled) return;
    button.disabled = true;
    tell(panel, say("handover.signing"), "");
    const proof = password ? { password: password.value } : { confirmed: confirmed?.checked ?? false };
    const written = notes();
    const general = written.get("") ?? "";
    written.delete("");
    const kept = Object.fromEntries([...written].filter(([, note]) => note));
    const answer = gives
      ? await postJson("/api/handovers", { ...proof, date, shift, seen, as_of: asOf, notes: general, case_notes: kept })
      : await postJson(`/api/handovers/${date}/${shift}/taking`, { ...proof, signed: seen, remark: remark?.value ?? "" });
    if (password) password.value = "";
    const outcome = (answer.body ?? {}) as Outcome;
    tell(panel, sayOutcome(outcome, gives ? "give" : "take", root, say), outcome.result ?? "refused");
    if (outcome.result === "signed") root.dispatchEvent(new Event("signed"));
    if (outcome.result === "signed" || outcome.result === "overtaken") {
      const next = new URLSearchParams({ date: date ?? "", shift: shift ?? "", lang: root.dataset.lang ?? "zh" });
      setTimeout(() => location.assign(`/handover?${next}`), outcome.result === "signed" ? 600 : 4000);
    } else button.disabled = false;
  });
}

function sayOutcome(outcome: Outcome, sign: "give" | "take", root: HTMLElement, say: Say): string {
  if (outcome.result === "signed") return say(`handover.done_${sign}`);
  if (outcome.result === "pending") return say("handover.pending");
  if (outcome.result === "overtaken")
    return say(`handover.overtaken_${sign}`, {
      who: outcome.by?.title ?? "",
      at: outcome.by ? sayTime(outcome.by.signed_at, root) : "",
    });
  const reason = outcome.detail ?? "";
  const known = say(`handover.error_${reason}`);
  return known.startsWith("handover.") ? say("handover.error_other", { reason }) : known;
}

function sayTime(at: number, root: HTMLElement): string {
  const style = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat("en-GB", { ...style, timeZone: root.dataset.zone }).format(at * 1000);
}

function fillSlot(panel: HTMLElement, name: string, type: string, say: Say): HTMLInputElement | null {
  const place = panel.querySelector<HTMLElement>(`[data-slot="${name}"]`);
  if (!place) return null;
  const field = make("input");
  field.type = type;
  field.required = true;
  if (type === "password") field.autocomplete = "current-password";
  place.append(make("label", "", ...(type === "checkbox" ? [field, " ", say(`handover.${name}`)] : [say(`handover.${name}`), " ", field])));
  return field;
}

function fillBefore(panel: HTMLElement, label: string): HTMLInputElement {
  const field = make("input", "remark");
  field.maxLength = 500;
  panel.querySelector(".how")?.before(make("label", "", label, " ", field));
  return field;
}

function tell(place: Element, words: string, result: string): void {
  const line = place.querySelector<HTMLElement>(".outcome");
  if (!line) return;
  line.hidden = !words;
  line.textContent = words;
  line.dataset.result = result;
}

// -- the roster ----------------------------------------------------------------------------------------------------

function layRoster(root: HTMLElement, say: Say): void {
  for (const button of root.querySelectorAll<HTMLButtonElement>("button.phone"))
    button.addEventListener("click", () => void showPhone(button));
  const planning = root.querySelector<HTMLElement>(".planning");
  if (!planning) return;
  for (const button of root.querySelectorAll<HTMLButtonElement>("button.withdraw"))
    button.addEventListener("click", () => void plan(planning, { plans: [{ ...readWho(button), withdrawn: true }] }, say));
  layPlanForm(planning, say);
}

function readWho(button: HTMLElement): { date: string; shift: string; person: string } {
  const { date = "", shift = "", person = "" } = button.dataset;
  return { date, shift, person };
}

async function showPhone(button: HTMLButtonElement): Promise<void> {
  const answer = await postJson("/api/roster/phone", readWho(button));
  const phone = (answer.body as { phone?: string } | null)?.phone;
  if (phone) button.textContent = phone;
}

function layPlanForm(planning: HTMLElement, say: Say): void {
  const place = planning.querySelector<HTMLElement>('[data-slot="plan"]');
  if (!place) return;
  const choices = JSON.parse(place.dataset.choices || "{}") as { people: string[][]; shifts: string[][] };
  const date = make("input");
  date.type = "date";
  date.required = true;
  date.value = place.dataset.today ?? "";
  const shift = makeSelect(choices.shifts);
  const person = makeSelect(choices.people);
  const phone = make("input");
  phone.type = "tel";
  phone.maxLength = 40;
  phone.autocomplete = "off";
  const fields: [string, HTMLElement][] = [["date", date], ["shift", shift], ["person", person], ["phone", phone]];
  const labels = fields.map(([name, field]) => make("label", "", say(`handover.plan_${name}`), " ", field));
  const form = make("form", "", ...labels, make("button", "", say("handover.plan_add")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const one = { date: date.value, shift: shift.value, person: person.value, phone: phone.value.trim() || null };
    void plan(planning, { plans: [one] }, say);
  });
  const file = make("input");
  file.type = "file";
  file.accept = ".csv,text/csv";
  file.addEventListener("change", async () => {
    const chosen = file.files?.[0];
    if (chosen) await plan(planning, { csv: await chosen.text() }, say);
    file.value = "";
  });
  place.append(form, make("label", "file", say("handover.plan_file"), " ", file));
}

function makeSelect(choices: string[][]): HTMLSelectElement {
  const options = choices.map(([value = "", label = ""]) => {
    const option = make("option", "", label);
    option.value = value;
    return option;
  });
  return make("select", "", ...options);
}

/** Sends plans; the page is rendered anew when they are recorded, which takes a moment. */
async function plan(planning: HTMLElement, body: unknown, say: Say): Promise<void> {
  const { status, body: said } = await postJson("/api/roster", body);
  const outcome = (said ?? {}) as Outcome;
  if (status === 200) {
    tell(planning, say("handover.planned", { n: outcome.planned ?? 0 }), "signed");
    setTimeout(() => location.reload(), 1500);
    return;
  }
  const { field = "", reason = outcome.detail ?? "", line } = outcome;
  const key = line ? "handover.bad_line" : "handover.bad_field";
  tell(planning, field ? say(key, { field, reason, line: line ?? 0 }) : say("handover.error_other", { reason }), "refused");
}

// -- printing ------------------------------------------------------------------------------------------------------

/** What is folded on screen is printed all the same. */
function openForPrint(root: HTMLElement): void {
  let closed: HTMLDetailsElement[] = [];
  window.addEventListener("beforeprint", () => {
    closed = [...root.querySelectorAll<HTMLDetailsElement>("details.group:not([open])")];
    for (const details of closed) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
}
