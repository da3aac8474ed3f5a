// What every screen shares: its texts, its county, its places to fill, and changing the page without churn.

import { readJson } from "../answers.ts";
import { pause } from "../pause.ts";
import type { CountyInfo, Lang, Words } from "../wire.ts";
import { say as pick } from "../wire.ts";

export interface Category {
  code: string;
  zh: string;
  en: string;
  group?: Named;
  platform?: string;
  limit_hours?: number | null;
  source?: string;
  verified?: boolean;
}

export interface Named {
  zh: string;
  en: string;
}

export interface FlowAction extends Named {
  needs: string[];
  undoable: boolean;
}

/** One flow of the county's rulebook, as /api/county tells it. */
export interface Flow extends Named {
  key: string;
  categories: string[];
  states: Record<string, Named & { owner: string; ended: boolean }>;
  actions: Record<string, FlowAction>;
}

interface Area {
  code: string;
  name: string;
  name_en: string;
}

/** What /api/places answers: `villages[i].town` and `cells[i]` are positions in the list above them. */
export interface Places {
  towns: Area[];
  villages: (Area & { town: number | null })[];
  cells: (number | null)[];
}

export interface CountyFacts extends CountyInfo {
  categories?: Category[];
  flows?: Flow[];
  units?: (Named & { code: string })[];
  /** "data" where the county's clock stands at its newest record. */
  clock_anchor?: string;
}

/** One screen while it is open. */
export class Page {
  readonly lang: Lang;
  private texts: Record<string, string>;
  private categories = new Map<string, Category>();
  private feeds: Record<string, Named>;
  private formats = new Map<string, Intl.DateTimeFormat>();
  private numbers = new Map<number, Intl.NumberFormat>();

  constructor(
    readonly root: HTMLElement,
    readonly county: CountyFacts,
    readonly places: Places,
  ) {
    this.lang = (root.dataset.lang as Lang) || "zh";
    this.texts = JSON.parse(root.dataset.texts || "{}") as Record<string, string>;
    this.feeds = JSON.parse(root.dataset.feeds || "{}") as Record<string, Named>;
    for (const category of county.categories ?? []) this.categories.set(category.code, category);
  }

  /** Returns a message of the catalogue with its placeholders filled; a missing one shows its key. */
  say(key: string, values: Record<string, string | number> = {}): string {
    const message = this.texts[key] ?? key;
    return message.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  }

  /** Returns a message for a value from outside (a state, a channel), or the value itself. */
  sayName(section: string, name: string): string {
    return this.texts[`${section}.${name}`] ?? name;
  }

  words(words: Words | null | undefined): string {
    return pick(words, this.lang);
  }

  slot(name: string): HTMLElement | null {
    return this.root.querySelector<HTMLElement>(`[data-slot="${name}"]`);
  }

  category(code: string): Category | null {
    return this.categories.get(code) ?? null;
  }

  nameCategory(code: string): string {
    const category = this.categories.get(code);
    return category ? category[this.lang] || category.zh : code;
  }

  /** Returns the flow that a class takes: the one with the longest beginning that fits. */
  flowOf(category: string): Flow | null {
    const fit = (flow: Flow) => Math.max(-1, ...flow.categories.filter((one) => category.startsWith(one)).map((one) => one.length));
    return [...(this.county.flows ?? [])].sort((a, b) => fit(b) - fit(a))[0] ?? null;
  }

  nameState(category: string, state: string): string {
    return this.words(this.flowOf(category)?.states[state]) || state;
  }

  nameAction(category: string, action: string): string {
    return this.words(this.flowOf(category)?.actions[action]) || this.sayName("case_action", action);
  }

  nameUnit(code: string): string {
    return this.words(this.county.units?.find((one) => one.code === code)) || code;
  }

  nameFeed(key: string): string {
    return this.words(this.feeds[key]) || this.sayName("feed", key);
  }

  /** Returns a cell's village and the end of its code, which is all that tells it from its neighbours. */
  nameCell(code: string): string {
    const village = this.places.villages.find((one) => code.startsWith(one.code));
    return village ? `${this.nameArea(village)} ${code.slice(village.code.length)}` : code;
  }

  nameTown(code: string): string {
    const town = this.places.towns.find((one) => one.code === code);
    return town ? this.nameArea(town) : code;
  }

  /** Returns "town village" of a cell, in the order that the language says it. */
  namePlace(cell: number | null): string {
    const village = cell === null ? null : this.places.villages[this.places.cells[cell] ?? -1];
    if (!village) return this.say(cell === null ? "common.outside" : "common.unknown");
    const town = this.places.towns[village.town ?? -1];
    const areas = [town, village].filter((area) => area !== undefined).map((area) => this.nameArea(area));
    const names = [...new Set(areas)]; // a county without villages has its towns for them
    return this.lang === "zh" ? names.join("") : names.reverse().join(", ");
  }

  /** Returns a moment (epoch seconds) in county time. */
  time(at: number, style: "time" | "clock" | "date" | "day" | "weekday" | "moment" | "full" | "year" | "sortable"): string {
    return this.format(style).format(at * 1000);
  }

  /** Returns hours and minutes; where the day is not today's, with it ("moment"), or it alone ("day"). */
  shortTime(at: number, now: number, otherwise: "moment" | "day" = "moment"): string {
    if (this.isSame("date", at, now)) return this.time(at, "time");
    if (this.isSame("year", at, now)) return this.time(at, otherwise);
    return this.time(at, otherwise === "day" ? "date" : "full");
  }

  /** Returns hours, minutes and seconds, with the day where it is not today's. */
  shortClock(at: number, now: number): string {
    const clock = this.time(at, "clock");
    return this.isSame("date", at, now) ? clock : `${this.shortTime(at, now, "day")} ${clock}`;
  }

  private isSame(part: "date" | "year", one: number, other: number): boolean {
    return this.time(one, part) === this.time(other, part);
  }

  /** Returns how long ago something was, in one unit. */
  ago(seconds: number): string {
    if (seconds < 5) return this.say("common.just_now");
    const [unit, n] = inOneUnit(seconds);
    return this.say(`common.ago_${unit}`, { n });
  }

  /** Returns a duration in one unit, minutes at least. */
  span(seconds: number): string {
    const [unit, n] = inOneUnit(Math.max(60, seconds));
    return this.say(`common.span_${unit}`, { n });
  }

  number(value: number, digits = 0): string {
    let format = this.numbers.get(digits);
    if (!format) {
      format = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
      this.numbers.set(digits, format);
    }
    return format.format(value);
  }

  private nameArea(area: Area): string {
    return this.lang === "en" ? area.name_en : area.name;
  }

  private format(style: string): Intl.DateTimeFormat {
    let format = this.formats.get(style);
    if (!format) {
      const locale = style === "sortable" ? "sv-SE" : this.lang === "zh" ? "zh-CN" : "en-GB";
      format = new Intl.DateTimeFormat(locale, { ...STYLES[style], hourCycle: "h23", timeZone: this.county.time_zone });
      this.formats.set(style, format);
    }
    return format;
  }
}

const STYLES: Record<string, Intl.DateTimeFormatOptions> = {
  time: { hour: "2-digit", minute: "2-digit" },
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  date: { year: "numeric", month: "2-digit", day: "2-digit" },
  day: { month: "2-digit", day: "2-digit" },
  weekday: { weekday: "short" },
  moment: { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" },
  full: { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" },
  year: { year: "numeric" },
  sortable: { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" },
};

function inOneUnit(seconds: number): ["seconds" | "minutes" | "hours" | "days", number] {
  if (seconds < 60) return ["seconds", Math.floor(seconds)];
  if (seconds < 3600) return ["minutes", Math.floor(seconds / 60)];
  if (seconds < 2 * 86400) return ["hours", Math.floor(seconds / 3600)];
  return ["days", Math.floor(seconds / 86400)];
}

/** Reads the county and its places, and returns the page; tries again until the server answers. */
export async function openPage(root: HTMLElement): Promise<Page> {
  for (let again = 500; ; again = Math.min(again * 2, 5000)) {
    try {
      const county = (await readJson("/api/county")) as CountyFacts;
      const places = (await readJson(`/api/places/${county.revision}`)) as Places;
      return new Page(root, county, places);
    } catch (error) {
      console.warn("the county cannot be read yet", error);
      await pause(again);
    }
  }
}

/** Whether a panel stands in no region of the scene that shows. */
export function isParked(element: Element): boolean {
  return element.closest("[data-region=parked]") !== null;
}

/** Sets a text only where it differs, so that nothing is drawn for nothing. */
export function setText(element: Element | null, text: string): void {
  if (!element || element.textContent === text) return;
  const only = element.firstChild;
  // A text that is changed is laid out anew; one that is replaced leaves garbage, too, of which a wall makes much.
  if (only instanceof Text && !only.nextSibling) only.data = text;
  else element.textContent = text;
}

/** Sets an attribute only where it differs; null removes it. */
export function setAttribute(element: Element | null, name: string, value: string | null): void {
  if (!element || element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Hides an element or shows it, only where it differs. */
export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** Makes an element with a class and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Finds the part of an element that a renderer fills. */
export function part(element: Element, name: string): HTMLElement | null {
  return element.querySelector<HTMLElement>(`[data-part="${name}"]`);
}

/** Makes a span that `part` finds. */
export function makePart(name: string, className = name): HTMLSpanElement {
  const element = make("span", className);
  element.dataset.part = name;
  return element;
}

/**
 * Makes a list's children show the items, in their order: children are kept by key, moved only when their place
 * changed, and removed only when their item left. Where rows are "alike", `update` says all that one shows: that of an item
 * that left is used for one that came, so that a burst of news is a change of texts.
 */
export function syncList<T>(
  list: HTMLElement,
  items: T[],
  keyOf: (item: T) => string,
  create: (item: T) => HTMLElement,
  update: (element: HTMLElement, item: T) => void,
  rows: "own" | "alike" = "own",
): void {
  const wanted = new Set(items.map(keyOf));
  const placed = new Map<string, HTMLElement>();
  const spare: HTMLElement[] = [];
  for (const child of list.children as HTMLCollectionOf<HTMLElement>) {
    const key = child.dataset.key ?? "";
    if (wanted.has(key)) placed.set(key, child);
    else spare.push(child);
  }
  if (rows === "own") for (const child of spare.splice(0)) child.remove();
  let cursor = list.firstElementChild as HTMLElement | null;
  for (const item of items) {
    const key = keyOf(item);
    let child = placed.get(key);
    if (!child) {
      child = spare.shift() ?? create(item);
      child.dataset.key = key;
    }
    update(child, item);
    while (cursor && spare.includes(cursor)) cursor = cursor.nextElementSibling as HTMLElement | null;
    if (child === cursor) cursor = cursor.nextElementSibling as HTMLElement | null;
    else list.insertBefore(child, cursor);
  }
  for (const child of spare) child.remove();
}

const rowsKnown = new WeakMap<Element, number>();
const rowsListeners = new Set<() => void>();
/** A list is measured when its box has changed: to ask at each drawing would lay out the page anew each time. */
const boxes = new ResizeObserver((changes) => {
  const before = changes.map(({ target }) => rowsKnown.get(target));
  for (const { target } of changes) rowsKnown.set(target, measureRows(target as HTMLElement));
  if (changes.some(({ target }, i) => rowsKnown.get(target) !== before[i])) rowsListeners.forEach((listener) => listener());
});

/** Calls back whenever another number of rows fits a list. */
export function followRows(listener: () => void): void {
  rowsListeners.add(listener);
}

/** Returns how many rows of at least the style sheet's `--row-least` fit a list, as it was last laid out. */
export function fitRows(list: HTMLElement): number {
  const known = rowsKnown.get(list);
  if (known !== undefined) return known;
  boxes.observe(list);
  const rows = measureRows(list);
  rowsKnown.set(list, rows);
  return rows;
}

/** Returns how many rows fit a list now, and makes them fill it. */
export function measureRows(list: HTMLElement): number {
  const least = parseFloat(getComputedStyle(list).getPropertyValue("--row-least")) || 0.06;
  const rows = Math.max(1, Math.floor(list.clientHeight / (least * Math.min(innerHeight, innerWidth))));
  const height = `${list.clientHeight / rows}px`;
  if (list.style.getPropertyValue("--row") !== height) list.style.setProperty("--row", height);
  return rows;
}

const SHAPES: Record<number, string> = { 1: "▲", 2: "◆", 3: "●", 4: "■" };

/** Makes the mark of a severity, or of a warning's level: shape and word, its colour by CSS. */
export function makeSeverity(page: Page, severity: number, words = "severity"): HTMLElement {
  const shape = make("i", "", SHAPES[severity] ?? "■");
  shape.setAttribute("aria-hidden", "true");
  const mark = make("span", "severity", shape, page.sayName(words, String(severity)));
  mark.dataset.severity = String(severity);
  return mark;
}

/** Shows how severe something is now: by the colours of its row, and by the mark in it (at first an empty `.severity`). */
export function showSeverity(page: Page, row: HTMLElement, severity: number): void {
  setAttribute(row, "data-severity", String(severity));
  const mark = row.querySelector<HTMLElement>(".severity");
  if (mark?.dataset.severity !== String(severity)) mark?.replaceWith(makeSeverity(page, severity));
}
