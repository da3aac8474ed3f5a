// The clocks of a case: the one that ends first with time left or over, share used and deadline, the others a line each,
// and how they are reckoned.

import { CLOCK_SHAPES, type ClockKind } from "../desk/clock.ts";
import type { Page } from "../page.ts";
import { make, setAttribute, setText } from "../page.ts";
import type { CaseFile, Clock } from "./casefile.ts";

type Light = Clock["colour"];

export class Clocks {
  readonly element = make("section", "case-clock");
  private readonly verdict = make("p", "verdict");
  private readonly bar = make("span", "clock-bar");
  private readonly sum = make("p", "sum");
  private readonly others = make("ul", "other-clocks");
  private readonly lines = make("div", "explanation");
  private readonly why = make("details", "why", make("summary", ""), this.lines);
  private file: CaseFile | null = null;
  /** The clocks that the case has, the one that ends first in front. */
  private told: [ClockKind, Clock][] = [];

  constructor(private readonly page: Page, private readonly now: () => number) {
    this.why.firstElementChild!.textContent = page.say("drawer.clock_why");
    this.element.append(this.verdict, this.bar, this.sum, this.others, this.why);
  }

  update(file: CaseFile): void {
    this.file = file;
    this.told = listClocks(file);
    this.why.hidden = this.told.length === 0;
    const key = JSON.stringify(this.told.map(([, clock]) => clock.explanation));
    if (this.lines.dataset.said !== key) {
      this.lines.dataset.said = key;
      this.lines.replaceChildren(...this.told.map(([, clock]) => make("ul", "", ...clock.explanation.map((line) => make("li", "", line)))));
    }
    const others = this.told.slice(1).map(([kind]) => kind);
    if (this.others.dataset.kinds !== others.join()) {
      this.others.dataset.kinds = others.join();
      this.others.replaceChildren(...others.map(() => make("li", "")));
    }
    this.tick();
  }

  /** Lets the clocks count on; `parts` holds those of co-handling units. */
  tick(parts: ParentNode | null = this.element.parentElement): void {
    const { file, page } = this;
    if (!file) return;
    const [first, ...others] = this.told;
    this.bar.hidden = !first;
    if (!first) {
      setAttribute(this.element, "data-clock", "none");
      setText(this.verdict, page.say("drawer.clock_none"));
      setText(this.sum, "");
    } else {
      const [kind, clock] = first;
      setAttribute(this.element, "data-clock", this.light(clock));
      setAttribute(this.element, "data-kind", kind);
      setText(this.verdict, this.saySigned(kind, clock));
      this.bar.style.setProperty("--share", String(Math.min(1, this.share(clock))));
      setText(this.sum, `${this.name(kind, clock)}${page.say("drawer.clock_colon")}${this.saySum(clock)}`);
    }
    others.forEach(([kind, clock], place) => {
      const line = this.others.children[place] as HTMLElement;
      setAttribute(line, "data-clock", this.light(clock));
      setAttribute(line, "data-kind", kind);
      setText(line, `${this.name(kind, clock)}${page.say("drawer.clock_colon")}${this.saySigned(kind, clock)}`);
    });
    for (const one of parts?.querySelectorAll<HTMLElement>(".part-clock") ?? []) {
      const part = file.parts.find((candidate) => candidate.unit_code === one.dataset.unit);
      if (!part) continue;
      setAttribute(one, "data-clock", part.clock ? this.light(part.clock) : "none");
      const done = part.done_at === null ? null : page.say("drawer.part_done", { at: page.shortTime(part.done_at, this.now()) });
      setText(one, done ?? (part.clock ? this.sayLeft(part.clock) : page.say("drawer.part_open")));
    }
  }

  private name(kind: ClockKind, clock: Clock): string {
    return this.page.say(`drawer.clock_${kind}`, { step: clock.step ?? "" });
  }

  /** The light's shape, and the time left or over. */
  private saySigned(kind: ClockKind, clock: Clock): string {
    return `${CLOCK_SHAPES[this.light(clock)]} ${this.sayLeft(clock, kind === "accept" ? "card_answered" : "clock_ended")}`;
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

  /** The time left or over; `ended` is the message for a clock that has ended. */
  private sayLeft(clock: Clock, ended = "clock_ended"): string {
    const { page } = this;
    if (clock.ended_at !== null) {
      const late = clock.due_at !== null && clock.ended_at > clock.due_at;
      return late ? page.say(`drawer.${ended}_late`, { over: this.count(clock.ended_at - clock.due_at!) }) : page.say(`drawer.${ended}`);
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

/** Returns the clocks that a case has, the one that ends first in front. */
function listClocks({ clock, step_clock, card_clocks, first_clock }: CaseFile): [ClockKind, Clock][] {
  const all: [ClockKind, Clock | null | undefined][] = [
    ["total", clock],
    ["step", step_clock],
    ["accept", card_clocks?.accept],
    ["handle", card_clocks?.handle],
  ];
  const told = all.filter((one): one is [ClockKind, Clock] => !!one[1]);
  return told.sort(([one], [other]) => Number(other === first_clock) - Number(one === first_clock));
}
