// Taking a report down on the desk, in the queue's place: the map beside it says where, the drawer shows what is like it.

import type { LiveFeed } from "../../live.ts";
import type { Case } from "../../wire.ts";
import { type Answer, postJson } from "../drawer/post.ts";
import { make, type Page, setAttribute, setText } from "../page.ts";
import { Dialog } from "./dialog.ts";
import { IntakeForm, type Refusal, toPlace } from "./intake_form.ts";
import { LikelyList } from "./likely.ts";
import type { Spot } from "./place_search.ts";

interface Taken {
  case_id: string;
  number: string;
}

/** What the form tells the desk. */
export interface IntakeEvents {
  /** A case is to be looked at beside the form. */
  open(caseId: string): void;
  /** The report is about another place; `named`: the map has to go there. */
  placed(spot: Spot | null, named: boolean): void;
  /** The case of a report that was taken has come by the live stream. */
  arrived(one: Case): void;
  /** The report was added to a case that was there already. */
  joined(caseId: string): void;
}

export class Intake {
  private readonly dialog: Dialog;
  private readonly fields: IntakeForm;
  private readonly likely: LikelyList;
  private readonly form = make("form", "");
  private readonly send = make("button", "go");
  private readonly status = make("p", "fault");
  private readonly sure: HTMLElement;
  private busy = false;

  constructor(
    private readonly page: Page,
    private readonly feed: LiveFeed,
    private readonly box: HTMLElement,
    private readonly on: IntakeEvents,
  ) {
    this.dialog = new Dialog(box, (event) => this.hearKey(event));
    this.fields = new IntakeForm(page, { changed: () => this.look(), placed: (spot, named) => on.placed(spot, named) });
    this.likely = new LikelyList(page, () => feed.serverNow(), { open: (caseId) => on.open(caseId), joined: () => this.nameSending() });
    this.sure = this.layQuestion();
    this.layOut();
    page.slot("report")?.addEventListener("click", () => this.open());
  }

  get isOpen(): boolean {
    return this.dialog.isOpen;
  }

  /** Takes a place on the map for the report. */
  point({ lon, lat }: Spot): void {
    this.fields.point({ lon: Number(lon.toFixed(6)), lat: Number(lat.toFixed(6)) });
  }

  private open(): void {
    this.dialog.open();
    this.page.root.dataset.taking = "";
    this.fields.prepare();
    this.fields.category.input.focus();
  }

  private close(): void {
    this.fields.reset();
    this.likely.forget();
    setText(this.status, "");
    this.ask(false);
    delete this.page.root.dataset.taking;
    this.dialog.close();
  }

  /** Closes the form; where something was typed, asks first. */
  private leave(): void {
    if (this.fields.isBegun) this.ask(true);
    else this.close();
  }

  private ask(asking: boolean): void {
    this.form.inert = asking;
    this.sure.hidden = !asking;
    if (asking) this.sure.querySelector<HTMLElement>(".stay")?.focus();
  }

  private stay(): void {
    this.ask(false);
    this.fields.category.input.focus();
  }

  private look(): void {
    const { category, place, text } = this.fields;
    this.likely.ask(place.value && { category: category.value ?? "", text, ...toPlace(place.value) });
  }

  private async submit(): Promise<void> {
    if (this.busy || !this.fields.check()) return;
    this.setBusy(true);
    const { joined } = this.likely;
    const answer = await postJson("/api/reports", { ...this.fields.said, joins: joined ?? "" });
    this.setBusy(false);
    if (answer.status === 201) this.finish(answer.body as Taken, joined !== null);
    else this.tellFailure(answer);
  }

  private finish({ case_id, number }: Taken, joined: boolean): void {
    this.close();
    this.tell(this.page.say(joined ? "intake.added" : "intake.taken", { number }));
    if (joined) this.on.joined(case_id);
    else this.followArrival(case_id);
  }

  private tellFailure({ status, body }: Answer): void {
    const refusal = (body ?? {}) as Refusal;
    const isRefused = status >= 400 && status < 500 && refusal.field !== undefined;
    setText(this.status, isRefused ? this.fields.refuse(refusal, status) : this.page.say("intake.unsent"));
  }

  private followArrival(caseId: string): void {
    const known = [...this.feed.state.cases.values()].find((one) => one.case_id === caseId);
    if (known) return this.on.arrived(known);
    const stop = this.feed.subscribe((frame) => {
      const one = frame.cases?.find((each) => each.case_id === caseId);
      if (!one) return;
      stop();
      this.on.arrived(one);
    });
  }

  /** Leaves the number on the desk, to be read out to whoever reported it. */
  private tell(words: string): void {
    const outcome = this.page.slot("outcome")!;
    const close = this.makeButton("drop", "✕", () => (outcome.hidden = true));
    close.setAttribute("aria-label", this.page.say("duty.close"));
    outcome.replaceChildren(make("b", "", words), close);
    outcome.hidden = false;
  }

  private nameSending(): void {
    this.send.replaceChildren(this.page.say(this.likely.joined ? "intake.send_joined" : "intake.send"), make("kbd", "", "Ctrl"), make("kbd", "", "Enter"));
  }

  private setBusy(busy: boolean): void {
    this.busy = busy;
    setAttribute(this.send, "aria-disabled", String(busy));
    setText(this.status, busy ? this.page.say("drawer.sending") : "");
  }

  private layOut(): void {
    const { page, form } = this;
    const close = this.makeButton("drop", "✕", () => this.leave());
    close.setAttribute("aria-label", page.say("intake.cancel"));
    this.status.setAttribute("role", "status");
    const foot = make("footer", "", this.send, this.makeButton("", page.say("intake.cancel"), () => this.leave(), "Esc"), this.status);
    form.noValidate = true;
    form.append(make("header", "", make("h2", "", page.say("duty.report")), close), this.fields.element, this.likely.element, foot);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit();
    });
    this.nameSending();
    this.box.replaceChildren(form, this.sure);
  }

  private layQuestion(): HTMLElement {
    const { page } = this;
    const buttons = [this.makeButton("stay", page.say("intake.stay"), () => this.stay(), "Esc"), this.makeButton("", page.say("intake.discard"), () => this.close())];
    const sure = make("div", "sure", make("b", "", page.say("intake.sure")), ...buttons);
    sure.setAttribute("role", "alertdialog");
    sure.hidden = true;
    return sure;
  }

  private makeButton(className: string, words: string, act: () => void, key = ""): HTMLButtonElement {
    const button = make("button", className, words, ...(key ? [make("kbd", "", key)] : []));
    button.type = "button";
    button.addEventListener("click", act);
    return button;
  }

  private hearKey(event: KeyboardEvent): boolean {
    const { key, target } = event;
    const isInside = target instanceof Element && this.box.contains(target);
    if (key === "Escape") {
      if (!this.sure.hidden) this.stay();
      else if (isInside) this.leave();
      else this.fields.category.input.focus();
    } else if (!this.sure.hidden) return false;
    else if (key === "Enter" && event.ctrlKey) void this.submit();
    else if (key === "F2") this.likely.focus();
    else if (key === "Enter" && isInside && target.matches("input")) this.dialog.goOn();
    else return false;
    return true;
  }
}
