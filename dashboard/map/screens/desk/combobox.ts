// A field in which one of many is found by typing: arrows move, Enter or Tab takes the one that is marked.

import { make, setAttribute } from "../page.ts";

/** One of many; `detail` tells it from its like. */
export interface Choice<T> {
  label: string;
  detail: string;
  value: T;
}

export class Combobox<T> {
  readonly input = make("input", "");
  readonly element: HTMLElement;
  value: T | null = null;
  private readonly list = make("ul", "found");
  private shown: Choice<T>[] = [];
  private marked = 0;

  /** find: the choices for what is typed, the best first; sayNone: why there are none; chosen: what is taken, null once it is typed over. */
  constructor(
    private readonly name: string,
    private readonly find: (words: string) => Choice<T>[],
    private readonly sayNone: () => string,
    private readonly chosen: (value: T | null) => void,
  ) {
    const { input, list } = this;
    list.id = `${name}-found`;
    list.hidden = true;
    list.setAttribute("role", "listbox");
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", list.id);
    input.autocomplete = "off";
    input.addEventListener("input", () => {
      if (this.value !== null) this.chosen((this.value = null));
      this.open();
    });
    input.addEventListener("click", () => this.open());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.hearKey(event));
    // A click on the list must not take the focus out of the field.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option = (event.target as HTMLElement).closest("li");
      const choice = option && this.shown[[...list.children].indexOf(option)];
      if (choice) this.take(choice);
    });
    this.close();
    this.element = make("div", "combobox", input, list);
  }

  /** Makes something the field's value without telling `chosen`. */
  set(value: T | null, label: string): void {
    this.value = value;
    this.input.value = label;
    this.close();
  }

  /** Looks again for what is typed: what is searched in has changed. */
  refresh(): void {
    if (!this.list.hidden) this.open();
  }

  private open(): void {
    this.shown = this.find(this.input.value);
    this.marked = 0;
    this.list.hidden = false;
    this.list.replaceChildren(...this.shown.map((choice, place) => this.makeOption(choice, place)));
    if (!this.shown.length) this.list.append(make("li", "none", this.sayNone()));
    setAttribute(this.input, "aria-expanded", "true");
    this.mark(0);
  }

  private close(): void {
    this.list.hidden = true;
    setAttribute(this.input, "aria-expanded", "false");
    setAttribute(this.input, "aria-activedescendant", null);
  }

  private take(choice: Choice<T>): void {
    this.set(choice.value, choice.label);
    this.chosen(choice.value);
  }

  private makeOption({ label, detail }: Choice<T>, place: number): HTMLElement {
    const option = make("li", "", make("b", "", label), make("span", "", detail));
    option.id = `${this.name}-choice-${place}`;
    option.setAttribute("role", "option");
    return option;
  }

  private mark(place: number): void {
    this.marked = (place + this.shown.length) % (this.shown.length || 1);
    [...this.list.children].forEach((option, at) => setAttribute(option, "aria-selected", String(at === this.marked)));
    const option = this.shown.length ? this.list.children[this.marked]! : null;
    setAttribute(this.input, "aria-activedescendant", option?.id ?? null);
    option?.scrollIntoView({ block: "nearest" });
  }

  private hearKey(event: KeyboardEvent): void {
    const { key } = event;
    if (event.isComposing) return;
    const choice = this.list.hidden ? undefined : this.shown[this.marked];
    if (key === "ArrowDown" || key === "ArrowUp") {
      if (this.list.hidden) this.open();
      else this.mark(this.marked + (key === "ArrowDown" ? 1 : -1));
    } else if (key === "Enter" && !event.ctrlKey && choice) this.take(choice);
    else if (key === "Escape" && !this.list.hidden) this.close();
    else {
      // Tab goes on to the next field, with what is marked where something was typed.
      if (key === "Tab" && choice && this.input.value.trim() && this.value === null) this.take(choice);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
