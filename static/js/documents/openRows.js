// The rows that the reader has opened, and the whole documents that they show.

import { jsonLine } from "../text/format.js";
import { parts } from "../text/json.js";
import { ask } from "../api/request.js";

// A row's identity. A live row is {id, document, inserted, truncated, text} and is identified by its id; a page's row has a key.
export function keyOf(row) {
  return row.key ?? row.id;
}

// The open rows by key. An entry is {row, text, problem, readAt}: `text` is null while a truncated document is being fetched.
export class OpenRows {
  #entries = new Map();
  #redraw;
  #fetchText;
  #now;
  onChange; // called with "replace" or "delete" and an id, when the reader asks for that; null for a viewer

  constructor(redraw, { fetchText = fetchDocument, now = Date.now, onChange = null } = {}) {
    this.onChange = onChange;
    this.#redraw = redraw;
    this.#fetchText = fetchText;
    this.#now = now;
  }

  toggle(row) {
    if (this.#close(keyOf(row))) this.#redraw();
    else this.#open(row);
  }

  rows() {
    return Array.from(this.#entries.values(), ({ row }) => row);
  }

  // Returns the entry of a row, or undefined. `row` is the row's present version, which the entry follows; a text that was fetched
  // stays as it was read.
  get(row) {
    const entry = this.#entries.get(keyOf(row));
    if (entry === undefined || entry.row === row) return entry;
    entry.row = row;
    if (row.truncated && entry.readAt) return entry;
    const problem = row.truncated ? entry.problem : null;
    Object.assign(entry, { text: row.truncated ? null : wholeText(row), problem, readAt: null, indented: null, size: null });
    if (row.truncated && problem === null) this.#fetch(entry);
    return entry;
  }

  retry(entry) {
    this.#fetch(entry);
    this.#redraw();
  }

  // Follows a change of the document: closes the rows of one that is gone, and fetches again what was fetched.
  changed(id, isGone) {
    for (const [key, entry] of [...this.#entries]) {
      if (entry.row.id !== id) continue;
      if (isGone) this.#close(key);
      else if (entry.row.truncated) this.#fetch(entry);
    }
  }

  clear() {
    for (const key of [...this.#entries.keys()]) this.#close(key);
  }

  #open(row) {
    const text = row.truncated ? null : wholeText(row);
    const entry = { row, text, problem: null, readAt: null, abort: null, indented: null, size: null };
    this.#entries.set(keyOf(row), entry);
    this.#redraw();
    if (text === null) this.#fetch(entry);
  }

  #close(key) {
    this.#entries.get(key)?.abort?.abort();
    return this.#entries.delete(key);
  }

  async #fetch(entry) {
    entry.abort?.abort();
    entry.abort = new AbortController();
    const { signal } = entry.abort;
    entry.problem = null;
    try {
      const text = await this.#fetchText(entry.row.id, signal);
      if (signal.aborted) return;
      Object.assign(entry, { text, readAt: this.#now(), indented: null, size: null });
    } catch (error) {
      if (signal.aborted) return;
      entry.problem = error.message;
    }
    this.#redraw();
  }
}

export function isObjectId(id) {
  return /^[0-9a-f]{24}$/.test(id);
}

// The whole document of a row that is not truncated, with its _id, as the service writes it.
function wholeText(row) {
  if (row.whole !== undefined) return row.whole;
  const text = jsonLine(row);
  return `{"_id":${isObjectId(row.id) ? JSON.stringify(row.id) : row.id}${text === "{}" ? "" : ","}${text.slice(1)}`;
}

// Fetches a whole document from the service. The id of a live row that is no ObjectId is JSON, as a filter needs it.
async function fetchDocument(id, signal) {
  if (isObjectId(id)) return (await ask(`/api/documents/${id}`, { signal })).text();
  const query = new URLSearchParams({ limit: "1", filter: `{"_id":${id}}` });
  const [found] = parts(await (await ask(`/api/documents?${query}`, { signal })).text());
  if (found === undefined) throw new Error("The service does not find this _id: the document is gone, or its _id has a type that JSON lacks.");
  return found;
}
