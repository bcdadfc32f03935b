// What Mongo holds: its size, the newest documents as they arrive, and pages of the others. A document is text here, whatever it contains.

import { html, nothing, repeat } from "../vendor.js";
import { documentForm } from "./form.js";
import { pager } from "./pager.js";
import { documentRow } from "./row.js";
import { bytes, clock, plural, rate, shortId } from "../format.js";
import { isObjectId, keyOf, opened } from "./openRows.js";
import { icon } from "../icons.js";
import { empty, panel } from "../panel.js";

const ADDRESS = "http://localhost:5000/data"; // of the service's documents, for a reader's own shell
const NEW_FOR_MS = 4_000; // a row is highlighted this long after it was first seen
const OWN_FOR_MS = 30_000; // and a reader's own document this long after it was stored
const EXAMPLES = ['{"key": "value"}', '{"n": {"$gte": 10, "$lt": 20}}', '{"$or": [{"a.b": 1}, {"tags": {"$exists": false}}]}'];

// The view keeps between renders: when each row was first seen; the rows a reader holds open, which stay although newer ones push them
// out; and the page a reader asked for. `names` are the collection and the reader's role; `redraw()` is called when a reader does something.
export function documents({ collection, role }, redraw) {
  const held = opened(redraw);
  const heldOfPage = opened(redraw);
  const pages = pager(redraw, { onPage: heldOfPage.clear });
  const form = role === "operator" ? documentForm({ address: ADDRESS, onStored, redraw }) : null;
  let seen = null; // null until the first list: what was there before the page opened is not new
  let rows = []; // the live ones
  let stored = null; // {id, at}: the reader's own latest document
  let at = 0;

  function view(state, now) {
    const { mongo } = state;
    at = now;
    rows = mongo?.newest ?? [];
    const arrivals = mongo ? note(rows) : new Set();
    return html`${panel({
      id: "documents",
      title: "Mongo contents",
      aside: mongo ? summary(collection, mongo) : "",
      state,
      kinds: ["mongo"],
      body: html`${controls()} ${pages.page ? page() : live(mongo, arrivals)}`,
    })}
    ${form ? form.view() : nothing}`;
  }

  // Which rows are new. Rows that are gone are forgotten, so that an hour of arrivals leaves nothing behind.
  function note(newest) {
    const before = seen;
    seen = new Map(newest.map(({ id }) => [id, before === null ? -Infinity : (before.get(id) ?? at)]));
    return new Set(newest.filter(({ id }) => at - seen.get(id) < NEW_FOR_MS).map(({ id }) => id));
  }

  function onStored(id) {
    stored = { id, at };
    backToLive();
  }

  function owns(id) {
    return stored !== null && stored.id === id && at - stored.at < OWN_FOR_MS;
  }

  function controls() {
    const { problem } = pages;
    return html`<div class="document-controls">
        <form class="document-filter" role="search" aria-label="Filter documents" @submit=${filter}>
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
          <button type="submit" class="button button-small" aria-busy=${String(pages.asking !== null)}>Filter</button>
        </form>
        ${form ? html`<button type="button" class="button button-small" data-operator @click=${form.open}>Insert a document…</button>` : nothing}
      </div>
      <p id="document-problem" class="problem" role="alert">${problem ?? nothing}</p>
      <p id="document-examples" class="document-examples">
        <span>for example</span>
        ${EXAMPLES.map((example) => html`<button type="button" class="link mono" @click=${(event) => take(event, example)}>${example}</button>`)}
      </p>`;
  }

  function take(event, example) {
    const input = event.target.closest("section").querySelector(".document-filter input");
    input.value = example;
    input.focus();
  }

  function filter(event) {
    event.preventDefault();
    const text = event.target.elements.namedItem("filter").value.trim();
    if (text === "") pages.live();
    else pages.show(text);
  }

  function live(mongo, arrivals) {
    const kept = held.rows().filter(({ id }) => !rows.some((row) => row.id === id));
    if (rows.length + kept.length === 0) return absent(mongo, form !== null);
    return html`${where("live", html`The newest ${rows.length}, as they arrive.${storedWords()}`, [step("Older", () => pages.older(position(rows.at(-1))))])}
    ${table(
      "The newest documents",
      html`${repeat(rows, keyOf, (row) => documentRow(row, at, held, { arrived: arrivals.has(row.id), own: owns(row.id) }))}
      ${repeat(kept, keyOf, (row) => documentRow(row, at, held, { kept: true }))}`,
    )}`;
  }

  function page() {
    const { filter: asked, trail, rows: found, next, readAt } = pages.page;
    const before = trail.at(-1);
    const from = before === null ? "from the newest on" : html`before <span class="mono">${shortId(before)}</span>`;
    const of = asked ? html` · filter <code>${asked}</code>` : nothing;
    const words = html`${plural(found.length, "document")} ${from}${of} · read at ${clock(readAt)} · the live view is paused`;
    const steps = [
      step("Back to live", backToLive),
      step("Newest", pages.newest),
      step("Newer", pages.newer, trail.length > 1),
      step("Older", () => pages.older(), next !== null),
    ];
    return html`${where("page", words, steps)}
    ${found.length === 0
      ? empty(asked ? "No document meets this filter" : "No documents here", "Newer ones may: “Newest” asks again.")
      : table("A page of documents", html`${repeat(found, keyOf, (row) => documentRow(row, at, heldOfPage, { own: owns(row.id) }))}`)}`;
  }

  function backToLive() {
    document.querySelector(".document-filter").reset();
    pages.live();
  }

  function where(mode, words, steps) {
    return html`<div class="document-where" data-mode=${mode}>
      <p role="status">${words}</p>
      <div class="document-steps" aria-busy=${String(pages.asking !== null)}>${steps}</div>
    </div>`;
  }

  function storedWords() {
    if (stored === null || at - stored.at >= OWN_FOR_MS) return nothing;
    return html` <span class="document-stored" data-stored=${stored.id}>${icon("check")}Stored as <span class="mono">${stored.id}</span>.</span>`;
  }

  return view;
}

// A step that leads nowhere now stays where it is and says so: a button that vanished would take the focus with it.
function step(word, go, leads = true) {
  return html`<button type="button" class="button button-small" aria-disabled=${leads ? nothing : "true"} @click=${leads ? go : nothing}>${word}</button>`;
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

// Where the page after this row starts; null for an _id that is no ObjectId, whose position only the service can tell.
function position({ id }) {
  return isObjectId(id) ? id : null;
}

function summary(collection, { count: documents, size_bytes: size, ops_per_second: operations }) {
  const parts = [collection];
  if (documents !== null) parts.push(plural(documents, "document"), bytes(size));
  if (operations !== null) parts.push(rate(operations, "operations"));
  return parts.join(" · ");
}

function absent(mongo, inserts) {
  if (!mongo) return empty("Mongo has not answered yet", "Its documents appear here once it does.", "half");
  if (mongo.state === "down") return empty("Mongo does not answer", "What it holds appears here once it is back.", "warning");
  const example = `curl -X POST -H "Content-Type: application/json" -d '{"key":"value"}' ${ADDRESS}`;
  return empty("No documents yet", html`The first one ${inserts ? "inserted or posted" : "posted"} appears here at once: <code class="example">${example}</code>`);
}
