// A report: what is kept of it in the phone, and how it is handed in.

import type { Box, Kept } from "./box.ts";
import { exchange, NotNow, Refused } from "./sending.ts";

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

/** One report. Photos and contact are thrown away as soon as the server has them. */
export interface Report extends Kept {
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
  /** What the server said to it. */
  number?: string;
  code?: string;
}

/** Hands a report in, its photos first. */
export async function deliverReport(report: Report, box: Box<Report>): Promise<Partial<Report>> {
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
  return { ...receipt, photos: [], name: "", phone: "" };
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

function post<A>(path: string, body: BodyInit, type: string): Promise<A> {
  return exchange(path, { method: "POST", body, headers: { "Content-Type": type } });
}
