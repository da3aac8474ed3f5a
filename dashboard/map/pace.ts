/** Lets something be done at most so often: the first time at once, then as often as it is asked for and allowed. */
export class Pace {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private doneAt = -Infinity;

  constructor(
    private everyMs: number,
    private act: () => void,
  ) {}

  ask(): void {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.doneAt = performance.now();
      this.act();
    }, Math.max(0, this.doneAt + this.everyMs - performance.now()));
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }
}
