// What GET /api/cases/{case_id} and its neighbours answer: see dashboard/casefile.py. Times are epoch seconds.

import type { Words } from "../../wire.ts";
import type { ClockKind } from "../desk/clock.ts";

export interface Clock {
  step: string | null;
  limit: string;
  started_at: number;
  near_at: number | null;
  due_at: number | null;
  ended_at: number | null;
  colour: "green" | "yellow" | "red" | "stopped";
  used_share: number;
  stopped: boolean;
  explanation: string[];
}

export interface Part {
  unit: string;
  unit_code: string;
  since: number;
  done_at: number | null;
  clock: Clock | null;
}

/** How one field of an action is asked for. */
export interface Need {
  field: string;
  kind: "text" | "unit" | "units" | "word" | "case" | "extension" | "flag";
  words: string[];
  proposed: string | string[] | null;
  /** By what conditions it is proposed, where a rule did. */
  why?: Reason[];
}

export interface Reason {
  condition: string;
  found: string;
}

export interface LegalAction {
  action: string;
  forward: boolean;
  moves: boolean;
  needs: Need[];
}

export interface Proposal {
  unit: string;
  unit_name: string;
  co_units: string[];
  rule: string;
  automatic: boolean;
  why: Reason[];
  handed_back: { unit_name: string; reason: string | null }[];
}

/** What the county's matter list says of a class. */
export interface Matter {
  version: string;
  listed: boolean;
  rule: string;
  grade: string;
  grade_rule: string;
  code?: string;
  admission?: string;
  standard?: string;
  exit?: string;
}

export interface Deed {
  key: string;
  action: string;
  at: number;
  role_name?: string | null;
  unit?: string | null;
  note: string | null;
  mark: "" | "overtaken" | "undone" | "irregular";
  state: string | null;
  details?: Record<string, unknown>;
}

export interface Guide {
  steps: string[];
  calls: { unit: string | null; role: string | null; phone: string | null; why: string }[];
  basis: { law: string; article: string; says: string; source: string; verified: boolean }[];
}

export interface CaseFile {
  case_id: string;
  category: string;
  severity: number;
  channel: string;
  origin: string;
  title: string | null;
  description: string | null;
  people: number | null;
  reporter: { name: string | null; phone: string | null; email: string | null; unreadable: boolean } | null;
  reporters: number;
  media: string[];
  media_elsewhere: number;
  cell: number | null;
  cell_name: string | null;
  lon: number | null;
  lat: number | null;
  reported_at: number;
  received_at: number;
  state: string;
  since: number | null;
  owner: string;
  owner_name: string | null;
  open: boolean;
  unit: string | null;
  level: string;
  grade: string | null;
  kind: string | null;
  complexity: string | null;
  colour: string | null;
  card: string | null;
  card_at: number | null;
  returns: number;
  hand_backs: number;
  merged_into: string | null;
  merged_cases: string[];
  closed_at: number | null;
  stops: [number, number | null][];
  /** The stretches in incident mode; the last has no end while it lasts. */
  incidents: [number, number | null][];
  as_of: number;
  clock: Clock | null;
  step_clock: Clock | null;
  card_clocks: { accept: Clock | null; handle: Clock | null; points: number } | null;
  /** Which of them ends first. */
  first_clock: ClockKind | null;
  parts: Part[];
  version: number;
  is_turn: boolean;
  actions_legal: LegalAction[];
  undo: { action: string; until: number } | null;
  proposal: Proposal | null;
  matter: Matter | null;
  actions: Deed[];
  guide: Guide | null;
  responsible: { worker_id: string; name: string; phone: string | null } | null;
  recorded: boolean;
  may_unmask: boolean;
}

/** What POST /api/cases/{case_id}/actions answers. */
export interface Outcome {
  result: "applied" | "overtaken" | "pending" | "refused";
  version?: number;
  state?: string;
  changed_by?: string | null;
  changed_action?: string | null;
  changed_at?: number | null;
  field?: string | null;
  reason?: string | null;
}

/** One thing around a case, as /api/nearby tells it. */
export interface Neighbour {
  kind: string;
  id: number;
  distance_m: number;
  lon: number;
  lat: number;
  layer?: string | null;
  name?: string | null;
  name_en?: string | null;
  value?: Words | null;
  at?: number | null;
  mark?: string | null;
  category?: string;
  severity?: number;
  case_id?: string;
}

/** One case that this one is like, as /api/cases/{case_id}/similar tells it. */
export interface Likeness {
  case_id: string;
  category: string;
  title: string | null;
  state: string;
  open: boolean;
  reported_at: number;
  distance_m: number | null;
  likely: boolean;
  reasons: { kind: string; text: string }[];
}

export interface Likenesses {
  duplicates: Likeness[];
  repeats: Likeness[];
}
