// Joins several tables into one, as uPlot needs it: null is a gap, undefined is a time of another table. Pure.

import { indexAfter } from "../../feed/columns.js";

const INSTANT_SECONDS = 0.001;
const FINE_SECONDS = 3_600; // older points are a minute apart
const COARSE_GAP_SECONDS = 150;
const COVERED_SECONDS = 3;
const RAW_SECONDS = 10; // newer points are never condensed: they are the figures of now

// Returns [times, …figures] from one point before `from` up to `to`, with a row for each of these two. A source is {columns, fill,
// gap, hold, condense, unless}: `fill` names a column for each figure, or null; points more than `gap` seconds apart are not joined;
// with `hold`, the last point holds up to `to`; `condense` says for each figure how the points of `grain` seconds become one, by
// their "mean" or the "most" of them; the figures in `unless.figures` are left out where `unless.columns` has points. `fixed` has the
// figures that are the same throughout, null for the others. `now` is the time that the points' age is counted from.
export function align(sources, fixed, { from, to, now, grain = 0 }) {
  const width = fixed.length;
  const data = Array.from({ length: width + 1 }, () => []);
  const tracks = sources.map((source) => track(source, { from, to, now, grain }));
  tracks.push({ at: [from, to], values: fixed.map((value) => [value ?? undefined, value ?? undefined]) });
  const next = tracks.map(() => 0);
  const broken = Array(width + 1).fill(false); // in a gap, which uPlot needs filled with null, in the other tables' rows too
  for (;;) {
    let time = Infinity;
    for (let t = 0; t < tracks.length; t += 1) time = Math.min(time, tracks[t].at[next[t]] ?? Infinity);
    if (time === Infinity) return data;
    const index = data[0].push(time) - 1;
    for (let figure = 1; figure <= width; figure += 1) data[figure][index] = broken[figure] ? null : undefined;
    for (let t = 0; t < tracks.length; t += 1) {
      if (tracks[t].at[next[t]] === time) write(data, index, tracks[t], next[t]++, broken);
    }
  }
}

// Returns one source's rows, {at, values: a list for each figure}: undefined where there is no point, null in a gap.
function track({ columns, fill, gap = Infinity, hold = false, condense, unless }, { from, to, now, grain }) {
  const { at } = columns;
  const rows = { at: [], values: fill.map(() => []), unless };
  const end = indexAfter(at, to);
  const raw = indexAfter(at, to - RAW_SECONDS);
  for (let first = Math.max(0, indexAfter(at, from) - 1), last = first; first < end; first = last) {
    const longest = at[first] < now - FINE_SECONDS ? Math.max(gap, COARSE_GAP_SECONDS) : gap;
    if (rows.at.length > 0 && at[first] - at[first - 1] > longest) add(rows, at[first - 1] + INSTANT_SECONDS, () => null, fill);
    last = first + 1;
    if (condense && grain > 0 && first < raw) last = endOfGrain(at, first, raw, grain, longest);
    add(rows, (at[first] + at[last - 1]) / 2, (figure) => fold(columns[fill[figure]], first, last, condense?.[figure]), fill);
  }
  if (hold && end > 0 && at[end - 1] < to) add(rows, to, (figure) => columns[fill[figure]][end - 1], fill);
  return rows;
}

function add({ at, values }, time, valueAt, fill) {
  at.push(time);
  values.forEach((column, figure) => column.push(fill?.[figure] === null ? undefined : valueAt(figure)));
}

// Grains start at round times, so that the same points are condensed together as time goes on.
function endOfGrain(at, first, end, grain, gap) {
  const number = Math.floor(at[first] / grain);
  let last = first + 1;
  while (last < end && Math.floor(at[last] / grain) === number && at[last] - at[last - 1] <= gap) last += 1;
  return last;
}

function fold(column, first, last, method) {
  if (last - first === 1) return column[first];
  /** @type {number | null} */
  let folded = null;
  let count = 0;
  for (let point = first; point < last; point += 1) {
    const value = column[point];
    if (value === null) continue;
    count += 1;
    if (folded === null) folded = value;
    else folded = method === "most" ? Math.max(folded, value) : folded + (value - folded) / count;
  }
  return folded;
}

function write(data, index, { at, values, unless }, place, broken) {
  const covered = unless && near(unless.columns.at, at[place]);
  values.forEach((column, figure) => {
    const value = column[place];
    if (value === undefined || (covered && unless.figures.includes(figure))) return;
    const target = data[figure + 1];
    target[index] = value;
    broken[figure + 1] = value === null;
    for (let row = index - 1; value === null && row >= 0 && target[row] === undefined; row -= 1) target[row] = null;
  });
}

function near(at, time) {
  const after = indexAfter(at, time);
  return at[after] - time < COVERED_SECONDS || time - at[after - 1] < COVERED_SECONDS;
}

// Returns the row of aligned `data` with a figure's value at a time: the nearest point within `within` seconds, or with `steps` the
// last point before. null in a gap, and where no point is near.
export function rowAt(data, figure, time, { within, steps = false }) {
  const [at] = data;
  const values = data[figure];
  const after = indexAfter(at, time);
  const left = seek(values, after - 1, -1);
  if (steps) return left >= 0 && values[left] !== null ? left : null;
  const right = seek(values, after, 1);
  const nearest = (at[right] ?? Infinity) - time < time - (at[left] ?? -Infinity) ? right : left;
  if (!(Math.abs((at[nearest] ?? Infinity) - time) <= within)) return null;
  return values[nearest] === null ? null : nearest;
}

function seek(values, index, step) {
  while (index >= 0 && index < values.length && values[index] === undefined) index += step;
  return index;
}

// Returns {least, most, last, at} of a figure in a span, `at` being the time of the last; null without a point there.
export function extent(data, figure, { from, to }) {
  const [at] = data;
  const values = data[figure];
  let found = null;
  for (let row = 0; row < at.length; row += 1) {
    const value = values[row];
    if (value === undefined || value === null || at[row] < from || at[row] > to) continue;
    if (found === null) found = { least: value, most: value, last: value, at: at[row] };
    if (value < found.least) found.least = value;
    if (value > found.most) found.most = value;
    found.last = value;
    found.at = at[row];
  }
  return found;
}
