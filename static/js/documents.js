// What Mongo holds: its size, and the newest documents as they arrive. A document is text here, whatever it contains.

import { guard, html, nothing, repeat } from "./vendor.js";
import { bytes, clock, duration, indent, line, plural, rate, secondsSince, shortId, wholeDuration } from "./format.js";
import { icon } from "./icons.js";
import { empty, panel } from "./panel.js";

const NEW_FOR_MS = 4_000; // a row is highlighted this long after it was first seen
const LINE_LENGTH = 400; // more of a document would not fit a line on any screen

// The view keeps two things between renders: when each row was first seen, and the rows a reader holds open, which stay although
// newer ones push them out. `collection` is its name; `redraw()` is called when a reader opens or closes one.
export function documents({ collection }, redraw) {
  let seen = null; // null until the first list: what was there before the page opened is not new
  const open = new Map();

  function toggle(row) {
    if (!open.delete(row.id)) open.set(row.id, row);
    redraw();
  }

  function view(state, at) {
    const { mongo } = state;
    const newest = mongo?.newest ?? [];
    const arrivals = note(newest, at);
    const kept = [...open.values()].filter(({ id }) => !newest.some((row) => row.id === id));
    return panel({
      id: "documents",
      title: "Mongo contents",
      aside: mongo ? summary(collection, mongo) : "",
      state,
      kinds: ["mongo"],
      body: newest.length + kept.length === 0 ? absent(mongo) : table(newest, kept, arrivals, at),
    });
  }

  // Which rows are new. Rows that are gone are forgotten, so that an hour of arrivals leaves nothing behind.
  function note(newest, at) {
    const before = seen;
    seen = new Map(newest.map(({ id }) => [id, before === null ? -Infinity : (before.get(id) ?? at)]));
    return new Set(newest.filter(({ id }) => at - seen.get(id) < NEW_FOR_MS).map(({ id }) => id));
  }

  function table(newest, kept, arrivals, at) {
    return html`<table class="documents">
      <caption class="unseen">The newest documents</caption>
      <thead>
        <tr><th scope="col">inserted</th><th scope="col">_id</th><th scope="col">document</th></tr>
      </thead>
      <tbody>
        ${repeat(newest, ({ id }) => id, (row) => rows(row, at, { arrived: arrivals.has(row.id) }))}
        ${repeat(kept, ({ id }) => id, (row) => rows(row, at, { kept: true }))}
      </tbody>
    </table>`;
  }

  function rows(row, at, { arrived = false, kept = false }) {
    const isOpen = open.has(row.id);
    const age = ago(row.inserted, at);
    const detail = `document-${row.id}`;
    return guard([row, age, isOpen, arrived, kept], () => html`<tr
        data-document=${row.id}
        data-arrived=${arrived ? "" : nothing}
        data-open=${isOpen ? "" : nothing}
        @click=${(event) => event.target.closest("button") ?? toggle(row)}
      >
        <td><time datetime=${row.inserted ?? nothing} title=${clock(row.inserted)}>${age}</time></td>
        <td class="mono" title=${row.id}>${shortId(row.id)}</td>
        <td>
          <div class="document-line">
            <span class="mono">${line(row).slice(0, LINE_LENGTH)}</span>
            ${row.truncated ? html`<span class="tag">cut</span>` : nothing} ${kept ? html`<span class="tag">kept open</span>` : nothing}
            <button
              type="button"
              class="toggle"
              aria-expanded=${isOpen}
              aria-controls=${isOpen ? detail : nothing}
              aria-label="Full JSON of ${row.id}"
              @click=${() => toggle(row)}
            >
              ${icon("chevron")}
            </button>
          </div>
        </td>
      </tr>
      ${isOpen ? html`<tr class="document-detail" id=${detail}><td colspan="3">${whole(row)}</td></tr>` : nothing}`);
  }

  return view;
}

function whole(row) {
  return html`${row.truncated ? html`<p class="quiet">Too large to show in full here: GET /data/${row.id} has all of it.</p>` : nothing}
    <pre tabindex="0" aria-label="JSON of ${row.id}">${indent(line(row))}</pre>`;
}

function summary(collection, { count: documents, size_bytes: size, ops_per_second: operations }) {
  const parts = [collection];
  if (documents !== null) parts.push(plural(documents, "document"), bytes(size));
  if (operations !== null) parts.push(rate(operations, "operations"));
  return parts.join(" · ");
}

function absent(mongo) {
  if (!mongo) return empty("Mongo has not answered yet", "Its documents appear here once it does.", "half");
  if (mongo.state === "down") return empty("Mongo does not answer", "What it holds appears here once it is back.", "warning");
  const example = `curl -X POST -H "Content-Type: application/json" -d '{"key":"value"}' http://localhost:5000/data`;
  return empty("No documents yet", html`The first one posted appears here at once: <code class="example">${example}</code>`);
}

function ago(time, at) {
  const seconds = secondsSince(time, at);
  if (seconds === null) return "—";
  return `${seconds < 9.95 ? duration(seconds) : wholeDuration(seconds)} ago`;
}
