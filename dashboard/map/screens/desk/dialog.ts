// A box of the desk that has the keys while it is open: the focus goes round in it, and back to where it was.

/** Of radio buttons Tab stops at the one that is chosen. */
const STOPS = "button:not([tabindex='-1']), input:not([type=radio]:not(:checked)), textarea, [tabindex='0']";

export class Dialog {
  private before: Element | null = null;

  /** hear: told of every key but Tab; says whether it did something. To be made before what else follows the keys. */
  constructor(
    private readonly box: HTMLElement,
    private readonly hear: (event: KeyboardEvent) => boolean,
  ) {
    document.addEventListener("keydown", (event) => this.follow(event));
  }

  get isOpen(): boolean {
    return !this.box.hidden;
  }

  open(): void {
    if (!this.isOpen) this.before = document.activeElement;
    this.box.hidden = false;
  }

  close(): void {
    // What is hidden would keep the focus for a moment, and the next key with it.
    if (this.box.contains(document.activeElement)) (document.activeElement as HTMLElement).blur();
    this.box.hidden = true;
    if (this.before instanceof HTMLElement) this.before.focus();
  }

  /** Moves the focus to what comes next. */
  goOn(): void {
    const stops = this.listStops();
    stops[stops.indexOf(document.activeElement as HTMLElement) + 1]?.focus();
  }

  private follow(event: KeyboardEvent): void {
    if (!this.isOpen) return;
    // The desk's own keys rest meanwhile.
    event.stopImmediatePropagation();
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key === "Tab" ? this.goRound(event.shiftKey) : this.hear(event)) event.preventDefault();
  }

  /** Moves the focus on at the ends and from outside; in between the browser does. */
  private goRound(back: boolean): boolean {
    const stops = this.listStops();
    const [end, start] = back ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    const focused = document.activeElement;
    if (this.box.contains(focused) && focused !== end) return false;
    start?.focus();
    return true;
  }

  private listStops(): HTMLElement[] {
    return [...this.box.querySelectorAll<HTMLElement>(STOPS)].filter((one) => one.offsetParent && !one.closest("[inert]"));
  }
}
