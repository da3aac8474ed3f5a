// Writing an entry of an incident's log: one line, sent again by itself where somebody else wrote at the same moment.

import type { Page } from "../page.ts";
import { make, setText } from "../page.ts";
import type { Outcome } from "./casefile.ts";
import { type Answer, makeId, postJson } from "./post.ts";

const MOST_ATTEMPTS = 5;
const LONGEST = 2000;
/** The case that is written to, and its version as far as is known. */
export interface Target {
  caseId: string;
  version: number;
}

/** How long a message of success stays. */
const SAID_FOR_MS = 4000;

/** Writes a note to a case whatever version that has by then; `id` makes sure that one sent again is written once. */
async function writeNote({ caseId, version }: Target, note: string, id: string): Promise<Answer> {
  let body = { action: "note", expects: version, note, id };
  for (let attempt = 1; ; attempt++) {
    const answer = await postJson(`/api/cases/${encodeURIComponent(caseId)}/actions`, body);
    if (answer.status !== 409 || attempt === MOST_ATTEMPTS) return answer;
    body = { ...body, expects: (answer.body as Outcome).version ?? version, id: makeId() };
  }
}

/** A form of one line for the log. */
export class Entry {
  readonly element = make("form", "entry");
  private readonly input = make("input", "");
  private readonly status = make("span", "status");
  private clearing: ReturnType<typeof setTimeout> | undefined;
  /** What was sent without an answer. */
  private unanswered: { note: string; id: string } | null = null;

  constructor(
    private readonly page: Page,
    private readonly target: () => Target | null,
    private readonly done: () => void,
  ) {
    this.input.maxLength = LONGEST;
    this.input.placeholder = page.say("incident.entry_hint");
    this.input.setAttribute("aria-label", page.say("incident.entry"));
    this.status.setAttribute("role", "status");
    const send = make("button", "", page.say("incident.send"));
    send.type = "submit";
    this.element.append(this.input, send, this.status);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
  }

  focus(): void {
    this.input.focus();
  }

  private async send(): Promise<void> {
    const target = this.target();
    const note = this.input.value.trim();
    if (!target || !note || this.element.dataset.busy) return;
    this.element.dataset.busy = "yes";
    if (this.unanswered?.note !== note) this.unanswered = { note, id: makeId() };
    const answer = await writeNote(target, note, this.unanswered.id);
    if (answer.status !== 0 && answer.status < 500) this.unanswered = null;
    delete this.element.dataset.busy;
    const isDone = answer.status === 200 || answer.status === 202;
    if (isDone) this.input.value = "";
    this.tell(sayOutcome(this.page, answer));
    if (isDone) this.done();
  }

  private tell(words: string): void {
    clearTimeout(this.clearing);
    setText(this.status, words);
    this.clearing = setTimeout(() => setText(this.status, ""), SAID_FOR_MS);
  }
}

function sayOutcome(page: Page, { status, body }: Answer): string {
  if (status === 200 || status === 202) return page.say("incident.sent");
  if (status === 0 || status >= 500 || status === 409) return page.say("incident.unsent");
  return page.say("incident.refused", { reason: (body as Outcome | null)?.reason ?? String(status) });
}
