// The dialog that inserts a document through the service, and shows the equivalent command.

import { guard, html, nothing } from "../lib/vendor.js";
import { copy } from "../lib/copy.js";
import { icon } from "../lib/icons.js";
import { request } from "../api/request.js";
import { check, command } from "./draft.js";

const ID = "document-form";
const EXAMPLE = '{"key": "value"}';

export class DocumentForm {
  #text = EXAMPLE; // stays after an error, and for the next document
  #sending = false;
  #problem = null;
  #address;
  #onStored;
  #redraw;

  // `address` is the service's address for the reader's shell. `onStored(id)` is called after an insertion.
  constructor({ address, onStored, redraw }) {
    this.#address = address;
    this.#onStored = onStored;
    this.#redraw = redraw;
  }

  open() {
    this.#problem = null;
    this.#redraw();
    /** @type {HTMLDialogElement} */
    const dialog = document.querySelector(`dialog#${ID}`);
    const area = dialog.querySelector("textarea");
    area.value = this.#text;
    dialog.showModal();
    area.select();
  }

  view() {
    return guard([this.#text, this.#sending, this.#problem], () => this.#dialog());
  }

  #dialog() {
    const { fits, message } = check(this.#text);
    return html`<dialog id=${ID} class="document-form" aria-labelledby="document-form-title">
      <form @submit=${(event) => this.#submit(event)}>
        <h2 id="document-form-title">Insert a document</h2>
        <label for="document-text">A JSON object, stored through the service</label>
        <textarea
          id="document-text"
          class="document-field mono"
          rows="8"
          spellcheck="false"
          autocapitalize="off"
          autocomplete="off"
          aria-describedby="document-check"
          aria-invalid=${String(!fits)}
          @input=${(event) => this.#write(event.target.value)}
          @keydown=${submitOnCtrlEnter}
        ></textarea>
        <p id="document-check" class="document-check" data-tone=${fits ? "good" : "warn"}>${icon(fits ? "check" : "warning")}<span>${message}</span></p>
        <p class="problem" role="alert">${this.#problem ?? nothing}</p>
        ${this.#footer(command(this.#text, this.#address), fits)}
      </form>
    </dialog>`;
  }

  #footer(line, fits) {
    return html`<p class="text-muted" id="document-command">
        The same from a shell${line.includes("@document.json") ? ", with the text in document.json" : ""}:
      </p>
      <pre class="example document-command" tabindex="0" aria-labelledby="document-command"><code>${line}</code></pre>
      <div class="document-form-buttons">
        <button type="button" class="button button-small" @click=${({ currentTarget }) => copy(currentTarget, line)}>Copy command</button>
        <span class="text-muted" role="status"></span>
        <button type="button" class="button" @click=${(event) => event.target.closest("dialog").close()}>Cancel</button>
        <button type="submit" class="button" data-kind="primary" aria-busy=${String(this.#sending)} aria-disabled=${String(!fits)}>
          ${this.#sending ? "Inserting…" : "Insert"}
        </button>
      </div>`;
  }

  #write(text) {
    this.#text = text;
    this.#problem = null;
    this.#redraw();
  }

  async #submit(event) {
    event.preventDefault();
    if (this.#sending || !check(this.#text).fits) return;
    const dialog = event.target.closest("dialog");
    this.#sending = true;
    this.#problem = null;
    this.#redraw();
    try {
      const { id } = await request("POST", "/api/documents", { json: this.#text });
      dialog.close();
      this.#onStored(id);
    } catch (error) {
      this.#problem = error.message;
    }
    this.#sending = false;
    this.#redraw();
  }
}

// Enter starts a new line; Ctrl or ⌘ with Enter submits.
export function submitOnCtrlEnter(event) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}
