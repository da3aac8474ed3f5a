// The three tones that call somebody: the desk's for a severe case, the wall's for a severe alarm.

const TONES = [880, 660, 880];
/** Longer than the tones. */
const REST_AFTER_MS = 3000;

/** Sounds where the browser lets it: before the first click or key most let nothing sound. */
export class Chime {
  private context: AudioContext | null = null;
  /** Whether it may sound, and has only been put to rest. */
  private isResting = false;
  private rest: ReturnType<typeof setTimeout> | null = null;

  /** `changed` is called when it may sound, or may no more. */
  constructor(private changed: () => void) {}

  get isAllowed(): boolean {
    return this.isResting || this.context?.state === "running";
  }

  /** Asks for leave to sound; to be called at each gesture until there is. */
  wake(): void {
    if (!this.context) {
      this.context = new AudioContext();
      this.context.onstatechange = () => {
        this.restSoon();
        this.changed();
      };
    }
    // Asked without a hand at the keys, the browser keeps a promise and a warning for each time, for as long as the page lives.
    if (this.context.state === "suspended" && !this.isResting && navigator.userActivation.isActive) void this.context.resume();
  }

  ring(): void {
    const { context } = this;
    if (!context || !this.isAllowed) return this.changed();
    if (this.rest) clearTimeout(this.rest);
    this.isResting = false;
    void context.resume().then(() => this.sound(context));
  }

  private sound(context: AudioContext): void {
    TONES.forEach((tone, i) => {
      const [from, to] = [context.currentTime + i * 0.22, context.currentTime + i * 0.22 + 0.18];
      const gain = context.createGain();
      gain.gain.setValueAtTime(0.0001, from);
      gain.gain.exponentialRampToValueAtTime(0.25, from + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, to);
      const voice = context.createOscillator();
      voice.frequency.value = tone;
      voice.connect(gain).connect(context.destination);
      voice.start(from);
      voice.stop(to);
    });
    this.restSoon();
  }

  /** An open sound takes its machine a part of a core, all day. */
  private restSoon(): void {
    if (this.rest) clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      if (this.context?.state !== "running") return;
      this.isResting = true;
      void this.context.suspend();
    }, REST_AFTER_MS);
  }
}
