// Axes that hold still: a scale grows at once when a value would leave it, and shrinks only when mostly unused.

/** Returns the smallest of 1, 2, 5 × 10ⁿ that holds `highest`, at least 5. */
export function niceEnd(highest: number): number {
  for (let step = 1; ; step *= 10)
    for (const factor of [1, 2, 5]) if (factor * step >= Math.max(highest, 5)) return factor * step;
}

/** Returns the end of an axis that ended at `current` (0: none yet) and now has to hold `highest`. */
export function roundScale(highest: number, current: number): number {
  const wanted = niceEnd(highest);
  return wanted > current || highest < current / 4 ? wanted : current;
}
