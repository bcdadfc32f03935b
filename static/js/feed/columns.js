// Points in columns of equal length, {at: [times, ascending], figure: [numbers, null where there is none]}, changed in place.

export const FINE_SECONDS = 3_700; // an hour and a little more
export const COARSE_SECONDS = 60;
export const KEEP_SECONDS = 12 * 3_600;

export function columnsOf(names) {
  return Object.fromEntries(["at", ...names].map((name) => [name, []]));
}

export function lastTime({ at }) {
  return at.length > 0 ? at[at.length - 1] : -Infinity;
}

// Returns the index of the first time after `time`.
export function indexAfter(at, time) {
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Adds the points that are later than the last one.
export function append(columns, points) {
  for (let index = indexAfter(points.at, lastTime(columns)); index < points.at.length; index += 1) push(columns, points, index);
}

// Adds the points whose times are not there yet, in order. Where both have a time, the point in `columns` stays.
export function merge(columns, points) {
  if (points.at.length === 0) return;
  const cut = indexAfter(columns.at, points.at[0]) - 1;
  if (cut === columns.at.length - 1) return append(columns, points); // the usual case: all points are new
  const tail = {};
  for (const name in columns) tail[name] = columns[name].splice(Math.max(0, cut));
  let added = 0;
  for (let kept = 0; kept < tail.at.length; kept += 1) {
    for (; points.at[added] < tail.at[kept]; added += 1) push(columns, points, added);
    if (points.at[added] === tail.at[kept]) added += 1;
    push(columns, tail, kept);
  }
  for (; added < points.at.length; added += 1) push(columns, points, added);
}

// Drops the points from one time to another, both included.
export function dropBetween(columns, from, until) {
  const first = indexAfter(columns.at, from - 0.000_1);
  const excess = indexAfter(columns.at, until) - first;
  if (excess > 0) for (const name in columns) columns[name].splice(first, excess);
}

// Bounds a table of more than `most` points: points older than an hour become one a minute, points older than half a day are
// dropped, and then the oldest ones beyond `most`. A minute becomes its mean, or with `steps` its last point.
export function downsample(columns, most, { steps = false } = {}) {
  if (columns.at.length <= most) return;
  const newest = lastTime(columns);
  const fine = indexAfter(columns.at, newest - FINE_SECONDS);
  const old = {};
  for (const name in columns) old[name] = columns[name].splice(0, fine);
  const sampled = columnsOf(Object.keys(columns).slice(1));
  for (let start = indexAfter(old.at, newest - KEEP_SECONDS), end = start; start < fine; start = end) {
    const minute = Math.floor(old.at[start] / COARSE_SECONDS);
    while (end < fine && Math.floor(old.at[end] / COARSE_SECONDS) === minute) end += 1;
    if (steps) push(sampled, old, end - 1);
    else for (const name in sampled) sampled[name].push(name === "at" ? old.at[start] : mean(old[name], start, end));
  }
  for (const name in columns) columns[name] = sampled[name].concat(columns[name]).slice(-Math.floor(most * 0.9));
}

// Keeps the newest `least` points. Cuts only when a quarter more is there, since each cut moves the whole list.
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
