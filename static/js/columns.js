// Points in columns of equal length, {at: [moments, ascending], figure: [numbers, or null where there was none]}, changed in place.

const FINE_SECONDS = 3_700; // an hour, and a little
const COARSE_SECONDS = 60;
const KEEP_SECONDS = 12 * 3_600;

export function columnsOf(names) {
  return Object.fromEntries(["at", ...names].map((name) => [name, []]));
}

export function lastMoment({ at }) {
  return at.length > 0 ? at[at.length - 1] : -Infinity;
}

// The index of the first moment later than `moment`.
export function indexAfter(at, moment) {
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] > moment) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Adds the points that are later than the last one.
export function append(columns, points) {
  for (let index = indexAfter(points.at, lastMoment(columns)); index < points.at.length; index += 1) {
    for (const name in columns) columns[name].push(points[name]?.[index] ?? null);
  }
}

// Adds the points of moments that are not there yet, wherever they belong. Where both have a point, ours stays.
export function weave(columns, points) {
  if (points.at.length === 0) return;
  const cut = indexAfter(columns.at, points.at[0]) - 1;
  if (cut === columns.at.length - 1) return append(columns, points); // the usual case: all of it is new
  const tail = {};
  for (const name in columns) tail[name] = columns[name].splice(Math.max(0, cut));
  let theirs = 0;
  for (let ours = 0; ours < tail.at.length; ours += 1) {
    for (; points.at[theirs] < tail.at[ours]; theirs += 1) push(columns, points, theirs);
    if (points.at[theirs] === tail.at[ours]) theirs += 1;
    push(columns, tail, ours);
  }
  for (; theirs < points.at.length; theirs += 1) push(columns, points, theirs);
}

// Bounds a long table: what is older than an hour becomes a point a minute, what is older than half a day goes, and whatever
// is more than `most` after that goes too. Steps are not averaged: the last of a minute stands.
export function thin(columns, most, { steps = false } = {}) {
  if (columns.at.length <= most) return;
  const newest = lastMoment(columns);
  const fine = indexAfter(columns.at, newest - FINE_SECONDS);
  const head = {};
  for (const name in columns) head[name] = columns[name].splice(0, fine);
  const merged = columnsOf(Object.keys(columns).slice(1));
  for (let start = indexAfter(head.at, newest - KEEP_SECONDS), end = start; start < fine; start = end) {
    const minute = Math.floor(head.at[start] / COARSE_SECONDS);
    while (end < fine && Math.floor(head.at[end] / COARSE_SECONDS) === minute) end += 1;
    if (steps) push(merged, head, end - 1);
    else for (const name in merged) merged[name].push(name === "at" ? head.at[start] : mean(head[name], start, end));
  }
  for (const name in columns) columns[name] = merged[name].concat(columns[name]).slice(-Math.floor(most * 0.9));
}

// Keeps the newest points, and cuts only now and then.
export function trim(columns, least) {
  const excess = columns.at.length - least;
  if (excess <= least / 4) return;
  for (const name in columns) columns[name].splice(0, excess);
}

function push(columns, points, index) {
  for (const name in columns) columns[name].push(points[name]?.[index] ?? null);
}

function mean(values, start, end) {
  let sum = 0;
  let known = 0;
  for (let index = start; index < end; index += 1) {
    if (values[index] === null) continue;
    sum += values[index];
    known += 1;
  }
  return known === 0 ? null : sum / known;
}
