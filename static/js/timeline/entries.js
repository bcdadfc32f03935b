// The timeline's entries: which of them a reader's choice leaves, and when each was, in the reader's own time. Pure.

import { clock } from "../format.js";

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

// `rare` is not offered while there is none.
const FILTERS = [
  { id: "all", word: "All", takes: () => true },
  { id: "change", word: "Changes", takes: ({ kind }) => kind === "change" },
  { id: "event", word: "Kubernetes events", takes: ({ kind }) => kind === "event" },
  { id: "warning", word: "Warnings", takes: ({ tone }) => tone === "warn" || tone === "bad" },
  { id: "action", word: "Actions", takes: ({ kind }) => kind === "action", rare: true },
];

// The entries of a filter that have all of the text's words in them, in whatever case.
export function select(entries, filter, text) {
  const { takes } = FILTERS.find(({ id }) => id === filter);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => takes(entry) && words.every((word) => searched(entry).includes(word)));
}

// The filters as {id, word, count}, `chosen` among them even when it takes nothing.
export function filters(entries, chosen) {
  return FILTERS.map(({ id, word, takes, rare }) => ({ id, word, rare, count: entries.filter(takes).length }))
    .filter(({ id, rare, count }) => !rare || count > 0 || id === chosen)
    .map(({ id, word, count }) => ({ id, word, count }));
}

// "14:02:11", and of another day than that of `at` (milliseconds since 1970) the date before it: "24 Nov 14:02:11".
export function moment(time, at) {
  const then = new Date(time);
  return day(then) === day(at) ? clock(time) : `${DAY.format(then)} ${clock(time)}`;
}

// The date and the time with its zone, as a title has room for.
export function fullMoment(time) {
  return FULL.format(new Date(time));
}

// Which of the reader's days a moment is in, for comparing.
export function day(moment) {
  return new Date(moment).toDateString();
}

function searched({ text, about }) {
  return [text, about?.kind, about?.name].filter(Boolean).join(" ").toLowerCase();
}
