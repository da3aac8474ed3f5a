// What travels on /live and what the web API answers: see "Wire format of /live" in docs/architecture.md.

export type Lang = "zh" | "en";

/** A text in both languages, or one that the server has already resolved. */
export type Words = string | { zh: string; en: string };

/** Returns a text in the language asked for. */
export function say(words: Words | null | undefined, lang: Lang): string {
  if (words == null) return "";
  return typeof words === "string" ? words : words[lang] || words.zh;
}

/** What one layer says in a frame: columns of equal length, and the ids that left. */
export interface LayerColumns {
  ids: number[];
  values: (number | null)[];
  marks?: number[] | null;
  lon?: number[] | null;
  lat?: number[] | null;
  gone?: number[];
  /** Why the layer cannot be computed just now; null when it can again. */
  unavailable?: string | null;
}

export interface Figure {
  value: number | null;
  change?: number | null;
  spark?: (number | null)[];
  at?: number | null;
}

export interface Case {
  id: number;
  case_id: string;
  category: string;
  severity: number;
  state: string;
  channel: string;
  cell: number | null;
  lon: number | null;
  lat: number | null;
  reported_at: number;
  /** When 80 % and all of its limit are used; null without a limit and while its clock stands still. */
  near_at?: number | null;
  due_at?: number | null;
  stopped?: boolean;
  /** Only where it belongs to an exercise. */
  exercise?: true;
}

/** A warning in force; its outline comes once, with it. `ends_at` is null where the issuer gave no end. */
export interface Alert {
  id: number;
  level: number;
  exercise: boolean;
  event: string;
  event_en: string;
  headline: string;
  headline_en: string;
  area: string;
  area_en: string;
  issuer: string;
  issuer_en: string;
  sent_at: number;
  begins_at: number;
  ends_at: number | null;
  /** Coordinates of a MultiPolygon; empty where the warning does not say where it is. */
  outline: GeoJSON.Position[][][];
}

/** An alarm that stands, or ended before anybody acknowledged it. Times are epoch seconds. */
export interface Alarm {
  id: number;
  severity: number;
  state: "unacked" | "acked" | "returned";
  /** Null where no rule of ours raised it. */
  rule: string | null;
  name: string;
  name_en: string;
  /** What it is about, and where that is; empty where nobody said. */
  thing: string;
  thing_en: string;
  place: string;
  place_en: string;
  raised_at: number | null;
  seen_at: number | null;
  /** How often it was raised since it began. */
  count: number;
  acked: boolean;
  shelved_until: number | null;
  lon: number | null;
  lat: number | null;
  simulated: boolean;
  exercise: boolean;
}

/** A warning, an alarm or an incident that counts no more. */
export interface OverAlert {
  id: number;
  over: true;
}

export interface Chart {
  x: (number | string)[];
  series: Record<string, (number | null)[]>;
}

export interface FeedHealth {
  key: string;
  newest_at: number | null;
  heard_at: number | null;
  state: "ok" | "late" | "silent" | "never";
  origin: Origin;
  received: number;
}

export type Origin = "live" | "replayed" | "simulated";

/** An asset that is known only from events; those of the county pack are in /api/geometry/…/assets. */
export interface Asset {
  id: number;
  asset_id: string;
  kind: string;
  name: string;
  name_en?: string;
  lon: number;
  lat: number;
}

/** What was sent to a wall; times are epoch seconds. */
export interface WallOrder {
  order: "scene" | "place" | "case";
  /** Of who sent it: no name is ever on a wall. */
  role: string;
  at: number;
  until: number | null;
  scene?: string;
  /** An area's code; without it the place is the point. */
  place?: string | null;
  name?: { zh: string; en: string } | null;
  lon?: number | null;
  lat?: number | null;
  zoom?: number | null;
  /** Null where the case is not the wall's to see, or known no more. */
  case?: Case | null;
}

export interface IncidentClock {
  near_at: number | null;
  due_at: number | null;
  stopped: boolean;
}

/** A unit that was called: the one that has the case, or one that has a part of it. */
export interface IncidentCall {
  unit: string;
  lead: boolean;
  since: number;
  done_at: number | null;
  clock: IncidentClock | null;
}

export interface IncidentRung {
  state: string;
  standing: "done" | "now" | "next";
  entered_at: number | null;
  left_at: number | null;
  clock: IncidentClock | null;
  limit: Words | null;
}

export interface IncidentAlarm {
  id: string;
  severity: number;
  name: Words;
  thing: Words;
  distance_m: number;
  acked: boolean;
  raised_at: number;
}

export interface IncidentForces {
  workers: { id: string; distance_m: number }[];
  cameras: { id: string; name: Words; distance_m: number }[];
}

export interface IncidentLine {
  key: string;
  at: number;
  about: "case" | "alarm" | "wall";
  action: string;
  role: string | null;
  unit: string | null;
  units?: string[];
  severity?: number | null;
  name?: Words;
  thing?: Words;
  wall?: string;
  /** Never on a wall. */
  note?: string | null;
}

/** A case in incident mode, as the wall and its own page show it. Times are epoch seconds. */
export interface Incident {
  case_id: string;
  exercise: boolean;
  category: string;
  severity: number;
  state: string;
  cell: number | null;
  lon: number | null;
  lat: number | null;
  reported_at: number;
  begun_at: number;
  begun_by: string | null;
  ended_at: number | null;
  clock: IncidentClock | null;
  calls: IncidentCall[];
  ladder: IncidentRung[];
  /** How many alarms stand around it, of severity 1 to 4. */
  alarm_counts: number[];
  alarms: IncidentAlarm[];
  forces: IncidentForces;
  log: IncidentLine[];
}

/** An exercise that runs; `until` in epoch seconds, `ends` the same as the county's clock says it. */
export interface Exercise {
  name: string;
  until: number;
  ends: string;
}

/** A snapshot or a delta: in a delta whatever is absent is unchanged. Times are whole epoch seconds. */
export interface Frame {
  /** In a snapshot: the release that the server runs. */
  release?: string;
  seq?: number;
  now?: number;
  as_of?: number | null;
  revision?: string;
  origin?: Origin;
  /** Whether the hub hears the streams. */
  stream?: "ok" | "away";
  layers?: Record<string, LayerColumns>;
  assets?: Asset[];
  figures?: Record<string, Figure>;
  cases?: Case[];
  alerts?: (Alert | OverAlert)[];
  alarms?: (Alarm | OverAlert)[];
  /** Whether more alarms come than anybody can answer: they are shown in groups. */
  flood?: boolean;
  incidents?: ((Incident & { id: number }) | OverAlert)[];
  charts?: Record<string, Chart>;
  feeds?: FeedHealth[];
  /** By the wall's name; null: it is on its own again. */
  walls?: Record<string, WallOrder | null>;
  exercise?: Exercise | null;
}

export interface LegendClass {
  lowest: number;
  colour: string;
  zh: string;
  en: string;
}

/** A layer as `layers/contract.py` specifies it. */
export interface LayerSpec {
  key: string;
  title: Words;
  geometry: "cell" | "asset" | "point" | "area";
  feed?: string;
  unit?: Words;
  legend?: LegendClass[];
  kinds?: string[];
  marks?: string[];
  shown?: boolean;
  /** What a feature without a value means, where that is not "no data". */
  blank?: Words | null;
}

/** What /api/county answers, as far as the map needs it. */
export interface CountyInfo {
  name: Words;
  code: string;
  bbox: [number, number, number, number];
  /** The viewer's area; `code` is empty for the whole county. */
  scope?: { code: string; name: Words; bbox: [number, number, number, number] };
  revision: string;
  time_zone?: string;
  layers: LayerSpec[];
}

/** What /api/explain answers. */
export interface ExplainedCard {
  title: Words;
  place?: Words | null;
  facts: { label: Words; value: Words; at?: number | string | null; tone?: "plain" | "good" | "warn" | "bad" }[];
}
