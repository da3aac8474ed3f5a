// Open cases of severity I and II: markers in the page, above everything, of a shape and a colour each.

import { Marker, type Map as MapLibre } from "maplibre-gl";
import type { Lang } from "./wire.ts";

/** Beyond this many a county has another trouble than its map; the rest are dots of the same colour. */
const MARKERS_AT_MOST = 200;
/** look.md: I is a triangle, II a diamond. In a box of 24. */
export const SHAPES: Record<number, string> = { 1: "M12 2.5 22.5 21H1.5Z", 2: "M12 1.5 22.5 12 12 22.5 1.5 12Z" };
const WORDS: Record<number, Record<Lang, string>> = {
  1: { zh: "特别严重案件", en: "Critical case" },
  2: { zh: "严重案件", en: "Severe case" },
};

interface Shown {
  marker: Marker;
  severity: number;
}

/** Keeps one marker for each severe case; a marker moves or leaves only when its case does. */
export class SevereMarkers {
  private shown = new Map<number, Shown>();

  constructor(
    private map: MapLibre,
    private lang: Lang,
    private onPick: (id: number, lon: number, lat: number) => void,
  ) {}

  /** Shows, changes or (severity III and IV) removes a case's marker; `isNew` makes it pulse once. */
  put(id: number, severity: number | null, lon: number, lat: number, isNew: boolean): void {
    const old = this.shown.get(id);
    if (old && old.severity === severity) {
      const at = old.marker.getLngLat();
      if (at.lng !== lon || at.lat !== lat) old.marker.setLngLat([lon, lat]);
      return;
    }
    this.drop(id);
    if (severity === null || !SHAPES[severity] || this.shown.size >= MARKERS_AT_MOST) return;
    const element = this.draw(id, severity, isNew);
    const marker = new Marker({ element, anchor: "center" }).setLngLat([lon, lat]).addTo(this.map);
    this.shown.set(id, { marker, severity });
  }

  has(id: number): boolean {
    return this.shown.has(id);
  }

  drop(id: number): void {
    this.shown.get(id)?.marker.remove();
    this.shown.delete(id);
  }

  private draw(id: number, severity: number, isNew: boolean): HTMLElement {
    const element = document.createElement("button");
    element.type = "button";
    element.className = `severe severe-${severity}${isNew ? " is-new" : ""}`;
    element.dataset["id"] = String(id);
    element.setAttribute("aria-label", WORDS[severity]![this.lang]);
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    shape.setAttribute("viewBox", "0 0 24 24");
    shape.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", SHAPES[severity]!);
    shape.append(path);
    element.append(shape);
    element.addEventListener("animationend", () => element.classList.remove("is-new"));
    element.addEventListener("click", (event) => {
      event.stopPropagation();
      const at = this.shown.get(id)?.marker.getLngLat();
      if (at) this.onPick(id, at.lng, at.lat);
    });
    return element;
  }
}
