// While a report is taken down: the cases that it may be about, each one key away from being opened or added to.

import type { Likeness, Likenesses } from "../drawer/casefile.ts";
import { postJson } from "../drawer/post.ts";
import { make, type Page, setText } from "../page.ts";

/** What is asked of `POST /api/public/similar`: words do not belong in an address. */
export interface Question {
  category: string;
  text: string;
  lon?: number;
  lat?: number;
  cell_code?: string;
}

const ASK_AFTER_MS = 300;
/** What the server takes of the words. */
const LONGEST_WORDS = 400;
/** Told as distance and age already. */
const TOLD = new Set(["metres", "hours"]);

export class LikelyList {
  readonly element = make("section", "likely");
  /** The case that the report is added to, if it is. */
  joined: string | null = null;
  private readonly title = make("h3", "");
  private readonly hint = make("p", "hint");
  private readonly list = make("ul", "");
  private found: Likeness[] = [];
  private asked = "";
  private waiting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly page: Page,
    private readonly now: () => number,
    private readonly on: { open(caseId: string): void; joined(): void },
  ) {
    this.title.setAttribute("aria-live", "polite");
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", page.say("intake.likely"));
    this.list.addEventListener("keydown", (event) => this.hearKey(event));
    this.element.append(this.title, this.hint, this.list);
    this.show("intake.likely_hint");
  }

  /** Asks what a report is like, a moment after the last change; null: its place is not known. */
  ask(question: Question | null): void {
    const asked = question ? JSON.stringify({ ...question, text: question.text.slice(0, LONGEST_WORDS), lang: this.page.lang }) : "";
    if (asked === this.asked) return;
    this.asked = asked;
    clearTimeout(this.waiting);
    if (asked) this.waiting = setTimeout(() => void this.look(asked), ASK_AFTER_MS);
    else this.forget();
  }

  forget(): void {
    clearTimeout(this.waiting);
    this.asked = "";
    this.found = [];
    this.join(null);
    this.show("intake.likely_hint");
  }

  /** Puts the cursor on the first case; says whether there is one. */
  focus(): boolean {
    const first = this.list.querySelector<HTMLElement>("li");
    first?.focus();
    return first !== null;
  }

  private async look(asked: string): Promise<void> {
    const answer = await postJson("/api/public/similar", JSON.parse(asked));
    if (asked !== this.asked) return;
    this.found = answer.status === 200 ? (answer.body as Likenesses).duplicates : [];
    if (!this.found.some((one) => one.case_id === this.joined)) this.join(null);
    this.show(answer.status === 200 ? "intake.likely_none" : "intake.likely_away");
  }

  private show(otherwise: string): void {
    const { page, found } = this;
    const focused = this.list.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset.case : undefined;
    setText(this.title, found.length ? page.say("intake.likely_n", { n: found.length }) : page.say("intake.likely"));
    setText(this.hint, page.say(found.length ? "intake.likely_keys" : otherwise));
    this.list.replaceChildren(...found.map((one, place) => this.makeRow(one, place)));
    if (focused) this.list.querySelector<HTMLElement>(`[data-case="${CSS.escape(focused)}"]`)?.focus();
  }

  private makeRow(one: Likeness, place: number): HTMLElement {
    const { page } = this;
    const facts = [
      one.distance_m === null ? "" : page.say("drawer.metres", { n: one.distance_m }),
      page.ago(this.now() - one.reported_at),
      page.nameState(one.category, one.state),
    ];
    const why = one.reasons.filter((reason) => !TOLD.has(reason.kind)).map((reason) => reason.text);
    const open = this.makeButton("open", page.say("intake.open"), () => this.on.open(one.case_id));
    const joins = this.joined === one.case_id;
    const join = this.makeButton("join", page.say(joins ? "intake.joined" : "intake.join"), () => this.join(joins ? null : one.case_id));
    const row = make(
      "li",
      "",
      make("b", "", one.title || page.nameCategory(one.category)),
      make("span", "facts-line", facts.filter(Boolean).join(" · ")),
      make("span", "why", why.join(" · ")),
      make("div", "deeds", ...(one.open ? [join] : []), open),
    );
    row.dataset.case = one.case_id;
    row.dataset.likely = String(one.likely);
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(joins));
    row.tabIndex = place === 0 ? 0 : -1;
    return row;
  }

  /** A button for the mouse: the row that it is in has a key for the same. */
  private makeButton(name: string, words: string, act: () => void): HTMLElement {
    const button = make("button", name, words);
    button.type = "button";
    button.tabIndex = -1;
    button.addEventListener("click", act);
    return button;
  }

  private join(caseId: string | null): void {
    if (caseId === this.joined) return;
    this.joined = caseId;
    this.show("");
    this.on.joined();
  }

  private hearKey(event: KeyboardEvent): void {
    const row = (event.target as HTMLElement).closest("li");
    const step = event.key === "ArrowDown" ? "nextElementSibling" : event.key === "ArrowUp" ? "previousElementSibling" : null;
    if (step) (row?.[step] as HTMLElement | null)?.focus();
    else if (event.key === "Enter" && !event.ctrlKey) row?.querySelector<HTMLElement>(".join")?.click();
    else if (event.key === "o") row?.querySelector<HTMLElement>(".open")?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
