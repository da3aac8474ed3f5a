// Where the map looks: at its county or a part of it, fitted into the window, until a person moves it.

import type { JumpToOptions, Map as MapLibre, PaddingOptions } from "maplibre-gl";
import { differs } from "./differences.ts";
import type { CountyInfo } from "./wire.ts";

/** Pixels to leave free on all sides, or on each. */
export type Padding = number | Required<PaddingOptions>;

type Box = CountyInfo["bbox"];

const GLIDE_MS = 300;

/** Moves a map when a person asks for it, or when the window changes; never because of data. */
export class Camera {
  private movedByHand = false;
  /** Where it is on its way to. */
  private aim: JumpToOptions | null = null;
  private box: Box;

  constructor(
    private map: MapLibre,
    private whole: Box,
    private padding: Padding,
  ) {
    this.box = whole;
    for (const gesture of ["wheel", "dragstart", "dblclick", "boxzoomstart", "touchmove"] as const)
      map.on(gesture, () => (this.movedByHand = true));
    map.getCanvas().addEventListener("keydown", () => (this.movedByHand = true));
    map.on("moveend", () => (this.aim = null));
  }

  /** The zoom at which the whole is on the screen. */
  get fitZoom(): number {
    return this.map.cameraForBounds(this.whole, { padding: this.padding })?.zoom ?? this.map.getZoom();
  }

  focus(lon: number, lat: number, zoom?: number): void {
    this.movedByHand = true;
    const aim: JumpToOptions = { center: [lon, lat], ...(zoom === undefined ? {} : { zoom }) };
    this.map.easeTo({ ...aim, duration: GLIDE_MS });
    this.aim = this.map.isMoving() ? aim : null;
  }

  /** Goes back to the part that was chosen last. */
  home(): void {
    this.movedByHand = false;
    this.map.fitBounds(this.box, { padding: this.padding, duration: GLIDE_MS });
  }

  /** Chooses a part, or the whole, and goes there. */
  frame(box: Box | null): void {
    const wanted = box ?? this.whole;
    if (!this.movedByHand && !differs(wanted, this.box)) return;
    this.box = wanted;
    this.home();
  }

  /** Takes other pixels to leave free, and returns whether they are others: then it is to be fitted anew. */
  pad(padding: Padding): boolean {
    if (!differs(padding, this.padding)) return false;
    this.padding = padding;
    return true;
  }

  /** Fits what it looks at into the window's present size, unless a person has moved it. */
  refit(): void {
    if (this.aim) this.map.jumpTo(this.aim); // on the way it would end as far from the middle as that has moved
    else if (!this.movedByHand) this.map.fitBounds(this.box, { padding: this.padding, duration: 0 });
  }
}
