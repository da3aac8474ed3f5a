// The queue's filters: one set of words that is the desk's address and the question to /api/queue alike.

/** Filters that hold several values, separated by commas. */
export const LISTS = ["town", "village", "cell", "category", "unit", "state", "colour", "card", "grade", "channel", "severity"] as const;
const SINGLES = ["q", "hours", "from", "to", "within", "show", "mine", "sort"] as const;
const NAMES: readonly string[] = [...LISTS, ...SINGLES];

export type Listener = () => void;

/** Holds the filters, keeps the address in step with them and tells who listens. */
export class Filters {
  private values = new Map<string, string>();
  private listeners = new Set<Listener>();

  constructor(address = location.search) {
    this.read(address);
  }

  onChange(listener: Listener): void {
    this.listeners.add(listener);
  }

  get(name: string): string {
    return this.values.get(name) ?? "";
  }

  list(name: string): string[] {
    return this.get(name).split(",").filter(Boolean);
  }

  /** Changes some filters at once; an empty value takes one away. */
  set(changes: Record<string, string | string[]>): void {
    const before = this.query();
    for (const [name, value] of Object.entries(changes)) {
      const text = Array.isArray(value) ? value.join(",") : value;
      if (text) this.values.set(name, text);
      else this.values.delete(name);
    }
    if (this.query() !== before) this.tell();
  }

  /** Replaces all filters by those of a query. */
  replace(query: string): void {
    const before = this.query();
    this.read(query);
    if (this.query() !== before) this.tell();
  }

  /** Returns the filters as a query, the same for the same filters; `without` leaves one out. */
  query(without = ""): string {
    const query = new URLSearchParams();
    for (const name of NAMES) if (name !== without && this.get(name)) query.set(name, this.get(name));
    return query.toString();
  }

  private read(query: string): void {
    const said = new URLSearchParams(query);
    this.values = new Map(NAMES.flatMap((name) => (said.get(name) ? [[name, said.get(name)!] as const] : [])));
  }

  private tell(): void {
    const query = new URLSearchParams(location.search);
    for (const name of NAMES) query.delete(name);
    for (const [name, value] of new URLSearchParams(this.query())) query.set(name, value);
    const search = query.toString();
    // Replaced, so that "back" leaves the page.
    history.replaceState(history.state, "", location.pathname + (search ? `?${search}` : ""));
    for (const listener of this.listeners) listener();
  }
}
