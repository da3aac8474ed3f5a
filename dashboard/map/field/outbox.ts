// What leaves a box by itself while the page is open: at once, after a pause, when there is a network again, when the page
// is looked at again; and with the page closed where the browser wakes the service worker.

import type { Box, Kept } from "./box.ts";
import type { Page } from "./kept.ts";
import { type Deliver, sendWaiting } from "./sending.ts";

export interface Outbox {
  /** Sends what waits now. */
  send(): Promise<void>;
}

/** Watches over a page's box; `changed` is called whenever the page should show it anew. */
export function watchBox<T extends Kept>(page: Page, box: Box<T>, deliver: Deliver<T>, changed: () => Promise<void>): Outbox {
  let retry: ReturnType<typeof setTimeout> | undefined;
  const send = async () => {
    clearTimeout(retry);
    const { again_s } = await sendWaiting(box, deliver, () => void changed());
    await changed();
    if (again_s === null) return;
    retry = setTimeout(() => void send(), again_s * 1000);
    const registration = (await navigator.serviceWorker?.getRegistration(page)) as
      | (ServiceWorkerRegistration & { sync?: { register(tag: string): Promise<void> } })
      | undefined;
    await registration?.sync?.register(box.kind).catch(() => undefined);
  };
  addEventListener("online", () => void send());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void send();
  });
  navigator.serviceWorker?.addEventListener("message", () => void changed());
  return { send };
}

/** Shows a line while there is no network. */
export function tellConnection(line: HTMLElement, offline: string): void {
  const tell = () => {
    line.hidden = navigator.onLine;
    line.textContent = navigator.onLine ? "" : offline;
  };
  addEventListener("offline", tell);
  addEventListener("online", tell);
  tell();
}
