// The live client: one event stream a page, folded into one state that map, panels and charts share.

import type { Alarm, Alert, Asset, Case, Chart, Exercise, FeedHealth, Figure, Frame, Incident, LayerColumns, Origin, WallOrder } from "./wire.ts";

/** One feature of a layer as last heard, kept up to date in place. `value` is null where there is no data. */
export interface Feature {
  value: number | null;
  mark: number;
  lon: number | null;
  lat: number | null;
}

/** Everything that the page knows, as of the last frame. */
export interface LiveState {
  seq: number | null;
  asOf: number | null;
  revision: string | null;
  origin: Origin | null;
  layers: Map<string, Map<number, Feature>>;
  figures: Record<string, Figure>;
  cases: Map<number, Case>;
  alerts: Map<number, Alert>;
  alarms: Map<number, Alarm>;
  flood: boolean;
  incidents: Map<number, Incident>;
  charts: Record<string, Chart>;
  feeds: Map<string, FeedHealth>;
  assets: Map<number, Asset>;
  walls: Record<string, WallOrder | null>;
  /** The exercise that runs; null where there is none. */
  exercise: Exercise | null;
}

/** How the stream is; times are epoch seconds of this browser's clock. */
export interface Connection {
  state: "connecting" | "live" | "lost";
  since: number;
  lastFrameAt: number | null;
}

export type FrameKind = "snapshot" | "delta" | "beat" | "connection";
export type FrameListener = (frame: Frame, kind: FrameKind) => void;

export interface LiveFeed {
  readonly state: LiveState;
  readonly connection: Connection;
  /**
   * Calls back after each frame is folded in, and on every change of the connection; returns how to stop. Who comes after
   * a snapshot is told of one without contents: all that it said is in the state.
   */
  subscribe(listener: FrameListener): () => void;
  /** The server's clock in epoch seconds, whatever this browser's clock says. */
  serverNow(): number;
  /** Stops following; the page's other users of the same feed stop too. */
  close(): void;
}

/** The server beats every 5 s; after this long without any frame the stream is dead, whatever TCP believes. */
const SILENCE_LIMIT_S = 12;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
/** A wall runs for months: keep the newest cases only. */
const CASES_KEPT = 300;
/** How many frames the estimate of the clock's skew looks back on. */
const SKEW_WINDOW = 30;

/** Whether a feed has ever spoken: nothing counted of one that has not is not the number 0. */
export function isHeard({ state }: LiveFeed, feed: string): boolean {
  return state.feeds.get(feed)?.state !== "never";
}

const feeds = new Map<string, LiveFeed>();

/** Follows the live stream; every caller on a page shares one connection per address. */
export function followLive(url = "/live"): LiveFeed {
  let feed = feeds.get(url);
  if (!feed) {
    feed = new Follower(url, () => feeds.delete(url));
    feeds.set(url, feed);
    window.countyBrain = { ...window.countyBrain, feed };
  }
  return feed;
}

class Follower implements LiveFeed {
  state = emptyState();
  connection: Connection = { state: "connecting", since: nowSeconds(), lastFrameAt: null };
  private listeners = new Set<FrameListener>();
  private source: EventSource | null = null;
  private lastId = "";
  private openedAt = 0;
  private pauseMs = FIRST_PAUSE_MS;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private watchdog: ReturnType<typeof setInterval>;
  private skews: number[] = [];

  constructor(
    private url: string,
    private forget: () => void,
  ) {
    this.watchdog = setInterval(this.watch, 1000);
    // A sleeping tab's timers are late: look at once when it wakes or the network is back.
    document.addEventListener("visibilitychange", this.watch);
    window.addEventListener("pageshow", this.watch);
    window.addEventListener("online", this.hurry);
    this.open();
  }

  subscribe(listener: FrameListener): () => void {
    this.listeners.add(listener);
    if (this.state.seq !== null) setTimeout(() => this.listeners.has(listener) && tell(listener, {}, "snapshot"));
    return () => this.listeners.delete(listener);
  }

  serverNow(): number {
    // The least delayed frame has the largest (server − browser) difference, so it is the best estimate.
    return nowSeconds() + (this.skews.length ? Math.max(...this.skews) : 0);
  }

  close(): void {
    clearInterval(this.watchdog);
    if (this.retry) clearTimeout(this.retry);
    document.removeEventListener("visibilitychange", this.watch);
    window.removeEventListener("pageshow", this.watch);
    window.removeEventListener("online", this.hurry);
    this.source?.close();
    this.listeners.clear();
    this.forget();
  }

  private open(): void {
    this.retry = null;
    this.source?.close();
    this.openedAt = nowSeconds();
    // Native reconnection sends Last-Event-ID only while the same EventSource lives, so the id is in the query too.
    const query = this.lastId ? `${this.url.includes("?") ? "&" : "?"}last=${encodeURIComponent(this.lastId)}` : "";
    const source = new EventSource(this.url + query);
    this.source = source;
    for (const kind of ["snapshot", "delta", "beat"] as const)
      source.addEventListener(kind, (event: MessageEvent<string>) => this.receive(kind, event));
    // The browser gives up for ever on an HTTP error and waits as it likes otherwise: reconnecting is ours alone.
    source.onerror = () => this.reopen();
  }

  private reopen(): void {
    this.source?.close();
    this.source = null;
    this.say("lost");
    if (this.retry) return;
    this.retry = setTimeout(() => this.open(), this.pauseMs * (0.75 + Math.random() / 4));
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
  }

  private watch = (): void => {
    if (!this.source) return;
    const heardAt = Math.max(this.connection.lastFrameAt ?? 0, this.openedAt);
    if (nowSeconds() - heardAt > SILENCE_LIMIT_S) this.reopen();
  };

  private hurry = (): void => {
    if (this.connection.state === "live" || !this.retry) return;
    clearTimeout(this.retry);
    this.open();
  };

  private receive(kind: "snapshot" | "delta" | "beat", event: MessageEvent<string>): void {
    const frame = parse(event.data);
    if (!frame) {
      // What was in the frame is lost, so ask for everything.
      this.lastId = "";
      this.reopen();
      return;
    }
    if (event.lastEventId) this.lastId = event.lastEventId;
    this.pauseMs = FIRST_PAUSE_MS;
    this.connection = { ...this.connection, lastFrameAt: nowSeconds() };
    if (frame.now !== undefined) {
      this.skews.push(frame.now - nowSeconds());
      if (this.skews.length > SKEW_WINDOW) this.skews.shift();
    }
    if (kind === "snapshot") this.state = replaceState(this.state, frame);
    else foldFrame(this.state, frame);
    this.say("live");
    document.dispatchEvent(new CustomEvent("exercise", { detail: this.state.exercise })); // assets/exercise.js
    this.tell(frame, kind);
  }

  private say(state: Connection["state"]): void {
    if (this.connection.state === state) return;
    const since = state === "lost" ? (this.connection.lastFrameAt ?? this.connection.since) : nowSeconds();
    this.connection = { ...this.connection, state, since };
    this.tell({}, "connection");
  }

  private tell(frame: Frame, kind: FrameKind): void {
    for (const listener of this.listeners) tell(listener, frame, kind);
  }
}

function tell(listener: FrameListener, frame: Frame, kind: FrameKind): void {
  try {
    listener(frame, kind);
  } catch (error) {
    // One broken panel must not stop the others.
    console.error("a listener of the live feed failed", error);
  }
}

function emptyState(): LiveState {
  return {
    seq: null,
    asOf: null,
    revision: null,
    origin: null,
    layers: new Map(),
    figures: {},
    cases: new Map(),
    alerts: new Map(),
    alarms: new Map(),
    flood: false,
    incidents: new Map(),
    charts: {},
    feeds: new Map(),
    assets: new Map(),
    walls: {},
    exercise: null,
  };
}

/**
 * Returns the state that a snapshot says, and completes the snapshot's `gone` by the features that were known
 * before and are in it no more, so that a listener treats a snapshot like any delta.
 */
function replaceState(old: LiveState, frame: Frame): LiveState {
  const state = emptyState();
  foldFrame(state, frame);
  frame.layers ??= {};
  for (const [key, features] of old.layers) {
    const kept = state.layers.get(key);
    const gone = [...features.keys()].filter((id) => !kept?.has(id));
    if (gone.length === 0) continue;
    const columns = (frame.layers[key] ??= { ids: [], values: [] });
    columns.gone = [...(columns.gone ?? []), ...gone];
  }
  return state;
}

function foldFrame(state: LiveState, frame: Frame): void {
  state.seq = frame.seq ?? state.seq;
  state.asOf = frame.as_of ?? state.asOf;
  state.revision = frame.revision ?? state.revision;
  state.origin = frame.origin ?? state.origin;
  state.flood = frame.flood ?? state.flood;
  for (const [key, columns] of Object.entries(frame.layers ?? {})) {
    let features = state.layers.get(key);
    if (!features) state.layers.set(key, (features = new Map()));
    foldLayer(features, columns);
  }
  Object.assign(state.figures, frame.figures);
  Object.assign(state.charts, frame.charts);
  Object.assign(state.walls, frame.walls);
  if (frame.exercise !== undefined) state.exercise = frame.exercise;
  for (const health of frame.feeds ?? []) state.feeds.set(health.key, health);
  for (const asset of frame.assets ?? []) state.assets.set(asset.id, asset);
  for (const alert of frame.alerts ?? []) {
    if ("over" in alert) state.alerts.delete(alert.id);
    else state.alerts.set(alert.id, alert);
  }
  for (const alarm of frame.alarms ?? []) {
    if ("over" in alarm) state.alarms.delete(alarm.id);
    else state.alarms.set(alarm.id, alarm);
  }
  for (const incident of frame.incidents ?? []) {
    if ("over" in incident) state.incidents.delete(incident.id);
    else state.incidents.set(incident.id, incident);
  }
  if (frame.cases) foldCases(state, frame.cases);
}

function foldLayer(features: Map<number, Feature>, columns: LayerColumns): void {
  columns.ids.forEach((id, i) => {
    let feature = features.get(id);
    if (!feature) features.set(id, (feature = { value: null, mark: 0, lon: null, lat: null }));
    feature.value = columns.values[i] ?? null;
    feature.mark = columns.marks?.[i] ?? 0;
    feature.lon = columns.lon?.[i] ?? feature.lon;
    feature.lat = columns.lat?.[i] ?? feature.lat;
  });
  for (const id of columns.gone ?? []) features.delete(id);
}

function foldCases(state: LiveState, cases: Case[]): void {
  for (const one of cases) state.cases.set(one.id, one);
  if (state.cases.size <= CASES_KEPT) return;
  const newest = [...state.cases.values()].sort((a, b) => b.reported_at - a.reported_at).slice(0, CASES_KEPT);
  state.cases = new Map(newest.map((one) => [one.id, one]));
}

function parse(data: string): Frame | null {
  try {
    return data ? (JSON.parse(data) as Frame) : {};
  } catch (error) {
    console.error("a frame of the live feed is no JSON", error);
    return null;
  }
}

function nowSeconds(): number {
  return Date.now() / 1000;
}
