// The fields of a report that is taken down at the desk: what is typed and chosen, and what is wrong with it.

import { makeId } from "../drawer/post.ts";
import { make, makeSeverity, type Page, setText } from "../page.ts";
import { ClassSearch } from "./class_search.ts";
import { Combobox } from "./combobox.ts";
import { PlaceSearch, type Spot } from "./place_search.ts";

/** What the server did not take, and why; `rule` are the words of the county's own rule. */
export interface Refusal {
  field?: string;
  reason?: string;
  rule?: { zh: string; en: string };
}

const SEVERITIES = [1, 2, 3, 4];
const USUAL_SEVERITY = 4;
const CHANNELS = ["hotline", "window", "superior"];
const LONGEST_TEXT = 2000;
const LONGEST_LINE = 60;

export class IntakeForm {
  readonly element = make("div", "fields");
  readonly category: Combobox<string>;
  readonly place: Combobox<Spot>;
  private readonly classes: ClassSearch;
  private readonly places: PlaceSearch;
  private readonly words = make("textarea", "");
  private readonly person = { name: make("input", ""), phone: make("input", "") };
  private readonly notes = { category: make("p", "note"), place: make("p", "note") };
  private readonly faults = new Map<string, HTMLElement>();
  private id = makeId();

  /** changed: class, place or words are others; placed: so is the place, which was named or clicked on the map. */
  constructor(
    private readonly page: Page,
    private readonly on: { changed(): void; placed(spot: Spot | null, named: boolean): void },
  ) {
    this.classes = new ClassSearch(page);
    this.places = new PlaceSearch(page);
    this.category = new Combobox("intake-class", (words) => this.classes.find(words), () => page.say("intake.no_class"), () => this.takeClass());
    this.place = new Combobox("intake-spot", (words) => this.places.find(words), () => this.places.sayNone(), () => this.takePlace(true));
    this.layOut();
  }

  /** Gets ready what is searched in; an officer may have typed and chosen before it is there. */
  prepare(): void {
    void this.classes.load().then(() => {
      this.category.refresh();
      this.sayMatter();
    });
    void this.places.load().then(() => this.place.refresh());
  }

  /** Takes a place that was clicked on the map. */
  point(spot: Spot): void {
    this.place.set(spot, this.page.say("intake.on_map", { lon: spot.lon, lat: spot.lat }));
    this.takePlace(false);
    this.place.input.focus();
  }

  /** What is said, as `POST /api/reports` takes it; with the same id however often it is sent. */
  get said(): Record<string, unknown> {
    const { name, phone } = this.person;
    return {
      id: this.id,
      category: this.category.value,
      description: this.words.value.trim(),
      severity: Number(this.chosen("severity")),
      channel: this.chosen("channel"),
      reporter: { name: name.value.trim(), phone: phone.value.trim() },
      ...(this.place.value && toPlace(this.place.value)),
    };
  }

  get text(): string {
    return this.words.value.trim();
  }

  get isBegun(): boolean {
    const typed = [this.category.input, this.place.input, this.words, ...Object.values(this.person)];
    return typed.some((one) => one.value.trim() !== "");
  }

  /** Says at their fields what is missing, goes to the first of them, and returns whether nothing is. */
  check(): boolean {
    this.clearFaults();
    const missing = ([["category", this.category], ["place", this.place]] as const).filter(([, field]) => field.value === null);
    for (const [name, { input }] of missing) this.showFault(name, this.page.say(input.value.trim() ? "intake.choose" : "intake.missing"));
    missing[0]?.[1].input.focus();
    return missing.length === 0;
  }

  /** Says at its field what was refused, and goes there; returns the words where no field is meant. */
  refuse({ field = "", reason = "", rule }: Refusal, status: number): string {
    const { page } = this;
    const name = field.split(".")[0]!;
    const key = `refused_${name}${status === 403 ? "_yours" : ""}`;
    const known = page.sayName("intake", key);
    const label = this.faults.has(name) ? page.say(`intake.${name}`) : name;
    const words = rule ? page.words(rule) : known === key ? page.say("intake.refused", { field: label, reason }) : known;
    if (!this.faults.has(name)) return words;
    this.showFault(name, words);
    this.element.querySelector<HTMLElement>(`[data-field="${name}"] :is(input, textarea)`)?.focus();
    return "";
  }

  /** Empties the form for another report. */
  reset(): void {
    this.id = makeId();
    this.words.value = this.person.name.value = this.person.phone.value = "";
    for (const radio of this.element.querySelectorAll<HTMLInputElement>("[type=radio]")) radio.checked = radio.defaultChecked;
    this.category.set(null, "");
    this.place.set(null, "");
    this.takeClass();
    this.takePlace(false);
    this.clearFaults();
  }

  private takeClass(): void {
    this.sayMatter();
    this.showFault("category", "");
    this.on.changed();
  }

  private sayMatter(): void {
    const listed = this.classes.listed(this.category.value);
    setText(this.notes.category, listed?.matter ? this.page.say("intake.matter", { matter: listed.matter, admission: listed.admission ?? "" }) : "");
  }

  private takePlace(named: boolean): void {
    const spot = this.place.value;
    setText(this.notes.place, "");
    this.showFault("place", "");
    this.on.placed(spot, named);
    this.on.changed();
    if (spot) void this.readWhose(spot);
  }

  private async readWhose(spot: Spot): Promise<void> {
    const query = new URLSearchParams(Object.entries({ ...toPlace(spot), lang: this.page.lang }).map(([name, value]) => [name, String(value)]));
    const answer = await fetch(`/api/reports/place?${query}`).catch(() => null);
    const told = await answer?.json().catch(() => null);
    if (this.place.value !== spot || !answer || !told) return;
    if (answer.ok) setText(this.notes.place, this.places.sayWhose(told));
    else this.refuse(told as Refusal, answer.status);
  }

  private layOut(): void {
    const { page, words, person } = this;
    words.rows = 6;
    words.maxLength = LONGEST_TEXT;
    words.addEventListener("input", () => this.on.changed());
    this.category.input.placeholder = page.say("intake.category_hint");
    this.place.input.placeholder = page.say("intake.place_hint");
    for (const [name, input] of Object.entries(person)) {
      Object.assign(input, { maxLength: LONGEST_LINE, autocomplete: "off", placeholder: page.say(`intake.${name}`) });
      input.setAttribute("aria-label", input.placeholder);
    }
    person.phone.type = "tel";
    const severities = SEVERITIES.map((one) => [String(one), makeSeverity(page, one)] as const);
    const channels = CHANNELS.map((one) => [one, page.sayName("channel", one)] as const);
    this.element.append(
      this.makeField("category", this.category.input, this.category.element, this.notes.category),
      this.makeField("place", this.place.input, this.place.element, this.notes.place),
      this.makeField("description", words, words),
      this.makeRadios("severity", severities, String(USUAL_SEVERITY)),
      this.makeRadios("channel", channels, CHANNELS[0]!),
      this.makeField("reporter", null, make("div", "person", person.name, person.phone), make("p", "note", page.say("intake.reporter_why"))),
    );
  }

  private makeField(name: string, control: HTMLElement | null, ...content: HTMLElement[]): HTMLElement {
    const label = make("span", "label", this.page.say(`intake.${name}`));
    label.id = `intake-${name}`;
    control?.setAttribute("aria-labelledby", label.id);
    const fault = make("p", "fault");
    fault.setAttribute("role", "alert");
    this.faults.set(name, fault);
    const field = make("div", "entry", label, ...content, fault);
    field.dataset.field = name;
    return field;
  }

  private makeRadios(name: string, choices: (readonly [string, Node | string])[], usual: string): HTMLElement {
    const radios = choices.map(([value, words]) => {
      const radio = make("input", "");
      Object.assign(radio, { type: "radio", name: `intake-${name}`, value, defaultChecked: value === usual });
      return make("label", "", radio, words);
    });
    const group = make("div", "radios", ...radios);
    group.setAttribute("role", "radiogroup");
    return this.makeField(name, group, group);
  }

  private chosen(name: string): string {
    return this.element.querySelector<HTMLInputElement>(`[name=intake-${name}]:checked`)!.value;
  }

  private clearFaults(): void {
    for (const name of this.faults.keys()) this.showFault(name, "");
  }

  private showFault(name: string, words: string): void {
    setText(this.faults.get(name) ?? null, words);
  }
}

/** A place as the server takes it: by its code a cell of which no more is known. */
export function toPlace({ lon, lat, cell_code }: Spot): { cell_code: string } | { lon: number; lat: number } {
  return cell_code === undefined ? { lon, lat } : { cell_code };
}
