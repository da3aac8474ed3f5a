// Warnings in force: the wall's panel and the desk's bar. The worst come first, exercises last and marked as such.

import type { LiveFeed } from "../live.ts";
import type { Alert } from "../wire.ts";
import type { Page } from "./page.ts";
import { make, makePart, makeSeverity, part, setAttribute, setHidden, setText, syncList } from "./page.ts";

/** More than this would push the cases off the wall; how many more there are is said. */
const ROWS = 3;

/** Shows the worst warnings in the wall's panel, which is not there while there are none. */
export function drawAlerts(page: Page, feed: LiveFeed): void {
  const panel = page.slot("alerts-panel");
  const list = page.slot("alerts");
  if (!panel || !list) return;
  const alerts = rankAlerts(feed);
  syncList(
    list,
    alerts.slice(0, ROWS),
    (one) => String(one.id),
    (one) => makeRow(page, one),
    (row, one) => setText(part(row, "until"), sayEnd(page, one, feed.serverNow())),
  );
  const more = alerts.length - ROWS;
  setText(page.slot("alerts-more"), more > 0 ? page.say("alert.more", { n: more }) : "");
  setHidden(panel, alerts.length === 0);
}

/** Shows every warning as a button in the desk's bar. */
export function drawAlertBar(page: Page, feed: LiveFeed, chosen: number | null, choose: (id: number) => void): void {
  const bar = page.slot("alert-bar");
  const list = page.slot("alerts");
  if (!bar || !list) return;
  const alerts = rankAlerts(feed);
  syncList(
    list,
    alerts,
    (one) => String(one.id),
    (one) => {
      const button = make("button", "", ...makeTitle(page, one), makePart("until"));
      button.type = "button";
      button.addEventListener("click", () => choose(one.id));
      return mark(make("li", "alert", button), one);
    },
    (row, one) => {
      setText(part(row, "until"), sayUntil(page, one, feed.serverNow()));
      setAttribute(row.firstElementChild, "aria-pressed", String(one.id === chosen));
    },
  );
  setHidden(bar, alerts.length === 0);
}

/** Returns until when a warning counts, and from when if that is still to come. */
export function sayUntil(page: Page, alert: Pick<Alert, "begins_at" | "ends_at">, now: number): string {
  const end = sayEnd(page, alert, now);
  if (alert.begins_at <= now) return end;
  return `${page.say("alert.from", { at: page.shortTime(alert.begins_at, now) })} ${end}`;
}

function sayEnd(page: Page, { ends_at }: Pick<Alert, "ends_at">, now: number): string {
  return ends_at === null ? page.say("alert.open_end") : page.say("alert.until", { at: page.shortTime(ends_at, now) });
}

/** Makes the badge that nobody can overlook, and nothing for a real warning. */
export function makeDrill(page: Page, alert: { exercise: boolean }): HTMLElement[] {
  return alert.exercise ? [make("span", "drill", page.say("alert.exercise"))] : [];
}

function rankAlerts(feed: LiveFeed): Alert[] {
  return [...feed.state.alerts.values()].sort(
    (a, b) => Number(a.exercise) - Number(b.exercise) || a.level - b.level || b.sent_at - a.sent_at || a.id - b.id,
  );
}

function makeRow(page: Page, alert: Alert): HTMLElement {
  const [area, issuer] = page.lang === "en" ? [alert.area_en, alert.issuer_en] : [alert.area, alert.issuer];
  const top = make("div", "top", ...makeTitle(page, alert), makePart("until"));
  const bottom = make("div", "bottom", make("span", "area", area), make("span", "issuer", issuer));
  return mark(make("li", "alert", top, bottom), alert);
}

function makeTitle(page: Page, alert: Alert): HTMLElement[] {
  const event = make("span", "event", (page.lang === "en" && alert.event_en) || alert.event);
  return [...makeDrill(page, alert), makeSeverity(page, alert.level, "alert_level"), event];
}

function mark(row: HTMLElement, alert: Alert): HTMLElement {
  row.dataset.level = String(alert.level);
  if (alert.exercise) row.dataset.exercise = "";
  return row;
}
