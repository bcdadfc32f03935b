// MongoDB's contents: its size, the newest documents as they arrive, and pages of all others. Every document is shown as text.

import { html, nothing, repeat } from "../lib/vendor.js";
import { bytes, plural, rate, shortId, timeOfDay } from "../text/format.js";
import { icon } from "../lib/icons.js";
import { empty, panel } from "../lib/panel.js";
import { Arrivals } from "./arrivals.js";
import { DocumentForm } from "./form.js";
import { OpenRows, isObjectId, keyOf } from "./openRows.js";
import { Pager } from "./pager.js";
import { documentRow } from "./row.js";

const EXAMPLES = ['{"key": "value"}', '{"n": {"$gte": 10, "$lt": 20}}', '{"$or": [{"a.b": 1}, {"tags": {"$exists": false}}]}'];

export class DocumentsView {
  #collection;
  #address; // of the service's documents, for the reader's shell
  #form; // null for a viewer
  #arrivals = new Arrivals();
  #openRows; // of the live table; they stay although newer rows push them out
  #openPageRows;
  #pager;
  #redraw;
  #navigation;
  #now = 0;

  // `names` are the collection, the service's address for the reader's shell, and the reader's role; `redraw()` is called after the
  // reader's actions.
  constructor({ collection, role, serviceAddress }, redraw, navigation) {
    this.#collection = collection;
    this.#redraw = redraw;
    this.#navigation = navigation;
    this.#address = `${serviceAddress}/data`;
    const onChange = role === "operator" ? (kind, id) => this.#change(kind, id) : null;
    this.#openRows = new OpenRows(redraw, { onChange });
    this.#openPageRows = new OpenRows(redraw, { onChange });
    this.#pager = new Pager(redraw, { onPage: () => this.#openPageRows.clear() });
    this.#form = role === "operator" ? new DocumentForm({ address: this.#address, onStored: (id) => this.#onStored(id), redraw }) : null;
  }

  // Shows what an address names, one document or a filter. Returns a sentence if the document is gone, or null.
  async show({ parts: [id], query: { filter = "" } }) {
    const wanted = id ? `{"_id":${isObjectId(id) ? JSON.stringify(id) : id}}` : filter;
    const input = /** @type {HTMLInputElement | null} */ (document.querySelector(".document-filter input"));
    if (!input) return "The contents of this application's database are not shown.";
    input.value = wanted;
    document.getElementById("documents").scrollIntoView({ block: "nearest" });
    if (wanted === "") this.#pager.live();
    else await this.#pager.show(wanted);
    const { page, problem } = this.#pager;
    if (!id || problem !== null || page?.filter !== wanted) return null;
    if (page.rows.length === 0) return `The document ${id} that this link names is gone.`;
    this.#openPageRows.toggle(page.rows[0]);
    return null;
  }

  draw(state, now) {
    if (!state.sources.mongo) return nothing; // another application, whose database has no contents to show
    const { mongo } = state;
    this.#now = now;
    const newIds = mongo ? this.#arrivals.update(mongo.newest ?? [], now) : new Set();
    return html`${panel({
      id: "documents",
      title: "MongoDB contents",
      aside: mongo ? summary(this.#collection, mongo) : "",
      state,
      kinds: ["mongo"],
      body: html`${controls(this.#pager, this.#form, (filter) => this.#search(filter))} ${this.#pager.page ? this.#page(this.#pager.page) : this.#live(mongo, newIds)}`,
    })}
    ${this.#form ? this.#form.view() : nothing}`;
  }

  #live(mongo, newIds) {
    const rows = mongo?.newest ?? [];
    const kept = this.#openRows.rows().filter(({ id }) => !rows.some((row) => row.id === id));
    if (rows.length + kept.length === 0) return noDocuments(mongo, this.#form !== null, this.#address);
    const own = this.#arrivals.own(this.#now);
    const older = step("Older", () => this.#pager.older(position(rows.at(-1))), rows.length > 0);
    return html`${positionBar("live", this.#pager, html`The newest ${rows.length}, as they arrive.${changedMessage(own)}`, [older])}
    ${table(
      "The newest documents",
      html`${repeat(rows, keyOf, (row) => documentRow(row, this.#now, this.#openRows, { isNew: newIds.has(row.id), isOwn: row.id === own?.id }))}
      ${repeat(kept, keyOf, (row) => documentRow(row, this.#now, this.#openRows, { isKept: true }))}`,
    )}`;
  }

  #page({ filter, trail, rows, next, readAt }) {
    const pager = this.#pager;
    const before = trail.at(-1);
    const from = before === null ? "from the newest on" : html`before <span class="mono">${shortId(before)}</span>`;
    const filtered = filter ? html` · filter <code>${filter}</code>` : nothing;
    const text = html`${plural(rows.length, "document")} ${from}${filtered} · read at ${timeOfDay(readAt)} · the live view is paused.${changedMessage(this.#arrivals.own(this.#now))}`;
    const steps = [
      step("Back to live", () => this.#backToLive()),
      step("Newest", () => pager.newest()),
      step("Newer", () => pager.newer(), trail.length > 1),
      step("Older", () => pager.older(), next !== null),
    ];
    const own = this.#arrivals.own(this.#now);
    return html`${positionBar("page", pager, text, steps)}
    ${rows.length === 0
      ? empty(filter ? "No document matches this filter" : "No documents on this page", `Press “Newest” to ${filter ? "search" : "read"} again.`)
      : table("A page of documents", html`${repeat(rows, keyOf, (row) => documentRow(row, this.#now, this.#openPageRows, { isOwn: row.id === own?.id }))}`)}`;
  }

  #search(filter) {
    if (filter === "") return this.#backToLive();
    this.#pager.show(filter);
    this.#navigation.set("documents", [], { filter });
  }

  #onStored(id) {
    this.#arrivals.change(id, this.#now, "Stored as");
    this.#backToLive();
  }

  // The dialog is loaded when it opens.
  async #change(kind, id) {
    const { openDialog } = await import("./documentDialog.js");
    openDialog({ kind, id, address: this.#address, onChanged: (isGone, isOwn) => this.#onChanged(id, isGone, isOwn) });
  }

  #onChanged(id, isGone, isOwn) {
    if (isOwn) this.#arrivals.change(id, this.#now, isGone ? "Deleted" : "Replaced");
    this.#openRows.changed(id, isGone);
    this.#pager.refresh();
    this.#redraw();
  }

  #backToLive() {
    /** @type {HTMLFormElement} */ (document.querySelector(".document-filter")).reset();
    this.#pager.live();
    this.#navigation.clear("documents");
  }
}

function controls(pager, form, onFilter) {
  const { problem } = pager;
  return html`<div class="document-controls">
      <form class="document-filter" role="search" aria-label="Filter documents" @submit=${(event) => submitFilter(event, onFilter)}>
        <input
          type="search"
          name="filter"
          class="document-field mono"
          placeholder='Filter: {"key": "value"}'
          aria-label="Filter, a JSON object"
          aria-describedby="document-problem document-examples"
          aria-invalid=${problem ? "true" : nothing}
          autocomplete="off"
          autocapitalize="off"
          spellcheck="false"
          maxlength="4096"
        />
        <button type="submit" class="button button-small" aria-busy=${String(pager.pending !== null)}>Filter</button>
      </form>
      ${form ? html`<button type="button" class="button button-small" data-operator @click=${() => form.open()}>Insert a document…</button>` : nothing}
    </div>
    <p id="document-problem" class="problem" role="alert">${problem ?? nothing}</p>
    <p id="document-examples" class="document-examples">
      <span>for example</span>
      ${EXAMPLES.map((example) => html`<button type="button" class="link mono" @click=${(event) => useExample(event, example)}>${example}</button>`)}
    </p>`;
}

function submitFilter(event, onFilter) {
  event.preventDefault();
  onFilter(event.target.elements.namedItem("filter").value.trim());
}

function useExample(event, example) {
  const input = event.target.closest("section").querySelector(".document-filter input");
  input.value = example;
  input.focus();
}

// Which documents are shown, and the buttons that lead to others.
function positionBar(mode, pager, text, steps) {
  return html`<div class="document-position" data-mode=${mode}>
    <p role="status">${text}</p>
    <div class="document-steps" aria-busy=${String(pager.pending !== null)}>${steps}</div>
  </div>`;
}

// A step that leads nowhere is disabled and not removed: a removed button would lose the focus.
function step(word, go, isPossible = true) {
  return html`<button type="button" class="button button-small" aria-disabled=${isPossible ? nothing : "true"} @click=${isPossible ? go : nothing}>${word}</button>`;
}

function changedMessage(own) {
  if (own === null) return nothing;
  return html` <span class="document-stored" data-stored=${own.id}>${icon("check")}${own.word} <span class="mono">${own.id}</span>.</span>`;
}

function table(caption, body) {
  return html`<table class="documents">
    <caption class="visually-hidden">${caption}</caption>
    <thead>
      <tr><th scope="col">inserted</th><th scope="col">_id</th><th scope="col">document</th></tr>
    </thead>
    <tbody>${body}</tbody>
  </table>`;
}

// The position that the page after a row starts at; null for an _id that is no ObjectId, whose position only the service knows.
function position({ id }) {
  return isObjectId(id) ? id : null;
}

function summary(collection, /** @type {wire.MongoView} */ { count: documents, size_bytes: size, ops_per_second: operations }) {
  const parts = [collection];
  if (documents !== null) parts.push(plural(documents, "document"), bytes(size));
  if (operations !== null) parts.push(rate(operations, "operations"));
  return parts.join(" · ");
}

function noDocuments(/** @type {wire.MongoView} */ mongo, canInsert, address) {
  if (!mongo) return empty("MongoDB has not answered yet", "Its documents appear here once it does.", "half");
  if (mongo.state === "down") return empty("MongoDB does not answer", "Its documents appear here once it does again.", "warning");
  const example = `curl -X POST -H "Content-Type: application/json" -d '{"key":"value"}' ${address}`;
  return empty("No documents yet", html`${canInsert ? "Insert or post one" : "Post one"}, and it appears here at once: <code class="example">${example}</code>`);
}
