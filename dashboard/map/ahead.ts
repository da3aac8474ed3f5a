// What a screen with a map asks for first, asked for while Dash still renders the page.

import { addressOf, PARTS } from "./geometry.ts";
import type { CountyInfo } from "./wire.ts";

let county: Promise<CountyInfo> | null = null;

/** Asks for the county, and for its places and geometry, which the browser then has when the map wants them. */
export function askAhead(): void {
  county = fetch("/api/county").then((answer) => {
    if (!answer.ok) throw new Error(`/api/county: ${answer.status}`);
    return answer.json() as Promise<CountyInfo>;
  });
  county.then(warm).catch(() => undefined); // who takes the county sees what went wrong, and asks again
}

/** Returns the county that was asked for ahead, to the first who wants it. */
export function takeCounty(): Promise<CountyInfo> | null {
  const asked = county;
  county = null;
  return asked;
}

function warm({ revision }: CountyInfo): void {
  for (const url of [`/api/places/${revision}`, ...PARTS.map((part) => addressOf(revision, part))])
    fetch(url).then((answer) => answer.arrayBuffer(), () => undefined);
}
