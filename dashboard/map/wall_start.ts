// A wall's first page: takes the token out of its address, which no log sees, and begins. And the page that says calmly
// why a wall shows nothing: it waits until that has changed.

import { nameMachine } from "./machine.ts";
import { postJson } from "./screens/drawer/post.ts";

const AGAIN_MS = 5000;
const START = "/wall-start";
const message = document.querySelector("[data-slot=message]")!;
const texts = JSON.parse(document.body.dataset.texts ?? "{}") as Record<string, string>;
const WORDS: Record<number, string> = { 409: "taken", 410: "unknown" };

if (location.pathname === START) begin(location.hash.slice(1));
else setInterval(() => void lookAgain(), AGAIN_MS);

function begin(token: string): void {
  // Neither the history nor a passer-by who presses "back" gets it.
  history.replaceState(null, "", location.pathname + location.search);
  if (token) void start(token);
  else offerToStop();
}

async function start(token: string): Promise<void> {
  const { status } = await postJson(START, { token, machine: nameMachine() });
  if (status === 200) return location.replace(`/wall${location.search}`);
  say(WORDS[status] ?? "away");
  if (status !== 410) setTimeout(() => void start(token), AGAIN_MS);
}

function offerToStop(): void {
  say("no_token");
  const button = document.createElement("button");
  button.textContent = texts["wall_start.stop"] ?? "";
  button.addEventListener("click", async () => {
    const { status } = await postJson(START, { token: "", machine: nameMachine() });
    say(status === 204 ? "stopped" : "away");
    button.remove();
  });
  message.after(button);
}

async function lookAgain(): Promise<void> {
  const answer = await fetch("/api/wall").catch(() => null);
  if (answer?.ok) location.reload();
}

function say(word: string): void {
  message.textContent = texts[`wall_start.${word}`] ?? word;
}
