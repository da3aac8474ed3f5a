// The feeds: the board of /api/feeds, read again every few seconds; rows that need a person come first.

import { readJson } from "../answers.ts";
import { followLive } from "../live.ts";
import { pause } from "../pause.ts";
import type { Words } from "../wire.ts";
import { tracePath } from "./figures.ts";
import { FEED_SHAPES, followHeader } from "./header.ts";
import type { Page } from "./page.ts";
import { make, makePart, openPage, part, setAttribute, setText, syncList } from "./page.ts";

const READ_EVERY_MS = 3000;
const GIVE_UP_MS = 8000;
const STATES = ["silent", "never", "late", "ok"] as const;

type State = (typeof STATES)[number];

interface Reason {
  field: string;
  count: number;
  example: string;
  at: number;
}

interface Row {
  sender: string;
  feed: string;
  name: Words;
  state: State;
  stale_after_s: number;
  received: number | null;
  accepted: number | null;
  duplicate: number | null;
  rejected: number | null;
  recorded: number | null;
  per_minute: number | null;
  lag: { mean_s: number; highest_s: number } | null;
  fast_clock: number | null;
  hours: number[] | null;
  heard_at: number | null;
  observed_at: number | null;
  reasons: Reason[];
}

interface Board {
  now: number;
  away: string[];
  rows: Row[];
}

/** What the officer chose to see; kept in the address. */
interface Choice {
  state: string;
  text: string;
}

/** Starts the page on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const choice = readChoice();
  let page: Page | null = null;
  let board: Board | null = null;
  const draw = () => page && board && drawBoard(page, board, choice);
  takeChoices(root, choice, () => draw()); // at once: who clicks before the county has loaded is heard, too
  page = await openPage(root);
  const stopHeader = followHeader(page, feed);
  for (;;) {
    if (!root.isConnected) break; // Dash has gone to another page
    try {
      board = (await readJson("/api/feeds", AbortSignal.timeout(GIVE_UP_MS))) as Board;
      setAttribute(root, "data-unread", null);
      draw();
    } catch (error) {
      console.warn("the board cannot be read", error);
      setAttribute(root, "data-unread", "yes");
      if (board) sayUnread(page, board);
    }
    await pause(READ_EVERY_MS);
  }
  stopHeader();
  feed.close();
}

function readChoice(): Choice {
  const query = new URLSearchParams(location.search);
  return { state: query.get("state") ?? "", text: query.get("q") ?? "" };
}

function takeChoices(root: HTMLElement, choice: Choice, changed: () => void): void {
  const search = root.querySelector<HTMLInputElement>("input[type=search]");
  const change = () => {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of [["state", choice.state], ["q", choice.text]] as const) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    history.replaceState(history.state, "", `${location.pathname}?${query}`.replace(/\?$/, ""));
    changed();
  };
  if (search) {
    search.value = choice.text;
    search.addEventListener("input", () => {
      choice.text = search.value.trim();
      change();
    });
  }
  for (const chip of root.querySelectorAll<HTMLElement>(".chip"))
    chip.addEventListener("click", () => {
      choice.state = choice.state === chip.dataset.state ? "" : (chip.dataset.state ?? "");
      change();
    });
}

function drawBoard(page: Page, board: Board, choice: Choice): void {
  drawSum(page, board);
  for (const state of STATES) {
    const chip = page.root.querySelector(`.chip[data-state="${state}"]`);
    setText(chip?.querySelector("b") ?? null, String(board.rows.filter((row) => row.state === state).length));
    setText(chip?.querySelector(".dot") ?? null, FEED_SHAPES[state]);
    setAttribute(chip ?? null, "aria-pressed", String(choice.state === state));
  }
  const shown = board.rows.filter((row) => matches(page, row, choice));
  const list = page.slot("rows");
  if (!list) return;
  syncList(
    list,
    shown.flatMap((row) => (row.reasons.length ? [{ row, why: false }, { row, why: true }] : [{ row, why: false }])),
    ({ row, why }) => `${row.sender} ${row.feed}${why ? " why" : ""}`,
    ({ why }) => (why ? makeWhy() : makeRow()),
    (element, { row, why }) => (why ? drawWhy(page, element, row, board.now) : drawRow(page, element, row, board.now)),
  );
  const none = page.slot("none");
  if (none) {
    none.hidden = shown.length > 0;
    setText(none, page.say("feeds.none"));
  }
}

function matches(page: Page, row: Row, choice: Choice): boolean {
  if (choice.state && row.state !== choice.state) return false;
  const words = `${row.sender} ${row.feed} ${page.words(row.name)}`.toLowerCase();
  return words.includes(choice.text.toLowerCase());
}

/** The one sentence that answers "can I believe it?": the sums, and whether they add up. */
function drawSum(page: Page, board: Board): void {
  const total = (name: "received" | "accepted" | "duplicate" | "rejected" | "recorded") => {
    const values = board.rows.map((row) => row[name]).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
  };
  const say = (value: number | null) => (value === null ? "–" : page.number(value));
  const [accepted, recorded] = [total("accepted"), total("recorded")];
  const waiting = accepted === null || recorded === null ? null : Math.max(0, accepted - recorded);
  const sentences = [
    page.say("feeds.sum", {
      received: say(total("received")),
      accepted: say(accepted),
      duplicate: say(total("duplicate")),
      rejected: say(total("rejected")),
    }),
    waiting === null
      ? page.say("feeds.sum_unknown")
      : page.say(waiting ? "feeds.sum_waiting" : "feeds.sum_recorded", { n: page.number(waiting) }),
    ...board.away.map((what) => page.say(`feeds.away_${what}`)),
  ];
  const box = page.slot("sum");
  setText(box, sentences.join(page.lang === "zh" ? "" : " "));
  setAttribute(box, "data-away", board.away.length ? "yes" : null);
}

function sayUnread(page: Page, board: Board): void {
  const box = page.slot("sum");
  setText(box, page.say("feeds.unread", { at: page.time(board.now, "clock") }));
  setAttribute(box, "data-away", "yes");
}

function makeRow(): HTMLElement {
  const state = make("td", "state");
  const shape = makePart("shape", "dot");
  shape.setAttribute("aria-hidden", "true");
  state.append(shape, makePart("state"));
  const feed = make("td", "feed", makePart("feed"), makePart("key"));
  const numbers = ["received", "accepted", "duplicate", "rejected", "recorded", "per_minute"].map((name) => {
    const cell = make("td", `number ${name}`);
    cell.append(makePart(name));
    return cell;
  });
  const lag = make("td", "number lag", makePart("lag"), makePart("lag_highest"), makePart("fast_clock"));
  const heard = make("td", "heard", makePart("heard"), makePart("observed"));
  const hours = make("td", "hours");
  hours.innerHTML = '<svg viewBox="0 0 100 24" preserveAspectRatio="none" role="img"><path/></svg>';
  return make("tr", "", state, make("td", "sender", makePart("sender")), feed, ...numbers, lag, heard, hours);
}

function drawRow(page: Page, element: HTMLElement, row: Row, now: number): void {
  const say = (value: number | null, digits = 0) => (value === null ? "–" : page.number(value, digits));
  setAttribute(element, "data-state", row.state);
  setText(part(element, "shape"), FEED_SHAPES[row.state]);
  setAttribute(part(element, "shape"), "data-state", row.state);
  setText(part(element, "state"), page.sayName("feed_state", row.state));
  setText(part(element, "sender"), row.sender || page.say("feeds.nobody"));
  setText(part(element, "feed"), page.words(row.name));
  setText(part(element, "key"), row.feed);
  for (const name of ["received", "accepted", "duplicate", "rejected", "recorded"] as const)
    setText(part(element, name), say(row[name]));
  setText(part(element, "per_minute"), say(row.per_minute, (row.per_minute ?? 0) < 10 ? 1 : 0));
  setText(part(element, "lag"), row.lag ? saySeconds(page, row.lag.mean_s) : "–");
  setText(part(element, "lag_highest"), row.lag ? page.say("feeds.lag_highest", { n: saySeconds(page, row.lag.highest_s) }) : "");
  setText(part(element, "fast_clock"), row.fast_clock ? page.say("feeds.fast_clock", { n: page.number(row.fast_clock) }) : "");
  setText(part(element, "heard"), row.heard_at === null ? "–" : page.ago(Math.max(0, now - row.heard_at)));
  const limit = page.say("feeds.limit", { n: page.span(row.stale_after_s) });
  const observed = row.observed_at === null ? "" : page.say("feeds.observed", { at: page.time(row.observed_at, "moment") });
  setText(part(element, "observed"), row.state === "late" || row.state === "silent" ? limit : "");
  setAttribute(element.querySelector(".heard"), "title", [observed, limit].filter(Boolean).join(" · "));
  setAttribute(element, "data-refusing", row.rejected ? "yes" : null);
  setAttribute(element, "data-behind", (row.accepted ?? 0) > (row.recorded ?? Infinity) ? "yes" : null);
  const path = element.querySelector("path");
  const highest = Math.max(0, ...(row.hours ?? []));
  setAttribute(path, "d", highest ? tracePath(row.hours ?? []) : "");
  setAttribute(element.querySelector("svg"), "aria-label", page.say("feeds.hours_highest", { n: page.number(highest) }));
  setAttribute(element.querySelector(".hours"), "title", page.say("feeds.hours_highest", { n: page.number(highest) }));
}

/** Under a second in milliseconds, under two minutes in seconds, beyond that in one greater unit. */
function saySeconds(page: Page, seconds: number): string {
  if (seconds < 1) return `${page.number(seconds * 1000)} ms`;
  if (seconds < 120) return `${page.number(seconds, seconds < 10 ? 1 : 0)} s`;
  return page.span(seconds);
}

function makeWhy(): HTMLElement {
  const cell = make("td", "", makePart("why"));
  cell.colSpan = 12;
  return make("tr", "why", cell);
}

function drawWhy(page: Page, element: HTMLElement, row: Row, now: number): void {
  const list = part(element, "why");
  if (!list) return;
  syncList(
    list,
    row.reasons,
    (reason) => reason.field,
    () => make("span", "reason", makePart("count"), makePart("example"), makePart("at")),
    (line, reason) => {
      setText(part(line, "count"), page.say("feeds.refused", { n: page.number(reason.count) }));
      setText(part(line, "example"), reason.example);
      setText(part(line, "at"), page.shortTime(reason.at, now));
    },
  );
}
