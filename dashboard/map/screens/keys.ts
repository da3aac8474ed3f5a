// The desk's keys. They never act while somebody is typing.

import type { Page } from "./page.ts";
import { make } from "./page.ts";

/** What the keys do; `view` takes a place from 0. */
export interface Deeds {
  move(step: number): void;
  open(): void;
  close(): void;
  check(): void;
  checkAll(): void;
  dispatch(): void;
  undo(): void;
  incident(): void;
  search(): void;
  filters(): void;
  time(): void;
  view(place: number): void;
  map(): void;
  order(): void;
  lasso(): void;
  mute(): void;
  showNew(): void;
}

const SHEET: [string, string][] = [
  ["j ↓", "key_down"],
  ["k ↑", "key_up"],
  ["Enter", "key_open"],
  ["Esc", "key_close"],
  ["x", "key_check"],
  ["Shift", "key_check_span"],
  ["Ctrl A", "key_check_all"],
  ["a", "key_dispatch"],
  ["u", "key_undo"],
  ["i", "key_incident"],
  ["n", "key_new"],
  ["r", "key_report"],
  ["/", "key_search"],
  ["f", "key_filters"],
  ["1 – 7", "key_views"],
  ["t", "key_time"],
  ["g m", "key_map"],
  ["o", "key_order"],
  ["l", "key_lasso"],
  ["m", "key_mute"],
  ["?", "key_help"],
];
/** How long a first key waits for its second. */
const PAIR_WITHIN_MS = 1500;

/** Listens for the keys of the sheet. */
export function followKeys(page: Page, deeds: Deeds): void {
  const help = page.slot("help");
  const turnHelp = (shown = !!help?.hidden) => help && (help.hidden = !shown);
  fillHelp(page, help, () => turnHelp(false));
  page.slot("help-button")?.addEventListener("click", () => turnHelp());
  const actions: Record<string, () => void> = {
    j: () => deeds.move(1),
    k: () => deeds.move(-1),
    ArrowDown: () => deeds.move(1),
    ArrowUp: () => deeds.move(-1),
    Enter: deeds.open,
    x: deeds.check,
    a: deeds.dispatch,
    u: deeds.undo,
    i: deeds.incident,
    n: deeds.showNew,
    r: () => page.slot("report")?.click(),
    "/": deeds.search,
    f: deeds.filters,
    t: deeds.time,
    o: deeds.order,
    l: deeds.lasso,
    m: deeds.mute,
    "?": () => turnHelp(),
  };
  let pairedAt = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    if (event.key === "Escape") {
      if (help && !help.hidden) turnHelp(false);
      else if (isTyping(event.target)) (event.target as HTMLElement).blur();
      else deeds.close();
      return;
    }
    if (isTyping(event.target) || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== "a") return;
      event.preventDefault();
      deeds.checkAll();
      return;
    }
    const isPair = performance.now() - pairedAt < PAIR_WITHIN_MS;
    pairedAt = event.key === "g" ? performance.now() : 0;
    const action = isPair && event.key === "m" ? deeds.map : /^[1-9]$/.test(event.key) ? () => deeds.view(Number(event.key) - 1) : actions[event.key];
    if (!action || isControl(event)) return;
    event.preventDefault();
    action();
  });
}

function fillHelp(page: Page, help: HTMLElement | null, close: () => void): void {
  const rows = SHEET.flatMap(([keys, words]) => [
    make("dt", "", ...keys.split(" ").map((key) => (key === "–" ? "–" : make("kbd", "", key)))),
    make("dd", "", page.say(`duty.${words}`)),
  ]);
  const button = make("button", "drop", "✕");
  button.setAttribute("aria-label", page.say("duty.close"));
  button.addEventListener("click", close);
  help?.replaceChildren(make("h2", "", page.say("duty.keys")), button, make("dl", "", ...rows), make("p", "hint", page.say("duty.keys_hint")));
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches("input:not([type=checkbox]), textarea, select") || target.isContentEditable);
}

/** Enter, space and the arrows belong to a focused button, link or list first, and the arrows to a focused map. */
function isControl(event: KeyboardEvent): boolean {
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (event.key.startsWith("Arrow")) return !!target?.closest(".county-map, .time-field, .chips, [role=listbox], [role=slider]");
  return event.key === "Enter" && !!target?.closest("button, a, summary, [role=option], [role=combobox]");
}
