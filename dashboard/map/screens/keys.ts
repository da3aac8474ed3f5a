// The desk's keys. They never act while somebody is typing.

import type { Page } from "./page.ts";
import { make } from "./page.ts";
import type { Queue } from "./queue.ts";

const KEYS: [string, string][] = [
  ["j", "key_down"],
  ["k", "key_up"],
  ["Enter", "key_open"],
  ["Esc", "key_close"],
  ["/", "key_search"],
  ["?", "key_help"],
];

/** Listens for j, k, Enter, Escape, / and ?. */
export function followKeys(page: Page, queue: Queue, act: { open(): void; close(): void }): void {
  const help = page.slot("help");
  fillHelp(page, help);
  const actions: Record<string, () => void> = {
    j: () => queue.move(1),
    k: () => queue.move(-1),
    ArrowDown: () => queue.move(1),
    ArrowUp: () => queue.move(-1),
    Enter: act.open,
    "/": () => page.root.querySelector<HTMLInputElement>("input.search, .search input")?.focus(),
    "?": () => {
      if (help) help.hidden = !help.hidden;
    },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (help && !help.hidden) help.hidden = true;
      else if (isTyping(event.target)) (event.target as HTMLElement).blur();
      else act.close();
      return;
    }
    const action = actions[event.key];
    if (!action || isTyping(event.target) || isControl(event)) return;
    event.preventDefault();
    action();
  });
}

function fillHelp(page: Page, help: HTMLElement | null): void {
  const rows = KEYS.flatMap(([key, words]) => [make("dt", "", make("kbd", "", key)), make("dd", "", page.say(`duty.${words}`))]);
  help?.replaceChildren(make("h2", "", page.say("duty.keys")), make("dl", "", ...rows));
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches("input, textarea, select") || target.isContentEditable);
}

/** Enter and the arrows belong to a focused button, link or list first, and the arrows to a focused map. */
function isControl(event: KeyboardEvent): boolean {
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (event.key.startsWith("Arrow")) return !target?.closest("#queue");
  return event.key === "Enter" && !!target?.closest("button, a, summary, [role=option], [role=combobox]");
}
