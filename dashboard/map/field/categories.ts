// Choosing what it is: groups as large buttons, the classes of one group at a time, and a search through all.

import { make, say } from "./words.ts";

export interface Category {
  code: string;
  name: string;
  group: string;
}

const RECENT = "county-brain-recent";
const MOST_RECENT = 4;

/** Fills an element with the choice; `chosen` is told which. `search` filters while it is typed in. */
export function offerCategories(
  root: HTMLElement,
  search: HTMLInputElement,
  categories: Category[],
  chosen: (category: Category) => void,
): void {
  const groups = [...new Set(categories.map(({ group }) => group))];
  let open: string | null = null;

  const choice = (category: Category) => {
    const button = make("button", { type: "button", class: "choice", "data-code": category.code }, category.name);
    button.addEventListener("click", () => {
      remember(category.code);
      open = null;
      chosen(category);
      draw();
    });
    return button;
  };
  const draw = () => {
    const words = search.value.trim().toLowerCase();
    if (words) {
      const found = categories.filter(({ code, name, group }) => `${code} ${name} ${group}`.toLowerCase().includes(words));
      root.replaceChildren(
        ...(found.length ? [make("div", { class: "classes" }, ...found.map(choice))] : [make("p", {}, say("report.no_class"))]),
      );
      return;
    }
    const recent = listRecent().flatMap((code) => categories.filter((category) => category.code === code));
    const parts: HTMLElement[] = recent.length
      ? [make("p", { class: "hint" }, say("report.recent")), make("div", { class: "classes" }, ...recent.map(choice))]
      : [];
    for (const group of groups) {
      const expanded = group === open;
      const button = make("button", { type: "button", class: "group", "aria-expanded": String(expanded) }, group);
      button.addEventListener("click", () => {
        open = expanded ? null : group;
        draw();
        root.querySelector<HTMLElement>(`.group[aria-expanded="true"]`)?.focus();
      });
      parts.push(button);
      if (expanded) {
        const classes = categories.filter((category) => category.group === group);
        parts.push(make("div", { class: "classes" }, ...classes.map(choice)));
      }
    }
    root.replaceChildren(...parts);
  };
  search.addEventListener("input", draw);
  draw();
}

function listRecent(): string[] {
  try {
    return JSON.parse(localStorage.getItem(RECENT) ?? "[]") as string[];
  } catch {
    return []; // a browser that keeps nothing, or something that is not ours
  }
}

function remember(code: string): void {
  try {
    const recent = [code, ...listRecent().filter((other) => other !== code)].slice(0, MOST_RECENT);
    localStorage.setItem(RECENT, JSON.stringify(recent));
  } catch {
    // It was a comfort only.
  }
}
