// What happened, as lines across the charts: which of the timeline's entries, and where their labels find room. Pure.

import { owedIn, owedWords } from "../runs.js";

const MOST = 80; // lines in one window; more would hide the charts

// The entries that deserve a line between two moments (in seconds), oldest first: {id, at (seconds), tone, label, text}.
export function marksIn(timeline, { from, to }) {
  return (timeline ?? [])
    .filter(({ mark }) => mark !== null && mark !== undefined)
    .map(({ id, at, tone, mark, text }) => ({ id, at: Date.parse(at) / 1_000, tone, label: mark, text }))
    .filter(({ at }) => at >= from && at <= to)
    .sort((a, b) => a.at - b.at)
    .slice(-MOST);
}

// What the latest of the runs that failed saw owed between two moments, as a mark that has a beginning (`since`) too; null for nothing.
export function owedMark(runs, { from, to }) {
  for (const run of runs ?? []) {
    const owed = owedIn(run);
    if (!owed) continue;
    const [since, at] = [owed.since, owed.by].map((time) => Date.parse(time) / 1_000);
    if (at >= from && since <= to) return { id: `owed/${run.id}`, since, at, tone: "bad", label: "owed", text: owedWords(owed) };
  }
  return null;
}

// The labels that have room, in `rows` rows: each to the right of its line, else to the left of it. Where there is room for one
// only, what went wrong stays, and then what came later. `x(moment)` is a line's place, `measure(label)` a label's width; both, like
// `width` and `gap`, in CSS pixels. Gives {…mark, left, row, side: "right" or "left" of its line}, oldest first.
export function labels(marks, { x, measure, width, rows, gap }) {
  const taken = Array.from({ length: rows }, () => []);
  const placed = [];
  for (const mark of marks.toSorted((a, b) => weight(b) - weight(a) || b.at - a.at)) {
    const size = measure(mark.label) + gap;
    const spot = spotFor(x(mark.at), size, width, taken);
    if (!spot) continue;
    taken[spot.row].push([spot.left, spot.left + size]);
    placed.push({ ...mark, ...spot });
  }
  return placed.sort((a, b) => a.at - b.at);
}

function spotFor(x, size, width, taken) {
  for (const [side, left] of [["right", x], ["left", x - size]]) {
    if (left < 0 || left + size > width) continue;
    const row = taken.findIndex((others) => others.every(([start, end]) => left + size <= start || left >= end));
    if (row >= 0) return { left, row, side };
  }
  return null;
}

function weight({ tone }) {
  return { bad: 2, warn: 1 }[tone] ?? 0;
}

// The marks within `reach` seconds of a moment, and those that it is inside of.
export function marksNear(marks, moment, reach) {
  return marks.filter(({ at, since = at }) => moment >= since - reach && moment <= at + reach);
}
