// The queue: AG Grid as Dash has rendered it, reached through its own API.

/** One row, as `dashboard/pages/duty.py` describes it. */
export interface QueueRow {
  case_id: string;
  id: number;
  lon: number | null;
  lat: number | null;
}

interface RowNode {
  data?: QueueRow;
  rowIndex: number | null;
  isSelected(): boolean;
  setSelected(selected: boolean, clearOthers?: boolean): void;
}
/** The part of AG Grid's API that is used here. */
interface GridApi {
  addEventListener(name: string, listener: () => void): void;
  getSelectedNodes(): RowNode[];
  deselectAll(): void;
  forEachNode(callback: (node: RowNode) => void): void;
  getDisplayedRowAtIndex(index: number): RowNode | undefined;
  getDisplayedRowCount(): number;
  ensureNodeVisible(node: RowNode, position?: string): void;
}
interface DashGlobals {
  dash_ag_grid?: { getApiAsync(id: string): Promise<GridApi> };
  dash_clientside?: { set_props?(id: string, props: object): void };
}

const GRID = "queue";
const REFRESH = "queue-refresh";

export interface Queue {
  /** Calls back with the selected row, or null; only when another case is selected. */
  onSelect(listener: (row: QueueRow | null) => void): void;
  selected(): QueueRow | null;
  /** Selects a case by its feature id and says whether it is on the page; null selects none. */
  select(id: number | null): boolean;
  /** Selects the next (1) or the previous (-1) row. */
  move(step: number): void;
  /** Asks the server for the rows again; selection and scroll stay. */
  refresh(): void;
}

/** Waits for the grid and returns the queue. */
export async function openQueue(): Promise<Queue> {
  const globals = window as unknown as DashGlobals;
  while (!globals.dash_ag_grid || !document.getElementById(GRID)) await new Promise((done) => setTimeout(done, 50));
  const api = await globals.dash_ag_grid.getApiAsync(GRID);
  let refreshes = 0;
  let shown: string | null = null;

  const node = () => api.getSelectedNodes()[0] ?? null;
  const pick = (one: RowNode | null) => {
    if (!one) return api.deselectAll();
    one.setSelected(true, true);
    api.ensureNodeVisible(one);
  };
  return {
    onSelect(listener) {
      api.addEventListener("selectionChanged", () => {
        const row = node()?.data ?? null;
        if ((row?.case_id ?? null) === shown) return;
        shown = row?.case_id ?? null;
        listener(row);
      });
    },
    selected: () => node()?.data ?? null,
    select(id) {
      let found: RowNode | null = null;
      if (id !== null) api.forEachNode((one) => (found = one.data?.id === id ? one : found));
      pick(found);
      return found !== null;
    },
    move(step) {
      const from = node()?.rowIndex ?? (step > 0 ? -1 : api.getDisplayedRowCount());
      const next = api.getDisplayedRowAtIndex(from + step);
      if (next) pick(next);
    },
    refresh() {
      refreshes += 1;
      globals.dash_clientside?.set_props?.(REFRESH, { data: refreshes });
    },
  };
}
