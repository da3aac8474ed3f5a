// The page on which a report is looked up by its number and code; a link brings both after the #, which no server sees.

import { lang, make, say, showMoment, slot } from "./words.ts";

interface Told {
  number: string;
  state: string;
  says: string;
  ended: boolean;
  merged: boolean;
  category: string;
  place: string;
  reported_at: string;
  expected_at: string | null;
  unit: string | null;
  steps: { at: string; says: string; unit: string | null }[];
  photos: string[];
}

const number = slot<HTMLInputElement>("number");
const code = slot<HTMLInputElement>("code");
const wrong = slot("wrong");
const answer = slot("answer");

document.querySelector("form")!.addEventListener("submit", (event) => {
  event.preventDefault();
  void lookUp();
});

addEventListener("hashchange", readAddress);
readAddress();

function readAddress(): void {
  const given = new URLSearchParams(location.hash.slice(1));
  number.value = given.get("number") ?? number.value;
  code.value = given.get("code") ?? code.value;
  slot<HTMLAnchorElement>("other").hash = location.hash;
  if (given.get("number") && given.get("code")) void lookUp();
}

async function lookUp(): Promise<void> {
  wrong.hidden = true;
  answer.hidden = true;
  for (const input of [number, code]) {
    if (input.value.trim()) continue;
    fail("status.needs_both");
    input.focus();
    return;
  }
  try {
    const response = await fetch("/api/public/status", {
      method: "POST",
      body: JSON.stringify({ number: number.value, code: code.value, lang }),
      headers: { "Content-Type": "application/json" },
      signal: AbortSignal.timeout(15_000),
    });
    if (response.status === 404 || response.status === 422) return fail("status.refused_unknown");
    if (response.status === 429) return fail("status.too_often");
    if (!response.ok) return fail("status.away");
    const told = (await response.json()) as Told | { arriving: true };
    if ("arriving" in told) return fail("status.arriving");
    show(told);
  } catch {
    fail("status.no_network");
  }
}

function fail(key: string): void {
  wrong.textContent = say(key);
  wrong.hidden = false;
}

function show(told: Told): void {
  const facts = [
    [say("status.category"), told.category],
    [say("status.place"), told.place],
    [say("status.reported_at"), showMoment(told.reported_at)],
    [say("status.unit"), told.unit ?? say("status.no_unit")],
    ...(told.expected_at ? [[say("status.expected_at"), sayExpected(told.expected_at)]] : []),
  ].filter(([, value]) => value);
  const steps = told.steps.map(({ at, says, unit }) =>
    make("li", {}, make("time", { datetime: at }, showMoment(at)), make("span", {}, says, ...(unit ? [make("small", {}, unit)] : []))),
  );
  answer.replaceChildren(
    make("p", { class: "number" }, told.number),
    make("h2", { "data-ended": String(told.ended) }, told.says),
    ...(told.merged ? [make("p", { class: "notice" }, say("status.merged"))] : []),
    make("dl", {}, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name!), make("dd", {}, value!)))),
    make("div", { class: "pictures" }),
    make("h3", {}, say("status.steps")),
    make("ol", {}, ...steps),
  );
  answer.hidden = false;
  answer.scrollIntoView({ block: "start" });
  void showPhotos(told.photos);
}

function sayExpected(at: string): string {
  return Date.parse(at) < Date.now() ? say("status.overdue", { at: showMoment(at) }) : showMoment(at);
}

/** Own photos need the code, which an address must not contain. */
async function showPhotos(addresses: string[]): Promise<void> {
  const pictures = answer.querySelector(".pictures")!;
  for (const address of addresses) {
    const response = await fetch(address, { headers: { "X-Report-Code": code.value } }).catch(() => null);
    if (!response?.ok) continue;
    pictures.append(make("img", { src: URL.createObjectURL(await response.blob()), alt: say("status.photo") }));
  }
}
