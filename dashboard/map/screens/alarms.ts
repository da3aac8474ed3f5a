// Alarms on the wall: the panel of what stands, in a flood one line a cause, and the call above the map while a severe
// one waits for somebody. No names, no case's title: the live feed does not tell them.

import type { LiveFeed } from "../live.ts";
import type { Alarm, Words } from "../wire.ts";
import { isParked, make, makePart, makeSeverity, measureRows, part, type Page, setAttribute, setHidden, setText, showSeverity, syncList } from "./page.ts";

/** Severities I and II call for somebody at once. */
export const SEVERE = 2;

/** What an alarm is grouped by in a flood: its rule's cause, called as the rules of that cause. */
interface Group {
  key: string;
  zh: string;
  en: string;
}

const groupsOf = new WeakMap<Page, Record<string, Group>>();

/** One line of the panel: an alarm, or in a flood those of one cause. */
interface Line {
  key: string;
  severity: number;
  count: number;
  unacked: number;
  raisedAt: number;
  what: string;
  detail: string;
  state: string;
}

/** Returns the alarms that need somebody; those put aside are nobody's for now, and an exercise calls nobody. */
export function listStanding(feed: LiveFeed): Alarm[] {
  const now = feed.serverNow();
  return [...feed.state.alarms.values()].filter(({ shelved_until, exercise }) => !exercise && (shelved_until === null || shelved_until <= now));
}

/** Returns what an alarm is called, and of what thing and where it is. */
export function nameAlarm(page: Page, alarm: Alarm): { what: string; where: string[] } {
  const [what, place, thing] = page.lang === "en" ? [alarm.name_en, alarm.place_en, alarm.thing_en] : [alarm.name, alarm.place, alarm.thing];
  return { what, where: [place, thing].filter(Boolean) };
}

/** Returns by what an alarm is grouped; one that no rule of the county raised, by its name. */
export function groupOf(page: Page, alarm: Alarm): { key: string; name: Words } {
  let groups = groupsOf.get(page);
  if (!groups) groupsOf.set(page, (groups = JSON.parse(page.root.dataset.groups || "{}") as Record<string, Group>));
  const group = groups[alarm.rule ?? ""];
  return group ? { key: group.key, name: group } : { key: `name ${alarm.name}`, name: { zh: alarm.name, en: alarm.name_en } };
}

/** Shows as many lines as fit, the call, and how many there are of each severity. */
export function drawAlarms(page: Page, feed: LiveFeed): void {
  const standing = listStanding(feed);
  drawCall(page, feed, standing);
  const list = page.slot("alarms");
  if (!list) return;
  const lines = feed.state.flood ? listGroups(page, standing) : standing.map((alarm) => makeLine(page, alarm));
  lines.sort((a, b) => Number(!a.unacked) - Number(!b.unacked) || a.severity - b.severity || b.raisedAt - a.raisedAt || a.key.localeCompare(b.key));
  list.style.setProperty("--count", String(lines.length)); // the room that the panel asks for
  setAttribute(list, "data-empty", lines.length ? null : page.say("alarms.none"));
  setText(page.slot("alarms-flood"), feed.state.flood ? page.say("wall.alarms_flood") : "");
  drawCounts(page, standing);
  if (isParked(list)) return;
  // Whether a line below says how many more there are decides how many fit.
  const more = page.slot("alarms-more");
  const sayMore = (shown: number) => {
    const hidden = lines.slice(shown).reduce((sum, { count }) => sum + count, 0);
    setText(more, hidden ? page.say("wall.alarms_more", { n: page.number(hidden) }) : "");
  };
  sayMore(measureRows(list));
  const shown = measureRows(list);
  sayMore(shown);
  const now = feed.serverNow();
  syncList(
    list,
    lines.slice(0, shown),
    (line) => line.key,
    () => make("li", "alarm-row", make("div", "top", make("span", "severity"), makePart("what"), makePart("age")), make("div", "bottom", makePart("detail"), makePart("state"))),
    (row, line) => drawLine(page, row, line, now),
    "alike",
  );
}

function makeLine(page: Page, alarm: Alarm): Line {
  const { what, where } = nameAlarm(page, alarm);
  const state = page.sayName("alarms", `state_${alarm.state}`);
  return { key: String(alarm.id), severity: alarm.severity, count: 1, unacked: alarm.acked ? 0 : 1, raisedAt: alarm.raised_at ?? 0, what, detail: where.join(" · "), state };
}

/** One line a cause; a cause of one alarm is that alarm. */
function listGroups(page: Page, standing: Alarm[]): Line[] {
  const groups = new Map<string, { name: Words; members: Alarm[] }>();
  for (const alarm of standing) {
    const { key, name } = groupOf(page, alarm);
    const group = groups.get(key);
    if (group) group.members.push(alarm);
    else groups.set(key, { name, members: [alarm] });
  }
  return [...groups].map(([key, { name, members }]) => {
    if (members.length === 1) return makeLine(page, members[0]!);
    const unacked = members.filter(({ acked }) => !acked).length;
    return {
      key: `group ${key}`,
      severity: Math.min(...members.map(({ severity }) => severity)),
      count: members.length,
      unacked,
      raisedAt: Math.max(...members.map(({ raised_at }) => raised_at ?? 0)),
      what: page.words(name),
      detail: page.say("alarms.group", { n: page.number(members.length), unacked: page.number(unacked) }),
      state: "",
    };
  });
}

function drawLine(page: Page, row: HTMLElement, line: Line, now: number): void {
  showSeverity(page, row, line.severity);
  setAttribute(row, "data-unacked", line.unacked ? "" : null);
  setText(part(row, "what"), line.what);
  setText(part(row, "age"), line.raisedAt ? page.span(Math.max(0, now - line.raisedAt)) : "");
  setText(part(row, "detail"), line.detail);
  setText(part(row, "state"), line.state);
}

function drawCounts(page: Page, standing: Alarm[]): void {
  const box = page.slot("alarm-counts");
  if (!box) return;
  const counts = [1, 2, 3, 4].map((severity) => ({ severity, count: standing.filter((one) => one.severity === severity).length }));
  syncList(
    box,
    counts.filter(({ count }) => count > 0),
    ({ severity }) => String(severity),
    ({ severity }) => make("li", "", makeSeverity(page, severity), makePart("count")),
    (item, { count }) => setText(part(item, "count"), page.number(count)),
  );
}

/** The worst severe alarm that holds and that nobody has acknowledged, in every scene until somebody does. */
function drawCall(page: Page, feed: LiveFeed, standing: Alarm[]): void {
  const call = page.slot("alarm-call");
  if (!call) return;
  const waiting = standing.filter(({ severity, state }) => severity <= SEVERE && state === "unacked");
  const worst = waiting.sort((a, b) => a.severity - b.severity || (b.raised_at ?? 0) - (a.raised_at ?? 0) || a.id - b.id)[0];
  setHidden(call, !worst);
  if (!worst) return;
  if (!call.firstElementChild) call.append(make("span", "severity"), makePart("what"), makePart("where"), makePart("age"), makePart("others"));
  showSeverity(page, call, worst.severity);
  const { what, where } = nameAlarm(page, worst);
  setText(part(call, "what"), what);
  setText(part(call, "where"), where.join(" · "));
  setText(part(call, "age"), worst.raised_at === null ? "" : page.span(Math.max(0, feed.serverNow() - worst.raised_at)));
  setText(part(call, "others"), waiting.length > 1 ? page.say("wall.alarm_call_more", { n: page.number(waiting.length - 1) }) : "");
}
