// The timeline's filters, and its times in the reader's time zone. Pure.

import { timeOfDay } from "../text/format.js";

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

// A `rare` filter is not offered while it matches nothing.
const FILTERS = [
  { id: "all", word: "All", matches: () => true },
  { id: "change", word: "Changes", matches: ({ kind }) => kind === "change" },
  { id: "event", word: "Kubernetes events", matches: ({ kind }) => kind === "event" },
  { id: "warning", word: "Warnings", matches: ({ tone }) => tone === "warn" || tone === "bad" },
  { id: "action", word: "Actions", matches: ({ kind }) => kind === "action", rare: true },
];

// Returns the entries that match a filter and contain all words of the text, in any case.
export function select(/** @type {wire.TimelineEntry[]} */ entries, filter, text) {
  const { matches } = FILTERS.find(({ id }) => id === filter);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => matches(entry) && words.every((word) => searchText(entry).includes(word)));
}

// Returns the offered filters as {id, word, count}. The chosen one is always among them.
export function filters(/** @type {wire.TimelineEntry[]} */ entries, chosen) {
  return FILTERS.map(({ id, word, matches, rare }) => ({ id, word, rare, count: entries.filter(matches).length }))
    .filter(({ id, rare, count }) => !rare || count > 0 || id === chosen)
    .map(({ id, word, count }) => ({ id, word, count }));
}

// "14:02:11", or "24 Nov 14:02:11" for another day than that of `now` (milliseconds since 1970).
export function shortTime(time, now) {
  const date = new Date(time);
  return day(date) === day(now) ? timeOfDay(time) : `${DAY.format(date)} ${timeOfDay(time)}`;
}

// The date, and the time with its zone.
export function fullTime(time) {
  return FULL.format(new Date(time));
}

// The day in the reader's time zone, for comparisons.
export function day(time) {
  return new Date(time).toDateString();
}

function searchText(/** @type {wire.TimelineEntry} */ { text, about }) {
  return [text, about?.kind, about?.name].filter(Boolean).join(" ").toLowerCase();
}
