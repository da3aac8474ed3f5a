// The clocks: how much is left or over, counting, with how that is reckoned.

import type { Page } from "../page.ts";
import { make, setAttribute, setText } from "../page.ts";
import type { CaseFile, Clock } from "./casefile.ts";

type Light = Clock["colour"];

export class Clocks {
  readonly element = make("section", "case-clock");
  private readonly verdict = make("p", "verdict");
  private readonly bar = make("span", "clock-bar");
  private readonly sum = make("p", "sum");
  private readonly step = make("p", "step");
  private readonly lines = make("div", "explanation");
  private readonly why = make("details", "why", make("summary", ""), this.lines);
  private file: CaseFile | null = null;

  constructor(private readonly page: Page, private readonly now: () => number) {
    this.why.firstElementChild!.textContent = page.say("drawer.clock_why");
    this.element.append(this.verdict, this.bar, this.sum, this.step, this.why);
  }

  update(file: CaseFile): void {
    this.file = file;
    const told = [file.clock, file.step_clock].filter((clock) => clock !== null);
    this.why.hidden = told.length === 0;
    const key = JSON.stringify(told.map((clock) => clock.explanation));
    if (this.lines.dataset.said !== key) {
      this.lines.dataset.said = key;
      this.lines.replaceChildren(...told.map((clock) => make("ul", "", ...clock.explanation.map((line) => make("li", "", line)))));
    }
    this.tick();
  }

  /** Lets the clocks count on; `parts` holds those of co-handling units. */
  tick(parts: ParentNode | null = this.element.parentElement): void {
    const { file, page } = this;
    if (!file) return;
    const { clock } = file;
    if (!clock) {
      setAttribute(this.element, "data-clock", "none");
      setText(this.verdict, page.say("drawer.clock_none"));
      setText(this.sum, "");
      this.bar.hidden = true;
    } else {
      setAttribute(this.element, "data-clock", this.light(clock));
      setText(this.verdict, this.sayLeft(clock));
      this.bar.hidden = false;
      this.bar.style.setProperty("--share", String(Math.min(1, this.share(clock))));
      setText(this.sum, this.saySum(clock));
    }
    this.drawStep(file.step_clock);
    for (const one of parts?.querySelectorAll<HTMLElement>(".part-clock") ?? []) {
      const part = file.parts.find((candidate) => candidate.unit_code === one.dataset.unit);
      if (!part) continue;
      setAttribute(one, "data-clock", part.clock ? this.light(part.clock) : "none");
      const done = part.done_at === null ? null : page.say("drawer.part_done", { at: page.shortTime(part.done_at, this.now()) });
      setText(one, done ?? (part.clock ? this.sayLeft(part.clock) : page.say("drawer.part_open")));
    }
  }

  private drawStep(clock: Clock | null): void {
    this.step.hidden = clock === null;
    if (!clock) return;
    setAttribute(this.step, "data-clock", this.light(clock));
    setText(this.step, this.page.say("drawer.clock_step", { step: clock.step ?? "", left: this.sayLeft(clock) }));
  }

  private light(clock: Clock): Light {
    if (clock.stopped || clock.ended_at !== null || clock.due_at === null) return clock.colour;
    const now = this.now();
    if (now > clock.due_at) return "red";
    return clock.near_at !== null && now > clock.near_at ? "yellow" : "green";
  }

  /** The share that is used; between two looks it is taken to grow evenly up to the deadline. */
  private share(clock: Clock): number {
    if (clock.stopped || clock.ended_at !== null || clock.due_at === null || clock.used_share >= 1) return clock.used_share;
    const asked = Math.min(this.file?.as_of ?? this.now(), clock.due_at - 1);
    return 1 - ((1 - clock.used_share) * (clock.due_at - this.now())) / (clock.due_at - asked);
  }

  private sayLeft(clock: Clock): string {
    const { page } = this;
    if (clock.ended_at !== null) {
      const late = clock.due_at !== null && clock.ended_at > clock.due_at;
      return late
        ? page.say("drawer.clock_ended_late", { over: this.count(clock.ended_at - clock.due_at!) })
        : page.say("drawer.clock_ended");
    }
    if (clock.stopped || clock.due_at === null) return page.say("drawer.clock_stopped");
    const left = clock.due_at - this.now();
    return left >= 0
      ? page.say("drawer.clock_left", { left: this.count(left) })
      : page.say("drawer.clock_over", { over: this.count(-left) });
  }

  private saySum(clock: Clock): string {
    const { page } = this;
    const share = this.share(clock);
    const percent = Math.round(100 * share);
    if (clock.due_at === null) return page.say("drawer.clock_sum_open", { percent, limit: clock.limit });
    const due = page.shortTime(clock.due_at, this.now());
    return page.say(share > 1 ? "drawer.clock_sum_over" : "drawer.clock_sum", { percent, limit: clock.limit, due });
  }

  /** Hours, minutes and seconds within two days; beyond, days and hours. */
  private count(seconds: number): string {
    const whole = Math.floor(seconds);
    const days = Math.floor(whole / 86400);
    if (days >= 2) return this.page.say("drawer.days_hours", { days, hours: Math.floor((whole % 86400) / 3600) });
    const two = (n: number) => String(n).padStart(2, "0");
    return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
  }
}
