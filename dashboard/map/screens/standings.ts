// Performance on the wall: the towns by score with how their rank moved, and the county's main rates, as of a full hour.

import { readJson } from "../answers.ts";
import type { LiveFeed } from "../live.ts";
import { fitRows, isParked, make, makePart, type Page, part, setAttribute, setText, syncList } from "./page.ts";

/** What `/api/wall/standing` answers (dashboard/standings.py). */
interface Standing {
  as_of: number;
  days: number;
  towns: { town: string; score: number | null; risen: number | null }[];
  rates: { rule: string; value: number | null; numerator: number; denominator: number }[];
}

const ASK_EVERY_MS = 60_000;
/** A standing is made each hour; one that is older by so much was not renewed. */
const OLD_AFTER_S = 2 * 3600;

export interface Standings {
  /** Draws what is known, and asks for it first where it is shown and not known or not fresh. */
  draw(): void;
}

/** Keeps the panels of performance; nothing is asked while neither of them shows. */
export function followStandings(page: Page, feed: LiveFeed): Standings {
  const [scores, rates] = [page.slot("town_scores"), page.slot("county_rates")];
  let standing: Standing | null = null;
  let askAgainAt = -Infinity;

  const ask = async (): Promise<void> => {
    askAgainAt = Infinity; // the first answer of an hour may take a while
    try {
      standing = (await readJson("/api/wall/standing")) as Standing;
    } catch (error) {
      console.warn("standings:", error); // what is shown stays, and says how old it is
    }
    askAgainAt = performance.now() + ASK_EVERY_MS;
    draw();
  };
  const draw = (): void => {
    const shown = [scores, rates].filter((list) => list !== null && !isParked(list)) as HTMLElement[];
    if (shown.length === 0) return;
    if (performance.now() >= askAgainAt) void ask();
    for (const list of shown) {
      sayAge(page, list, standing, feed.serverNow());
      setAttribute(list, "data-empty", sayEmpty(page, list === scores, standing));
    }
    if (standing && shown.includes(scores!)) drawScores(page, scores!, standing);
    if (standing && shown.includes(rates!)) drawRates(page, rates!, standing);
  };
  return { draw };
}

function sayAge(page: Page, list: HTMLElement, standing: Standing | null, now: number): void {
  const at = standing && page.shortTime(standing.as_of, now);
  const words = standing ? page.say("wall.standing_of", { days: standing.days, at: at! }) : "";
  setText(list.parentElement!.querySelector("h2 small"), words);
  const isOld = standing !== null && now - standing.as_of > OLD_AFTER_S;
  setAttribute(list.parentElement, "data-stale", isOld ? page.say("wall.standing_old", { at: at! }) : null);
}

/** Returns what stands in place of a list without rows; null where there are some. */
function sayEmpty(page: Page, isScores: boolean, standing: Standing | null): string | null {
  if (!standing) return page.say("wall.standing_awaited");
  const rows = isScores ? standing.towns : listRates(standing);
  return rows.length ? null : page.say("common.no_data");
}

/** Ten rates of nothing are no news. */
function listRates({ rates }: Standing): Standing["rates"] {
  return rates.some(({ denominator }) => denominator > 0) ? rates : [];
}

function drawScores(page: Page, list: HTMLElement, standing: Standing): void {
  syncList(
    list,
    standing.towns.slice(0, fitRows(list)),
    (one) => one.town,
    () => make("li", "rank", makePart("place"), makePart("moved"), makePart("name"), makePart("bar", "bar"), makePart("value")),
    (row, one) => {
      const place = standing.towns.findIndex((other) => other.score === one.score) + 1;
      setText(part(row, "place"), one.score === null ? "–" : String(place));
      setText(part(row, "moved"), sayMove(page, one.risen));
      setAttribute(part(row, "moved"), "data-moved", one.risen === null ? null : String(Math.sign(one.risen)));
      setText(part(row, "name"), page.nameTown(one.town));
      setText(part(row, "value"), one.score === null ? "–" : page.number(one.score, 1));
      setAttribute(part(row, "bar"), "style", `--share: ${((one.score ?? 0) / 100).toFixed(3)}`);
    },
  );
}

function sayMove(page: Page, risen: number | null): string {
  if (risen === null) return "";
  if (risen === 0) return page.say("wall.same_rank");
  return page.say(risen > 0 ? "wall.risen" : "wall.fallen", { n: Math.abs(risen) });
}

function drawRates(page: Page, list: HTMLElement, standing: Standing): void {
  syncList(
    list,
    listRates(standing).slice(0, fitRows(list)),
    (one) => one.rule,
    () => make("li", "rank", makePart("name"), makePart("bar", "bar"), makePart("value"), makePart("sum")),
    (row, one) => {
      setText(part(row, "name"), page.say(`wall.rate_${one.rule}`));
      setText(part(row, "value"), one.value === null ? "–" : `${page.number(one.value, 1)} %`);
      setText(part(row, "sum"), `${page.number(one.numerator)} / ${page.number(one.denominator)}`);
      setAttribute(part(row, "bar"), "style", `--share: ${((one.value ?? 0) / 100).toFixed(3)}`);
    },
  );
}
