// The page of patrols and visits: a check-in goes into the phone first and is sent when there is a network. Its place is
// found at once, with or without one.

import { type Box, makeFleetingBox, makeId, openBox, tidy } from "./box.ts";
import { type CheckIn, deliverCheck } from "./checks.ts";
import { forget, keepForOffline } from "./kept.ts";
import { type Outbox, tellConnection, watchBox } from "./outbox.ts";
import { hasWord, lang, make, say, showTime, slot } from "./words.ts";

interface Config {
  version: string;
  worker: string;
  /** When the server made the list of tasks, in epoch milliseconds by its clock. */
  made_at: number;
}

const LOCATE_WITHIN_MS = 10_000;
const FRESH_MS = 30_000;
/** So long a check-in that was taken may be missing from a list that was made after it. */
const RECORDED_WITHIN_MS = 60_000;
const OLD_MS = 600_000;
const SHAPES = { waiting: "◔", sent: "✓", refused: "✕", draft: "" };

const config = JSON.parse(document.body.dataset["config"]!) as Config;
const forms = [...document.querySelectorAll<HTMLFormElement>("form[data-task]")];

let box: Box<CheckIn>;
let outbox: Outbox;

void start();

async function start(): Promise<void> {
  box = await openBox<CheckIn>("checks").catch(() => {
    slot("nothing-kept").hidden = false;
    return makeFleetingBox<CheckIn>("checks");
  });
  await tidy(box);
  for (const form of forms)
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void checkIn(form);
    });
  const leaving = document.querySelector<HTMLFormElement>('form[action="/logout"]');
  leaving?.addEventListener("submit", (event) => {
    event.preventDefault();
    // The list names people, if only masked: it is not for whoever has the phone next.
    void forget("/tasks").finally(() => leaving.submit());
  });
  tellConnection(slot("connection"), say("rounds.offline"));
  const old = slot("as-of");
  old.hidden = Date.now() - config.made_at < OLD_MS;
  old.textContent = say("rounds.as_of", { time: showTime(config.made_at) });
  outbox = watchBox("/tasks", box, deliverCheck, show);
  await show();
  void keepForOffline("/tasks", config.version, listFiles());
  void outbox.send();
}

/** The scripts and style sheets that this page has loaded. */
function listFiles(): string[] {
  const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
  return loaded.filter(({ pathname }) => pathname.startsWith("/report/files/")).map(({ pathname, search }) => pathname + search);
}

async function checkIn(form: HTMLFormElement): Promise<void> {
  const { task = "", what = "", plan = "", cell = "", person = "" } = form.dataset;
  const button = form.querySelector("button")!;
  const word = button.textContent;
  button.disabled = true;
  button.textContent = say("rounds.locating");
  const place = await locate();
  button.disabled = false;
  button.textContent = word;
  const wrong = form.querySelector<HTMLElement>(".wrong")!;
  wrong.hidden = place !== null || person !== "";
  if (!wrong.hidden) return; // a visit may be indoors, a patrol is not
  const note = form.querySelector("input")!;
  await box.put({
    ...{ id: makeId(), state: "waiting", made_at: Date.now(), worker: config.worker },
    ...{ task, what, plan, cell, person, note: note.value.trim() },
    lon: place?.lon ?? null,
    lat: place?.lat ?? null,
  });
  note.value = "";
  await show();
  form.parentElement!.querySelector<HTMLElement>(".kept")?.focus({ preventScroll: true });
  await outbox.send();
}

function locate(): Promise<{ lon: number; lat: number } | null> {
  if (!("geolocation" in navigator)) return Promise.resolve(null);
  return new Promise((done) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => done({ lon: Number(coords.longitude.toFixed(6)), lat: Number(coords.latitude.toFixed(6)) }),
      () => done(null),
      { enableHighAccuracy: true, timeout: LOCATE_WITHIN_MS, maximumAge: FRESH_MS },
    );
  });
}

/** Shows each check-in in the place of its task's form; what has no task here and still waits or was refused, above. */
async function show(): Promise<void> {
  const kept = await box.list();
  const shown = new Set<CheckIn>();
  // A line that is drawn anew keeps the focus, or a screen reader would be thrown out of it.
  const focused = document.activeElement?.closest<HTMLElement>(".kept")?.dataset["id"];
  for (const form of forms) {
    const check = kept.find((one) => one.task === form.dataset["task"] && one.worker === config.worker && isPending(one));
    form.parentElement!.querySelector(".kept")?.remove();
    form.hidden = check !== undefined && check.state !== "refused";
    if (!check) continue;
    shown.add(check);
    form.before(makeLine(check, false));
  }
  const elsewhere = kept.filter((check) => isPending(check) && check.state !== "sent" && !shown.has(check));
  slot("elsewhere").replaceChildren(...elsewhere.map((check) => makeLine(check, true)));
  if (focused) document.querySelector<HTMLElement>(`.kept[data-id="${focused}"]`)?.focus({ preventScroll: true });
}

/** Whether the list of tasks may not know of it yet. */
function isPending({ state, taken_at = 0 }: CheckIn): boolean {
  return state !== "sent" || taken_at > config.made_at - RECORDED_WITHIN_MS;
}

function makeLine(check: CheckIn, named: boolean): HTMLElement {
  const state = make("strong", {}, make("i", { "aria-hidden": "true" }, SHAPES[check.state]), say(`rounds.kept_${check.state}`));
  const line = make("div", { class: "kept", "data-state": check.state, "data-id": check.id, tabindex: "-1" }, make("p", {}, state, ` ${showTime(check.made_at)}`));
  if (named) line.prepend(make("p", {}, check.what));
  if (check.reason) line.append(make("p", { class: "why" }, sayReason(check)));
  line.append(makeDeeds(check));
  return line;
}

function sayReason({ reason = "", values }: CheckIn): string {
  return say(hasWord(`rounds.${reason}`) ? `rounds.${reason}` : "rounds.refused_unreadable", values);
}

function makeDeeds(check: CheckIn): HTMLElement {
  const button = (word: string, deed: () => void) => {
    const made = make("button", { type: "button", class: "plain" }, say(word));
    made.addEventListener("click", deed);
    return made;
  };
  const row = make("p", { class: "deeds" });
  if (check.state === "waiting") {
    if (check.reason === "sign_in_again") row.append(make("a", { href: `/login?lang=${lang}&next=/tasks` }, say("rounds.log_in")));
    row.append(button("rounds.send_now", () => void outbox.send()), button("rounds.discard", () => void discard(check)));
  }
  if (check.state === "refused") row.append(button("rounds.dismiss", () => void discard(check)));
  return row;
}

async function discard(check: CheckIn): Promise<void> {
  if (check.state === "waiting" && !confirm(say("rounds.discard_sure"))) return;
  await box.remove(check.id);
  await show();
}
