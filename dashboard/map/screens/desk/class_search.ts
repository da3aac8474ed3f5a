// Finding a class by its name, its group or its matter, among those that the county's matter list takes.

import { readJson } from "../../answers.ts";
import type { Page } from "../page.ts";
import type { Choice } from "./combobox.ts";

/** What the matter list says of a class that it takes. */
interface Listed {
  code: string;
  matter?: string;
  admission?: string;
}

export class ClassSearch {
  private list: Map<string, Listed> | null = null;

  constructor(private readonly page: Page) {}

  /** Reads the list; without it every class is offered, and the server says which it does not take. */
  async load(): Promise<void> {
    try {
      const { classes } = (await readJson(`/api/reports/classes?lang=${this.page.lang}`)) as { classes: Listed[] };
      this.list = new Map(classes.map((one) => [one.code, one]));
    } catch (error) {
      console.warn("the matter list cannot be read", error);
    }
  }

  listed(code: string | null): Listed | undefined {
    return this.list?.get(code ?? "");
  }

  /** Returns the classes in whose words every one of these occurs, those first whose name begins so. */
  find(words: string): Choice<string>[] {
    const { page, list } = this;
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = (page.county.categories ?? []).flatMap((one) => {
      const label = page.nameCategory(one.code);
      const detail = [page.words(one.group), this.listed(one.code)?.matter].filter(Boolean).join(" · ");
      const heap = `${one.code} ${one.zh} ${one.en} ${detail}`.toLowerCase();
      const fits = (!list || list.has(one.code)) && wanted.every((word) => heap.includes(word));
      return fits ? [{ label, detail, value: one.code }] : [];
    });
    const begins = ({ label }: Choice<string>) => Number(label.toLowerCase().startsWith(wanted[0] ?? ""));
    return found.sort((a, b) => begins(b) - begins(a));
  }
}
