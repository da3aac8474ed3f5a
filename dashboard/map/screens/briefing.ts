// The briefing: Dash renders all of it; here are only the moment's picker, printing, and opening what is printed.

import { make } from "./page.ts";

/** Adds the tools to the rendered page. */
export function start(root: HTMLElement): void {
  const texts = JSON.parse(root.dataset.texts || "{}") as Record<string, string>;
  const say = (key: string) => texts[`briefing.${key}`] ?? key;
  const tools = root.querySelector<HTMLElement>('[data-slot="tools"]');
  tools?.append(makePicker(root, say), makePrint(say));
  // A definition that is closed on screen is printed all the same.
  let closed: HTMLDetailsElement[] = [];
  window.addEventListener("beforeprint", () => {
    closed = [...root.querySelectorAll<HTMLDetailsElement>("details:not([open])")];
    for (const details of closed) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
}

/** A plain form: the moment goes into the address, so that a briefing can be sent as a link. */
function makePicker(root: HTMLElement, say: (key: string) => string): HTMLFormElement {
  const form = make("form", "picker");
  form.method = "get";
  form.action = "/briefing";
  const moment = make("input");
  moment.type = "datetime-local";
  moment.name = "as_of";
  moment.required = true;
  moment.value = root.dataset.asOf ?? "";
  moment.setAttribute("aria-label", say("as_of_pick"));
  const lang = make("input");
  lang.type = "hidden";
  lang.name = "lang";
  lang.value = root.dataset.lang ?? "zh";
  const go = make("button", "", say("as_of_go"));
  const now = make("a", "button", say("as_of_now"));
  now.href = `/briefing?lang=${lang.value}`;
  form.append(moment, lang, go, now);
  return form;
}

function makePrint(say: (key: string) => string): HTMLButtonElement {
  const button = make("button", "print", say("print"));
  button.type = "button";
  button.addEventListener("click", () => window.print());
  return button;
}
