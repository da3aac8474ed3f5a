// The stream of newest cases: severity, class, place, time, state; no titles, no persons.

import type { LiveFeed } from "../live.ts";
import type { Case, Frame } from "../wire.ts";
import type { Page } from "./page.ts";
import { makeDrill } from "./alerts.ts";
import { fitRows, make, makePart, part, setAttribute, setText, showSeverity, syncList } from "./page.ts";

const SEVERE = 2;
const PULSE_MS = 2400;

/** Shows as many of the newest cases as fit. */
export function drawStream(page: Page, feed: LiveFeed): void {
  const list = page.slot("stream");
  if (!list) return;
  const cases = [...feed.state.cases.values()].sort((a, b) => b.reported_at - a.reported_at || b.id - a.id);
  const now = feed.serverNow();
  syncList(
    list,
    cases.slice(0, fitRows(list)),
    (one) => String(one.id),
    makeRow,
    (row, one) => drawRow(page, row, one, now),
    "alike",
  );
  setAttribute(list, "data-empty", cases.length ? null : page.say("wall.stream_none"));
}

/** Lets a severe case that has just come draw the eye once. */
export function pulseSevere(page: Page, frame: Frame): void {
  const list = page.slot("stream");
  for (const one of frame.cases ?? []) {
    if (one.severity > SEVERE || one.state !== "reported") continue;
    const row = list?.querySelector<HTMLElement>(`[data-key="${one.id}"]`);
    if (!row || row.dataset.pulsed) continue;
    row.dataset.pulsed = String(one.id);
    row.classList.add("pulse");
    setTimeout(() => row.dataset.pulsed === String(one.id) && row.classList.remove("pulse"), PULSE_MS);
  }
}

function makeRow(): HTMLElement {
  const marks = makePart("marks");
  marks.append(make("span", "severity"));
  const top = make("div", "top", marks, makePart("class"), makePart("time"));
  const bottom = make("div", "bottom", makePart("place"), makePart("state"));
  return make("li", "case", top, bottom);
}

function drawRow(page: Page, row: HTMLElement, one: Case, now: number): void {
  if (row.dataset.pulsed && row.dataset.pulsed !== String(one.id)) {
    delete row.dataset.pulsed; // it was another case's
    row.classList.remove("pulse");
  }
  const exercise = one.exercise ?? false;
  if (("exercise" in row.dataset) !== exercise) part(row, "marks")?.replaceChildren(...makeDrill(page, { exercise }), make("span", "severity"));
  showSeverity(page, row, one.severity);
  setText(part(row, "class"), page.nameCategory(one.category));
  setText(part(row, "time"), page.shortTime(one.reported_at, now));
  setText(part(row, "place"), page.namePlace(one.cell));
  setText(part(row, "state"), page.nameState(one.category, one.state));
  setAttribute(row, "data-exercise", exercise ? "" : null);
  setAttribute(row, "data-state", one.state);
}
