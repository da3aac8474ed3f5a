// A box of things in the phone that have to get to the server: reports, check-ins. In it is what is being written, what
// waits to be sent, and what became of the rest. It is IndexedDB, so it is still there after a reload or a flat battery;
// the service worker opens the same box.

export type State = "draft" | "waiting" | "sent" | "refused";

/** What every kept thing has. */
export interface Kept {
  /** Made here, and the same however often it is sent: that is why it arrives once. */
  id: string;
  state: State;
  /** Epoch milliseconds by the clock of this phone. */
  made_at: number;
  /** The account that it was made under, empty for a resident. */
  worker: string;
  /** Why it was refused, or why it still waits: a field of the page, a key of the catalogue and what fills that in. */
  field?: string;
  reason?: string;
  values?: Record<string, string | number>;
}

const DATABASES = { reports: "county-brain-field", checks: "county-brain-rounds" };
/** The kinds of things that are kept, each in a box of its own. */
export type Kind = keyof typeof DATABASES;

/** Where things of one kind are kept. */
export interface Box<T extends Kept> {
  readonly kind: Kind;
  put(thing: T): Promise<void>;
  get(id: string): Promise<T | undefined>;
  remove(id: string): Promise<void>;
  /** Returns everything, the newest first. */
  list(): Promise<T[]>;
}

/** Opens a box; raises where this browser keeps nothing (some do not in private windows). */
export async function openBox<T extends Kept>(kind: Kind): Promise<Box<T>> {
  const database = await new Promise<IDBDatabase>((done, fail) => {
    const opening = indexedDB.open(DATABASES[kind], 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(kind, { keyPath: "id" });
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => fail(opening.error);
    opening.onblocked = () => fail(new Error("the box is in use by an older page"));
  });
  const within = <A>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<A>) =>
    new Promise<A>((done, fail) => {
      const transaction = database.transaction(kind, mode, { durability: "strict" });
      const request = ask(transaction.objectStore(kind));
      // Not before the transaction is complete is it on the disk.
      transaction.oncomplete = () => done(request.result);
      transaction.onerror = transaction.onabort = () => fail(transaction.error);
    });
  return {
    kind,
    put: async (thing) => void (await within("readwrite", (store) => store.put(thing))),
    get: (id) => within("readonly", (store) => store.get(id) as IDBRequest<T | undefined>),
    remove: async (id) => void (await within("readwrite", (store) => store.delete(id))),
    list: async () => sort(await within("readonly", (store) => store.getAll() as IDBRequest<T[]>)),
  };
}

/** Returns a box that lasts as long as the page, for browsers that keep nothing. */
export function makeFleetingBox<T extends Kept>(kind: Kind): Box<T> {
  const things = new Map<string, T>();
  return {
    kind,
    put: async (thing) => void things.set(thing.id, structuredClone(thing)),
    get: async (id) => things.get(id),
    remove: async (id) => void things.delete(id),
    list: async () => sort([...things.values()]),
  };
}

const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;

/** Takes out of a box what was sent long ago. */
export async function tidy(box: Box<Kept>): Promise<void> {
  for (const thing of await box.list())
    if (thing.state === "sent" && thing.made_at < Date.now() - KEPT_DAYS * DAY_MS) await box.remove(thing.id);
}

/** Returns a new id. `crypto.randomUUID` is there on https only; a county's own network may be without. */
export function makeId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function sort<T extends Kept>(things: T[]): T[] {
  return things.sort((a, b) => b.made_at - a.made_at);
}
