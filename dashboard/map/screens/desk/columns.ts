// The queue's columns: two lines a row, every sign with a shape and a word beside its colour.

import type { QueueRow } from "../queue.ts";
import { make, makeSeverity, type Page } from "../page.ts";
import { colourOf, sayClock } from "./clock.ts";

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

/** Returns AG Grid's column definitions; `now` is the county's clock in epoch seconds. */
export function listColumns(page: Page, now: () => number): object[] {
  const english = page.lang === "en"; // its words are longer
  const cell = (draw: (row: QueueRow) => HTMLElement) => ({ cellRenderer: makeCell(draw) });
  const head = (name: string) => ({ colId: name, headerName: page.say(`duty.col_${name}`), headerTooltip: page.say("duty.sort_hint") });
  return [
    { ...head("clock"), width: english ? 116 : 102, ...cell((row) => drawClock(page, row, now())) },
    { ...head("severity"), width: 82, ...cell((row) => makeSeverity(page, row.severity)) },
    { ...head("category"), flex: 3, minWidth: 130, ...cell((row) => twoLines(page.nameCategory(row.category), row.title)) },
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
  return light;
}

function twoLines(first: string, second: string): HTMLElement {
  const lines = make("div", "two-lines", make("b", "", first), make("span", "", second));
  lines.title = `${first}\n${second}`;
  return lines;
}

function wrapped(text: string): HTMLElement {
  const box = make("div", "wrapped", text);
  box.title = text;
  return box;
}

function drawAge(page: Page, row: QueueRow, now: number): HTMLElement {
  const age = make("span", "age", page.span((row.ended_at ?? now) - row.reported_at));
  age.title = page.time(row.reported_at, "moment");
  return age;
}

const CARD_SHAPES: Record<string, string> = { ordinary: "▯", yellow: "▮", red: "▮" };

function drawCard(page: Page, row: QueueRow): HTMLElement {
  if (!row.card) return make("span", "");
  const card = make("span", "card-mark", `${CARD_SHAPES[row.card] ?? "▯"} ${page.say(`duty.card_${row.card}`)}`);
  card.dataset.card = row.card;
  return card;
}
