// A new release of the product: a wall, which nobody touches, takes it by itself once the server says that it runs.

import type { LiveFeed } from "../live.ts";
import { reloadOnce } from "../reload.ts";
import type { Page } from "./page.ts";

/** Loads the page anew when the server runs another release than the page was made by. */
export function followRelease(page: Page, feed: LiveFeed): void {
  feed.subscribe(({ release }) => {
    if (release && release !== page.root.dataset.release) reloadOnce("release", release);
  });
}
