// The service worker of /report, and of /tasks: keeps its page for when there is no network, and sends what waits when
// there is one. Each page has one of its own, by its scope.
//
// The page tells it (by its address, `?v=`) which version it is; each version has a cache of its own.

import { openBox } from "./box.ts";
import { type CheckIn, deliverCheck } from "./checks.ts";
import { addressPage, forget, nameCaches, type Page } from "./kept.ts";
import { deliverReport, type Report } from "./reports.ts";
import { type Attempt, sendWaiting } from "./sending.ts";

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Syncing extends Extendable {
  readonly tag: string;
}
interface Talking extends Extendable {
  readonly data: { keep?: string[] };
}
interface WorkerScope {
  readonly location: Location;
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(): Promise<{ postMessage(message: unknown): void }[]>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(name: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(name: "fetch", listener: (event: Fetching) => void): void;
  addEventListener(name: "sync", listener: (event: Syncing) => void): void;
  addEventListener(name: "message", listener: (event: Talking) => void): void;
}

const scope = self as unknown as WorkerScope;
const PAGE = new URL(scope.registration.scope).pathname as Page;
const PREFIX = nameCaches(PAGE);
const CACHE = `${PREFIX}${new URL(scope.location.href).searchParams.get("v") ?? ""}`;
const PAGE_WITHIN_MS = 4000;

scope.addEventListener("install", (event) => event.waitUntil(scope.skipWaiting()));

scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));

// The page says what it needs, once it runs; what older versions kept is thrown away only when all of it is here.
scope.addEventListener("message", (event) => {
  const addresses = event.data.keep;
  if (addresses) event.waitUntil(keepAll(addresses));
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.location.origin) return;
  if (request.mode === "navigate" && url.pathname === PAGE) event.respondWith(answerPage(request, url));
  else if (url.pathname.startsWith("/report/files/") || url.pathname.startsWith("/api/public/map/"))
    event.respondWith(answerKept(request));
});

scope.addEventListener("sync", (event) => {
  if (event.tag === "reports" || event.tag === "checks") event.waitUntil(sendAndTell());
});

async function keepAll(addresses: string[]): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const address of addresses) {
    if (await cache.match(address)) continue;
    const answer = await fetch(address);
    if (!answer.ok || answer.redirected) return; // to the log-in, say
    await cache.put(address, answer);
  }
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
}

/** The page from the server where that answers soon, else as it was kept. */
async function answerPage(request: Request, url: URL): Promise<Response> {
  const address = addressPage(PAGE, url);
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PAGE_WITHIN_MS) });
    if (answer.ok && !answer.redirected) await cache.put(address, answer.clone());
    // Who is sent to the log-in, or away, leaves nothing behind for whoever has the phone next.
    if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) await forget(PAGE);
    if (answer.status < 500) return answer;
  } catch {
    // Kept below.
  }
  const kept = (await caches.match(address)) ?? (await caches.match(PAGE, { ignoreSearch: true }));
  return kept ?? Response.error();
}

async function answerKept(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(CACHE)).put(request, answer.clone());
  return answer;
}

async function send(): Promise<Attempt> {
  if (PAGE === "/tasks") return sendWaiting(await openBox<CheckIn>("checks"), deliverCheck);
  return sendWaiting(await openBox<Report>("reports"), deliverReport);
}

async function sendAndTell(): Promise<void> {
  const { again_s } = await send();
  for (const client of await scope.clients.matchAll()) client.postMessage({ sent: true });
  // To fail is how one asks the browser to try again later.
  if (again_s !== null) throw new Error("something still waits");
}
