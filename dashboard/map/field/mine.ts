// "My reports": what waits, what was sent and what was refused, each with what can be done about it.

import type { Report } from "./reports.ts";
import { hasWord, lang, make, say, showTime } from "./words.ts";

export interface Deeds {
  send(): void;
  change(report: Report): void;
  remove(report: Report): void;
}

const SHOWN_AT_ONCE = 3;
const SHAPES = { waiting: "◔", sent: "✓", refused: "✕", draft: "" };

/** Fills an element with the reports but drafts, the newest first; hides it where there are none. */
export function showMine(root: HTMLElement, reports: Report[], deeds: Deeds): void {
  const told = reports.filter(({ state }) => state !== "draft");
  root.hidden = told.length === 0;
  // What still needs somebody or the network is never folded away.
  const pressing = told.filter(({ state }) => state !== "sent");
  const shown = [...pressing, ...told.filter(({ state }) => state === "sent").slice(0, Math.max(1, SHOWN_AT_ONCE - pressing.length))];
  const rest = told.filter((report) => !shown.includes(report));
  const cards = shown.map((report) => makeCard(report, deeds));
  if (rest.length) {
    const older = make("details", {}, make("summary", {}, say("report.older", { n: rest.length })));
    older.append(...rest.map((report) => makeCard(report, deeds)));
    cards.push(older);
  }
  // A card that is drawn anew keeps the focus, or a screen reader would be thrown out of it.
  const focused = document.activeElement?.closest<HTMLElement>(".report")?.dataset["id"];
  root.replaceChildren(...cards);
  if (focused) root.querySelector<HTMLElement>(`.report[data-id="${focused}"]`)?.focus({ preventScroll: true });
}

function makeCard(report: Report, deeds: Deeds): HTMLElement {
  const state = make("p", { class: "state" }, make("i", { "aria-hidden": "true" }, SHAPES[report.state]), say(`report.state_${report.state}`));
  const what = make("p", { class: "what" }, [report.category_name, report.place?.name].filter(Boolean).join(" · "));
  const card = make("article", { class: "report", "data-state": report.state, "data-id": report.id, tabindex: "-1" }, state, what);
  card.append(make("p", { class: "when" }, showTime(report.made_at)));
  if (report.state === "sent") card.append(describeSent(report));
  else if (report.reason) card.append(make("p", { class: "why" }, sayReason(report.reason)));
  card.append(makeDeeds(report, deeds));
  return card;
}

/** Returns a reason in words; one that the catalogue lacks is said in general. */
export function sayReason(reason: string): string {
  return say(hasWord(`report.${reason}`) ? `report.${reason}` : "report.refused_unreadable");
}

function describeSent({ number = "", code = "" }: Report): HTMLElement {
  return make(
    "dl",
    { class: "receipt" },
    make("div", {}, make("dt", {}, say("report.number")), make("dd", {}, number)),
    make("div", {}, make("dt", {}, say("report.code")), make("dd", {}, code)),
  );
}

function makeDeeds(report: Report, deeds: Deeds): HTMLElement {
  const button = (word: string, deed: () => void, look = "") => {
    const made = make("button", { type: "button", class: look }, say(word));
    made.addEventListener("click", deed);
    return made;
  };
  const row = make("div", { class: "deeds" });
  const remove = (word: string) => button(word, () => deeds.remove(report), "plain");
  switch (report.state) {
    case "sent":
      row.append(make("a", { class: "button", href: addressStatus(report) }, say("report.look_up")), remove("report.forget"));
      break;
    case "refused":
      row.append(button("report.change", () => deeds.change(report)), remove("report.discard"));
      break;
    default:
      // It may have arrived, with the answer lost on the way: changed, it would be taken for the same.
      if (report.reason === "sign_in_again")
        row.append(make("a", { class: "button", href: `/login?lang=${lang}&next=/report` }, say("report.log_in")));
      row.append(button("report.send_now", deeds.send), remove("report.discard"));
  }
  return row;
}

/** Number and code stand after the #, which is not sent to any server. */
function addressStatus({ number = "", code = "" }: Report): string {
  return `/status?lang=${lang}#${new URLSearchParams({ number, code })}`;
}
