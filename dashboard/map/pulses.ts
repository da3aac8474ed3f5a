// A feature that pulses once and is then still, by its feature state `pulse` from 0 to 1.

import type { Map as MapLibre } from "maplibre-gl";

const LASTS_MS = 1200;

/** Lets features pulse; where a person has asked for less motion, nothing moves. */
export class Pulses {
  private running = new Map<number, { source: string; from: number }>();
  private still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(private map: MapLibre) {}

  start(source: string, ids: number[]): void {
    if (this.still.matches || ids.length === 0) return;
    const idle = this.running.size === 0;
    for (const id of ids) this.running.set(id, { source, from: performance.now() });
    if (idle) requestAnimationFrame(this.step);
  }

  private step = (now: number): void => {
    for (const [id, { source, from }] of this.running) {
      const part = Math.min(1, Math.max(0, (now - from) / LASTS_MS));
      if (part === 1) {
        this.running.delete(id);
        if (this.map.getSource(source)) this.map.removeFeatureState({ source, id }, "pulse");
      } else if (this.map.getSource(source)) this.map.setFeatureState({ source, id }, { pulse: 1 - (1 - part) ** 2 });
    }
    if (this.running.size) requestAnimationFrame(this.step);
  };
}
