// The page loads itself anew when what it was made of has changed.

/** Loads the page anew, once for each value of a thing: if that did not help, doing it again would not either. */
export function reloadOnce(thing: "revision" | "release", value: string): void {
  if (sessionStorage.getItem(thing) === value) return;
  sessionStorage.setItem(thing, value);
  location.reload();
}
