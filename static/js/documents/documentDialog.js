// The dialog that replaces or deletes one document through the service, in the version that the reader has seen. It is loaded when it
// opens. If someone changed the document meanwhile, it shows what, and nothing is overwritten.

import { html, nothing, render } from "../lib/vendor.js";
import { copy } from "../lib/copy.js";
import { dialogElement } from "../lib/dialog.js";
import { plural, shortId, timeOfDay } from "../text/format.js";
import { icon } from "../lib/icons.js";
import { indent, takeId } from "../text/json.js";
import { ask, request } from "../api/request.js";
import { check } from "./draft.js";
import { submitOnCtrlEnter } from "./form.js";
import { deleteCommand, difference, replaceCommand } from "./version.js";

const MOST_SHOWN = 200_000; // characters of a document
const LONGEST_LINE = 2_000; // characters of a line of the difference
const KINDS = {
  replace: { title: "Edit", method: "PUT", word: "Replace", busy: "Replacing…" },
  delete: { title: "Delete", method: "DELETE", word: "Delete", busy: "Deleting…" },
};

// Opens the dialog. `kind` is "replace" or "delete", `address` the service's for the reader's shell. `onChanged(isGone, isOwn)` is called
// after the reader's change, and when the document is found to be gone.
export function openDialog(options) {
  const element = dialogElement("document-change", () => element.remove(), "document-form");
  const dialog = new DocumentDialog(element, options);
  dialog.draw();
  element.showModal();
  dialog.read();
}

class DocumentDialog {
  #element;
  #kind;
  #id;
  #url;
  #onChanged;
  #seen = null; // the version that may be changed, {text, etag, readAt}; null until it is read
  #newer = null; // the present version, after someone else's change
  #text = ""; // the reader's
  #isGone = false;
  #busy = false;
  #problem = null;

  constructor(element, { kind, id, address, onChanged }) {
    this.#element = element;
    this.#kind = kind;
    this.#id = id;
    this.#url = `${address}/${id}`;
    this.#onChanged = onChanged;
  }

  // Reads the document, as the version that may be changed.
  async read() {
    await this.#attempt(async () => {
      this.#seen = await this.#present();
      this.#text = this.#seen.text;
    });
    this.#element.querySelector("textarea")?.focus();
  }

  draw() {
    const { title } = KINDS[this.#kind];
    render(
      html`<form @submit=${(event) => this.#submit(event)}>
        <h2 id="document-change-title">${title} the document <span class="mono">${this.#id}</span>${this.#kind === "delete" ? "?" : nothing}</h2>
        ${this.#body()}
        <p class="problem" role="alert">${this.#problem ?? nothing}</p>
        ${this.#footer()}
      </form>`,
      this.#element,
    );
  }

  #body() {
    if (this.#isGone) return html`<p role="status">The document is gone: someone deleted it. Nothing was changed.</p>`;
    if (this.#seen === null) return this.#problem ? nothing : html`<p class="text-muted" role="status">Reading its present version…</p>`;
    return html`${this.#newer ? this.#conflict() : html`<p class="text-muted">Read at ${timeOfDay(this.#seen.readAt)}. If someone changes it before you do, you are told, and nothing is overwritten.</p>`}
      ${this.#kind === "replace" ? this.#editor() : this.#newer ? nothing : this.#shown()}`;
  }

  #editor() {
    const { fits, message } = check(this.#text);
    return html`<label for="document-change-text">A JSON object, without its _id</label>
      <textarea
        id="document-change-text"
        class="document-field mono"
        rows="10"
        spellcheck="false"
        autocapitalize="off"
        autocomplete="off"
        aria-describedby="document-change-check"
        aria-invalid=${String(!fits)}
        .value=${this.#text}
        @input=${(event) => this.#write(event.target.value)}
        @keydown=${submitOnCtrlEnter}
      ></textarea>
      <p id="document-change-check" class="document-check" data-tone=${fits ? "good" : "warn"}>${icon(fits ? "check" : "warning")}<span>${message}</span></p>`;
  }

  #shown() {
    return html`<pre class="example document-version" tabindex="0" aria-label="The document ${shortId(this.#id)}">${this.#seen.text.slice(0, MOST_SHOWN)}</pre>`;
  }

  // What someone else changed, and how to go on. Either way the reader has seen the present version then.
  #conflict() {
    const lines = difference(this.#seen.text, this.#newer.text);
    const changed = lines.filter(({ mark }) => mark === "-" || mark === "+").length;
    return html`<div class="document-conflict" role="alert">
        <p><strong>Someone changed the document meanwhile. Nothing was overwritten.</strong></p>
        <p class="text-muted">${changed ? html`${plural(changed, "line")} differ: − as you saw it, + as it is now, read at ${timeOfDay(this.#newer.readAt)}.` : "It differs in no line: only a number's type changed, or it was changed back."}</p>
      </div>
      <pre class="example document-version" tabindex="0" aria-label="What changed">${lines.map(differenceLine)}</pre>
      <p class="document-form-buttons">
        ${this.#kind === "replace" ? html`<button type="button" class="button button-small" @click=${() => this.#accept(this.#newer.text)}>Edit the present version</button>
        <button type="button" class="button button-small" @click=${() => this.#accept(this.#text)}>Keep my text, to replace it</button>` : html`<button type="button" class="button button-small" @click=${() => this.#accept(this.#text)}>I have seen it</button>`}
      </p>`;
  }

  #footer() {
    const { word, busy } = KINDS[this.#kind];
    if (this.#seen === null || this.#isGone) return html`<div class="document-form-buttons"><span></span><button type="button" class="button" @click=${() => this.#element.close()}>Close</button></div>`;
    const line = this.#command();
    return html`<p class="text-muted" id="document-change-command">The same from a shell${line.includes("@document.json") ? ", with the text in document.json" : ""}:</p>
      <pre class="example document-command" tabindex="0" aria-labelledby="document-change-command"><code>${line}</code></pre>
      <div class="document-form-buttons">
        <button type="button" class="button button-small" @click=${({ currentTarget }) => copy(currentTarget, line)}>Copy command</button>
        <span class="text-muted" role="status"></span>
        <button type="button" class="button" @click=${() => this.#element.close()}>Cancel</button>
        <button type="submit" class="button" data-kind=${this.#kind === "delete" ? "danger" : "primary"} aria-busy=${String(this.#busy)} aria-disabled=${this.#isBlocked() ? "true" : nothing}>
          ${this.#busy ? busy : word}
        </button>
      </div>`;
  }

  #command() {
    const { etag } = this.#seen;
    return this.#kind === "delete" ? deleteCommand(this.#url, etag) : replaceCommand(this.#text, this.#url, etag);
  }

  #isBlocked() {
    return this.#busy || this.#newer !== null || (this.#kind === "replace" && !check(this.#text).fits);
  }

  #write(text) {
    this.#text = text;
    this.draw();
  }

  #accept(text) {
    this.#text = text;
    this.#seen = this.#newer;
    this.#newer = null;
    this.draw();
    this.#element.querySelector(this.#kind === "replace" ? "textarea" : "button[type=submit]").focus();
  }

  async #submit(event) {
    event.preventDefault();
    if (this.#seen === null || this.#isBlocked()) return;
    const isDeletion = this.#kind === "delete";
    await this.#attempt(async () => {
      try {
        const options = { headers: { "If-Match": this.#seen.etag }, ...(isDeletion ? {} : { json: this.#text }) };
        await request(KINDS[this.#kind].method, this.#path(), options);
      } catch (error) {
        if (error.status !== 412) throw error;
        this.#newer = await this.#present();
        return;
      }
      this.#element.close();
      this.#onChanged(isDeletion, true);
    });
  }

  // Does something that may fail, which the dialog then says.
  async #attempt(something) {
    this.#busy = true;
    this.#problem = null;
    this.draw();
    try {
      await something();
    } catch (error) {
      this.#isGone = error.status === 404;
      this.#problem = this.#isGone ? null : error.message;
      if (this.#isGone) this.#onChanged(true, false);
    }
    this.#busy = false;
    this.draw();
  }

  async #present() {
    const response = await ask(this.#path());
    const text = indent(takeId(await response.text()).text);
    return { text, etag: response.headers.get("ETag"), readAt: Date.now() };
  }

  #path() {
    return `/api/documents/${this.#id}`;
  }
}

function differenceLine({ mark, text }) {
  if (mark === "…") return html`<span class="document-left-out">… ${plural(text, "line")} the same …</span>\n`;
  const shown = `${mark === "-" ? "−" : mark} ${text.slice(0, LONGEST_LINE)}`;
  if (mark === " ") return `${shown}\n`;
  return mark === "-" ? html`<del>${shown}</del>\n` : html`<ins>${shown}</ins>\n`;
}
