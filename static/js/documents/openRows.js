// The rows that a reader holds open, and the whole documents that they show.

import { line } from "../format.js";
import { parts } from "../json.js";
import { ask } from "../request.js";

// A live row is {id, document, inserted, truncated, text}, and its id is its key. A page's has a key of its own.
export function keyOf(row) {
  return row.key ?? row.id;
}

// The open rows, by key. What does not come with the row is asked for when it is opened.
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

  // The entry of a row as it is now: a document may change while it is open. One that was asked for stays as it was read.
  function get(row) {
    const entry = open.get(keyOf(row));
    if (entry === undefined || entry.row === row) return entry;
    entry.row = row;
    if (row.truncated && entry.readAt) return entry;
    const problem = row.truncated ? entry.problem : null;
    Object.assign(entry, { text: row.truncated ? null : whole(row), problem, readAt: null, shown: null, size: null });
    if (row.truncated && problem === null) fetchWhole(entry);
    return entry;
  }

  async function fetchWhole(entry) {
    entry.abort?.abort();
    const { signal } = (entry.abort = new AbortController());
    entry.problem = null;
    try {
      const text = await fetchText(entry.row.id, signal);
      if (signal.aborted) return;
      Object.assign(entry, { text, readAt: now() });
    } catch (error) {
      if (signal.aborted) return;
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
    get,
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

export function isObjectId(id) {
  return /^[0-9a-f]{24}$/.test(id);
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
