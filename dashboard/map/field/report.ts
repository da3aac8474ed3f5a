// The page on which a report is made: it works without a network, and sends what was made when there is one.

import { type Box, makeFleetingBox, makeId, openBox, tidy } from "./box.ts";
import { type Category, offerCategories } from "./categories.ts";
import { keepForOffline } from "./kept.ts";
import { sayReason, showMine } from "./mine.ts";
import { type Outbox, tellConnection, watchBox } from "./outbox.ts";
import { fetchOutlines, nameVillage } from "./outlines.ts";
import { shrink } from "./photo.ts";
import { deliverReport, type Place, type Report } from "./reports.ts";
import { offerSimilar } from "./similar.ts";
import type { SmallMap } from "./small_map.ts";
import { lang, make, say, slot } from "./words.ts";

interface Config {
  version: string;
  revision: string;
  bbox: [number, number, number, number];
  worker: { name: string; title: string; channel: string } | null;
  log_in: boolean;
  most_photos: number;
  longest_text: number;
  categories: Category[];
  files: string[];
}

const SEVERITIES = { 1: "▲", 2: "◆", 3: "●", 4: "■" };
const LOCATE_WITHIN_MS = 15_000;
const TOO_VAGUE_M = 200;

const config = JSON.parse(document.body.dataset["config"]!) as Config;
const form = document.querySelector("form")!;
const mine = slot("mine");
const description = slot<HTMLTextAreaElement>("description");
const person = { name: slot<HTMLInputElement>("name"), phone: slot<HTMLInputElement>("phone") };

let box: Box<Report>;
let outbox: Outbox;
let draft: Report;
let map: SmallMap | null = null;
let saving: ReturnType<typeof setTimeout> | undefined;
let placed = 0;

void start();

async function start(): Promise<void> {
  box = await openBox<Report>("reports").catch(() => {
    slot("nothing-kept").hidden = false;
    return makeFleetingBox<Report>("reports");
  });
  await tidy(box);
  draft = (await box.list()).find(({ state, worker }) => state === "draft" && worker === worker_name()) ?? makeDraft();
  slot("who").textContent = config.worker ? ` · ${config.worker.title}` : "";
  slot("log-in").hidden = config.worker !== null || !config.log_in;
  offerCategories(slot("choices"), slot<HTMLInputElement>("search"), config.categories, choose);
  listenToForm();
  tellConnection(slot("connection"), say("report.offline"));
  outbox = watchBox("/report", box, deliverReport, showReports);
  showDraft();
  await showReports();
  void startMap();
  void keepForOffline("/report", config.version, [...config.files, `/api/public/map/${config.revision}`]);
  void outbox.send();
}

function worker_name(): string {
  return config.worker?.name ?? "";
}

function makeDraft(): Report {
  return {
    id: makeId(),
    state: "draft",
    made_at: Date.now(),
    category: null,
    category_name: "",
    place: null,
    photos: [],
    description: "",
    severity: null,
    name: "",
    phone: "",
    joins: "",
    worker: worker_name(),
  };
}

// --- The form -------------------------------------------------------------------------------------------------------

function listenToForm(): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  description.maxLength = config.longest_text;
  description.addEventListener("input", () => change({ description: description.value }));
  for (const name of ["name", "phone"] as const)
    person[name].addEventListener("input", () => change({ [name]: person[name].value }));
  slot("locate").addEventListener("click", locate);
  for (const name of ["camera", "album"]) slot<HTMLInputElement>(name).addEventListener("change", addPhotos);
  const severity = document.querySelector<HTMLElement>('[data-part="severity"]')!;
  severity.hidden = !config.worker;
  for (const [value, shape] of Object.entries(SEVERITIES)) {
    const button = make("button", { type: "button", role: "radio", "data-severity": value, class: "severity" });
    button.append(make("i", { "aria-hidden": "true" }, shape), say(`severity.${value}`));
    button.addEventListener("click", () => change({ severity: draft.severity === Number(value) ? null : Number(value) }));
    slot("severities").append(button);
  }
}

/** Changes the report that is being made, shows it so and keeps it, so that a reload loses nothing. */
function change(changes: Partial<Report>): void {
  Object.assign(draft, changes);
  showDraft();
  clearTimeout(saving);
  saving = setTimeout(() => void box.put(draft), 300);
}

function showDraft(): void {
  const chosen = slot("chosen-category");
  chosen.hidden = draft.category === null;
  slot("choose-category").hidden = draft.category !== null;
  if (draft.category !== null && chosen.dataset["code"] !== draft.category) {
    const again = make("button", { type: "button" }, say("report.choose_again"));
    again.addEventListener("click", () => {
      change({ category: null, category_name: "" });
      slot("search").focus();
    });
    chosen.replaceChildren(make("strong", {}, draft.category_name), again);
  }
  chosen.dataset["code"] = draft.category ?? "";
  showPlace(draft.place);
  showPhotos();
  if (description.value !== draft.description) description.value = draft.description;
  slot("count").textContent = say("report.count", { n: draft.description.length, most: config.longest_text });
  for (const name of ["name", "phone"] as const) if (person[name].value !== draft[name]) person[name].value = draft[name];
  for (const button of slot("severities").children)
    button.setAttribute("aria-checked", String((button as HTMLElement).dataset["severity"] === String(draft.severity)));
  const missing = listMissing().map((part) => say(`report.part_${part}`));
  slot("missing").textContent = missing.length ? say("report.missing", { parts: missing.join(lang === "zh" ? "、" : ", ") }) : "";
  offerSimilar(slot("similar"), draft, (joins) => change({ joins }));
}

function listMissing(): ("category" | "place")[] {
  return (["category", "place"] as const).filter((part) => draft[part] === null);
}

function choose(category: Category): void {
  clearWrong("category");
  const search = slot<HTMLInputElement>("search");
  search.value = "";
  change({ category: category.code, category_name: category.name, joins: "" });
  slot("chosen-category").querySelector("button")?.focus({ preventScroll: true });
  document.querySelector('[data-part="category"]')!.scrollIntoView({ block: "start" });
}

function wrong(part: string, message: string): void {
  const line = document.querySelector<HTMLElement>(`[data-wrong="${part}"]`) ?? slot("missing");
  line.textContent = message;
  line.hidden = false;
}

function clearWrong(part: string): void {
  const line = document.querySelector<HTMLElement>(`[data-wrong="${part}"]`);
  if (line) line.hidden = true;
}

async function submit(): Promise<void> {
  for (const part of ["category", "place", "photos", "description", "contact"]) clearWrong(part);
  const missing = listMissing();
  for (const part of missing) wrong(part, say(`report.needs_${part}`));
  if (missing[0]) {
    const part = document.querySelector<HTMLElement>(`[data-part="${missing[0]}"]`)!;
    part.scrollIntoView({ block: "start" });
    part.querySelector<HTMLElement>("input, button")!.focus({ preventScroll: true });
    return;
  }
  clearTimeout(saving);
  // Kept first, and only then sent: from here on it cannot be lost.
  await box.put({ ...draft, state: "waiting", made_at: Date.now(), field: "", reason: "" });
  draft = makeDraft();
  map?.clear();
  document.querySelector("details")!.open = false;
  showDraft();
  await showReports();
  mine.scrollIntoView({ block: "start" });
  mine.querySelector<HTMLElement>(".report")?.focus({ preventScroll: true });
  await outbox.send();
}

// --- The place ------------------------------------------------------------------------------------------------------

function locate(): void {
  clearWrong("place");
  if (!("geolocation" in navigator) || !isSecureContext) return wrong("place", say("report.no_position"));
  const button = slot<HTMLButtonElement>("locate");
  button.disabled = true;
  button.textContent = say("report.locating");
  const done = () => {
    button.disabled = false;
    button.textContent = say("report.locate");
  };
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      done();
      void place(coords.longitude, coords.latitude, coords.accuracy);
    },
    (error) => {
      done();
      wrong("place", say(error.code === error.PERMISSION_DENIED ? "report.position_denied" : "report.no_position"));
    },
    { enableHighAccuracy: true, timeout: LOCATE_WITHIN_MS, maximumAge: 20_000 },
  );
}

/** Takes a place, or says that it is outside the county; its name comes from the phone, and better from the server. */
async function place(lon: number, lat: number, accuracy_m: number | null): Promise<void> {
  const turn = ++placed;
  const [x, y] = [Number(lon.toFixed(6)), Number(lat.toFixed(6))];
  const told = await nameByServer(x, y);
  const name = told ?? (await nameHere(x, y));
  if (turn !== placed) return; // another place was chosen meanwhile
  if (name === "outside") {
    map?.unpin();
    change({ place: null, joins: "" });
    wrong("place", say("report.refused_outside"));
    return;
  }
  clearWrong("place");
  if (accuracy_m !== null) map?.show(x, y); // a finger is there already
  change({ place: { lon: x, lat: y, accuracy_m, name }, joins: "" });
}

async function nameByServer(lon: number, lat: number): Promise<string | null> {
  try {
    const answer = await fetch("/api/public/place", {
      method: "POST",
      body: JSON.stringify({ lon, lat }),
      headers: { "Content-Type": "application/json" },
      signal: AbortSignal.timeout(3000),
    });
    if (answer.status === 422) return "outside";
    if (!answer.ok) return null;
    const { town, cell } = (await answer.json()) as Record<"town" | "cell", { zh: string; en: string }>;
    // A cell is called after its village.
    return lang === "en" ? `${cell.en}, ${town.en}` : `${town.zh}${cell.zh}`;
  } catch {
    return null;
  }
}

async function nameHere(lon: number, lat: number): Promise<string> {
  try {
    return nameVillage(await fetchOutlines(config.revision), lon, lat, lang) ?? "outside";
  } catch {
    return say("report.place_unnamed"); // the server will know
  }
}

function showPlace(chosen: Place | null): void {
  const line = slot("place");
  if (chosen === null) {
    line.textContent = say("report.tap_map");
    return;
  }
  const exact = chosen.accuracy_m === null ? "" : say("report.accuracy", { n: Math.max(1, Math.round(chosen.accuracy_m)) });
  line.replaceChildren(make("strong", {}, chosen.name), " ", make("span", {}, exact));
  if ((chosen.accuracy_m ?? 0) > TOO_VAGUE_M) line.append(make("em", {}, say("report.vague")));
}

async function startMap(): Promise<void> {
  const container = slot("map");
  try {
    const [{ createSmallMap }, outlines] = await Promise.all([import("./small_map.ts"), fetchOutlines(config.revision)]);
    const { bbox, version } = config;
    map = await createSmallMap(container, outlines, { bbox, lang, version, onTap: (lon, lat) => void place(lon, lat, null) });
    if (draft.place) map.show(draft.place.lon, draft.place.lat);
    const middle = make("button", { type: "button", class: "wide quiet", "data-slot": "middle" }, say("report.use_middle"));
    middle.addEventListener("click", () => {
      const { lon, lat } = map!.middle();
      map!.show(lon, lat);
      void place(lon, lat, null);
    });
    container.after(middle);
    container.dataset["ready"] = "";
  } catch {
    container.replaceChildren(make("p", {}, say("report.no_map")));
  }
}

// --- Photos ---------------------------------------------------------------------------------------------------------

async function addPhotos(event: Event): Promise<void> {
  const input = event.target as HTMLInputElement;
  const files = [...(input.files ?? [])];
  input.value = "";
  clearWrong("photos");
  for (const file of files) {
    const blob = await shrink(file).catch(() => null);
    // Only now: while this one was made small another may have come.
    if (draft.photos.length >= config.most_photos) return wrong("photos", say("report.photos_enough", { n: config.most_photos }));
    if (blob) change({ photos: [...draft.photos, { blob }] });
    else wrong("photos", say("report.refused_photo"));
  }
}

const shownPhotos = new Map<Blob, HTMLElement>();

function showPhotos(): void {
  for (const [blob, tile] of shownPhotos) {
    if (draft.photos.some((photo) => photo.blob === blob)) continue;
    URL.revokeObjectURL(tile.querySelector("img")!.src);
    tile.remove();
    shownPhotos.delete(blob);
  }
  draft.photos.forEach(({ blob }, i) => {
    if (shownPhotos.has(blob)) return;
    const remove = make("button", { type: "button", "aria-label": say("report.remove_photo") }, "✕");
    remove.addEventListener("click", () => change({ photos: draft.photos.filter((photo) => photo.blob !== blob) }));
    const image = make("img", { src: URL.createObjectURL(blob), alt: say("report.photo_n", { n: i + 1 }) });
    const tile = make("div", { class: "photo" }, image, remove);
    shownPhotos.set(blob, tile);
    slot("add-photo").before(tile);
  });
  const full = draft.photos.length >= config.most_photos;
  slot("add-photo").hidden = slot("pick-photo").hidden = full;
}

// --- Sending --------------------------------------------------------------------------------------------------------

async function showReports(): Promise<void> {
  showMine(mine, await box.list(), {
    send: () => void outbox.send(),
    change: (report) => void takeUp(report),
    remove: (report) => void discard(report),
  });
}

async function takeUp(report: Report): Promise<void> {
  draft = { ...report, state: "draft" };
  await box.put(draft);
  showDraft();
  if (draft.place) map?.show(draft.place.lon, draft.place.lat);
  if (report.reason) wrong(report.field || "report", sayReason(report.reason));
  await showReports();
  form.scrollIntoView({ block: "start" });
}

async function discard(report: Report): Promise<void> {
  if (report.state !== "sent" && !confirm(say("report.discard_sure"))) return;
  await box.remove(report.id);
  await showReports();
}
