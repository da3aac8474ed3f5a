// The header of every screen: clock, age of the data, feeds, origin of the data, connection.

import { isHeard, type LiveFeed } from "../live.ts";
import type { FeedHealth } from "../wire.ts";
import type { Page } from "./page.ts";
import { make, makePart, part, setAttribute, setHidden, setText, syncList } from "./page.ts";

export const FEED_SHAPES = { ok: "●", late: "◐", silent: "○", never: "–" } as const;

/** Keeps a screen's header true, once a second and on every change of the connection; returns how to stop. */
export function followHeader(page: Page, feed: LiveFeed): () => void {
  let away: number | null = null;
  const draw = () => {
    drawClock(page, feed);
    drawOrigin(page, feed);
    drawConnection(page, feed, away);
    drawFeeds(page, feed);
    drawAges(page, feed);
  };
  draw();
  const stop = feed.subscribe((frame, kind) => {
    const before = away;
    if (frame.stream) away = frame.stream === "away" ? (away ?? frame.now ?? feed.serverNow()) : null;
    if (kind === "connection" || kind === "snapshot" || away !== before) draw();
  });
  const timer = setInterval(draw, 1000);
  return () => {
    clearInterval(timer);
    stop();
  };
}

function drawClock(page: Page, feed: LiveFeed): void {
  const clock = page.slot("clock");
  if (!clock) return;
  if (!clock.firstElementChild) clock.append(makePart("date"), makePart("weekday"), makePart("time"));
  const now = feed.serverNow();
  setText(part(clock, "date"), page.time(now, "date"));
  setText(part(clock, "weekday"), page.time(now, "weekday"));
  setText(part(clock, "time"), page.time(now, "clock"));
}

function drawOrigin(page: Page, feed: LiveFeed): void {
  const badge = page.slot("origin");
  const origin = feed.state.origin;
  if (!badge || !origin) return;
  setText(badge, page.say(`common.${origin}`));
  setAttribute(badge, "data-origin", origin);
  badge.hidden = false;
}

/** `away`: since when the server itself hears nothing new; null while it does. */
function drawConnection(page: Page, feed: LiveFeed, away: number | null): void {
  const asOf = feed.state.asOf;
  const at = asOf === null ? "–" : page.shortClock(asOf, feed.serverNow());
  setText(page.slot("as-of"), page.say("common.data_as_of", { at }));
  const { state, since } = feed.connection;
  const lost = state === "lost";
  setAttribute(page.root, "data-connection", state);
  const word = state === "live" ? "connected" : "connecting";
  setText(page.slot("connection"), lost ? "" : page.say(`common.${word}`));
  const banner = page.slot("lost");
  if (!banner) return;
  const [message, from] = lost ? ["lost", since] : ["away", away];
  if (from !== null) {
    const moment = page.shortClock(from, feed.serverNow());
    setText(banner, `${page.say(`common.${message}`, { at: moment })} — ${page.say("common.lost_hint")}`);
  }
  setHidden(banner, from === null || (!lost && state !== "live"));
}

function listFeeds(feed: LiveFeed): FeedHealth[] {
  return [...feed.state.feeds.values()];
}

function drawFeeds(page: Page, feed: LiveFeed): void {
  const box = page.slot("feeds");
  if (!box) return;
  if (!box.firstElementChild) {
    const dots = makePart("dots");
    dots.setAttribute("role", "img");
    box.append(make("span", "label", page.say("common.feeds")), dots, makePart("sum"));
  }
  const all = listFeeds(feed).filter((one) => one.state !== "never");
  const dots = part(box, "dots");
  if (!dots) return;
  syncList(
    dots,
    all,
    (one) => one.key,
    () => make("i", "dot"),
    (dot, one) => {
      setText(dot, FEED_SHAPES[one.state]);
      setAttribute(dot, "data-state", one.state);
      setAttribute(dot, "title", `${page.nameFeed(one.key)} ${page.sayName("feed_state", one.state)}`);
    },
  );
  const ok = all.filter((one) => one.state === "ok").length;
  const words = all.map((one) => `${page.nameFeed(one.key)} ${page.sayName("feed_state", one.state)}`);
  setAttribute(dots, "aria-label", words.join(", "));
  const silent = all.filter((one) => one.state === "silent").map((one) => page.nameFeed(one.key));
  const summary = all.length ? page.say("common.feed_summary", { ok, all: all.length }) : page.say("common.feed_none");
  const names = silent.join(page.say("common.comma"));
  setText(part(box, "sum"), names ? `${summary} · ${page.say("common.feed_silent", { feeds: names })}` : summary);
}

/** The list of feeds with the age of each, the dimming of every panel whose feed is silent, and the mark of one that nobody ever sent. */
function drawAges(page: Page, feed: LiveFeed): void {
  const now = feed.serverNow();
  const list = page.slot("ages");
  if (list)
    syncList(
      list,
      listFeeds(feed),
      (one) => one.key,
      () => make("li", "feed-age", makePart("shape", "dot"), makePart("name"), makePart("age"), makePart("state")),
      (row, one) => {
        setAttribute(row, "data-state", one.state);
        setText(part(row, "shape"), FEED_SHAPES[one.state]);
        setAttribute(part(row, "shape"), "data-state", one.state);
        setText(part(row, "name"), page.nameFeed(one.key));
        setText(part(row, "age"), one.newest_at ? page.span(now - one.newest_at) : "–");
        setText(part(row, "state"), page.sayName("feed_state", one.state));
      },
    );
  for (const panel of page.root.querySelectorAll<HTMLElement>("[data-feed]")) {
    const key = panel.dataset.feed ?? "";
    const health = feed.state.feeds.get(key);
    const stale = health?.state === "silent" && health.newest_at;
    const since = stale ? page.say("common.stale_since", { at: page.shortTime(health.newest_at ?? 0, now) }) : null;
    setAttribute(panel, "data-stale", since);
    setAttribute(panel, "data-unheard", isHeard(feed, key) ? null : "");
  }
}
