// A document's row, and below it, when a reader opens it, the whole of it.

import { guard, html, nothing } from "./vendor.js";
import { bytes, clock, count, duration, line, secondsSince, shortId, wholeDuration } from "./format.js";
import { copy } from "./copy.js";
import { icon } from "./icons.js";
import { indent, parts, takeId } from "./json.js";
import { ask } from "./request.js";

const LINE_LENGTH = 400; // more of a document would not fit a line on any screen
const RENDERED = 200_000; // characters; the copy has the rest

// A live row is {id, document, inserted, truncated, text}, and its id is its key. A page's has a key of its own.
export function keyOf(row) {
  return row.key ?? row.id;
}

// The rows that a reader holds open, by key. What does not come with the row is asked for when it is opened.
export function opened(redraw, { fetchText = fetched, now = Date.now } = {}) {
  const open = new Map();

  function toggle(row) {
    if (close(keyOf(row))) redraw();
    else read({ row, text: row.truncated ? null : whole(row), problem: null, readAt: null, abort: null, shown: null, size: null });
  }

  function read(entry) {
    open.set(keyOf(entry.row), entry);
    redraw();
    if (entry.text === null) fetchWhole(entry);
  }

  async function fetchWhole(entry) {
    entry.abort = new AbortController();
    entry.problem = null;
    try {
      entry.text = await fetchText(entry.row.id, entry.abort.signal);
      entry.readAt = now();
    } catch (error) {
      if (entry.abort.signal.aborted) return;
      entry.problem = error.message;
    }
    redraw();
  }

  function close(key) {
    open.get(key)?.abort?.abort();
    return open.delete(key);
  }

  return {
    toggle,
    get: (key) => open.get(key),
    rows: () => Array.from(open.values(), ({ row }) => row),
    again(entry) {
      fetchWhole(entry);
      redraw();
    },
    clear() {
      for (const key of [...open.keys()]) close(key);
    },
  };
}

// The rows of a page that was fetched, from its text: what a browser's numbers would round stays as it was written. Two ids of
// different types may be written alike, so the place makes the key.
export function pageRows(json) {
  return parts(json).map((text, place) => {
    const { id, text: rest } = takeId(text);
    return { key: `${place} ${id}`, id: id ?? "", text: rest, whole: text, inserted: time(id), truncated: false };
  });
}

// `held` are the open rows; `arrived` and `own` highlight a row, `kept` marks one that only a reader holds here.
export function documentRow(row, at, held, { arrived = false, own = false, kept = false } = {}) {
  const entry = held.get(keyOf(row));
  const age = ago(row.inserted, at);
  const detail = `document ${keyOf(row)}`.replaceAll(/\W/g, "-");
  return guard([row, age, entry, entry?.text, entry?.problem, arrived, own, kept], () => html`<tr
      data-document=${row.id}
      data-arrived=${arrived ? "" : nothing}
      data-own=${own ? "" : nothing}
      data-open=${entry ? "" : nothing}
      @click=${(event) => event.target.closest("button") ?? held.toggle(row)}
    >
      <td><time datetime=${row.inserted ?? nothing} title=${clock(row.inserted)}>${age}</time></td>
      <td class="mono" title=${row.id.slice(0, LINE_LENGTH)}>${shortId(row.id)}</td>
      <td>
        <div class="document-line">
          <span class="mono">${line(row).slice(0, LINE_LENGTH)}</span>
          ${row.truncated ? html`<span class="tag">cut</span>` : nothing} ${own ? html`<span class="tag">yours</span>` : nothing}
          ${kept ? html`<span class="tag">kept open</span>` : nothing}
          <button
            type="button"
            class="toggle"
            aria-expanded=${Boolean(entry)}
            aria-controls=${entry ? detail : nothing}
            aria-label="Full JSON of ${shortId(row.id)}"
            @click=${() => held.toggle(row)}
          >
            ${icon("chevron")}
          </button>
        </div>
      </td>
    </tr>
    ${entry ? html`<tr class="document-detail" id=${detail}><td colspan="3">${detailOf(entry, held)}</td></tr>` : nothing}`);
}

function detailOf(entry, held) {
  const { row, text, problem } = entry;
  if (problem !== null) {
    return html`<p class="problem" role="alert">${problem}</p>
      <button type="button" class="button" @click=${() => held.again(entry)}>Try again</button>`;
  }
  if (text === null) return html`<p class="quiet" role="status">Asking the service for all of it…</p>`;
  entry.shown ??= indent(text, RENDERED);
  entry.size ??= new Blob([text]).size;
  const cut = entry.shown.length >= RENDERED;
  return html`<div class="document-tools">
      <p class="quiet">
        ${bytes(entry.size)}${entry.readAt ? `, read at ${clock(entry.readAt)}` : ""}${cut
          ? `; the first ${count(RENDERED)} characters are shown, the copy has all`
          : ""}
      </p>
      <button type="button" class="button button-small" @click=${({ currentTarget }) => copy(currentTarget, indent(text))}>Copy JSON</button>
      <span class="quiet" role="status"></span>
    </div>
    <pre tabindex="0" aria-label="JSON of ${shortId(row.id)}">${entry.shown}</pre>`;
}

// All of a document that came with its row: with its _id, as the service writes it.
function whole(row) {
  if (row.whole !== undefined) return row.whole;
  const text = line(row);
  return `{"_id":${isObjectId(row.id) ? JSON.stringify(row.id) : row.id}${text === "{}" ? "" : ","}${text.slice(1)}`;
}

// All of a document, from the service. Live rows have an id that is no ObjectId as JSON, which is what a filter takes.
async function fetched(id, signal) {
  if (isObjectId(id)) return (await ask(`/api/documents/${id}`, { signal })).text();
  const query = new URLSearchParams({ limit: 1, filter: `{"_id":${id}}` });
  const [found] = parts(await (await ask(`/api/documents?${query}`, { signal })).text());
  if (found === undefined) throw new Error("The service does not find a document of this _id: it is gone, or of a type that JSON does not have.");
  return found;
}

function isObjectId(id) {
  return /^[0-9a-f]{24}$/.test(id);
}

// When an ObjectId was made; null for another id.
function time(id) {
  return id && isObjectId(id) ? new Date(parseInt(id.slice(0, 8), 16) * 1_000).toISOString() : null;
}

function ago(inserted, at) {
  const seconds = secondsSince(inserted, at);
  if (seconds === null) return "—";
  return `${seconds < 9.95 ? duration(seconds) : wholeDuration(seconds)} ago`;
}
