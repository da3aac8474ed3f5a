// Photos: small ones in a row, each opens large.

import type { Page } from "../page.ts";
import { make } from "../page.ts";
import type { CaseFile } from "./casefile.ts";
import { Section } from "./section.ts";

export class Media {
  readonly section = new Section("case-media");

  constructor(private readonly page: Page) {}

  update(file: CaseFile): void {
    this.section.redraw([file.media, file.media_elsewhere], () => this.draw(file));
  }

  private draw(file: CaseFile): Node[] {
    const { page } = this;
    if (!file.media.length && !file.media_elsewhere) return [];
    const photos = file.media.map((url, number) => this.makePhoto(url, page.say("drawer.photo", { n: number + 1 })));
    const more = file.media_elsewhere ? [make("p", "hint", page.say("drawer.media_elsewhere", { n: file.media_elsewhere }))] : [];
    return [make("h3", "", page.say("drawer.media")), make("div", "photos", ...photos), ...more];
  }

  private makePhoto(url: string, name: string): HTMLElement {
    const image = make("img");
    image.src = url;
    image.alt = name;
    image.loading = "lazy";
    const button = make("button", "photo", image);
    button.type = "button";
    button.addEventListener("click", () => this.showLarge(url, name));
    return button;
  }

  private showLarge(url: string, name: string): void {
    const image = make("img");
    image.src = url;
    image.alt = name;
    const close = make("button", "close", this.page.say("common.close"));
    const dialog = make("dialog", "photo-large", image, close);
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    this.section.element.append(dialog);
    dialog.showModal();
  }
}
