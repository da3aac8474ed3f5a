// How a page of the field is kept for when there is no network; the page and its service worker must agree.

/** The pages that open without a network, each with those words of its address that change what it shows. */
export const PAGES = { "/report": ["as", "lang"], "/tasks": ["area", "lang"] };
export type Page = keyof typeof PAGES;

/** Returns the address under which a page is kept: without the words that do not change it. */
export function addressPage(page: Page, url: URL): string {
  const told = [...url.searchParams].filter(([name, value]) => value && PAGES[page].includes(name)).sort();
  return `${page}?${new URLSearchParams(told)}`;
}

/** Returns how the names of a page's caches begin; what follows is a version. */
export function nameCaches(page: Page): string {
  return `county-brain-${page.slice(1)}-`;
}

/** Throws away what is kept of a page, but not what waits in its box. */
export async function forget(page: Page): Promise<void> {
  if (!("caches" in globalThis)) return; // not on plain http
  for (const name of await caches.keys()) if (name.startsWith(nameCaches(page))) await caches.delete(name);
}

/** Hands the service worker the list of what this page needs, and asks the browser not to throw boxes away. */
export async function keepForOffline(page: Page, version: string, files: string[]): Promise<void> {
  void navigator.storage?.persist?.();
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register(`/report/worker.js?v=${version}`, { scope: page });
    const { active } = await navigator.serviceWorker.ready;
    // This very page, too: it was loaded before there was a service worker to see it.
    active?.postMessage({ keep: [...files, addressPage(page, new URL(location.href))] });
    document.body.dataset["kept"] = "";
  } catch {
    // Without it the page works as long as it is open.
  }
}
