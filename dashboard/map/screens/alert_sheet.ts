// One warning in full, in the desk's drawer: what is said, what to do, where, until when and by whom.

import { readJson } from "../answers.ts";
import type { LiveFeed } from "../live.ts";
import { makeDrill, sayUntil } from "./alerts.ts";
import type { Drawer } from "./drawer.ts";
import type { Page } from "./page.ts";
import { make, makeSeverity } from "./page.ts";

/** What /api/alerts/{id} answers. */
interface AlertDetail {
  id: number;
  level: number;
  exercise: boolean;
  event: string;
  headline: string;
  description: string;
  instruction: string;
  area: string;
  issuer: string;
  contact: string;
  web: string;
  severity: string;
  urgency: string;
  certainty: string;
  identifier: string;
  identified: string | null;
  identified_at: number | null;
  sent_at: number;
  begins_at: number;
  ends_at: number | null;
  touches_county: boolean | null;
}

/** Shows one warning at a time, and says so when it counts no more. */
export class AlertSheet {
  shown: number | null = null;

  constructor(
    private readonly page: Page,
    private readonly feed: LiveFeed,
    private readonly drawer: Drawer,
  ) {
    feed.subscribe((_, kind) => {
      if (this.shown === null || kind === "beat" || feed.state.alerts.has(this.shown)) return;
      this.shown = null;
      drawer.present(make("p", "hint", page.say("alert.over")));
    });
  }

  async show(id: number): Promise<void> {
    this.shown = id;
    try {
      const detail = (await readJson(`/api/alerts/${id}?lang=${this.page.lang}`)) as AlertDetail;
      if (this.shown === id) this.drawer.present(...this.draw(detail));
    } catch (error) {
      console.warn("the warning cannot be read", error);
      if (this.shown === id) this.drawer.present(make("p", "hint", this.page.say("common.unavailable")));
    }
  }

  private draw(alert: AlertDetail): HTMLElement[] {
    const { page } = this;
    const now = this.feed.serverNow();
    const head = make("div", "drawer-head alert", makeSeverity(page, alert.level, "alert_level"), make("span", "state", sayUntil(page, alert, now)));
    if (alert.exercise) head.dataset.exercise = "";
    const identified = [alert.identified, alert.identified_at && page.shortClock(alert.identified_at, now)].filter(Boolean).join(" · ");
    const facts: [string, string | null][] = [
      ["area", alert.area || null],
      ["undrawn", alert.touches_county === null ? page.say("alert.undrawn_why") : null],
      ["issuer", alert.issuer],
      ["sent", page.shortTime(alert.sent_at, now)],
      ["begins", page.shortTime(alert.begins_at, now)],
      ["ends", alert.ends_at === null ? page.say("alert.open_end") : page.shortTime(alert.ends_at, now)],
      ["severity", page.sayName("cap_word", alert.severity)],
      ["urgency", page.sayName("cap_word", alert.urgency)],
      ["certainty", page.sayName("cap_word", alert.certainty)],
      ["contact", alert.contact],
      ["web", alert.web],
      ["identifier", alert.identifier],
      ["identified", identified],
    ];
    const rows = facts.flatMap(([key, value]) => (value ? [make("dt", "", page.say(`alert.${key}`)), make("dd", "", value)] : []));
    return [
      ...(alert.exercise ? [make("p", "drill-note", ...makeDrill(page, alert), page.say("alert.exercise_note"))] : []),
      head,
      make("h2", "", alert.headline || alert.event),
      ...this.makeText("description", alert.description),
      ...this.makeText("instruction", alert.instruction),
      make("section", "", make("h3", "", page.say("drawer.facts")), make("dl", "facts", ...rows)),
    ];
  }

  private makeText(key: string, text: string): HTMLElement[] {
    if (!text) return [];
    return [make("section", "", make("h3", "", this.page.say(`alert.${key}`)), make("p", "alert-text", text))];
  }
}
