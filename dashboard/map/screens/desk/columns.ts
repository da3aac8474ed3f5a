// The queue's columns: two lines a row, every sign with a shape and a word beside its colour.

import type { QueueRow } from "../queue.ts";
import { makeDrill } from "../alerts.ts";
import { make, makeSeverity, type Page } from "../page.ts";
import { colourOf, sayClock, sayDeadlines } from "./clock.ts";

interface CellAsked {
  data?: QueueRow;
}

/** Returns a cell as AG Grid wants it: a class, because it takes a function for a component of React's. */
function makeCell(draw: (row: QueueRow) => HTMLElement): new () => object {
  return class {
    private readonly box = make("div", "cell");

    init({ data }: CellAsked): void {
      this.box.replaceChildren(...(data ? [draw(data)] : []));
    }
    getGui(): HTMLElement {
      return this.box;
    }
    refresh(asked: CellAsked): boolean {
      this.init(asked);
      return true;
    }
  };
}

/** What is not in SQL, so that lists of ended cases cannot be put in line by it; how a case ended is its state there. */
const UNSORTED: Record<string, string[]> = { ended: ["clock", "card"], all: ["clock", "card", "state"] };

type ColumnDef = { colId: string; sortable: boolean } & Record<string, unknown>;

/** Returns AG Grid's column definitions; `show` is which cases are listed, `now` the county's clock in epoch seconds. */
export function listColumns(page: Page, show: string, now: () => number): ColumnDef[] {
  const english = page.lang === "en"; // its words are longer
  const cell = (draw: (row: QueueRow) => HTMLElement) => ({ cellRenderer: makeCell(draw) });
  const head = (name: string) => {
    const sortable = !UNSORTED[show]?.includes(name);
    const headerTooltip = page.say(sortable ? "duty.sort_hint" : "duty.sort_none");
    const marks = { unSortIcon: show in UNSORTED, headerClass: sortable ? "" : "unsorted" };
    return { colId: name, headerName: page.say(`duty.col_${name}`), headerTooltip, sortable, ...marks };
  };
  return [
    { ...head("clock"), width: english ? 116 : 102, ...cell((row) => drawClock(page, row, now())) },
    { ...head("severity"), width: 82, ...cell((row) => makeSeverity(page, row.severity)) },
    { ...head("category"), flex: 3, minWidth: 130, ...cell((row) => drawMatter(page, row)) },
    { ...head("place"), flex: 2, minWidth: 92, ...cell((row) => wrapped(page.namePlace(row.cell))) },
    { ...head("unit"), width: 88, ...cell((row) => wrapped(row.unit ? page.nameUnit(row.unit) : "–")) },
    { ...head("state"), width: english ? 82 : 66, ...cell((row) => wrapped(page.nameState(row.category, row.state))) },
    { ...head("reported"), width: 56, ...cell((row) => drawAge(page, row, now())) },
    { ...head("card"), width: english ? 76 : 62, ...cell((row) => drawCard(page, row)) },
  ];
}

function drawClock(page: Page, row: QueueRow, now: number): HTMLElement {
  const light = make("span", "case-light", sayClock(page, row, now));
  light.dataset.clock = colourOf(row, now);
  const [first] = row.clocks;
  if (!first || row.ended_at !== null) return light;
  const due = first.due_at === null ? "" : page.shortTime(first.due_at, now);
  const mark = make("span", "clock-mark", make("b", "", page.say(`duty.mark_${first.kind}`)), due);
  const cell = make("div", "clock-cell", light, mark);
  cell.title = sayDeadlines(page, row);
  return cell;
}

/** What it is about; what belongs to an exercise says so before anything else. */
function drawMatter(page: Page, row: QueueRow): HTMLElement {
  const lines = twoLines(page.nameCategory(row.category), row.title);
  lines.firstElementChild?.prepend(...makeDrill(page, row), ...markIncident(page, row));
  return lines;
}

function twoLines(first: string, second: string): HTMLElement {
  const lines = make("div", "two-lines", make("b", "", first), make("span", "", second));
  lines.title = `${first}\n${second}`;
  return lines;
}

/** A case in incident mode is marked as such, in front of its class. */
function markIncident(page: Page, row: QueueRow): (Node | string)[] {
  return row.incident ? [make("i", "incident-mark", page.say("incident.queue_mark")), " "] : [];
}

function wrapped(text: string): HTMLElement {
  const box = make("div", "wrapped", text);
  box.title = text;
  return box;
}

function drawAge(page: Page, row: QueueRow, now: number): HTMLElement {
  const age = make("span", "age", page.span(now - row.reported_at));
  age.title = page.time(row.reported_at, "moment");
  return age;
}

const CARD_SHAPES: Record<string, string> = { ordinary: "▯", yellow: "▮", red: "▮" };

function drawCard(page: Page, row: QueueRow): HTMLElement {
  if (!row.card) return make("span", "");
  const card = make("span", "card-mark", `${CARD_SHAPES[row.card] ?? "▯"} ${page.say(`duty.card_${row.card}`)}`);
  card.dataset.card = row.card;
  card.title = sayDeadlines(page, row, ["accept", "handle"]) || page.say("duty.card_open");
  return card;
}
