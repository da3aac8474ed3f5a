// What differs between two values of plain data.

export function differs(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}

/** Returns the names whose values differ, with their new values. */
export function changes(old: object | undefined, now: object | undefined): [string, unknown][] {
  const before = (old ?? {}) as Record<string, unknown>;
  return Object.entries(now ?? {}).filter(([name, value]) => differs(before[name], value));
}
