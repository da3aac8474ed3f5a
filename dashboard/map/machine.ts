// Which browser this is: one wall a token, so two machines must be told apart, and a reload must not be a second one.

import { makeId } from "./screens/drawer/post.ts";

let unkept = "";

/** Returns what this browser is known by, as long as its storage lives. */
export function nameMachine(): string {
  return keep("machine", makeId);
}

/** Returns what this browser keeps under a name, made where there is nothing yet. */
export function keep(name: string, make: () => string): string {
  try {
    const kept = localStorage.getItem(name) ?? make();
    localStorage.setItem(name, kept);
    return kept;
  } catch {
    return (unkept ||= make()); // no storage: known until the page is closed
  }
}
