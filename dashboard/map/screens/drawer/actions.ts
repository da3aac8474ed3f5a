// What may be done now: a button each, the one that usually comes next first; a small form where something is to be said.

import type { Page } from "../page.ts";
import { make, setText, syncList } from "../page.ts";
import type { CaseFile, Deed, LegalAction, Likeness, Outcome } from "./casefile.ts";
import { ActionForm, type Values } from "./form.ts";
import { makeId, postJson } from "./post.ts";

export const UNDO = "undo";
/** How long a message of success stays. */
const SAID_FOR_MS = 8000;

export class Actions {
  readonly element = make("section", "case-actions");
  private readonly buttons = make("div", "buttons");
  private readonly place = make("div", "form-place");
  private readonly status = make("p", "status");
  private file: CaseFile | null = null;
  private likenesses: Likeness[] = [];
  private form: ActionForm | null = null;
  private busy = false;
  /** What was typed, by action: kept while somebody else is faster. */
  private drafts = new Map<string, Values>();
  /** The request whose answer was lost: sent again it has the same id. */
  private unanswered: { body: string; id: string } | null = null;
  private conflict: { version: number; name: string } | null = null;
  private clearing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly page: Page,
    private readonly now: () => number,
    private readonly on: { done(caseId: string): void; stale(): void },
  ) {
    this.status.setAttribute("role", "status");
    this.status.setAttribute("aria-live", "polite");
    this.element.append(this.buttons, this.status, this.place);
  }

  update(file: CaseFile): void {
    if (this.file?.case_id !== file.case_id) this.forget();
    this.file = file;
    const offers = [...file.actions_legal].sort((a, b) => rank(a) - rank(b));
    if (file.undo) offers.push({ action: UNDO, forward: false, moves: false, needs: [] });
    syncList(
      this.buttons,
      offers,
      (offer) => offer.action,
      (offer) => this.makeButton(offer),
      (button, offer) => this.dress(button as HTMLButtonElement, offer),
    );
    this.element.hidden = offers.length === 0 && !this.status.textContent;
    if (this.form && !file.actions_legal.some((one) => one.action === this.form?.legal.action)) this.close();
    this.tellConflict();
  }

  /** Cases that are proposed to merge into. */
  offer(likenesses: Likeness[]): void {
    this.likenesses = likenesses;
  }

  /** Lets the time run out in which something can be taken back. */
  tick(): void {
    if (this.file?.undo && this.file.undo.until < this.now()) {
      this.file.undo = null;
      this.update(this.file);
    }
  }

  /** The action that usually comes next, if it is legal. */
  get forward(): string | null {
    return this.file?.actions_legal.find((one) => one.forward)?.action ?? null;
  }

  can(action: string): boolean {
    return action === UNDO ? !!this.file?.undo : !!this.file?.actions_legal.some((one) => one.action === action);
  }

  /** Does an action as a click on its button would; `values` are said beforehand. */
  act(action: string, values: Values = {}): void {
    const legal = this.file?.actions_legal.find((one) => one.action === action);
    if (this.busy || !this.file || (!legal && !(action === UNDO && this.file.undo))) return;
    if (!legal || legal.needs.length === 0) void this.send(action, { details: {} });
    else if (this.form?.legal.action === action && !Object.keys(values).length) this.close();
    else this.open(legal, values);
  }

  private forget(): void {
    this.drafts.clear();
    this.unanswered = this.conflict = null;
    this.close();
    this.tell("");
  }

  private open(legal: LegalAction, values: Values): void {
    const draft = Object.assign(this.drafts.get(legal.action) ?? {}, values);
    this.drafts.set(legal.action, draft);
    const around = { proposal: this.file?.proposal ?? null, likenesses: this.likenesses };
    this.form = new ActionForm(this.page, legal, this.name(legal.action), draft, around, {
      submit: () => this.form && void this.send(legal.action, this.form.said),
      cancel: () => {
        this.close();
        this.buttons.querySelector<HTMLElement>(`[data-key="${legal.action}"]`)?.focus();
      },
    });
    this.place.replaceChildren(this.form.element);
    this.markOpen();
    this.form.focus();
    this.form.element.scrollIntoView({ block: "nearest" });
  }

  private close(): void {
    this.form = null;
    this.place.replaceChildren();
    this.markOpen();
  }

  private async send(action: string, said: object): Promise<void> {
    const file = this.file;
    if (!file || this.busy) return;
    const body = { action, expects: file.version, ...said };
    const key = JSON.stringify([file.case_id, body]);
    if (this.unanswered?.body !== key) this.unanswered = { body: key, id: makeId() };
    this.setBusy(true);
    this.tell(this.page.say("drawer.sending"));
    const url = `/api/cases/${encodeURIComponent(file.case_id)}/actions`;
    const answer = await postJson(url, { ...body, id: this.unanswered.id });
    this.setBusy(false);
    if (this.file?.case_id !== file.case_id) return this.on.done(file.case_id);
    if (answer.status !== 0 && answer.status < 500) this.unanswered = null;
    this.take(action, answer.status, (answer.body ?? {}) as Outcome);
  }

  private take(action: string, status: number, outcome: Outcome): void {
    const { page } = this;
    const name = this.name(action);
    const caseId = this.file?.case_id ?? "";
    if (status === 200 || status === 202) {
      this.drafts.delete(action);
      this.close();
      this.tell(page.say(status === 200 ? "drawer.done" : "drawer.pending", { action: name }), "good");
      this.on.done(caseId);
    } else if (status === 409) {
      this.conflict = { version: outcome.version ?? 0, name };
      this.tell(page.say("drawer.overtaken", { action: name }), "bad");
      this.on.stale();
    } else if (status === 422 && outcome.field && this.form) {
      const key = outcome.field === "into" ? "drawer.fault_into" : "drawer.fault_field";
      this.form.showFault(outcome.field, page.say(key));
      this.tell("");
    } else {
      const key = status === 0 || status >= 500 ? "drawer.unsent" : status === 404 ? "drawer.gone" : "drawer.refused";
      this.tell(page.say(key, { action: name }), "bad");
      if (status === 403 || status === 404) this.on.stale();
    }
  }

  /** Once the case has been read anew: says who was faster, with what, and when. */
  private tellConflict(): void {
    const { conflict, file, page } = this;
    if (!conflict || !file || file.version < conflict.version) return;
    this.conflict = null;
    const last = [...file.actions].reverse().find((deed: Deed) => deed.mark === "" && deed.action !== "report");
    const who = [last?.role_name, last?.unit].filter(Boolean).join(" ") || page.say("drawer.actor_elsewhere");
    const words = {
      who,
      at: last ? page.shortClock(last.at, this.now()) : "",
      did: last ? this.name(last.action) : "",
      state: page.nameState(file.category, file.state),
      action: conflict.name,
    };
    this.tell(page.say("drawer.overtaken_by", words), "bad");
  }

  private tell(words: string, tone = ""): void {
    clearTimeout(this.clearing);
    setText(this.status, words);
    this.status.dataset.tone = tone;
    if (words) this.element.hidden = false;
    if (tone === "bad") this.status.scrollIntoView({ block: "nearest" });
    if (tone === "good") this.clearing = setTimeout(() => this.tell(""), SAID_FOR_MS);
  }

  private makeButton(offer: LegalAction): HTMLElement {
    const button = make("button", "act");
    button.type = "button";
    button.addEventListener("click", () => this.act(offer.action));
    return button;
  }

  private dress(button: HTMLButtonElement, offer: LegalAction): void {
    button.dataset.rank = offer.forward ? "forward" : offer.moves ? "move" : offer.action === UNDO ? "undo" : "more";
    button.dataset.turn = String(this.file?.is_turn ?? false);
    button.dataset.action = offer.action;
    const words = offer.action === UNDO ? this.page.say("drawer.undo", { action: this.name(this.file?.undo?.action ?? "") }) : this.name(offer.action);
    setText(button, offer.needs.length ? `${words}…` : words);
    button.disabled = this.busy;
  }

  private markOpen(): void {
    for (const button of this.buttons.children)
      button.setAttribute("aria-expanded", String((button as HTMLElement).dataset.action === this.form?.legal.action));
  }

  private setBusy(busy: boolean): void {
    this.busy = busy;
    this.element.dataset.busy = String(busy);
    for (const button of this.element.querySelectorAll("button")) button.disabled = busy;
  }

  private name(action: string): string {
    return this.page.nameAction(this.file?.category ?? "", action);
  }
}

/** What usually comes next, then what moves the case, then the rest. */
function rank(offer: LegalAction): number {
  return offer.forward ? 0 : offer.moves ? 1 : 2;
}
