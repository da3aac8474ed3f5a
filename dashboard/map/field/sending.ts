// Sending what waits in the box, once and in order: from the page, and from the service worker when the page is closed.

import type { Box, Report } from "./box.ts";

const LOCK = "county-brain-sending";
const ANSWER_WITHIN_MS = 45_000;

/** What an attempt led to: `again_s` is in how many seconds to try again, null where nothing waits any more. */
export interface Attempt {
  again_s: number | null;
}

/** Why a report stays in the box for now. */
class NotNow extends Error {
  constructor(
    readonly reason: string,
    readonly again_s: number,
  ) {
    super(reason);
  }
}

/** The server will not have it as it is. */
class Refused extends Error {
  constructor(
    readonly field: string,
    readonly reason: string,
  ) {
    super(reason);
  }
}

/** Sends every report that waits, the oldest first; whoever else sends just now (a worker, another tab) goes on alone. */
export async function sendWaiting(box: Box, changed: (report: Report) => void = () => undefined): Promise<Attempt> {
  if (!navigator.locks) return sendAll(box, changed);
  return navigator.locks.request(LOCK, () => sendAll(box, changed));
}

async function sendAll(box: Box, changed: (report: Report) => void): Promise<Attempt> {
  const waiting = (await box.list()).filter(({ state }) => state === "waiting").reverse();
  let again_s: number | null = null;
  for (const report of waiting) {
    try {
      await sendOne(box, report);
    } catch (error) {
      if (error instanceof Refused) {
        await keep(box, report, { state: "refused", field: error.field, reason: error.reason });
      } else {
        const { reason, again_s: pause } = error instanceof NotNow ? error : new NotNow("no_network", 20);
        await keep(box, report, { reason });
        again_s = Math.min(again_s ?? Infinity, pause);
      }
    }
    changed(report);
    if (report.reason === "no_network" || report.reason === "too_often") break; // the next would not go either
  }
  return { again_s };
}

async function sendOne(box: Box, report: Report): Promise<void> {
  for (const photo of report.photos) {
    if (photo.id) continue;
    const { id } = await post<{ id: string }>("/api/public/photos", photo.blob, photo.blob.type || "image/jpeg");
    photo.id = id;
    await box.put(report); // so that a photo that is there is not sent again
  }
  const receipt = await post<{ number: string; code: string }>(
    "/api/public/reports",
    JSON.stringify(describe(report)),
    "application/json",
  ).catch(async (error: unknown) => {
    if (error instanceof Refused && error.reason === "refused_photo_gone") {
      // It waited for its report longer than the server keeps such: it is sent once more.
      for (const photo of report.photos) delete photo.id;
      throw new NotNow("photos_again", 1);
    }
    throw error;
  });
  await keep(box, report, { state: "sent", ...receipt, photos: [], name: "", phone: "", reason: "" });
}

/** Returns a report as `POST /api/public/reports` takes it. */
function describe(report: Report): Record<string, unknown> {
  const contact = report.name || report.phone ? { name: report.name, phone: report.phone } : null;
  return {
    id: report.id,
    made_at: new Date(report.made_at).toISOString(),
    sent_at: new Date().toISOString(),
    category: report.category,
    lon: report.place?.lon,
    lat: report.place?.lat,
    description: report.description,
    severity: report.severity,
    photos: report.photos.map(({ id }) => id),
    contact,
    joins: report.joins,
    worker: report.worker,
  };
}

async function post<T>(path: string, body: BodyInit, type: string): Promise<T> {
  let answer: Response;
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    answer = await fetch(path, { method: "POST", body, headers: { "Content-Type": type }, signal, cache: "no-store" });
  } catch {
    throw new NotNow("no_network", 20);
  }
  if (answer.ok) return (await answer.json()) as T;
  const said = (await answer.json().catch(() => ({}))) as { field?: string; reason?: string };
  const pause = Number(answer.headers.get("Retry-After")) || 20;
  if (answer.status === 401) throw new NotNow("sign_in_again", 60);
  if (answer.status === 429) throw new NotNow("too_often", pause);
  // A proxy that is lost or a server that starts again is no refusal; only a plain no is.
  if (![400, 403, 404, 413, 415, 422].includes(answer.status)) throw new NotNow("away", pause);
  throw new Refused(said.field ?? "report", said.reason ?? "refused_unreadable");
}

async function keep(box: Box, report: Report, changes: Partial<Report>): Promise<void> {
  Object.assign(report, changes);
  // Somebody may have taken it out of the box meanwhile.
  if (await box.get(report.id)) await box.put(report);
}
