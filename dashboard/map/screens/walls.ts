// The walls: which there are, what each shows and when it drew last; and what is sent to the one that is chosen.

import { readJson } from "../answers.ts";
import { Marker } from "maplibre-gl";
import { createCountyMap, type CountyMap } from "../county_map.ts";
import { followLive, type LiveFeed } from "../live.ts";
import { postJson } from "./drawer/post.ts";
import { followHeader } from "./header.ts";
import { make, makePart, openPage, part, type Page, setAttribute, setText, syncList } from "./page.ts";
import { nameScene, readScenes, type Scene } from "./scenes.ts";

const ASK_EVERY_MS = 3000;
const TICK_MS = 1000;
/** So long ago a wall may have drawn last before its row turns red. */
const LATE_S = 25;
const LAYERS = ["grid", "open_cases", "exercise"];
const DURATIONS_MINUTES = [0, 15, 60, 480];

interface Beat {
  scene: string;
  paused: boolean;
  width: number;
  height: number;
  ratio: number;
  shown_since: number | null;
  drawn_at: number | null;
  heap_mb: number | null;
  contexts_lost?: number;
  version?: string;
}

interface Order {
  order: "scene" | "place" | "case";
  scene: string | null;
  place: string | null;
  case_id: string | null;
  role: string;
  at: number;
  until: number | null;
}

/** One wall as /api/walls tells it; moments in epoch ms. */
interface Wall {
  name: string;
  area: string;
  place: { zh: string; en: string };
  made_at: number | null;
  heard_at: number | null;
  beat: Beat | null;
  order: Order | null;
}

/** Starts the page on the skeleton that Dash has rendered. */
export async function start(root: HTMLElement): Promise<void> {
  const feed = followLive("/live");
  const page = await openPage(root);
  followHeader(page, feed);
  const board = new Board(page, feed);
  const home = page.slot("map");
  if (!home) return;
  const layers = page.county.layers.filter((spec) => LAYERS.includes(spec.key));
  board.follow(await createCountyMap(home, { county: { ...page.county, layers }, lang: page.lang, feed, layers }));
}

class Board {
  private walls: Wall[] = [];
  private hasTokens = false;
  private chosen: string | null = null;
  private point: { lon: number; lat: number; zoom: number } | null = null;
  private pin = new Marker({ color: "#4CC9F0" });
  private scenes: Map<string, Scene>;
  private roles: Record<string, string>;
  private form = make("div", "form");
  private heading = make("h2");
  private duration = make("select");
  private area = make("select");
  private caseId = make("input");

  constructor(
    private page: Page,
    private feed: LiveFeed,
  ) {
    this.scenes = readScenes(page);
    this.roles = JSON.parse(page.root.dataset.roles || "{}") as Record<string, string>;
    this.layForm();
    this.layMaking();
    feed.subscribe((frame) => {
      if (frame.walls) void this.ask();
    });
    setInterval(() => void this.ask(), ASK_EVERY_MS);
    setInterval(() => this.draw(), TICK_MS);
    void this.ask();
  }

  /** A click on the map is a place; on a case, that case. */
  follow(map: CountyMap): void {
    map.maplibre.on("click", ({ lngLat }) => {
      this.point = { lon: lngLat.lng, lat: lngLat.lat, zoom: Math.max(map.maplibre.getZoom(), 11) };
      this.area.value = "";
      this.pin.setLngLat(lngLat).addTo(map.maplibre);
      this.drawForm();
    });
    map.subscribePicks((pick) => {
      const found = pick?.layer === "open_cases" ? this.feed.state.cases.get(pick.id) : undefined;
      if (found) this.caseId.value = found.case_id;
    });
    this.area.addEventListener("change", () => {
      const box = this.area.value ? map.boxOf(this.area.value) : null;
      this.point = null;
      this.pin.remove();
      map.frame(box);
    });
  }

  private async ask(): Promise<void> {
    const told = (await readJson("/api/walls").catch(() => null)) as { tokens: boolean; walls: Wall[] } | null;
    if (!told) return;
    this.walls = told.walls;
    this.hasTokens = told.tokens;
    this.chosen ??= (this.walls.find((wall) => this.isOn(wall)) ?? this.walls[0])?.name ?? null;
    this.draw();
    this.drawForm();
  }

  private draw(): void {
    const rows = this.page.slot("rows");
    if (!rows) return;
    syncList(rows, this.walls, (wall) => wall.name, (wall) => this.makeRow(wall.name), (row, wall) => this.drawRow(row, wall));
    const none = this.page.slot("none");
    setText(none, this.page.say(this.hasTokens ? "walls.none" : "walls.none_seen"));
    if (none) none.hidden = this.walls.length > 0;
    const making = this.page.slot("make");
    if (making) making.hidden = !this.hasTokens || !this.page.root.dataset.maker;
  }

  private makeRow(name: string): HTMLElement {
    const choose = make("button", "choose", name);
    choose.type = "button";
    choose.addEventListener("click", () => this.choose(name));
    const cells = ["area", "shows", "since", "drawn", "screen", "machine"].map((key) => {
      const cell = make("td", key, makePart(key), makePart(`${key}-more`, "more"));
      return cell;
    });
    const release = this.makeButton("release", () => this.send(name, { order: "release" }, "released"));
    const revoke = this.makeButton("revoke", () => this.revoke(name));
    return make("tr", "one", make("th", "", choose), ...cells, make("td", "deeds", release, revoke));
  }

  private makeButton(key: string, act: () => unknown): HTMLButtonElement {
    const button = make("button", key, this.page.say(`walls.${key}`));
    button.type = "button";
    button.dataset.part = key;
    button.addEventListener("click", act);
    return button;
  }

  private drawRow(row: HTMLElement, wall: Wall): void {
    const { page } = this;
    const { beat, order } = wall;
    const now = this.feed.serverNow();
    const isOn = this.isOn(wall);
    const drawnAgo = beat?.drawn_at ? Math.max(0, now - beat.drawn_at / 1000) : null;
    setAttribute(row, "aria-selected", String(wall.name === this.chosen));
    setAttribute(row, "data-on", String(isOn));
    setAttribute(row, "data-late", drawnAgo !== null && drawnAgo <= LATE_S ? null : "");
    setText(part(row, "area"), wall.area ? page.words(wall.place) : page.say("walls.county"));
    setText(part(row, "shows"), order ? this.nameOrder(order) : this.nameShown(beat));
    setText(part(row, "shows-more"), order ? this.sayOrder(order, now) : beat && isOn ? page.say(beat.paused ? "walls.paused" : "walls.rotating") : "");
    const since = order ? order.at : beat?.shown_since;
    setText(part(row, "since"), since ? page.shortTime(since / 1000, now) : "–");
    setText(part(row, "drawn"), drawnAgo === null ? page.say(wall.heard_at ? "walls.away" : "walls.never") : page.ago(drawnAgo));
    setText(part(row, "drawn-more"), isOn || drawnAgo === null ? "" : page.say("walls.away"));
    setText(part(row, "screen"), beat ? `${beat.width}×${beat.height}` : "–");
    setText(part(row, "screen-more"), beat && beat.ratio !== 1 ? `@${beat.ratio}` : "");
    setText(part(row, "machine"), beat ? [beat.heap_mb === null ? "" : `${beat.heap_mb} MB`, beat.version].filter(Boolean).join(" · ") : "–");
    setText(part(row, "machine-more"), beat?.contexts_lost ? page.say("walls.lost_contexts", { n: beat.contexts_lost }) : "");
    part(row, "release")!.hidden = order === null;
    part(row, "revoke")!.hidden = wall.made_at === null || !page.root.dataset.maker;
  }

  private isOn({ heard_at }: Wall): boolean {
    return heard_at !== null && this.feed.serverNow() - heard_at / 1000 < LATE_S;
  }

  private nameShown(beat: Beat | null): string {
    const scene = this.scenes.get(beat?.scene ?? "");
    return scene ? this.page.words(nameScene(scene)) : (beat?.scene ?? "–");
  }

  private nameOrder({ order, scene, place, case_id }: Order): string {
    if (order === "case") return `${this.page.say("wall.order_case")} ${case_id}`;
    if (order === "place") return place ? this.nameArea(place) : this.page.say("wall.order_here");
    const found = this.scenes.get(scene ?? "");
    return found ? this.page.words(nameScene(found)) : (scene ?? "");
  }

  private nameArea(code: string): string {
    const village = this.page.places.villages.find((one) => one.code === code);
    return village ? (this.page.lang === "en" ? village.name_en : village.name) : this.page.nameTown(code);
  }

  private sayOrder({ role, until }: Order, now: number): string {
    const by = this.page.say("walls.ordered_by", { role: this.roles[role] ?? role });
    return until === null ? by : `${by} · ${this.page.say("walls.until", { at: this.page.shortTime(until / 1000, now) })}`;
  }

  private choose(name: string): void {
    this.chosen = name;
    this.draw();
    this.drawForm();
  }

  // -- sending ------------------------------------------------------------------------------------------

  private layForm(): void {
    const { page } = this;
    for (const minutes of DURATIONS_MINUTES) this.duration.append(new Option(page.say(`walls.minutes_${minutes}`), String(minutes)));
    this.area.append(new Option(page.say("walls.place_hint"), ""));
    page.places.towns.forEach((town, i) => {
      const group = make("optgroup");
      group.label = this.nameArea(town.code);
      group.append(new Option(group.label, town.code));
      for (const village of page.places.villages.filter((one) => one.town === i)) group.append(new Option(this.nameArea(village.code), village.code));
      this.area.append(group);
    });
    this.caseId.autocomplete = "off";
    this.caseId.value = new URLSearchParams(location.search).get("case") ?? "";
    const scenes = make("div", "scenes");
    for (const scene of [...this.scenes.values()].sort((a, b) => (a.turn ?? 99) - (b.turn ?? 99))) {
      const button = make("button", "scene", page.words(nameScene(scene)));
      button.type = "button";
      button.dataset.scene = scene.key;
      button.addEventListener("click", () => void this.send(this.chosen, { order: "scene", scene: scene.key }));
      scenes.append(button);
    }
    const place = make("div", "row", this.area, this.makeButton("send", () => this.sendPlace()));
    const one = make("div", "row", this.caseId, this.makeButton("send", () => this.send(this.chosen, { order: "case", case_id: this.caseId.value.trim() })));
    this.form.append(
      this.heading,
      this.label("how_long", this.duration),
      make("h3", "", page.say("walls.scene")), scenes,
      make("h3", "", page.say("walls.place")), place,
      make("h3", "", page.say("walls.case")), one,
    );
    place.dataset.what = "place";
    one.dataset.what = "case";
    this.area.setAttribute("aria-label", page.say("walls.place"));
    this.caseId.setAttribute("aria-label", page.say("walls.case"));
    page.slot("order")?.append(this.form);
    this.drawForm();
  }

  private label(key: string, field: HTMLElement): HTMLElement {
    return make("label", "", make("span", "", this.page.say(`walls.${key}`)), field);
  }

  private drawForm(): void {
    const wall = this.chosen;
    setText(this.heading, wall === null ? this.page.say("walls.choose") : this.page.say("walls.send_to", { wall }));
    for (const button of this.form.querySelectorAll("button")) button.disabled = wall === null;
    const { point } = this;
    setText(this.area.options[0] ?? null, point ? `${point.lon.toFixed(4)}, ${point.lat.toFixed(4)}` : this.page.say("walls.place_hint"));
  }

  private sendPlace(): Promise<void> | undefined {
    if (this.area.value) return this.send(this.chosen, { order: "place", place: this.area.value });
    return this.point ? this.send(this.chosen, { order: "place", ...this.point }) : undefined;
  }

  private async send(wall: string | null, order: Record<string, unknown>, word = "sent"): Promise<void> {
    if (wall === null) return;
    const minutes = Number(this.duration.value);
    const body = order.order !== "release" && minutes ? { ...order, minutes } : order;
    await this.post(`/api/walls/${encodeURIComponent(wall)}/orders`, body, () => this.page.say(`walls.${word}`, { wall }));
  }

  private async revoke(wall: string): Promise<void> {
    if (!confirm(this.page.say("walls.revoke_sure", { wall }))) return;
    await this.post(`/api/walls/${encodeURIComponent(wall)}/revoke`, {}, () => "");
  }

  private async post(url: string, body: unknown, say: (answer: Record<string, string>) => string | (Node | string)[]): Promise<void> {
    const { status, body: answer } = await postJson(url, body);
    const said = this.page.slot("said");
    const why = (answer as { detail?: string } | null)?.detail ?? this.page.say("walls.offline");
    const words = status >= 200 && status < 300 ? say(answer as Record<string, string>) : this.page.say("walls.failed", { why });
    setAttribute(said, "data-failed", status >= 200 && status < 300 ? null : "");
    said?.replaceChildren(...(typeof words === "string" ? [words] : words));
    void this.ask();
  }

  // -- making -------------------------------------------------------------------------------------------

  private layMaking(): void {
    const { page } = this;
    const name = make("input");
    const area = make("input");
    name.maxLength = 32;
    area.inputMode = "numeric";
    area.maxLength = 15;
    const button = this.makeButton("make", () =>
      this.post("/api/walls", { name: name.value.trim(), area: area.value.trim() }, ({ wall, token }) => {
        name.value = area.value = "";
        const address = make("code", "", `${location.origin}/wall-start?lang=${page.lang}#${token}`);
        return [page.say("walls.made", { wall: wall ?? "" }), address, make("small", "", page.say("walls.made_hint"))];
      }),
    );
    page.slot("make")?.append(this.label("column_name", name), this.label("area_code", area), button);
  }
}
