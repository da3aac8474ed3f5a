// The operators' alarms: the list of /api/alarms, read again when the live feed tells of one; the drawer; the load.

import { readJson } from "../answers.ts";
import { followLive } from "../live.ts";
import { pause } from "../pause.ts";
import type { Words } from "../wire.ts";
import { makeDrill } from "./alerts.ts";
import { makeId, postJson } from "./drawer/post.ts";
import { followHeader } from "./header.ts";
import { make, makePart, makeSeverity, openPage, part, type Page, setAttribute, setText, showSeverity, syncList } from "./page.ts";

/** Ages and shelves move without any event. */
const READ_EVERY_MS = 5000;
const LOAD_EVERY_MS = 30_000;
const SETTLE_MS = 300;
const GIVE_UP_MS = 8000;
const KEYS: Record<string, string> = { ack: "A", shelve: "S", to_case: "C" };
const SHELVE_MIN = 30;

interface Row {
  alarm_id: string;
  severity: number;
  state: string;
  name: Words;
  thing: Words;
  place: Words;
  raised_at: number | null;
  count: number;
  acked_at: number | null;
  acked_by: string | null;
  assignee: string | null;
  shelved_until: number | null;
  escalated_to: string | null;
  case_id: string | null;
  category: string | null;
  simulated: boolean;
  exercise: boolean;
  version: number;
  actions: string[];
}

interface Line {
  by: string;
  key: string;
  name: Words[];
  severity: number;
  count: number;
  unacked: number;
  raised_at: number;
  alarm_ids: string[];
}

interface List {
  now: number;
  flood: boolean;
  shelved: number;
  total: number;
  lines: Line[];
  alarms: Row[];
}

interface Rule {
  response: Words;
  escalate: { after_min: number; to: string }[];
  shelve_at_most_min: number;
  measure?: string;
  at_least?: number | null;
  at_most?: number | null;
}

interface Step {
  at: number;
  action: string;
  actor: string | null;
  note: string | null;
  to: string | null;
  minutes: number | null;
  case_id: string | null;
  overtaken: boolean;
}

interface File extends Row {
  value: number | string | null;
  rule_says: Rule | null;
  history: Step[];
}

interface Load {
  announced: number;
  per_ten_minutes: number;
  verdict: string;
  peak: number;
  peak_limit: number;
  flood_share: number;
  flood_share_limit: number;
  shares: { severity: number; share: number; recommended: number }[];
  standing: number;
  stale: string[];
  stale_limit: number;
  chattering: Record<string, number>;
  fleeting: Record<string, number>;
  worst: { rule: string; name: Words; count: number; share: number }[];
}

/** What one line of the list shows: a group, or an alarm of its own or of an open group. */
interface Shown {
  key: string;
  line: Line | null;
  row: Row | null;
}

interface Outcome {
  result: string;
  changed_by?: string;
  changed_action?: string;
  changed_at?: number;
  field?: string;
  reason?: string;
  case_id?: string;
}

/** Starts the page on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const page = await openPage(root);
  const stopHeader = followHeader(page, feed);
  const desk = new Desk(page);
  let soon: ReturnType<typeof setTimeout> | null = null;
  const stop = feed.subscribe((frame) => {
    if (frame.alarms && !soon)
      soon = setTimeout(() => {
        soon = null;
        void desk.read();
      }, SETTLE_MS);
  });
  for (let loadAt = 0; root.isConnected; ) {
    await desk.read();
    if (Date.now() >= loadAt) {
      loadAt = Date.now() + LOAD_EVERY_MS;
      await desk.readLoad();
    }
    await pause(READ_EVERY_MS);
  }
  desk.close();
  stop();
  stopHeader();
  feed.close();
}

class Desk {
  private list: List | null = null;
  private file: File | null = null;
  private severities = new Set<string>();
  private shelved = false;
  private open = new Set<string>();
  private chosen: string | null = new URLSearchParams(location.search).get("alarm");
  private form: string | null = null;
  private names: Record<string, Words>;
  private roles: Record<string, string>;

  constructor(private page: Page) {
    this.names = JSON.parse(page.root.dataset.actions || "{}") as Record<string, Words>;
    this.roles = JSON.parse(page.root.dataset.roles || "{}") as Record<string, string>;
    for (const chip of page.root.querySelectorAll<HTMLElement>(".chip[data-severity]"))
      chip.addEventListener("click", () => {
        const one = chip.dataset.severity ?? "";
        if (!this.severities.delete(one)) this.severities.add(one);
        setAttribute(chip, "aria-pressed", String(this.severities.has(one)));
        void this.read();
      });
    page.slot("shelved")?.addEventListener("click", () => {
      this.shelved = !this.shelved;
      void this.read();
    });
    page.slot("lines")?.addEventListener("click", (event) => {
      const key = (event.target as Element).closest<HTMLElement>("li")?.dataset.key;
      if (key) this.choose(key, true);
    });
    document.addEventListener("keydown", this.press);
  }

  close(): void {
    document.removeEventListener("keydown", this.press);
  }

  async read(): Promise<void> {
    const query = new URLSearchParams({ severity: [...this.severities].join(","), shelved: String(this.shelved) });
    try {
      this.list = (await readJson(`/api/alarms?${query}`, AbortSignal.timeout(GIVE_UP_MS))) as List;
      if (this.chosen && !this.isGroup(this.chosen)) await this.readFile(this.chosen);
      setAttribute(this.page.root, "data-unread", null);
      this.draw();
    } catch (error) {
      console.warn("the alarms cannot be read", error);
      setAttribute(this.page.root, "data-unread", "yes");
      this.say(this.page.say("alarms.unread"));
    }
  }

  async readLoad(): Promise<void> {
    try {
      drawLoad(this.page, (await readJson("/api/alarms/load", AbortSignal.timeout(GIVE_UP_MS))) as Load);
    } catch (error) {
      console.warn("the load cannot be read", error); // a unit's officer has none
    }
  }

  private async readFile(id: string): Promise<void> {
    const answer = await fetch(addressOf(id), { signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (!answer.ok && answer.status !== 404) throw new Error(`${id}: ${answer.status}`);
    const file = answer.ok ? ((await answer.json()) as File) : null;
    if (this.chosen === id) this.file = file;
  }

  private isGroup(key: string): boolean {
    return key.startsWith("line ");
  }

  private shown(): Shown[] {
    const rows = new Map(this.list?.alarms.map((row) => [row.alarm_id, row]));
    return (this.list?.lines ?? []).flatMap((line) => {
      const alone = line.by === "alarm";
      const members = alone || this.open.has(line.key) ? line.alarm_ids : [];
      const group = alone ? [] : [{ key: `line ${line.key}`, line, row: null }];
      return [...group, ...members.map((id) => ({ key: id, line: alone ? line : null, row: rows.get(id) ?? null }))];
    });
  }

  private choose(key: string, act: boolean): void {
    if (act && this.isGroup(key)) {
      const group = key.slice("line ".length);
      if (!this.open.delete(group)) this.open.add(group);
    }
    if (key !== this.chosen) this.form = null;
    this.chosen = key;
    if (this.file?.alarm_id !== key) this.file = null;
    this.draw();
    if (act && !this.isGroup(key)) void this.read();
  }

  private press = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.key === "Escape") {
      this.form = null;
      this.draw();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, [contenteditable]")) return;
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (step) {
      const keys = this.shown().map((one) => one.key);
      const place = this.chosen ? keys.indexOf(this.chosen) + step : 0;
      const key = keys[Math.min(Math.max(place, 0), keys.length - 1)];
      if (key) this.choose(key, false);
      this.page.root.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
      event.preventDefault();
    } else if (event.key === "Enter" && this.chosen && !target.closest("a, button")) {
      this.choose(this.chosen, true);
    } else {
      const action = Object.keys(KEYS).find((one) => KEYS[one] === event.key.toUpperCase());
      if (action && this.chosen) {
        event.preventDefault();
        this.ask(action);
      }
    }
  };

  /** Does what needs no words at once, and asks for the words of the rest. */
  private ask(action: string): void {
    const row = this.file ?? this.list?.alarms.find((one) => one.alarm_id === this.chosen);
    if (!row?.actions.includes(action)) return;
    if (action === "ack" || action === "unshelve" || (action === "to_case" && row.category)) return void this.act(row, action, {});
    this.form = action;
    if (this.file) this.draw();
    else void this.read();
  }

  private async act(row: Row, action: string, said: { note?: string; details?: Record<string, unknown> }): Promise<void> {
    const deed = { action, expects: row.version, id: makeId(), ...said };
    const answer = await postJson(`${addressOf(row.alarm_id)}/actions`, deed);
    const outcome = (answer.body ?? {}) as Outcome;
    const name = this.page.words(this.names[action]);
    if (answer.status === 200 || answer.status === 202) {
      this.form = null;
      this.say(this.page.say(outcome.case_id ? "alarms.done_case" : "alarms.done", { action: name, case: outcome.case_id ?? "" }));
    } else if (outcome.result === "overtaken") {
      this.say(
        this.page.say("alarms.overtaken", {
          who: outcome.changed_by ?? "",
          action: this.nameStep(outcome.changed_action ?? ""),
          at: outcome.changed_at ? this.page.time(outcome.changed_at, "clock") : "",
        }),
      );
    } else this.say(this.page.say("alarms.refused", { action: name, reason: [outcome.field, outcome.reason].filter(Boolean).join(": ") }));
    await this.read();
  }

  private say(words: string): void {
    setText(this.page.slot("said"), words);
  }

  private nameStep(action: string): string {
    return this.page.words(this.names[action]) || this.page.sayName("alarms", `step_${action}`);
  }

  // -- drawing

  private draw(): void {
    const { page, list } = this;
    if (!list) return;
    setText(page.slot("total"), page.say("alarms.total", { n: page.number(list.total) }));
    const shelf = page.slot("shelved");
    setText(shelf, page.say("alarms.shelved", { n: page.number(list.shelved) }));
    setAttribute(shelf, "aria-pressed", String(this.shelved));
    const flood = page.slot("flood");
    if (flood) flood.hidden = !list.flood;
    setText(flood, list.flood ? page.say("alarms.flood") : "");
    const none = page.slot("none");
    if (none) none.hidden = list.lines.length > 0;
    setText(none, page.say(this.shelved ? "alarms.none_shelved" : "alarms.none"));
    const lines = page.slot("lines");
    if (lines)
      syncList(
        lines,
        this.shown(),
        (one) => one.key,
        makeLine,
        (element, one) => this.drawLine(element, one, list.now),
      );
    this.drawDrawer(list.now);
  }

  private drawLine(element: HTMLElement, { key, line, row }: Shown, now: number): void {
    const { page } = this;
    showSeverity(page, element, row?.severity ?? line?.severity ?? 4);
    setAttribute(element, "aria-current", key === this.chosen ? "true" : null);
    setAttribute(element, "data-kind", row ? (line ? "alarm" : "member") : "group");
    if (row) {
      setAttribute(element, "data-state", row.state);
      setText(part(element, "name"), `${row.exercise ? `【${page.say("alert.exercise")}】` : ""}${page.words(row.name)}`);
      setText(part(element, "thing"), [page.words(row.thing), page.words(row.place)].filter(Boolean).join(" · "));
      setText(part(element, "count"), row.count > 1 ? `×${page.number(row.count)}` : "");
      setText(part(element, "age"), row.raised_at === null ? "" : page.span(Math.max(0, now - row.raised_at)));
      setText(part(element, "state"), this.sayState(row, now));
      setText(part(element, "assignee"), row.assignee ?? (row.escalated_to ? `↑ ${this.roles[row.escalated_to] ?? row.escalated_to}` : ""));
    } else if (line) {
      const open = this.open.has(line.key);
      setAttribute(element, "data-state", line.unacked ? "unacked" : "acked");
      setAttribute(element, "aria-expanded", String(open));
      setText(part(element, "name"), `${open ? "▾" : "▸"} ${line.name.map((one) => page.words(one)).join(" / ") || line.key}`);
      setText(part(element, "thing"), page.say("alarms.group", { n: page.number(line.count), unacked: page.number(line.unacked) }));
      setText(part(element, "count"), `×${page.number(line.count)}`);
      setText(part(element, "age"), page.span(Math.max(0, now - line.raised_at)));
    }
  }

  private sayState(row: Row, now: number): string {
    if (row.shelved_until !== null) return this.page.say("alarms.shelved_until", { at: this.page.shortTime(row.shelved_until, now) });
    return this.page.sayName("alarms", `state_${row.state}`);
  }

  private drawDrawer(now: number): void {
    const { page, file } = this;
    const box = page.slot("drawer");
    if (!box) return;
    if (!file) {
      box.replaceChildren(make("p", "hint", page.say("alarms.hint")));
      delete box.dataset.drawn;
      return;
    }
    // A form that somebody is typing into stays as it is; only when the alarm itself moved on is all drawn anew.
    const mark = JSON.stringify([file.alarm_id, file.version, file.state, this.form, file.history.length, file.shelved_until, file.escalated_to]);
    if (box.dataset.drawn === mark) return;
    box.dataset.drawn = mark;
    const heading = make("h2", "", makeSeverity(page, file.severity), " ", page.words(file.name));
    const where = make("p", "where", [page.words(file.thing), page.words(file.place)].filter(Boolean).join(" · "));
    const parts: Node[] = [heading, where];
    if (file.exercise) parts.unshift(...makeDrill(page, file));
    if (file.simulated) parts.push(make("p", "badge", page.say("alarms.simulated")));
    const response = page.words(file.rule_says?.response);
    if (response) parts.push(make("p", "response", make("b", "", page.say("alarms.response")), response));
    parts.push(this.makeFacts(file, now), this.makeActions(file));
    if (this.form) parts.push(this.makeForm(file, this.form));
    parts.push(make("h3", "", page.say("alarms.history")), this.makeHistory(file, now));
    box.replaceChildren(...parts);
    box.querySelector<HTMLElement>("form input, form textarea")?.focus();
  }

  private makeFacts(file: File, now: number): HTMLElement {
    const { page } = this;
    const facts: [string, string | null][] = [
      ["value", this.sayValue(file)],
      ["state", this.sayState(file, now)],
      ["raised", file.raised_at === null ? null : page.shortClock(file.raised_at, now)],
      ["acked", file.acked_at === null ? null : `${page.shortClock(file.acked_at, now)} ${file.acked_by ?? ""}`],
      ["assignee", file.assignee],
      ["escalated", file.escalated_to && (this.roles[file.escalated_to] ?? file.escalated_to)],
      ["case", file.case_id],
    ];
    const list = make("dl", "facts");
    for (const [key, words] of facts)
      if (words) list.append(make("dt", "", page.say(`alarms.fact_${key}`)), make("dd", "", words));
    return list;
  }

  private sayValue(file: File): string | null {
    const { value, rule_says: rule } = file;
    if (value === null) return null;
    const said = typeof value === "number" ? this.page.number(value, Number.isInteger(value) ? 0 : 2) : value;
    const bounds = [rule?.at_least == null ? "" : `≥ ${rule.at_least}`, rule?.at_most == null ? "" : `≤ ${rule.at_most}`];
    const bound = bounds.filter(Boolean).join(" / ");
    return bound ? this.page.say("alarms.value", { value: said, bound }) : said;
  }

  private makeActions(file: File): HTMLElement {
    const box = make("div", "actions");
    for (const action of file.actions) {
      const button = make("button", action === "ack" ? "main" : "", this.page.words(this.names[action]));
      button.type = "button";
      if (KEYS[action]) {
        button.append(" ", make("kbd", "", KEYS[action]));
        button.setAttribute("aria-keyshortcuts", KEYS[action]);
      }
      button.addEventListener("click", () => this.ask(action));
      box.append(button);
    }
    return box;
  }

  private makeForm(file: File, action: string): HTMLElement {
    const { page } = this;
    const form = make("form");
    const add = (name: string, label: string, value = "", type = "text") => {
      const input = make("input");
      Object.assign(input, { name, value, type, required: true });
      form.append(make("label", "", label, input));
    };
    if (action === "shelve") {
      const most = file.rule_says?.shelve_at_most_min ?? 480;
      add("minutes", page.say("alarms.minutes", { most }), String(Math.min(SHELVE_MIN, most)), "number");
    }
    if (action === "assign") add("to", page.say("alarms.to"));
    if (action === "to_case") add("category", page.say("alarms.category"));
    if (action === "shelve" || action === "comment") add("note", page.say("alarms.note"));
    const send = make("button", "main", page.words(this.names[action]));
    form.append(send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { note, minutes, ...rest } = Object.fromEntries(new FormData(form)) as Record<string, string>;
      const details = { ...rest, ...(minutes ? { minutes: Number(minutes) } : {}) };
      void this.act(file, action, { ...(note ? { note } : {}), details });
    });
    return form;
  }

  private makeHistory(file: File, now: number): HTMLElement {
    const { page } = this;
    const list = make("ol", "history");
    for (const step of file.history) {
      const more = [
        step.to && (this.roles[step.to] ?? step.to),
        step.minutes && page.span(step.minutes * 60),
        step.case_id,
        step.note,
        step.overtaken && page.say("alarms.step_overtaken"),
      ];
      const who = step.actor === "watch" ? page.say("alarms.watch") : (step.actor ?? "");
      const line = make("li", "", make("time", "", page.shortClock(step.at, now)), make("b", "", this.nameStep(step.action)));
      line.append(make("span", "who", who), make("span", "more", more.filter(Boolean).join(" · ")));
      setAttribute(line, "data-overtaken", step.overtaken ? "yes" : null);
      list.append(line);
    }
    return list;
  }
}

function addressOf(alarmId: string): string {
  return `/api/alarms/${encodeURIComponent(alarmId)}`;
}

function makeLine(): HTMLElement {
  const line = make("li", "line", make("span", "severity"));
  line.append(make("span", "what", makePart("name"), makePart("thing")));
  line.append(makePart("count"), makePart("age"), makePart("state"), makePart("assignee"));
  return line;
}

/** The load of the last shift: the verdict in words, each figure beside its limit, the rules that cause the most. */
function drawLoad(page: Page, load: Load): void {
  const verdict = page.slot("verdict");
  const rate = page.number(load.per_ten_minutes, 1);
  setText(verdict, page.say("alarms.verdict", { n: rate, verdict: page.sayName("alarms", `verdict_${load.verdict}`) }));
  setAttribute(verdict, "data-verdict", load.verdict);
  const percent = (share: number) => `${page.number(share * 100, share > 0 && share < 0.1 ? 1 : 0)} %`;
  const severe = load.shares.filter((one) => one.severity <= 2).reduce((sum, one) => sum + one.share, 0);
  const figures: [string, string, boolean][] = [
    ["peak", page.number(load.peak), load.peak > load.peak_limit],
    ["flood", percent(load.flood_share), load.flood_share >= load.flood_share_limit],
    ["standing", page.number(load.standing), false],
    ["stale", page.number(load.stale.length), load.stale.length > load.stale_limit],
    ["chattering", page.number(Object.keys(load.chattering).length), Object.keys(load.chattering).length > 0],
    ["fleeting", page.number(Object.keys(load.fleeting).length), Object.keys(load.fleeting).length > 0],
    ["severe", percent(severe), severe > 0.06],
  ];
  const list = page.slot("figures");
  if (list)
    syncList(
      list,
      figures,
      ([key]) => key,
      () => make("div", "", make("dt", "", makePart("label")), make("dd", "", makePart("value"), makePart("limit"))),
      (element, [key, value, over]) => {
        setAttribute(element, "data-over", over ? "yes" : null);
        setText(part(element, "label"), page.say(`alarms.load_${key}`));
        setText(part(element, "value"), `${over ? "▲ " : ""}${value}`);
        setText(part(element, "limit"), page.say(`alarms.limit_${key}`));
      },
    );
  const worst = page.slot("worst");
  if (worst)
    syncList(
      worst,
      load.worst.slice(0, 3),
      (one) => one.rule,
      () => make("li", "", makePart("name"), makePart("share")),
      (element, one) => {
        setText(part(element, "name"), page.words(one.name));
        setText(part(element, "share"), `${page.number(one.count)} · ${percent(one.share)}`);
      },
    );
}
