// A page of documents, filtered or older, which replaces the live table.

import { parts, takeId } from "../text/json.js";
import { ask } from "../api/request.js";
import { isObjectId } from "./openRows.js";

const PAGE_SIZE = 20;

// A trail is the list of positions that led to a page; the newest page's position is null.
export class Pager {
  page = null; // {filter, trail, rows, next, readAt}; null while the table is live
  pending = null; // the page being fetched, {filter, trail}
  problem = null; // why the last request failed, as a sentence
  #redraw;
  #options;
  #abort = null;

  // `redraw()` is called after every change, `onPage()` before another page or the live table is shown.
  constructor(redraw, { fetchPage = fetchFromService, onPage = () => {}, now = Date.now } = {}) {
    this.#redraw = redraw;
    this.#options = { fetchPage, onPage, now };
  }

  // Shows the newest page of a filter; "" is no filter.
  show(filter) {
    return this.#go(filter, [null]);
  }

  // Shows the next page. From the live table, that is the page after the row at position `before`, or the newest page for null.
  older(before = null) {
    if (this.page === null) return this.#go("", before === null ? [null] : [null, before]);
    const { filter, trail, next } = this.page;
    return next === null ? undefined : this.#go(filter, [...trail, next]);
  }

  newer() {
    if (this.page === null || this.page.trail.length < 2) return undefined;
    return this.#go(this.page.filter, this.page.trail.slice(0, -1));
  }

  // Reads the page again.
  refresh() {
    return this.page === null ? undefined : this.#go(this.page.filter, this.page.trail);
  }

  newest() {
    return this.show(this.page?.filter ?? "");
  }

  live() {
    this.#abort?.abort();
    this.#options.onPage();
    Object.assign(this, { page: null, pending: null, problem: null });
    this.#redraw();
  }

  // The present page stays until the new one arrives, and also when the request fails.
  async #go(filter, trail) {
    this.#abort?.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    Object.assign(this, { pending: { filter, trail }, problem: null });
    this.#redraw();
    try {
      const { json, next } = await this.#options.fetchPage({ filter, before: trail.at(-1), limit: PAGE_SIZE }, signal);
      if (signal.aborted) return;
      const rows = pageRows(json);
      this.#options.onPage();
      Object.assign(this, { page: { filter, trail, rows, next, readAt: this.#options.now() }, pending: null });
    } catch (error) {
      if (signal.aborted) return;
      Object.assign(this, { pending: null, problem: error.message });
    }
    this.#redraw();
  }
}

// Returns the rows of a page from its JSON, whose numbers stay as they were written. The key has the row's index, since ids of
// different types may look the same.
export function pageRows(json) {
  return parts(json).map((text, index) => {
    const { id, text: rest } = takeId(text);
    return { key: `${index} ${id}`, id: id ?? "", text: rest, whole: text, inserted: createdAt(id), truncated: false };
  });
}

// Returns the query parameters of a page's request.
export function query({ filter, before, limit }) {
  const parameters = new URLSearchParams({ limit });
  if (before !== null) parameters.set("before", before);
  if (filter !== "") parameters.set("filter", filter);
  return parameters;
}

// Returns the next page's position from a Link header; null without one.
export function nextOf(link) {
  const found = /<([^>]*)>; *rel="next"/.exec(link ?? "");
  return found ? new URLSearchParams(found[1].slice(found[1].indexOf("?"))).get("before") : null;
}

async function fetchFromService(parameters, signal) {
  const response = await ask(`/api/documents?${query(parameters)}`, { signal });
  return { json: await response.text(), next: nextOf(response.headers.get("Link")) };
}

// The time in an ObjectId; null for another id.
function createdAt(id) {
  return id && isObjectId(id) ? new Date(parseInt(id.slice(0, 8), 16) * 1_000).toISOString() : null;
}
