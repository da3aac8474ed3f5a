// The time bar: cases reported in the last 24 hours by quarter of an hour, warnings as ticks; a stretch of it filters.

import type { LiveFeed } from "../../live.ts";
import { make, type Page, setText } from "../page.ts";
import type { Counts, Queue } from "../queue.ts";
import { niceEnd } from "../scale.ts";
import type { Filters } from "./filters.ts";

const QUARTER = 900;
const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 40;
/** A drag shorter than this is a slip of the hand. */
const SLIP_PX = 4;

/** One bar of time at the bottom of the desk. */
export class TimeBar {
  private counts: Counts | null = null;
  private dragFrom: number | null = null;
  private svg = document.createElementNS(SVG, "svg");
  private words = make("div", "time-words");
  private top = make("span", "");
  private chosen: [number, number] | null = null;

  constructor(
    private page: Page,
    private feed: LiveFeed,
    private filters: Filters,
    private box: HTMLElement,
    queue: Queue,
  ) {
    this.svg.setAttribute("preserveAspectRatio", "none");
    const field = make("div", "time-field", this.svg as unknown as Node);
    field.tabIndex = 0;
    field.setAttribute("role", "group");
    field.setAttribute("aria-label", page.say("duty.time_bar"));
    box.append(make("div", "time-head", page.say("duty.time_bar"), this.top), field, this.words);
    field.addEventListener("pointerdown", (event) => {
      field.setPointerCapture(event.pointerId);
      this.dragFrom = event.offsetX;
      field.dataset.from = String(event.clientX);
    });
    field.addEventListener("pointermove", (event) => this.drag(field, event, false));
    field.addEventListener("pointerup", (event) => this.drag(field, event, true));
    field.addEventListener("dblclick", () => this.choose(null));
    field.addEventListener("keydown", (event) => this.hearKey(event));
    queue.onCounts((counts) => {
      this.counts = counts;
      this.draw();
    });
    filters.onChange(() => this.draw());
    feed.subscribe((frame) => frame.alerts && this.draw());
  }

  focus(): void {
    this.box.querySelector<HTMLElement>(".time-field")?.focus();
  }

  private get end(): number {
    return (this.counts?.quarter_at ?? 0) + QUARTER;
  }
  private get start(): number {
    return this.end - (this.counts?.density.length ?? 0) * QUARTER;
  }

  private drag(field: HTMLElement, event: PointerEvent, isDone: boolean): void {
    if (this.dragFrom === null || !this.counts) return;
    const { left, width } = field.getBoundingClientRect();
    const at = (x: number) => this.start + ((x - left) / width) * (this.end - this.start);
    const [a, b] = [Number(field.dataset.from), event.clientX].sort((one, other) => one - other) as [number, number];
    const from = Math.floor(Math.max(at(a), this.start) / QUARTER) * QUARTER;
    const to = Math.ceil(Math.min(at(b), this.end) / QUARTER) * QUARTER;
    const isSlip = b - a < SLIP_PX;
    this.chosen = isSlip ? null : [from, to];
    if (isDone) this.dragFrom = null;
    if (isDone && !isSlip) this.choose([from, to]);
    else this.draw();
  }

  private hearKey(event: KeyboardEvent): void {
    const step = event.key === "ArrowLeft" ? -QUARTER : event.key === "ArrowRight" ? QUARTER : 0;
    if (event.key === "Delete" || event.key === "Backspace") this.choose(null);
    else if (!step) return;
    else {
      const [from, to] = this.readChosen() ?? [this.end - 4 * QUARTER, this.end];
      this.choose(event.shiftKey ? [from, Math.max(from + QUARTER, to + step)] : [from + step, to + step]);
    }
    event.preventDefault();
  }

  private choose(span: [number, number] | null): void {
    this.chosen = null;
    this.filters.set({ from: span ? String(span[0]) : "", to: span ? String(span[1]) : "", hours: "" });
    this.draw();
  }

  private readChosen(): [number, number] | null {
    const [from, to] = [this.filters.get("from"), this.filters.get("to")];
    return from || to ? [Number(from || this.start), Number(to || this.end)] : null;
  }

  private draw(): void {
    if (!this.counts) return;
    const { density } = this.counts;
    const top = niceEnd(Math.max(...density));
    const shapes: Element[] = density.map((n, i) => {
      const height = (n / top) * HEIGHT;
      return rect("bar", i + 0.1, HEIGHT - height, 0.8, height, `${this.say(this.start + i * QUARTER)} · ${this.page.say("duty.time_cases", { n })}`);
    });
    const place = (at: number) => (at - this.start) / QUARTER;
    for (const alert of this.feed.state.alerts.values()) {
      if (alert.sent_at < this.start || alert.sent_at > this.end) continue;
      const tick = rect("tick", place(alert.sent_at) - 0.12, 0, 0.24, HEIGHT, `${this.say(alert.sent_at)} · ${this.page.lang === "en" ? alert.headline_en : alert.headline}`);
      tick.setAttribute("data-level", String(alert.level));
      shapes.push(tick);
    }
    const span = this.chosen ?? this.readChosen();
    if (span) {
      const [from, to] = [Math.max(0, place(span[0])), Math.min(density.length, place(span[1]))];
      if (to > from) shapes.push(rect("brush", from, 0, to - from, HEIGHT, ""));
    }
    this.svg.setAttribute("viewBox", `0 0 ${density.length} ${HEIGHT}`);
    this.svg.replaceChildren(...shapes);
    const hours = Array.from({ length: 9 }, (_, i) => this.start + (i * (this.end - this.start)) / 8);
    this.words.replaceChildren(...hours.map((at) => make("span", "", this.say(at))));
    setText(this.top, this.page.say("duty.time_top", { n: top }));
  }

  private say(at: number): string {
    return this.page.time(at, "time");
  }
}

function rect(name: string, x: number, y: number, width: number, height: number, title: string): Element {
  const shape = document.createElementNS(SVG, "rect");
  shape.setAttribute("class", name);
  for (const [key, value] of Object.entries({ x, y, width, height })) shape.setAttribute(key, value.toFixed(2));
  if (title) {
    const words = document.createElementNS(SVG, "title");
    words.textContent = title;
    shape.append(words);
  }
  return shape;
}
