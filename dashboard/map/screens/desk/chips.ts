// The filters as chips: what is chosen is said on the chip, the choices are a list that opens below it.

import { make, type Page, setAttribute, setText } from "../page.ts";
import { CLOCK_SHAPES, COLOURS } from "./clock.ts";
import type { Filters } from "./filters.ts";

interface Choice {
  value: string;
  label: string;
}

const QUICK_HOURS = ["1", "6", "24", "168"];
const SHOWS = ["", "ended", "all"];
const CARDS = ["ordinary", "yellow", "red"];
const GRADES = ["major", "minor"];
const SHAPES = ["▲", "◆", "●", "■"];
const TYPED_AFTER_MS = 300;
/** A list longer than this gets a field to search in. */
const LONG = 9;

/** Lays out the chips and keeps them in step with the filters; returns what tells them how many cases match. */
export function layChips(page: Page, filters: Filters): (matching: number) => void {
  const bar = page.slot("chips");
  const chips = listChips(page, filters).map(([name, choices]) => new Chip(page, filters, name, choices));
  const within = new Tag(page, filters, "within");
  const singles = [new Tag(page, filters, "cell"), within, new Tag(page, filters, "from")];
  const clear = make("button", "clear", page.say("duty.clear"));
  clear.addEventListener("click", () => filters.replace(""));
  bar?.append(
    makeSearch(page, filters),
    ...chips.map((chip) => chip.box),
    makeSwitch(page, filters, "hours", QUICK_HOURS.map((value) => ({ value, label: page.say(`duty.hours_${value}`) }))),
    makeSwitch(page, filters, "show", SHOWS.map((value) => ({ value, label: page.say(`duty.show_${value || "open"}`) }))),
    makeSwitch(page, filters, "mine", [{ value: "1", label: page.say("duty.mine") }]),
    ...singles.map((tag) => tag.button),
    clear,
  );
  const draw = () => {
    for (const chip of chips) chip.draw();
    for (const tag of singles) tag.draw();
    clear.hidden = filters.query("sort") === "";
  };
  filters.onChange(draw);
  draw();
  document.addEventListener("pointerdown", (event) => {
    for (const chip of chips) if (!chip.box.contains(event.target as Node)) chip.close();
  });
  return (matching) => {
    within.matching = matching;
    within.draw();
  };
}

function listChips(page: Page, filters: Filters): [string, () => Choice[]][] {
  const { county, places } = page;
  const states = new Map((county.flows ?? []).flatMap((flow) => Object.entries(flow.states).map(([key, state]) => [key, { ...state }] as const)));
  const known = (name: string, values: string[], shape = (_: number) => "") =>
    values.map((value, i) => ({ value, label: `${shape(i)}${page.say(`${name}${value}`)}` }));
  return [
    ["town", () => places.towns.map((town) => ({ value: town.code, label: page.nameTown(town.code) }))],
    [
      "village",
      () => {
        const towns = filters.list("town");
        return places.villages
          .filter((village) => !towns.length || towns.some((town) => village.code.startsWith(town)))
          .map((village) => ({ value: village.code, label: page.lang === "en" ? village.name_en : village.name }));
      },
    ],
    ["category", () => (county.categories ?? []).map(({ code }) => ({ value: code, label: page.nameCategory(code) }))],
    ["unit", () => (county.units ?? []).map(({ code }) => ({ value: code, label: page.nameUnit(code) }))],
    [
      "state",
      () =>
        [...states]
          .filter(([, state]) => filters.get("show") === "all" || state.ended === (filters.get("show") === "ended"))
          .map(([value, state]) => ({ value, label: page.words(state) })),
    ],
    ["colour", () => known("duty.colour_", COLOURS, (i) => `${CLOCK_SHAPES[COLOURS[i]!]} `)],
    ["severity", () => known("severity.", ["1", "2", "3", "4"], (i) => `${SHAPES[i]} `)],
    ["card", () => known("duty.card_", CARDS)],
    ["grade", () => known("duty.grade_", GRADES)],
    ["channel", () => ["grid_worker", "hotline", "app", "video", "iot", "superior", "patrol", "window"].map((value) => ({ value, label: page.sayName("channel", value) }))],
  ];
}

/** One filter of several values. */
class Chip {
  readonly box: HTMLElement;
  private button: HTMLButtonElement;
  private list: HTMLElement | null = null;

  constructor(
    private page: Page,
    private filters: Filters,
    private name: string,
    private choices: () => Choice[],
  ) {
    this.button = make("button", "chip");
    this.button.setAttribute("aria-haspopup", "listbox");
    this.button.addEventListener("click", () => (this.list ? this.close() : this.open()));
    this.box = make("div", "chip-box", this.button);
    this.box.dataset.filter = name;
    this.box.addEventListener("keydown", (event) => this.hearKey(event));
  }

  draw(): void {
    const chosen = this.filters.list(this.name);
    const title = this.page.say(`duty.${this.name}`);
    const first = chosen.length ? (this.choices().find(({ value }) => value === chosen[0])?.label ?? chosen[0]!) : "";
    const more = chosen.length > 1 ? ` +${chosen.length - 1}` : "";
    setText(this.button, chosen.length ? `${title}: ${first}${more}` : title);
    setAttribute(this.button, "aria-pressed", chosen.length ? "true" : null);
    setAttribute(this.button, "aria-expanded", this.list ? "true" : "false");
  }

  close(): void {
    this.list?.remove();
    this.list = null;
    this.draw();
  }

  private open(): void {
    const choices = this.choices();
    const options = make("div", "options");
    options.setAttribute("role", "listbox");
    options.setAttribute("aria-multiselectable", "true");
    options.setAttribute("aria-label", this.page.say(`duty.${this.name}`));
    for (const choice of choices) options.append(this.makeOption(choice));
    this.list = make("div", "chip-list", options);
    if (choices.length > LONG) {
      const search = make("input", "narrow");
      search.type = "search";
      search.placeholder = this.page.say("duty.narrow");
      search.addEventListener("input", () => {
        const text = search.value.trim().toLowerCase();
        for (const option of options.children) (option as HTMLElement).hidden = !option.textContent!.toLowerCase().includes(text);
      });
      this.list.prepend(search);
    }
    const none = make("button", "none-of-it", this.page.say("duty.clear_one"));
    none.addEventListener("click", () => {
      this.filters.set({ [this.name]: "" });
      this.close();
      this.button.focus();
    });
    this.list.append(none);
    this.box.append(this.list);
    const overhang = this.list.getBoundingClientRect().right - innerWidth + 8;
    if (overhang > 0) this.list.style.left = `${-overhang}px`;
    (this.list.querySelector<HTMLElement>("input.narrow") ?? options.querySelector<HTMLElement>("[role=option]"))?.focus();
    this.draw();
  }

  private makeOption({ value, label }: Choice): HTMLElement {
    const option = make("div", "", label);
    option.setAttribute("role", "option");
    option.tabIndex = -1;
    option.dataset.value = value;
    const show = () => option.setAttribute("aria-selected", String(this.filters.list(this.name).includes(value)));
    option.addEventListener("click", () => {
      const chosen = this.filters.list(this.name);
      this.filters.set({ [this.name]: chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value] });
      show();
    });
    show();
    return option;
  }

  private hearKey(event: KeyboardEvent): void {
    const { key } = event;
    if (!this.list) {
      const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
      if (key === "ArrowDown") this.open();
      else if (step) this.step(step);
      else return;
    } else if (key === "Escape") {
      this.close();
      this.button.focus();
    } else if (key === "ArrowDown" || key === "ArrowUp") {
      const shown = [...this.list.querySelectorAll<HTMLElement>("[role=option]:not([hidden])")];
      const at = shown.indexOf(document.activeElement as HTMLElement);
      shown[(at + (key === "ArrowDown" ? 1 : shown.length - 1 + (at < 0 ? 1 : 0))) % shown.length]?.focus();
    } else if ((key === "Enter" || key === " ") && (event.target as HTMLElement).matches("[role=option]")) {
      (event.target as HTMLElement).click();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private step(step: number): void {
    const chips = [...this.box.parentElement!.querySelectorAll<HTMLElement>("button")].filter((one) => one.offsetParent);
    chips[(chips.indexOf(this.button) + step + chips.length) % chips.length]?.focus();
  }
}

/** A filter that is set elsewhere (on the map, in the time bar) and can only be taken away here. */
class Tag {
  readonly button = make("button", "chip tag");
  matching: number | null = null;

  constructor(
    private page: Page,
    private filters: Filters,
    private name: string,
  ) {
    this.button.dataset.filter = name;
    this.button.setAttribute("aria-pressed", "true");
    this.button.title = page.say("duty.clear_one");
    this.button.addEventListener("click", () => filters.set(name === "from" ? { from: "", to: "" } : { [name]: "" }));
  }

  draw(): void {
    this.button.hidden = !this.filters.get(this.name) && !(this.name === "from" && this.filters.get("to"));
    if (!this.button.hidden) setText(this.button, `${this.say()} ✕`);
  }

  private say(): string {
    const { page, filters, name } = this;
    if (name === "cell") return `${page.say("duty.cell")}: ${filters.list("cell").map((code) => page.nameCell(code)).join(", ")}`;
    if (name === "within") return page.say("duty.within", { n: this.matching ?? "…" });
    const moment = (value: string) => (value ? page.time(Number(value), "moment") : "");
    return `${moment(filters.get("from"))}–${moment(filters.get("to"))}`;
  }
}

function makeSearch(page: Page, filters: Filters): HTMLElement {
  const input = make("input", "search");
  input.type = "search";
  input.placeholder = page.say("duty.search");
  input.setAttribute("aria-label", page.say("duty.search"));
  let timer: ReturnType<typeof setTimeout> | null = null;
  let composing = false;
  const take = () => {
    if (timer) clearTimeout(timer);
    // While an input method is composing, what stands there is not yet Chinese.
    if (!composing) timer = setTimeout(() => filters.set({ q: input.value.trim() }), TYPED_AFTER_MS);
  };
  input.addEventListener("compositionstart", () => (composing = true));
  input.addEventListener("compositionend", () => ((composing = false), take()));
  input.addEventListener("input", take);
  const show = () => {
    if (document.activeElement !== input || filters.get("q") === "") input.value = filters.get("q");
  };
  filters.onChange(show);
  show();
  return input;
}

/** Buttons of which one can be on; the one that is on goes off by a second click. */
function makeSwitch(page: Page, filters: Filters, name: string, choices: Choice[]): HTMLElement {
  const group = make("div", "switch");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", page.say(`duty.${name}`));
  for (const { value, label } of choices) {
    const button = make("button", "", label);
    button.dataset.value = value;
    button.addEventListener("click", () => {
      const changes: Record<string, string> = { [name]: filters.get(name) === value ? "" : value };
      filters.set(name === "hours" ? { ...changes, from: "", to: "" } : name === "show" ? { ...changes, state: "", sort: "" } : changes);
    });
    group.append(button);
  }
  const show = () => {
    for (const button of group.children) button.setAttribute("aria-pressed", String((button as HTMLElement).dataset.value === filters.get(name)));
  };
  filters.onChange(show);
  show();
  return group;
}
