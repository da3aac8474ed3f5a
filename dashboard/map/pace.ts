/** Lets things be done at most so often: the first time at once, then as often as it is allowed, and all together. */
export class Pace {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private doneAt = -Infinity;
  private asked = new Set<() => void>();

  constructor(private everyMs: number) {}

  /** Has something done when it is time; once, however often it was asked for until then. */
  ask(act: () => void): void {
    this.asked.add(act);
    this.timer ??= setTimeout(() => {
      const acts = [...this.asked];
      this.asked.clear();
      this.timer = null;
      this.doneAt = performance.now();
      for (const act of acts) queueMicrotask(act); // one that fails takes none of the others with it
    }, Math.max(0, this.doneAt + this.everyMs - performance.now()));
  }
}
