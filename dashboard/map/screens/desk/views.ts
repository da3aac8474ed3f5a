// Views: filters under a name. Some come with the desk; a person's own are kept in this browser, under their name.

import { readJson } from "../../answers.ts";
import type { LiveFeed } from "../../live.ts";
import { make, type Page, setText } from "../page.ts";
import type { Queue } from "../queue.ts";
import type { Filters } from "./filters.ts";

interface View {
  name: string;
  query: string;
}

const COUNT_EVERY_MS = 10_000;
const MOST_OWN = 9;
const DAY = 86400;

/** Shows the views with how many cases each holds; returns what chooses one by its place. */
export function layViews(page: Page, feed: LiveFeed, filters: Filters, queue: Queue, person: string): (place: number) => void {
  const bar = page.slot("views");
  const store = `duty-views-${person}`;
  let own = readOwn(store);
  let totals: (number | null)[] = [];
  const list = () => [...listBuiltIn(page, feed), ...own];
  const choose = (place: number) => {
    const view = list()[place];
    if (view) filters.replace(view.query);
  };
  const keep = (views: View[]) => {
    own = views;
    localStorage.setItem(store, JSON.stringify(own));
    draw();
    void count();
  };
  const draw = () => {
    const builtIn = list().length - own.length;
    bar?.replaceChildren(
      ...list().map((view, i) => {
        const count = make("span", "count", totals[i] == null ? "" : page.number(totals[i]!));
        const button = make("button", "view", view.name, count);
        button.setAttribute("aria-pressed", String(new URLSearchParams(view.query).toString() === filters.query("sort")));
        button.dataset.view = String(i + 1);
        button.addEventListener("click", () => choose(i));
        if (i < builtIn) return button;
        const drop = make("button", "drop", "✕");
        drop.setAttribute("aria-label", page.say("duty.view_drop", { name: view.name }));
        drop.addEventListener("click", () => keep(own.filter((one) => one !== view)));
        return make("span", "own-view", button, drop);
      }),
      makeKeeper(page, filters, (name) => keep([...own.filter((one) => one.name !== name), { name, query: filters.query() }].slice(-MOST_OWN))),
    );
  };
  const count = async () => {
    const views = list().map(({ query }) => `view=${encodeURIComponent(query)}`);
    try {
      totals = ((await readJson(`/api/queue/totals?${views.join("&")}`)) as { totals: (number | null)[] }).totals;
      list().forEach((_, i) => setText(bar?.querySelector(`[data-view="${i + 1}"] .count`) ?? null, totals[i] == null ? "" : page.number(totals[i]!)));
    } catch (error) {
      console.warn("the views cannot be counted", error);
    }
  };
  draw();
  filters.onChange(draw);
  let countedAt = 0;
  queue.onCounts(() => {
    if (performance.now() - countedAt < COUNT_EVERY_MS / 4) return;
    countedAt = performance.now();
    void count();
  });
  setInterval(() => void count(), COUNT_EVERY_MS);
  return choose;
}

function listBuiltIn(page: Page, feed: LiveFeed): View[] {
  const now = feed.serverNow();
  const [hours = 0, minutes = 0, seconds = 0] = page.time(now, "clock").split(":").map(Number);
  const midnight = Math.floor(now - ((hours * 60 + minutes) * 60 + seconds) % DAY);
  const views: [string, string][] = [
    ["mine", "mine=1"],
    ["overdue", "colour=red"],
    ["severe", "severity=1%2C2"],
    ["supervised", "card=ordinary%2Cyellow%2Cred"],
    ["today", `from=${midnight}`],
    ["to_dispatch", "state=accepted%2Cfiled%2Ctriaged"],
    ["all", ""],
  ];
  return views.map(([key, query]) => ({ name: page.say(`duty.view_${key}`), query }));
}

function makeKeeper(page: Page, filters: Filters, keep: (name: string) => void): HTMLElement {
  const open = make("button", "keep", `＋ ${page.say("duty.view_keep")}`);
  open.hidden = filters.query() === "";
  open.addEventListener("click", () => {
    const input = make("input", "view-name");
    input.placeholder = page.say("duty.view_name");
    input.maxLength = 20;
    input.setAttribute("aria-label", page.say("duty.view_name"));
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && input.value.trim()) keep(input.value.trim());
      if (event.key === "Escape") input.replaceWith(open);
    });
    open.replaceWith(input);
    input.focus();
  });
  return open;
}

function readOwn(store: string): View[] {
  try {
    const kept = JSON.parse(localStorage.getItem(store) ?? "[]") as View[];
    return kept.filter((view) => typeof view.name === "string" && typeof view.query === "string");
  } catch {
    return [];
  }
}
