// Finds anything on the page by its name: a dialog with a field and a list, which loads when it opens.

import { html, nothing, render, repeat } from "../lib/vendor.js";
import { plural } from "../text/format.js";
import { candidates, search } from "./candidates.js";

export class Finder {
  #dialog;
  #all = [];
  #found = [];
  #text = "";
  #active = 0; // the index of the result that Enter opens

  constructor(dialog) {
    this.#dialog = dialog;
  }

  // Fills the dialog, which is open, with what can be found in a state. `go(result)` shows a result.
  open(state, names, go) {
    this.#all = candidates(state, names, go);
    this.#find("");
    this.#dialog.querySelector("input").focus();
  }

  #find(text) {
    this.#text = text;
    this.#found = search(this.#all, text);
    this.#active = 0;
    this.#draw();
  }

  #draw() {
    const found = this.#found;
    render(
      html`<label class="visually-hidden" for="finder-text" id="finder-title">Find on this page</label>
        <input
          id="finder-text"
          class="shell-field"
          type="search"
          role="combobox"
          aria-expanded=${found.length > 0}
          aria-controls="finder-results"
          aria-activedescendant=${found.length > 0 ? `found-${this.#active}` : nothing}
          placeholder="A pod or other object, a run, a document, an entry of the timeline, a part of the page"
          autocomplete="off"
          spellcheck="false"
          .value=${this.#text}
          @input=${({ target }) => this.#find(target.value)}
          @keydown=${(event) => this.#pressKey(event)}
        />
        <p class="text-muted" role="status">${plural(found.length, "result")}</p>
        <ul id="finder-results" class="finder-results" role="listbox" aria-label="Results">
          ${repeat(found, ({ id }) => id, (one, index) => html`<li id="found-${index}" role="option" aria-selected=${index === this.#active} @click=${() => this.#go(one)}>
            <span class="tag">${one.kind}</span> <span class="finder-text">${one.text}</span>
          </li>`)}
        </ul>`,
      this.#dialog,
    );
    this.#dialog.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }

  #pressKey(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined && event.key !== "Enter") return;
    event.preventDefault();
    if (this.#found.length === 0) return;
    if (event.key === "Enter") return this.#go(this.#found[this.#active]);
    this.#active = (this.#active + by + this.#found.length) % this.#found.length;
    this.#draw();
  }

  #go(result) {
    this.#dialog.close();
    result.go();
  }
}
