// What every page of the field shares: its words, its places to fill, and how it asks the server.

export type Lang = "zh" | "en";

const texts = JSON.parse(document.body.dataset["texts"] ?? "{}") as Record<string, string>;

export const lang: Lang = document.body.dataset["lang"] === "en" ? "en" : "zh";

/** Returns a message of the catalogue with its {placeholders} filled in; an unknown key is shown as it is. */
export function say(key: string, values: Record<string, string | number> = {}): string {
  const message = texts[key] ?? key;
  return message.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Returns whether the catalogue has a message. */
export function hasWord(key: string): boolean {
  return key in texts;
}

/** Returns the element that the page's HTML marks with a name. */
export function slot<T extends HTMLElement = HTMLElement>(name: string): T {
  const found = document.querySelector<T>(`[data-slot="${name}"]`);
  if (!found) throw new Error(`the page has no slot ${name}`);
  return found;
}

/** Makes an element; children are elements or texts, never HTML. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Returns a moment with its offset (as the server writes it) by the clock it was written in: 11-22 08:05. */
export function showMoment(iso: string): string {
  return iso.slice(5, 16).replace("T", " ");
}

// Swedish writes a date and a time as ISO 8601 does.
const clock = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short", timeZone: document.body.dataset["zone"] });

/** Returns a moment by the county's clock, whatever the phone's is, as `showMoment` does. */
export function showTime(ms: number): string {
  return showMoment(clock.format(ms));
}
