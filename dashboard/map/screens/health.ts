// The panel of data health: every feed with its state in words, its newest data and its last sign of life.

import type { LiveFeed } from "../live.ts";
import { FEED_SHAPES } from "./header.ts";
import { isParked, make, makePart, type Page, part, setAttribute, setText, syncList } from "./page.ts";

/** Shows every feed, the worst first. */
export function drawHealth(page: Page, feed: LiveFeed): void {
  const list = page.slot("health");
  if (!list || isParked(list)) return;
  const now = feed.serverNow();
  const order = ["silent", "late", "ok", "never"];
  const feeds = [...feed.state.feeds.values()].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const since = (at: number | null) => (at === null ? "–" : page.ago(now - at));
  syncList(
    list,
    feeds,
    (one) => one.key,
    () => make("li", "feed", makePart("shape", "dot"), makePart("name"), makePart("state"), makePart("newest"), makePart("received")),
    (row, one) => {
      setAttribute(row, "data-state", one.state);
      setText(part(row, "shape"), FEED_SHAPES[one.state]);
      setAttribute(part(row, "shape"), "data-state", one.state);
      setText(part(row, "name"), page.nameFeed(one.key));
      setText(part(row, "state"), page.sayName("feed_state", one.state));
      setText(part(row, "newest"), since(one.newest_at));
      setText(part(row, "received"), page.say("wall.health_received", { n: page.number(one.received) }));
    },
  );
}
