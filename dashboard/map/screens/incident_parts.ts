// The parts of an incident as the wall and its own page draw them: units with clocks, ladder, forces, alarms, log.

import type { Incident, IncidentCall, IncidentClock, IncidentLine, IncidentRung } from "../wire.ts";
import { makeDrill } from "./alerts.ts";
import { colourOf, sayClock } from "./desk/clock.ts";
import { make, makePart, makeSeverity, type Page, part, setAttribute, setText, showSeverity, syncList } from "./page.ts";

/** How far around the place alarms are looked for (brain/incidents.py). */
const AROUND_KM = 2;
const KM_FROM_M = 1000;

/** How much of a part there is room for; where it is tight, the end of the log must be seen, and words are few. */
export interface Room {
  rows(list: HTMLElement): number;
  isTight: boolean;
}

/** Draws all parts of an incident but its head, as of a moment (epoch seconds). */
export function drawParts(page: Page, incident: Incident, now: number, room: Room): void {
  drawCalls(page, incident, now, room);
  drawLadder(page, incident, now, room);
  drawForces(page, incident, room);
  drawAlarms(page, incident, now, room);
  drawLog(page, incident, now, room);
}

/** Draws what, where and since when; the clock of an incident that stands counts on. */
export function drawHead(page: Page, box: HTMLElement, incident: Incident, now: number, ...more: (Node | string)[]): void {
  const key = `${incident.case_id} ${incident.severity} ${incident.category}`;
  if (box.dataset.key !== key) {
    box.dataset.key = key;
    const top = make("div", "top", ...makeDrill(page, incident), makeSeverity(page, incident.severity), makePart("standing"));
    const title = make("h3", "class", page.nameCategory(incident.category));
    const running = make("div", "running", makePart("word"), makePart("elapsed"));
    box.replaceChildren(top, title, makePart("place"), running, makePart("since"), makePart("whole"), ...more);
    setAttribute(box, "data-severity", String(incident.severity));
  }
  const { begun_at, ended_at } = incident;
  setAttribute(box, "data-over", ended_at === null ? null : "");
  setText(part(box, "standing"), page.say(ended_at === null ? "incident.running" : "incident.over"));
  setText(part(box, "place"), page.namePlace(incident.cell));
  setText(part(box, "word"), page.say(ended_at === null ? "incident.elapsed" : "incident.lasted"));
  setText(part(box, "elapsed"), countElapsed(page, (ended_at ?? now) - begun_at));
  const begun = page.say("incident.since", { at: page.shortTime(begun_at, now) });
  const since = [begun, nameActor(page, incident.begun_by)].filter(Boolean).join(" · ");
  const reported = page.say("incident.reported", { at: page.shortTime(incident.reported_at, now) });
  const until = ended_at === null ? [] : [page.say("incident.until", { at: page.shortTime(ended_at, now) })];
  setText(part(box, "since"), [reported, since, ...until].join(page.lang === "zh" ? "，" : ", "));
  showClock(page, part(box, "whole"), incident.clock, now, page.say("incident.whole"));
}

function drawCalls(page: Page, { calls }: Incident, now: number, room: Room): void {
  const list = page.slot("incident_calls");
  if (!list) return;
  syncList(
    list,
    fit(list, [...calls].sort((a, b) => rank(a) - rank(b)), room),
    (call) => `${call.unit} ${call.since}`,
    () => make("li", "call", makePart("unit"), makePart("clock"), makePart("part"), makePart("at")),
    (row, call) => drawCall(page, row, call, now),
  );
  const working = calls.filter(({ done_at }) => done_at === null).length;
  setText(page.slot("incident_calls-sum"), calls.length ? page.say("incident.at_work", { n: working, all: calls.length }) : "");
  setAttribute(list, "data-empty", calls.length ? null : page.say("incident.no_calls"));
}

/** The lead first, then who is still at work. */
function rank(call: IncidentCall): number {
  return call.lead ? 0 : call.done_at === null ? 1 : 2;
}

function drawCall(page: Page, row: HTMLElement, call: IncidentCall, now: number): void {
  setText(part(row, "unit"), page.nameUnit(call.unit));
  setText(part(row, "part"), page.say(call.lead ? "incident.lead" : "incident.joint"));
  setText(part(row, "at"), page.say("incident.called", { at: page.shortTime(call.since, now) }));
  setAttribute(row, "data-done", call.done_at === null ? null : "");
  if (call.done_at === null) return showClock(page, part(row, "clock"), call.clock, now);
  setAttribute(part(row, "clock"), "data-colour", "green");
  setText(part(row, "clock"), `✓ ${page.say("incident.done", { at: page.shortTime(call.done_at, now) })}`);
}

function drawLadder(page: Page, { ladder, category }: Incident, now: number, room: Room): void {
  const list = page.slot("incident_ladder");
  if (!list) return;
  // Where there is little room, what is behind goes first: where the case stands, and what comes, is what matters.
  const count = room.rows(list);
  const here = Math.max(0, ladder.findIndex(({ standing }) => standing !== "done"));
  const from = Math.max(0, Math.min(here - 1, ladder.length - count));
  syncList(
    list,
    ladder.slice(from, from + count),
    (rung) => `${rung.state} ${rung.entered_at ?? "next"}`,
    () => make("li", "rung", make("i", "sign"), makePart("state"), makePart("clock"), makePart("at")),
    (row, rung) => drawRung(page, row, rung, category, now, room.isTight),
  );
}

const SIGNS = { done: "✓", now: "▶", next: "○" };

function drawRung(page: Page, row: HTMLElement, rung: IncidentRung, category: string, now: number, isTight: boolean): void {
  setAttribute(row, "data-standing", rung.standing);
  setText(row.querySelector(".sign"), SIGNS[rung.standing]);
  setText(part(row, "state"), page.nameState(category, rung.state));
  setText(part(row, "at"), rung.entered_at === null ? "" : page.shortTime(rung.entered_at, now, isTight ? "day" : "moment"));
  const clock = part(row, "clock");
  if (rung.standing === "now") return showClock(page, clock, rung.clock, now);
  setAttribute(clock, "data-colour", null);
  if (rung.standing === "next") return setText(clock, rung.limit ? page.say("incident.may_take", { span: page.words(rung.limit) }) : "");
  const stayed = rung.left_at === null || rung.entered_at === null ? null : rung.left_at - rung.entered_at;
  setText(clock, stayed === null ? "" : page.say("incident.stayed", { span: page.span(stayed) }));
}

function drawForces(page: Page, { forces }: Incident, room: Room): void {
  const list = page.slot("incident_forces");
  if (!list) return;
  const workers = forces.workers.map(({ id, distance_m }) => ({ kind: "worker", id, name: page.say("incident.worker", { id }), distance_m }));
  const cameras = forces.cameras.map(({ id, name, distance_m }) => ({ kind: "camera", id, name: page.words(name), distance_m }));
  // Some of both, however many of either are nearer.
  const half = Math.max(1, Math.ceil(room.rows(list) / 2));
  const kept = workers.slice(0, Math.max(half, room.rows(list) - cameras.length));
  syncList(
    list,
    [...kept, ...cameras.slice(0, Math.max(0, room.rows(list) - kept.length))],
    ({ kind, id }) => `${kind} ${id}`,
    ({ kind }) => make("li", `force ${kind}`, make("i", "sign", kind === "worker" ? "♟" : "▣"), makePart("name"), makePart("away")),
    (row, { name, distance_m }) => {
      setText(part(row, "name"), name);
      setText(part(row, "away"), sayDistance(page, distance_m));
    },
  );
  setAttribute(list, "data-empty", workers.length + cameras.length ? null : page.say("incident.no_forces"));
}

function drawAlarms(page: Page, { alarms, alarm_counts }: Incident, now: number, room: Room): void {
  const list = page.slot("incident_alarms");
  if (!list) return;
  const total = alarm_counts.reduce((sum, count) => sum + count, 0);
  const counts = alarm_counts.flatMap((count, i) => (count ? [`${page.sayName("severity", String(i + 1))} ${count}`] : []));
  setText(page.slot("incident_alarms-sum"), [page.say("incident.around", { km: AROUND_KM }), ...counts].join(" · "));
  const shown = fit(list, alarms, room);
  syncList(
    list,
    shown,
    ({ id }) => id,
    () => make("li", "alarm", make("span", "severity"), makePart("name"), makePart("away"), makePart("thing"), makePart("state")),
    (row, alarm) => {
      showSeverity(page, row, alarm.severity);
      setText(part(row, "name"), page.words(alarm.name));
      setText(part(row, "thing"), page.words(alarm.thing));
      setText(part(row, "away"), sayDistance(page, alarm.distance_m));
      const state = page.say(alarm.acked ? "incident.acked" : "incident.unacked");
      setText(part(row, "state"), `${page.shortTime(alarm.raised_at, now)} ${state}`);
    },
  );
  setAttribute(list, "data-empty", total ? null : page.say("incident.no_alarms"));
}

function drawLog(page: Page, { log, category }: Incident, now: number, room: Room): void {
  const list = page.slot("incident_log");
  if (!list) return;
  syncList(
    list,
    room.isTight ? [...log].reverse().slice(0, room.rows(list)) : log,
    ({ key, at, action }) => `${key} ${at} ${action}`,
    () => make("li", "line", makePart("time"), makePart("what"), makePart("who"), makePart("note")),
    (row, line) => {
      setAttribute(row, "data-about", line.about);
      setAttribute(row, "data-action", line.action);
      setText(part(row, "time"), page.shortClock(line.at, now));
      setText(part(row, "what"), sayLine(page, line, category));
      const who = line.about === "case" || line.role ? nameActor(page, line.role) : "";
      setText(part(row, "who"), [who, ...nameUnits(page, line, room)].filter(Boolean).join(" · "));
      setText(part(row, "note"), line.note ?? "");
    },
  );
}

/** Names the units of a line; where there is little room many are a count, for another list has their names. */
function nameUnits(page: Page, line: IncidentLine, room: Room): string[] {
  const units = line.units ?? (line.unit ? [line.unit] : []);
  if (room.isTight && units.length > 1) return [page.say("incident.units", { n: units.length })];
  return units.map((unit) => page.nameUnit(unit));
}

function sayLine(page: Page, line: IncidentLine, category: string): string {
  if (line.about === "wall") return page.say("incident.wall", { wall: line.wall ?? "" });
  if (line.about === "case") return page.nameAction(category, line.action);
  const name = [page.words(line.name), page.words(line.thing)].filter(Boolean).join(" ");
  const saying = { raise: "incident.raised", worsen: "incident.worsened" }[line.action] ?? "incident.cleared";
  return page.say(saying, { name, severity: page.sayName("severity", String(line.severity)) });
}

function showClock(page: Page, element: HTMLElement | null, clock: IncidentClock | null, now: number, name = ""): void {
  const clocked = { clocks: clock ? [{ kind: "total" as const, ...clock }] : [], ended_at: null };
  setAttribute(element, "data-colour", colourOf(clocked, now));
  setText(element, [name, clock ? sayClock(page, clocked, now) : page.say("incident.no_limit")].filter(Boolean).join(" "));
}

/** Returns what a role is called; a log names nobody. */
function nameActor(page: Page, role: string | null): string {
  const actors = JSON.parse(page.root.dataset.actors || "{}") as Record<string, string>;
  return role === null ? "" : (actors[role] ?? role);
}

function sayDistance(page: Page, metres: number): string {
  if (metres < KM_FROM_M) return page.say("incident.metres", { n: metres });
  return page.say("incident.kilometres", { n: page.number(metres / KM_FROM_M, 1) });
}

/** Returns hours, minutes and seconds; days, hours and minutes of an incident of days. */
export function countElapsed(page: Page, seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const days = Math.floor(whole / 86400);
  const clock = `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}`;
  return days ? `${page.say("common.span_days", { n: days })} ${clock}` : `${clock}:${two(whole % 60)}`;
}

function fit<T>(list: HTMLElement, items: T[], room: Room): T[] {
  return items.slice(0, room.rows(list));
}
