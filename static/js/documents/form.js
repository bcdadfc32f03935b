// The dialog that inserts a document through the service, and shows the command that would do the same.

import { guard, html, nothing } from "../vendor.js";
import { copy } from "../copy.js";
import { check, command } from "./draft.js";
import { icon } from "../icons.js";
import { request } from "../request.js";

const ID = "document-form";
const EXAMPLE = '{"key": "value"}';

// `address` is where a reader's own shell finds the service's documents. `onStored(id)` follows an insertion. The text stays what it
// was, after an error and for the next document.
export function documentForm({ address, onStored, redraw, send = request }) {
  let text = EXAMPLE;
  let sending = false;
  let problem = null;

  function open() {
    problem = null;
    redraw();
    const dialog = document.getElementById(ID);
    const area = dialog.querySelector("textarea");
    area.value = text;
    dialog.showModal();
    area.select();
  }

  function write(event) {
    text = event.target.value;
    problem = null;
    redraw();
  }

  async function submit(event) {
    event.preventDefault();
    if (sending || !check(text).fits) return;
    const dialog = event.target.closest("dialog");
    sending = true;
    problem = null;
    redraw();
    try {
      const { id } = await send("POST", "/api/documents", { json: text });
      dialog.close();
      onStored(id);
    } catch (error) {
      problem = error.message;
    }
    sending = false;
    redraw();
  }

  // Enter makes a new line; with Ctrl or ⌘ it inserts.
  function key(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.target.form.requestSubmit();
  }

  const view = () => guard([text, sending, problem], draw);

  function draw() {
    const { fits, words } = check(text);
    const line = command(text, address);
    return html`<dialog id=${ID} class="document-form" aria-labelledby="document-form-title">
      <form @submit=${submit}>
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
          @input=${write}
          @keydown=${key}
        ></textarea>
        <p id="document-check" class="document-check" data-tone=${fits ? "good" : "warn"}>${icon(fits ? "check" : "warning")}<span>${words}</span></p>
        <p class="problem" role="alert">${problem ?? nothing}</p>
        <p class="text-muted" id="document-command">
          The same from a shell${line.includes("@document.json") ? ", with the text in document.json" : ""}:
        </p>
        <pre class="example document-command" tabindex="0" aria-labelledby="document-command"><code>${line}</code></pre>
        <div class="document-form-buttons">
          <button type="button" class="button button-small" @click=${({ currentTarget }) => copy(currentTarget, line)}>Copy command</button>
          <span class="text-muted" role="status"></span>
          <button type="button" class="button" @click=${(event) => event.target.closest("dialog").close()}>Cancel</button>
          <button type="submit" class="button" data-kind="primary" aria-busy=${String(sending)} aria-disabled=${String(!fits)}>
            ${sending ? "Inserting…" : "Insert"}
          </button>
        </div>
      </form>
    </dialog>`;
  }

  return { open, view };
}
