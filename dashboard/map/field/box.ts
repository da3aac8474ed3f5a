// The box of reports in the phone: what is being written, what waits to be sent, and what became of the rest.
// It is IndexedDB, so it is still there after a reload or a flat battery; the service worker opens the same box.

export interface Photo {
  blob: Blob;
  /** The id that the server keeps it under, once it has it. */
  id?: string;
}

export interface Place {
  lon: number;
  lat: number;
  /** How far off it may be, in metres; null where a finger chose it. */
  accuracy_m: number | null;
  name: string;
}

export type State = "draft" | "waiting" | "sent" | "refused";

/** One report. Photos and contact are thrown away as soon as the server has them. */
export interface Report {
  /** Made here, and the same however often it is sent: that is why it arrives once. */
  id: string;
  state: State;
  /** Epoch milliseconds by the clock of this phone. */
  made_at: number;
  category: string | null;
  /** The class in the words of the page that it was made on. */
  category_name: string;
  place: Place | null;
  photos: Photo[];
  description: string;
  severity: number | null;
  name: string;
  phone: string;
  /** The case that it is added to. */
  joins: string;
  /** The account that it was made under, empty for a resident. */
  worker: string;
  /** What the server said to it. */
  number?: string;
  code?: string;
  /** Why it was refused, or why it still waits: a field of the page and a key of the catalogue. */
  field?: string;
  reason?: string;
}

const NAME = "county-brain-field";
const STORE = "reports";

/** Where reports are kept. */
export interface Box {
  put(report: Report): Promise<void>;
  get(id: string): Promise<Report | undefined>;
  remove(id: string): Promise<void>;
  /** Returns every report, the newest first. */
  list(): Promise<Report[]>;
}

/** Opens the box; raises where this browser keeps nothing (some do not in private windows). */
export async function openBox(): Promise<Box> {
  const database = await new Promise<IDBDatabase>((done, fail) => {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => fail(opening.error);
    opening.onblocked = () => fail(new Error("the box is in use by an older page"));
  });
  const within = <T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>) =>
    new Promise<T>((done, fail) => {
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      const request = ask(transaction.objectStore(STORE));
      // Not before the transaction is complete is it on the disk.
      transaction.oncomplete = () => done(request.result);
      transaction.onerror = transaction.onabort = () => fail(transaction.error);
    });
  return {
    put: async (report) => void (await within("readwrite", (store) => store.put(report))),
    get: (id) => within("readonly", (store) => store.get(id) as IDBRequest<Report | undefined>),
    remove: async (id) => void (await within("readwrite", (store) => store.delete(id))),
    list: async () => sort(await within("readonly", (store) => store.getAll() as IDBRequest<Report[]>)),
  };
}

/** Returns a box that lasts as long as the page, for browsers that keep nothing. */
export function makeFleetingBox(): Box {
  const reports = new Map<string, Report>();
  return {
    put: async (report) => void reports.set(report.id, structuredClone(report)),
    get: async (id) => reports.get(id),
    remove: async (id) => void reports.delete(id),
    list: async () => sort([...reports.values()]),
  };
}

function sort(reports: Report[]): Report[] {
  return reports.sort((a, b) => b.made_at - a.made_at);
}
