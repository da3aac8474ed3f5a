// Under what address the report page is kept for when there is no network: the page and its service worker must agree.

/** Returns the address without what does not change the page: `as` and `lang` do. */
export function addressPage(url: URL): string {
  const told = [...url.searchParams].filter(([name]) => name === "as" || name === "lang").sort();
  return `/report?${new URLSearchParams(told)}`;
}
