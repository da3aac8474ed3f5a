// Who is on duty now, in the desk's header; it leads to the hand-over.

import { readJson } from "../answers.ts";
import type { Page } from "./page.ts";
import { setAttribute, setText } from "./page.ts";

const READ_EVERY_MS = 60_000;
const GIVE_UP_MS = 8000;

interface Turn {
  name: { zh: string; en: string };
  people: { title: string }[];
}

/** Keeps the place for who is on duty true while the desk is open; what cannot be read stays as it was. */
export function followRoster(page: Page): void {
  const place = page.slot("on-duty");
  if (!place) return;
  const draw = async () => {
    try {
      const { now } = (await readJson("/api/roster?days=1", AbortSignal.timeout(GIVE_UP_MS))) as { now: Turn };
      const who = now.people.map((one) => one.title).join(page.lang === "zh" ? "、" : ", ");
      const shift = page.words(now.name);
      setText(place, who ? page.say("common.on_duty", { shift, who }) : page.say("common.nobody_on_duty", { shift }));
      setAttribute(place, "title", page.say("common.page_handover"));
    } catch (error) {
      console.warn("the roster cannot be read", error);
    }
  };
  void draw();
  const timer = setInterval(() => (page.root.isConnected ? void draw() : clearInterval(timer)), READ_EVERY_MS);
}
