// The wall's charts: Dash draws them once, empty; here they are filled in place, each once a minute, one after another.

import type { LiveFeed } from "../live.ts";
import type { Chart } from "../wire.ts";
import type { Page } from "./page.ts";
import { isParked, setAttribute } from "./page.ts";
import { roundScale } from "./scale.ts";

const CADENCE_MS = 60_000;
const HOUR = 3600;
const MOST_CLASSES = 6;

interface Trace {
  meta?: string;
}
interface PlotDiv extends HTMLElement {
  data?: Trace[];
  layout?: { font?: { size?: number } };
}
/** The part of plotly.js that Dash has loaded and shares as a global. */
interface PlotlyApi {
  update(plot: PlotDiv, data: object, layout: object, traces: number[]): Promise<unknown>;
  restyle(plot: PlotDiv, data: object, traces: number[]): Promise<unknown>;
}

/** The part of Dash that a page's own code may call. */
interface DashApi {
  set_props(id: string, props: object): void;
}

const drawn = new Map<string, string>();
/** Each chart's axes and margins as they were last laid out. */
const frames = new Map<string, string>();
const scales = new Map<string, number>();

/** Has Dash render the charts, which takes it more than a second: a wall is there for its map first. */
export function hangCharts(page: Page): void {
  const { set_props } = (window as unknown as { dash_clientside: DashApi }).dash_clientside;
  for (const frame of page.root.querySelectorAll<HTMLElement>("[data-graph]")) {
    set_props(frame.id, { children: JSON.parse(frame.dataset.graph!) as object });
    frame.removeAttribute("data-graph");
  }
}

/** Keeps the charts filled; returns how to draw them at once, because others show now. */
export function followCharts(page: Page, feed: LiveFeed): () => void {
  const shown = () => [...page.root.querySelectorAll<HTMLElement>("[data-chart]")].filter((figure) => !isParked(figure));
  const drawOne = (figure: HTMLElement) => drawChart(page, figure, feed.state.charts[figure.dataset.chart ?? ""]);
  const draw = () => shown().forEach(drawOne);
  const drawNext = (turn: number) => {
    const figures = shown();
    const next = figures[turn % figures.length];
    if (next) drawOne(next);
    setTimeout(() => drawNext(turn + 1), CADENCE_MS / Math.max(1, figures.length));
  };
  drawNext(0);
  // The first picture should not wait for the cadence: Plotly and the snapshot come when they come.
  const early = setInterval(() => {
    draw();
    if (drawn.size >= page.root.querySelectorAll("[data-chart]:not([data-region=parked] *)").length) clearInterval(early);
  }, 400);
  setTimeout(() => clearInterval(early), 15000);
  // What comes after a gap is another picture: it does not wait either.
  feed.subscribe((_, kind) => {
    if (kind === "snapshot") draw();
  });
  window.addEventListener("resize", () => setTimeout(draw, 300));
  return draw;
}

function drawChart(page: Page, figure: HTMLElement, chart: Chart | undefined): void {
  const key = figure.dataset.chart ?? "";
  const plot = figure.querySelector<PlotDiv>(".js-plotly-plot");
  const plotly = (window as unknown as { Plotly?: PlotlyApi }).Plotly;
  const empty = !chart || !Object.values(chart.series).some((values) => values.some((value) => value !== null));
  setAttribute(figure, "data-empty", empty ? "" : null);
  if (!plot?.data || !plotly || empty) return;
  const size = textSize(figure);
  const picture = JSON.stringify([chart, size, plot.clientWidth, plot.clientHeight]);
  if (drawn.get(key) === picture) return;
  drawn.set(key, picture);
  const columns = plot.data.map((trace) => chart.series[trace.meta ?? ""] ?? Object.values(chart.series)[0] ?? []);
  const traces = columns.map((_, i) => i);
  const [data, layout] = key === "cases_by_class" ? asRanking(page, chart, columns, plot, size) : asHours(page, key, chart, columns, size);
  const frame = JSON.stringify([layout, size, plot.clientWidth, plot.clientHeight]);
  if (frames.get(key) === frame) return void plotly.restyle(plot, data, traces);
  frames.set(key, frame);
  void plotly.update(plot, data, { ...layout, "font.size": size }, traces);
}

function asHours(page: Page, key: string, chart: Chart, columns: (number | null)[][], size: number): [object, object] {
  const hours = chart.x.map((at) => Number(at));
  // Plotly knows no time zones: it is given the county's wall clock as text.
  const x = hours.map((at) => page.time(at, "sortable"));
  const first = hours[0] ?? 0;
  const last = hours[hours.length - 1] ?? 0;
  const layout: Record<string, unknown> = {
    "xaxis.range": [page.time(first - HOUR / 2, "sortable"), page.time(last + HOUR / 2, "sortable")],
    "xaxis.ticklabelstandoff": Math.round(size * 0.3), // else the first hour touches the scale's nought
    margin: { l: size * 2.6, r: size * 0.6, t: size * 0.5, b: size * 1.9 },
  };
  if (key !== "traffic_by_hour") Object.assign(layout, makeAxis("yaxis", keepScale(key, columns)));
  return [{ x: columns.map(() => x), y: columns }, layout];
}

function asRanking(page: Page, chart: Chart, columns: (number | null)[][], plot: PlotDiv, size: number): [object, object] {
  const counts = columns[0] ?? [];
  const ranked = chart.x
    .map((code, i) => ({ name: page.nameCategory(String(code)), count: counts[i] ?? 0 }))
    .sort((a, b) => b.count - a.count)
    .slice(0, Math.max(1, Math.min(MOST_CLASSES, Math.floor(plot.clientHeight / (size * 1.3)) - 1)));
  const room = plot.clientWidth * 0.65;
  const cut = ranked.map((one) => shorten(one.name, room / size - 0.8));
  // Plotly takes names that are cut alike for one: nothing that is seen tells them apart.
  const names = cut.map((name, i) => name + "\u200b".repeat(i));
  const longest = Math.max(...cut.map(widthInEm), 2);
  const layout = {
    ...makeAxis("xaxis", keepScale("cases_by_class", columns)),
    margin: { l: Math.min(room, size * (longest + 0.8)), r: size * 0.8, t: size * 0.3, b: size * 1.6 },
  };
  return [{ x: [ranked.map((one) => one.count)], y: [names] }, layout];
}

/** An axis from zero with its half and its end marked. */
function makeAxis(name: string, scale: number): object {
  return { [`${name}.range`]: [0, scale], [`${name}.dtick`]: scale > 5 ? scale / 2 : scale };
}

function keepScale(key: string, columns: (number | null)[][]): number {
  const highest = Math.max(...columns.flat().map((value) => value ?? 0), 0);
  const scale = roundScale(highest, scales.get(key) ?? 0);
  scales.set(key, scale);
  return scale;
}

/** The size of small text on this screen, as the style sheet has it. */
function textSize(figure: HTMLElement): number {
  return Math.round(parseFloat(getComputedStyle(figure).fontSize)) || 14;
}

/** Cuts a text at its end where it is wider than so many em. */
function shorten(text: string, most: number): string {
  if (widthInEm(text) <= most) return text;
  const letters = [...text];
  while (letters.length > 1 && widthInEm(`${letters.join("")}…`) > most) letters.pop();
  return `${letters.join("").trimEnd()}…`;
}

function widthInEm(text: string): number {
  return [...text].reduce((sum, letter) => sum + (letter.charCodeAt(0) > 0x2e7f ? 1 : 0.52), 0);
}
