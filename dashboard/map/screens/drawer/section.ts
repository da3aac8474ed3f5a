// One part of the drawer: it is drawn again only when what it says has changed, so nothing jumps and focus stays.

import { make } from "../page.ts";

export class Section {
  readonly element: HTMLElement;
  private said: string | null = null;

  constructor(className: string) {
    this.element = make("section", className);
    this.element.hidden = true;
  }

  /** Draws the content, unless `said` is what is drawn already; nothing to draw hides the section. */
  redraw(said: unknown, draw: () => (Node | string)[]): void {
    const key = JSON.stringify(said);
    if (key === this.said) return;
    this.said = key;
    const focused = this.nameFocused();
    const opened = new Set([...this.element.querySelectorAll("details[open]")].map((one) => one.className));
    const content = draw();
    this.element.replaceChildren(...content);
    this.element.hidden = content.length === 0;
    for (const one of this.element.querySelectorAll("details")) if (opened.has(one.className)) one.open = true;
    if (focused) this.element.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Forgets what is drawn: the next redraw draws. */
  clear(): void {
    this.said = null;
    this.element.replaceChildren();
    this.element.hidden = true;
  }

  private nameFocused(): string | null {
    const focused = document.activeElement;
    return focused instanceof HTMLElement && this.element.contains(focused) ? (focused.dataset.focus ?? null) : null;
  }
}
