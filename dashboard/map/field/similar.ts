// Cases near by that look like the one being reported: to add to them is better than to report them twice.

import type { Report } from "./reports.ts";
import { lang, make, say } from "./words.ts";

/** A case as `POST /api/public/similar` tells of it; only who is logged in gets its title. */
interface Similar {
  case_id: string;
  category: string;
  title?: string;
  distance_m: number | null;
  reported_at: number;
  open: boolean;
}

/** What the server takes of the words. */
const LONGEST_WORDS = 400;
const MOST_OFFERED = 3;
const ASK_AFTER_MS = 600;

let asked = "";
let timer: ReturnType<typeof setTimeout> | undefined;
let found: Similar[] = [];

/** Shows what is similar to a report once its class and place are known; `join` is told which one it is added to. */
export function offerSimilar(root: HTMLElement, report: Report, join: (case_id: string) => void): void {
  const { category, place, description } = report;
  const text = description.slice(0, LONGEST_WORDS);
  const question = category && place ? JSON.stringify({ category, lon: place.lon, lat: place.lat, text, lang }) : "";
  if (question !== asked) {
    asked = question;
    found = [];
    clearTimeout(timer);
    if (question) timer = setTimeout(() => void look(), ASK_AFTER_MS);
  }
  show(root, report, join);

  async function look(): Promise<void> {
    const similar = await ask(question);
    if (question !== asked) return;
    // Only to an open one of the same class can something be added.
    found = similar.filter((other) => other.open && other.category === category).slice(0, MOST_OFFERED);
    show(root, report, join);
  }
}

async function ask(question: string): Promise<Similar[]> {
  try {
    const answer = await fetch("/api/public/similar", {
      method: "POST",
      body: question,
      headers: { "Content-Type": "application/json" },
      signal: AbortSignal.timeout(4000),
    });
    return answer.ok ? ((await answer.json()) as { duplicates: Similar[] }).duplicates : [];
  } catch {
    return []; // without a network nobody can say
  }
}

function show(root: HTMLElement, report: Report, join: (case_id: string) => void): void {
  root.hidden = found.length === 0;
  if (!found.length) return root.replaceChildren();
  const rows = found.map((similar) => {
    const joined = report.joins === similar.case_id;
    const button = make("button", { type: "button", "aria-pressed": String(joined) }, say(joined ? "report.joined" : "report.join"));
    button.addEventListener("click", () => join(joined ? "" : similar.case_id));
    const metres = similar.distance_m === null ? "?" : Math.max(1, Math.round(similar.distance_m));
    const where = say("report.similar_where", { n: metres, ago: sayAge(Date.now() / 1000 - similar.reported_at) });
    return make("li", {}, make("p", {}, make("strong", {}, similar.title ?? report.category_name), make("small", {}, where)), button);
  });
  root.replaceChildren(make("h2", {}, say("report.similar")), make("ul", {}, ...rows));
}

function sayAge(age_s: number): string {
  if (age_s < 5400) return say("report.ago_minutes", { n: Math.max(1, Math.round(age_s / 60)) });
  if (age_s < 129_600) return say("report.ago_hours", { n: Math.round(age_s / 3600) });
  return say("report.ago_days", { n: Math.round(age_s / 86_400) });
}
