// Who reported: masked, and in clear for a minute to whom the work needs it, once they have said why.

import type { Page } from "../page.ts";
import { make } from "../page.ts";
import type { CaseFile } from "./casefile.ts";
import { postJson } from "./post.ts";

const SHOWN_FOR_S = 60;

interface Person {
  name: string | null;
  phone: string | null;
  email: string | null;
  unreadable: boolean;
}

export class ReporterRow {
  readonly element = make("span", "reporter");
  private file: CaseFile | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private said = "";

  constructor(private readonly page: Page) {}

  update(file: CaseFile): void {
    const said = JSON.stringify([file.case_id, file.reporter, file.may_unmask]);
    if (said === this.said) return;
    this.said = said;
    this.file = file;
    this.mask();
  }

  private mask(): void {
    clearInterval(this.timer);
    const { file, page } = this;
    if (!file?.reporter) return this.element.replaceChildren();
    const words = file.reporter.unreadable ? page.say("drawer.unreadable") : join(file.reporter);
    this.element.replaceChildren(make("span", "", words || page.say("drawer.anonymous")));
    if (!file.may_unmask || !words || file.reporter.unreadable) return;
    const button = make("button", "link", page.say("drawer.unmask"));
    button.type = "button";
    button.addEventListener("click", () => this.ask());
    this.element.append(button);
  }

  private ask(): void {
    const { page } = this;
    const input = make("input", "");
    input.maxLength = 300;
    input.placeholder = page.say("drawer.unmask_reason");
    input.setAttribute("aria-label", page.say("drawer.unmask_reason"));
    const fault = make("span", "fault");
    fault.setAttribute("role", "alert");
    const show = make("button", "confirm", page.say("drawer.unmask"));
    const form = make("form", "unmask", input, show, fault);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.value.trim().length < 2) fault.textContent = page.say("drawer.fault_missing");
      else void this.unmask(input.value.trim(), fault);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.mask();
    });
    this.element.append(form);
    this.element.querySelector(".link")?.remove();
    input.focus();
  }

  private async unmask(reason: string, fault: HTMLElement): Promise<void> {
    const caseId = this.file?.case_id ?? "";
    const answer = await postJson(`/api/cases/${encodeURIComponent(caseId)}/reporter`, { reason });
    if (caseId !== this.file?.case_id) return;
    if (answer.status !== 200) {
      fault.textContent = this.page.say(answer.status === 429 ? "drawer.unmask_often" : "drawer.unmask_refused");
      return;
    }
    this.show((answer.body as { reporters: Person[] }).reporters);
  }

  private show(people: Person[]): void {
    const left = make("span", "left");
    const hide = make("button", "link", this.page.say("drawer.hide"));
    hide.type = "button";
    hide.addEventListener("click", () => this.mask());
    this.element.replaceChildren(make("span", "clear", people.map(join).join("；")), left, hide);
    let seconds = SHOWN_FOR_S;
    const tick = () => {
      if (seconds <= 0) return this.mask();
      left.textContent = this.page.say("drawer.shown_for", { n: seconds });
      seconds -= 1;
    };
    clearInterval(this.timer);
    this.timer = setInterval(tick, 1000);
    tick();
  }
}

function join(person: { name: string | null; phone: string | null; email: string | null }): string {
  return [person.name, person.phone, person.email].filter(Boolean).join(" · ");
}
