// The table on a page that was asked for, with a filter or of older documents, in the place of the live one.

import { isObjectId } from "./openRows.js";
import { parts, takeId } from "../json.js";
import { ask } from "../request.js";

export const PAGE = 20; // documents

// {page, asking, problem}: `page` is null while the table is live, else {filter, trail, rows, next, readAt}; `asking` is what is
// being asked for, {filter, trail}; `problem` the words of a refusal. A trail is the positions that led to a page, the newest page's
// being null. `redraw()` follows every change; `onPage()` comes before a new page, and before the return to the live table.
export function pager(redraw, { fetchPage = fetched, onPage = () => {}, now = Date.now } = {}) {
  const pages = { page: null, asking: null, problem: null, show, older, newer, newest, live };
  let abort = null;

  // The newest page of a filter, "" for none.
  function show(filter) {
    return go(filter, [null]);
  }

  // The next page; from the live table, the one before its last row (null: where that is no position, the newest).
  function older(before = null) {
    const { page } = pages;
    if (page === null) return go("", before === null ? [null] : [null, before]);
    return page.next === null ? undefined : go(page.filter, [...page.trail, page.next]);
  }

  function newer() {
    const { page } = pages;
    return page === null || page.trail.length < 2 ? undefined : go(page.filter, page.trail.slice(0, -1));
  }

  function newest() {
    return show(pages.page?.filter ?? "");
  }

  function live() {
    abort?.abort();
    onPage();
    Object.assign(pages, { page: null, asking: null, problem: null });
    redraw();
  }

  // What is shown stays until the answer is there, and also when it is a refusal.
  async function go(filter, trail) {
    abort?.abort();
    const { signal } = (abort = new AbortController());
    Object.assign(pages, { asking: { filter, trail }, problem: null });
    redraw();
    try {
      const { json, next } = await fetchPage({ filter, before: trail.at(-1), limit: PAGE }, signal);
      if (signal.aborted) return;
      const rows = pageRows(json);
      onPage();
      Object.assign(pages, { page: { filter, trail, rows, next, readAt: now() }, asking: null });
    } catch (error) {
      if (signal.aborted) return;
      Object.assign(pages, { asking: null, problem: error.message });
    }
    redraw();
  }

  return pages;
}

// The rows of a page that was fetched, from its text: what a browser's numbers would round stays as it was written. Two ids of
// different types may be written alike, so the place makes the key.
export function pageRows(json) {
  return parts(json).map((text, place) => {
    const { id, text: rest } = takeId(text);
    return { key: `${place} ${id}`, id: id ?? "", text: rest, whole: text, inserted: time(id), truncated: false };
  });
}

// The parameters of a page's request: those that are given.
export function query({ filter, before, limit }) {
  const parameters = new URLSearchParams({ limit });
  if (before !== null) parameters.set("before", before);
  if (filter !== "") parameters.set("filter", filter);
  return parameters;
}

// The position that a Link header leads on to; null where there is none.
export function nextOf(link) {
  const found = /<([^>]*)>; *rel="next"/.exec(link ?? "");
  return found ? new URLSearchParams(found[1].slice(found[1].indexOf("?"))).get("before") : null;
}

async function fetched(asked, signal) {
  const response = await ask(`/api/documents?${query(asked)}`, { signal });
  return { json: await response.text(), next: nextOf(response.headers.get("Link")) };
}

// When an ObjectId was made; null for another id.
function time(id) {
  return id && isObjectId(id) ? new Date(parseInt(id.slice(0, 8), 16) * 1_000).toISOString() : null;
}
