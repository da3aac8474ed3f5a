// A small card of facts beside the feature that was clicked; its facts change in place, the card never moves.

import { Marker, type PositionAnchor } from "maplibre-gl";
import type { CountyMap } from "./county_map.ts";
import type { Pick } from "./pointer.ts";
import { type ExplainedCard, type Frame, type Lang, say } from "./wire.ts";

export interface CardsOptions {
  lang: Lang;
  /** Words of the card's frame, by the message catalogue; those of the facts come from the server. */
  words?: { close: string; unavailable: string };
  /** The one layer whose features have cards; all of them without it. */
  only?: string;
}

export interface Cards {
  /** Opens the card of a feature, in place of the one that is open. */
  open(pick: Pick): void;
  close(): void;
  destroy(): void;
}

const WORDS = {
  zh: { close: "关闭", unavailable: "暂时读不到" },
  en: { close: "Close", unavailable: "Not available just now" },
};
/** A feature that changes with every frame is asked about no more often than this. */
const REFRESH_EVERY_MS = 1000;

/** Opens a card at each feature that is clicked on a map; Escape, × or a click beside it close it. */
export function createCards(map: CountyMap, options: CardsOptions): Cards {
  const words = options.words ?? WORDS[options.lang];
  let card: OpenCard | null = null;

  const close = () => {
    card?.remove();
    card = null;
    map.select("", null);
  };
  const open = (pick: Pick) => {
    card?.remove();
    card = new OpenCard(map, pick, options.lang, words, close);
    map.select(pick.layer, pick.id);
  };
  const stopPicks = map.subscribePicks((pick) => {
    if (pick && (options.only ?? pick.layer) === pick.layer) open(pick);
    else if (card || !options.only) close();
  });
  const stopFeed = map.feed.subscribe((frame) => card?.hear(frame));
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape" && card) close();
  };
  document.addEventListener("keydown", onKey);
  return {
    open,
    close,
    destroy() {
      close();
      stopPicks();
      stopFeed();
      document.removeEventListener("keydown", onKey);
    },
  };
}

class OpenCard {
  private element = document.createElement("section");
  private title = document.createElement("h3");
  private place = document.createElement("p");
  private facts = document.createElement("dl");
  private marker: Marker;
  private before = document.activeElement;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private askedAt = 0;
  private gone = false;

  constructor(
    private map: CountyMap,
    private pick: Pick,
    private lang: Lang,
    private words: { close: string; unavailable: string },
    close: () => void,
  ) {
    this.build(close);
    this.marker = new Marker({ element: this.element, ...this.chooseSide() }).setLngLat([pick.lon, pick.lat]);
    this.marker.addTo(map.maplibre);
    this.element.focus({ preventScroll: true });
    void this.ask();
  }

  /** Asks again when a frame says that this feature has changed. */
  hear(frame: Frame): void {
    const columns = frame.layers?.[this.pick.layer];
    if (!columns || this.timer) return;
    if (!columns.ids.includes(this.pick.id) && !columns.gone?.includes(this.pick.id)) return;
    const wait = Math.max(0, this.askedAt + REFRESH_EVERY_MS - Date.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.ask();
    }, wait);
  }

  remove(): void {
    this.gone = true;
    if (this.timer) clearTimeout(this.timer);
    const hadFocus = this.element.contains(document.activeElement);
    this.marker.remove();
    if (hadFocus && this.before instanceof HTMLElement) this.before.focus({ preventScroll: true });
  }

  private build(close: () => void): void {
    this.element.className = "map-card";
    this.element.tabIndex = -1;
    this.element.setAttribute("role", "dialog");
    this.element.dataset["layer"] = this.pick.layer;
    this.element.dataset["id"] = String(this.pick.id);
    this.title.id = `map-card-${this.pick.layer}-${this.pick.id}`;
    this.element.setAttribute("aria-labelledby", this.title.id);
    this.place.className = "place";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "close";
    button.textContent = "×";
    button.setAttribute("aria-label", this.words.close);
    button.addEventListener("click", close);
    // What happens in the card is not meant for the map below it.
    for (const event of ["click", "dblclick", "mousedown", "touchstart", "wheel"])
      this.element.addEventListener(event, (inside) => inside.stopPropagation(), { passive: true });
    this.element.append(this.title, this.place, this.facts, button);
  }

  /** The card opens towards the middle of the map, so that it is never cut off at an edge. */
  private chooseSide(): { anchor: PositionAnchor; offset: [number, number] } {
    const { x, y } = this.map.maplibre.project([this.pick.lon, this.pick.lat]);
    const { clientWidth, clientHeight } = this.map.container;
    const across = x > clientWidth / 2 ? "right" : "left";
    const down = y > clientHeight / 2 ? "bottom" : "top";
    return { anchor: `${down}-${across}`, offset: [across === "left" ? 16 : -16, down === "top" ? 16 : -16] };
  }

  private async ask(): Promise<void> {
    this.askedAt = Date.now();
    const { layer, id } = this.pick;
    const card = await fetchCard(`/api/explain/${encodeURIComponent(layer)}/${id}?lang=${this.lang}`);
    if (this.gone) return;
    if (card) this.write(card);
    else if (!this.title.textContent) setText(this.title, this.words.unavailable);
  }

  private write(card: ExplainedCard): void {
    setText(this.title, say(card.title, this.lang));
    setText(this.place, say(card.place, this.lang));
    while (this.facts.children.length > card.facts.length * 2) this.facts.lastElementChild!.remove();
    card.facts.forEach((fact, i) => {
      const [label, value] = this.row(i);
      setText(label, say(fact.label, this.lang));
      setText(value.firstChild as HTMLElement, say(fact.value, this.lang));
      setText(value.lastChild as HTMLElement, fact.at ? this.readTime(fact.at) : "");
      const tone = fact.tone ?? "plain";
      if (value.className !== tone) value.className = tone;
    });
  }

  private row(i: number): [HTMLElement, HTMLElement] {
    while (this.facts.children.length <= i * 2) {
      const value = document.createElement("dd");
      value.append(document.createElement("span"), document.createElement("time"));
      this.facts.append(document.createElement("dt"), value);
    }
    return [this.facts.children[i * 2] as HTMLElement, this.facts.children[i * 2 + 1] as HTMLElement];
  }

  private readTime(at: number | string): string {
    const moment = new Date(typeof at === "number" ? at * 1000 : at);
    const timeZone = this.map.county.time_zone;
    const sameDay = new Date().toDateString() === moment.toDateString();
    return moment.toLocaleString(this.lang === "zh" ? "zh-CN" : "en-GB", {
      ...(timeZone ? { timeZone } : {}),
      ...(sameDay ? {} : { month: "2-digit", day: "2-digit" }),
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hour12: false,
    });
  }
}

async function fetchCard(url: string): Promise<ExplainedCard | null> {
  try {
    const response = await fetch(url);
    return response.ok ? ((await response.json()) as ExplainedCard) : null;
  } catch (error) {
    // The server is away: what the card says stays, and the next frame asks again.
    console.warn("card:", error);
    return null;
  }
}

/** Writes a text into an element's one text node, and only if it changed: no node is ever replaced. */
function setText(element: HTMLElement, text: string): void {
  if (!element.firstChild) element.append("");
  const node = element.firstChild as Text;
  if (node.data !== text) node.data = text;
}
