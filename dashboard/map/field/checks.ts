// A check-in on a patrol or a visit: what is kept of it in the phone, and how it is handed in.

import type { Kept } from "./box.ts";
import { exchange, NotNow } from "./sending.ts";

/** One check-in. Place, note and the person's code are thrown away as soon as the server has them. */
export interface CheckIn extends Kept {
  /** The task on the page that it was made for. */
  task: string;
  /** Plan and place in the words of that page; never a person. */
  what: string;
  plan: string;
  cell: string;
  person: string;
  lon: number | null;
  lat: number | null;
  note: string;
  /** When the server took it, in epoch milliseconds by its clock. */
  taken_at?: number;
}

/** Hands a check-in in, if whoever made it is logged in just now. */
export async function deliverCheck(check: CheckIn): Promise<Partial<CheckIn>> {
  const me = await exchange<{ name: string; csrf: string }>("/api/me");
  if (me.name !== check.worker) throw new NotNow("sign_in_again", 60);
  const { id, worker, plan, cell, person, lon, lat, note } = check;
  const times = { made_at: new Date(check.made_at).toISOString(), sent_at: new Date().toISOString() };
  const { taken_at } = await exchange<{ taken_at: number }>("/api/tasks/checks", {
    method: "POST",
    body: JSON.stringify({ id, ...times, worker, plan, cell, person, lon, lat, note }),
    headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrf },
  });
  return { taken_at, person: "", lon: null, lat: null, note: "" };
}
