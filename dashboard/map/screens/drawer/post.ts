// Writing to our own server: with the token that a foreign page cannot know, and in a way that may be sent again.

/** What a request came to; status 0 where it did not reach the server or its answer was lost. */
export interface Answer {
  status: number;
  body: unknown;
}

/** Posts JSON; never throws: what came of it is in the answer. */
export async function postJson(url: string, body: unknown): Promise<Answer> {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", "x-csrf-token": readToken() },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: await answer.json().catch(() => null) };
  } catch (error) {
    console.warn(`${url}: no answer`, error);
    return { status: 0, body: null };
  }
}

/** Makes an id for something that may have to be sent again; works on plain http, where randomUUID does not. */
export function makeId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readToken(): string {
  return /(?:^|; )csrf=([0-9a-f]+)/.exec(document.cookie)?.[1] ?? "";
}
