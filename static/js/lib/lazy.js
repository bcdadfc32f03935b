// A part of the page that is loaded when it is first opened.

import { html, nothing } from "./vendor.js";

export class Lazy {
  #load;
  #redraw;
  #part = null;
  #isOpen = false;
  #problem = null;

  // `load()` returns a promise of the part: an object with a method `open`, for each opening.
  constructor(load, redraw) {
    this.#load = load;
    this.#redraw = redraw;
  }

  // To be called at each opening. A module that did not load stays so: most browsers ask for it no second time.
  async open(...given) {
    this.#isOpen = true;
    this.#problem = null;
    try {
      this.#part ??= await this.#load();
      this.#part.open(...given);
    } catch {
      this.#problem = "This part did not load. Reload the page to try again.";
    }
    this.#redraw();
  }

  close() {
    this.#isOpen = false;
  }

  // Returns what `template(part)` returns, while the part is open and loaded.
  draw(template) {
    if (!this.#isOpen) return nothing;
    if (this.#problem) return html`<p class="problem" role="alert">${this.#problem}</p>`;
    return this.#part ? template(this.#part) : html`<p class="text-muted">Loading…</p>`;
  }
}
