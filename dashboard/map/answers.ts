// What addresses of our own answer; some are asked while Dash still renders the page.

const asked = new Map<string, Promise<unknown>>();

/** Asks an address ahead: the first who reads it gets what it answered. Nobody need wait for it, nor for its failure. */
export function askAhead(url: string): Promise<unknown> {
  const answer = fetchJson(url);
  answer.catch(() => asked.delete(url)); // who reads it then asks anew, and sees what is wrong
  asked.set(url, answer);
  return answer;
}

/** Returns what an address of our own answers; throws on anything but success. */
export function readJson(url: string, signal?: AbortSignal): Promise<unknown> {
  const answer = asked.get(url) ?? fetchJson(url, signal);
  asked.delete(url);
  return answer;
}

async function fetchJson(url: string, signal?: AbortSignal): Promise<unknown> {
  const answer = await fetch(url, { headers: { accept: "application/json" }, signal });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}
