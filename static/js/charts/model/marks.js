// The marks on the charts, which are timeline entries and an unmet obligation, and where their labels fit. Pure.

import { obligationText, unmetObligation } from "../../demos/runs.js";

const MOST = 80; // marks in one range; more would hide the charts

// Returns the timeline's marked entries between two times (in seconds), oldest first: {id, at (seconds), tone, label, text}.
export function marksIn(/** @type {wire.TimelineEntry[]} */ timeline, { from, to }) {
  return (timeline ?? [])
    .filter(({ mark }) => mark !== null && mark !== undefined)
    .map(({ id, at, tone, mark, text }) => ({ id, at: Date.parse(at) / 1_000, tone, label: mark, text }))
    .filter(({ at }) => at >= from && at <= to)
    .sort((a, b) => a.at - b.at)
    .slice(-MOST);
}

// Returns the latest failed run's unmet obligation between two times as a mark with a start (`since`); null without one.
export function obligationMark(/** @type {wire.RunRow[]} */ runs, { from, to }) {
  for (const run of runs ?? []) {
    const obligation = unmetObligation(run);
    if (!obligation) continue;
    const [since, at] = [obligation.since, obligation.by].map((time) => Date.parse(time) / 1_000);
    if (at >= from && since <= to) return { id: `owed/${run.id}`, since, at, tone: "bad", label: "not met", text: obligationText(obligation) };
  }
  return null;
}

// Returns the labels that fit, {…mark, left, row, side}, oldest first. `side` is right or left of the mark's line. Where only one of
// two fits, problems go first, then later marks. `x(time)` is a line's position, `measure(label)` a label's width; these, `width` and
// `gap` are in CSS pixels.
export function placeLabels(marks, { x, measure, width, rows, gap }) {
  const taken = Array.from({ length: rows }, () => []);
  const placed = [];
  for (const mark of marks.toSorted((a, b) => weight(b) - weight(a) || b.at - a.at)) {
    const size = measure(mark.label) + gap;
    const spot = findSpot(x(mark.at), size, width, taken);
    if (!spot) continue;
    taken[spot.row].push([spot.left, spot.left + size]);
    placed.push({ ...mark, ...spot });
  }
  return placed.sort((a, b) => a.at - b.at);
}

function findSpot(x, size, width, taken) {
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

// Returns the marks within `reach` seconds of a time, and those whose span includes it.
export function marksNear(marks, time, reach) {
  return marks.filter(({ at, since = at }) => time >= since - reach && time <= at + reach);
}
