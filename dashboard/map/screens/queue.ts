// The queue: AG Grid as Dash has laid it out, fed window by window from /api/queue and kept live in place.

import { readJson } from "../answers.ts";
import type { LiveFeed } from "../live.ts";
import { pause } from "../pause.ts";
import { colourOf, sayClock, type Clocked } from "./desk/clock.ts";
import { listColumns } from "./desk/columns.ts";
import type { Filters } from "./desk/filters.ts";
import type { Page } from "./page.ts";

/** One row, as `dashboard/queue_api.py` describes it; moments in epoch seconds. */
export interface QueueRow extends Clocked {
  id: number;
  case_id: string;
  exercise: boolean;
  category: string;
  severity: number;
  title: string;
  state: string;
  owner: string;
  unit: string | null;
  card: string | null;
  incident: boolean;
  people: number | null;
  cell: number | null;
  lon: number | null;
  lat: number | null;
  reported_at: number;
  ended_at: number | null;
  version: number;
  actions: string[];
}

/** How many cases match; `colours` is null where only SQL knows the cases. */
export interface Counts {
  matching: number;
  open: number;
  colours: Record<string, number> | null;
  density: number[];
  quarter_at: number;
  now: number;
}

interface Answer extends Counts {
  order: string | null;
  rows: QueueRow[];
  length: number;
}

interface Changes extends Counts {
  new: number;
  rows: QueueRow[];
}

export interface RowNode {
  id?: string;
  data?: QueueRow;
  rowIndex: number | null;
  isSelected(): boolean;
  setSelected(selected: boolean): void;
  /** Draws every cell anew, where `updateData` draws none: the cells here have no values of their own. */
  setData(data: QueueRow): void;
}

/** The part of AG Grid's API that is used here. */
export interface GridApi {
  addEventListener(name: string, listener: (event: GridEvent) => void): void;
  getGridOption(name: string): unknown;
  setGridOption(name: string, value: unknown): void;
  getColumnState(): { colId: string; sort?: string | null }[];
  applyColumnState(state: { state: { colId: string; sort: string | null }[]; defaultState: { sort: null } }): void;
  getSelectedNodes(): RowNode[];
  deselectAll(): void;
  getRowNode(id: string): RowNode | undefined;
  forEachNode(callback: (node: RowNode) => void): void;
  getRenderedNodes(): RowNode[];
  getDisplayedRowAtIndex(index: number): RowNode | undefined;
  getDisplayedRowCount(): number;
  getFirstDisplayedRowIndex(): number;
  ensureIndexVisible(index: number, position?: string): void;
  refreshInfiniteCache(): void;
  purgeInfiniteCache(): void;
  redrawRows(what: { rowNodes: RowNode[] }): void;
  showNoRowsOverlay(): void;
  hideOverlay(): void;
}
interface GridEvent {
  node?: RowNode;
  data?: QueueRow;
  event?: Event;
}
interface WindowAsked {
  startRow: number;
  endRow: number;
  successCallback(rows: QueueRow[], length: number): void;
  failCallback(): void;
}
interface DashGlobals {
  dash_ag_grid?: { getApiAsync(id: string): Promise<GridApi> };
}

const GRID = "queue";
export const BLOCK = 100;
export const MOST_CHECKED = 200;
const FOLLOW_EVERY_MS = 1000;
const RENEW_EVERY_MS = 30_000;
const RETRY_MS = 5000;
const SOURCE_EVERY_MS = 200;
/** What the server answers when it has forgotten an order. */
const GONE = "410";

/** The queue of one desk. */
export class Queue {
  current: QueueRow | null = null;
  /** Resolves when the first rows are there. */
  readonly filled: Promise<void>;
  private fill = () => {};
  private show = "";
  private order: string | null = null;
  private first: Promise<Answer> | null = null;
  private asking = new AbortController();
  private waiting: ReturnType<typeof setTimeout> | null = null;
  private retrying: ReturnType<typeof setTimeout> | null = null;
  private following = false;
  private news = 0;
  private hovered: number | null = null;
  private awaited: number | null = null;
  private selectListeners: ((row: QueueRow | null) => void)[] = [];
  private countListeners: ((counts: Counts, news: number) => void)[] = [];
  private checkListeners: (() => void)[] = [];
  private hoverListeners: ((row: QueueRow | null) => void)[] = [];

  constructor(
    private readonly page: Page,
    private readonly feed: LiveFeed,
    private readonly filters: Filters,
    private readonly grid: GridApi,
    private readonly box: HTMLElement,
  ) {
    grid.setGridOption("rowClassRules", {
      current: ({ data }: GridEvent) => !!data && data.id === this.current?.id,
      hovered: ({ data }: GridEvent) => !!data && data.id === this.hovered,
      ended: ({ data }: GridEvent) => data?.ended_at != null && this.filters.get("show") === "",
    });
    this.layColumns();
    this.filled = new Promise((resolve) => (this.fill = resolve));
    const source = { getRows: (asked: WindowAsked) => void this.answer(asked) };
    const keepSource = () => {
      if (grid.getGridOption("datasource") !== source) grid.setGridOption("datasource", source);
    };
    keepSource();
    // Dash gives the grid a source of its own as it finishes it, which may be after the grid could be had; nothing tells.
    setInterval(keepSource, SOURCE_EVERY_MS);
    grid.addEventListener("rowClicked", ({ data, event }) => {
      // A click into the check box checks, and nothing else.
      if (data && !(event?.target as HTMLElement | null)?.closest(".ag-selection-checkbox")) this.pick(data);
    });
    grid.addEventListener("selectionChanged", () => this.checkListeners.forEach((tell) => tell()));
    grid.addEventListener("cellMouseOver", ({ data }) => this.hoverListeners.forEach((tell) => tell(data ?? null)));
    grid.addEventListener("cellMouseOut", () => this.hoverListeners.forEach((tell) => tell(null)));
    filters.onChange(() => this.restart());
    feed.subscribe((frame, kind) => {
      if (kind === "snapshot" || (kind === "delta" && (frame.cases || frame.layers?.open_cases))) this.followSoon();
    });
    setInterval(() => this.tick(), 1000);
    setInterval(() => (this.isCalm() ? this.renew() : this.followSoon()), RENEW_EVERY_MS);
  }

  onSelect(listener: (row: QueueRow | null) => void): void {
    this.selectListeners.push(listener);
  }
  onCounts(listener: (counts: Counts, news: number) => void): void {
    this.countListeners.push(listener);
  }
  onCheck(listener: () => void): void {
    this.checkListeners.push(listener);
  }
  onHover(listener: (row: QueueRow | null) => void): void {
    this.hoverListeners.push(listener);
  }

  /** Makes a case the one that the drawer and the map show; says whether it is among the rows that are loaded. */
  select(id: number | null): boolean {
    if (id === null) {
      this.pick(null);
      return true;
    }
    const node = this.grid.getRowNode(String(id));
    if (!node?.data) return false;
    this.pick(node.data, node.rowIndex);
    return true;
  }

  /** Selects a case that has just come, once the order is asked for anew; none where it is far down. */
  selectNew(id: number): void {
    this.pick(null);
    if (this.select(id)) return;
    this.awaited = id;
    this.renew();
  }

  /** Selects the next (1) or the previous (-1) row. */
  move(step: number): void {
    const from = this.current ? this.grid.getRowNode(String(this.current.id))?.rowIndex : null;
    const top = this.grid.getFirstDisplayedRowIndex();
    const index = from == null ? Math.max(0, top) : Math.min(Math.max(0, from + step), this.grid.getDisplayedRowCount() - 1);
    const node = this.grid.getDisplayedRowAtIndex(index);
    if (node?.data) this.pick(node.data, index);
    else if (node) this.grid.ensureIndexVisible(index);
  }

  /** Checks or unchecks the row that is selected. */
  toggle(): void {
    const node = this.current && this.grid.getRowNode(String(this.current.id));
    node?.setSelected(!node.isSelected());
  }

  checked(): QueueRow[] {
    return this.grid.getSelectedNodes().flatMap((node) => (node.data ? [node.data] : []));
  }

  uncheck(): void {
    this.grid.deselectAll();
  }

  /** Checks the first 200 of the filter. */
  checkAll(): void {
    const most = Math.min(MOST_CHECKED, this.grid.getDisplayedRowCount());
    for (let index = 0; index < most; index += 1) this.grid.getDisplayedRowAtIndex(index)?.setSelected(true);
  }

  /** Lets the row of a case stand out that the mouse is on in the map. */
  hover(id: number | null): void {
    if (id === this.hovered) return;
    const nodes = [this.hovered, id].flatMap((one) => (one === null ? [] : [this.grid.getRowNode(String(one))]));
    this.hovered = id;
    this.redraw(nodes);
  }

  /** Asks for the order anew; rows stay where they are until theirs come, and selection, checks and focus are kept. */
  renew(): void {
    this.order = null;
    this.first = null;
    this.grid.refreshInfiniteCache();
  }

  /** Goes to the top of a new order. */
  showNew(): void {
    this.grid.ensureIndexVisible(0, "top");
    this.renew();
  }

  /** Asks again what has become of the rows in sight. */
  followSoon(): void {
    this.waiting ??= setTimeout(() => void this.follow(), FOLLOW_EVERY_MS);
  }

  private restart(): void {
    this.asking.abort();
    this.asking = new AbortController();
    this.grid.deselectAll();
    if (this.show === this.filters.get("show")) this.showSort();
    else this.layColumns();
    if (this.grid.getDisplayedRowCount()) this.grid.ensureIndexVisible(0, "top");
    this.renew();
  }

  private async answer(asked: WindowAsked): Promise<void> {
    if (this.keepSort()) return asked.failCallback();
    const { signal } = this.asking;
    try {
      const answer = await this.ask(asked.startRow);
      this.grid.hideOverlay();
      asked.successCallback(answer.rows, answer.length);
      this.fill();
      if (this.awaited !== null) this.select(this.awaited);
      this.awaited = null;
      if (answer.length === 0) this.grid.showNoRowsOverlay();
    } catch (error) {
      asked.failCallback();
      if (signal.aborted) return;
      console.warn("the queue cannot be read", error);
      this.retrying ??= setTimeout(() => this.retry(), RETRY_MS);
    }
  }

  private retry(): void {
    this.retrying = null;
    this.renew();
  }

  private async ask(offset: number): Promise<Answer> {
    // The first window of an order names it; the others wait for the name.
    this.first ??= this.askFirst();
    const first = await this.first;
    if (offset === 0) return first;
    const order = first.order ? `&order=${first.order}` : "";
    const answer = await this.read<Answer>("", `&offset=${offset}&limit=${BLOCK}${order}`);
    if (first.order && answer.order !== first.order) setTimeout(() => this.renew()); // the server has forgotten it
    return answer;
  }

  private async askFirst(): Promise<Answer> {
    const asked = this.filters.query();
    const answer = await this.read<Answer>("", `&limit=${BLOCK}`);
    if (asked === this.filters.query()) {
      this.order = answer.order;
      this.tell(answer, 0);
      this.followSoon(); // what was told while it was asked for found no order to follow
    }
    return answer;
  }

  private async follow(): Promise<void> {
    this.waiting = null;
    if (!this.order) return;
    if (this.following) return this.followSoon();
    this.following = true;
    const { order } = this;
    try {
      const ids = new Set(this.grid.getRenderedNodes().flatMap((node) => (node.data ? [node.data.id] : [])));
      for (const row of this.checked()) ids.add(row.id);
      if (this.current) ids.add(this.current.id);
      const changes = await this.read<Changes>("/changes", `&order=${order}&rows=${[...ids].slice(0, MOST_CHECKED).join(",")}`);
      if (order !== this.order) return;
      this.update(changes.rows);
      if (changes.new && this.isCalm()) this.renew();
      else this.tell(changes, changes.new);
    } catch (error) {
      if (String(error).endsWith(GONE)) this.renew();
      else if (!this.asking.signal.aborted) console.warn("the queue cannot be followed", error);
    } finally {
      this.following = false;
    }
  }

  private update(rows: QueueRow[]): void {
    for (const row of rows) {
      const node = this.grid.getRowNode(String(row.id));
      if (node?.data && JSON.stringify(node.data) !== JSON.stringify(row)) node.setData(row);
      if (row.id === this.current?.id) this.current = row;
    }
    this.checkListeners.forEach((tell) => tell());
  }

  private read<T>(what: string, rest: string): Promise<T> {
    const query = this.filters.query();
    return readJson(`/api/queue${what}?${query}${query ? rest : rest.slice(1)}`, this.asking.signal) as Promise<T>;
  }

  /** Whether rows may move: the top is in sight, nothing is checked, and no mouse is about to click. */
  private isCalm(): boolean {
    return this.grid.getFirstDisplayedRowIndex() <= 0 && !this.box.matches(":hover") && this.grid.getSelectedNodes().length === 0;
  }

  private pick(row: QueueRow | null, index: number | null = null): void {
    const nodes = [this.current, row].flatMap((one) => (one ? [this.grid.getRowNode(String(one.id))] : []));
    const isOther = row?.id !== this.current?.id;
    this.awaited = null;
    this.current = row;
    this.redraw(nodes);
    if (index !== null) this.grid.ensureIndexVisible(index);
    if (isOther) for (const listener of this.selectListeners) listener(row);
  }

  private redraw(nodes: (RowNode | undefined)[]): void {
    const known = nodes.filter((node) => node !== undefined);
    if (known.length) this.grid.redrawRows({ rowNodes: known });
  }

  /**
   * Takes a click on a column's head into the filters; says whether it did, so that this window is asked for anew.
   * What counts is how the heads stand now: a window may have been asked for before they changed.
   */
  private keepSort(): boolean {
    const head = this.grid.getColumnState().find(({ sort }) => sort);
    const sort = head ? `${head.sort === "desc" ? "-" : ""}${head.colId}` : "";
    if (sort === this.filters.get("sort")) return false;
    this.filters.set({ sort });
    return true;
  }

  /** Lays the columns of the list that is shown: not every list can be put in line by each of them. */
  private layColumns(): void {
    this.show = this.filters.get("show");
    this.grid.setGridOption("columnDefs", listColumns(this.page, this.show, () => this.now()));
    this.showSort();
  }

  /** Puts the list in line by the next column, upwards and then downwards; after the last as the desk does by itself. */
  orderByNext(): void {
    const columns = listColumns(this.page, this.show, () => this.now()).filter(({ sortable }) => sortable);
    const sorts = ["", ...columns.flatMap(({ colId }) => [colId, `-${colId}`])];
    this.filters.set({ sort: sorts[(sorts.indexOf(this.filters.get("sort")) + 1) % sorts.length]! });
  }

  private showSort(): void {
    const sort = this.filters.get("sort");
    const state = sort ? [{ colId: sort.replace("-", ""), sort: sort.startsWith("-") ? "desc" : "asc" }] : [];
    this.grid.applyColumnState({ state, defaultState: { sort: null } });
  }

  private tell(counts: Counts, news: number): void {
    this.news = news;
    for (const listener of this.countListeners) listener(counts, this.news);
  }

  private now(): number {
    return this.page.county.clock_anchor === "data" ? (this.feed.state.asOf ?? this.feed.serverNow()) : this.feed.serverNow();
  }

  /** Counts the clocks that are in sight. */
  private tick(): void {
    const now = this.now();
    for (const node of this.grid.getRenderedNodes()) {
      const cell = node.data && this.box.querySelector<HTMLElement>(`[row-id="${node.data.id}"] .case-light`);
      if (!cell || !node.data) continue;
      const text = sayClock(this.page, node.data, now);
      if (cell.textContent !== text) cell.textContent = text;
      const colour = colourOf(node.data, now);
      if (cell.dataset.clock !== colour) cell.dataset.clock = colour;
    }
  }
}

/** Waits for the grid and returns the queue. */
export async function openQueue(page: Page, feed: LiveFeed, filters: Filters): Promise<Queue> {
  const globals = window as unknown as DashGlobals;
  while (!globals.dash_ag_grid || !document.getElementById(GRID)) await pause(50);
  const grid = await globals.dash_ag_grid.getApiAsync(GRID);
  return new Queue(page, feed, filters, grid, document.getElementById(GRID)!);
}
