// Tables with moments of their own as one table, the way uPlot wants it: null is a gap, undefined is a moment of another table. Pure.

import { indexAfter } from "../columns.js";

const INSTANT_SECONDS = 0.001;
const FINE_SECONDS = 3_600; // older points are a minute apart
const COARSE_HOLE_SECONDS = 150;
const COVERED_SECONDS = 3;
const RAW_SECONDS = 10; // the newest points are never condensed: they are what "now" means

// [moments, …figures] from one point before `from` up to `to`, with a row of its own for both. Sources: {columns, fill, hole, hold,
// condense, unless}: `fill` has a column for each figure, or null; points further apart than `hole` seconds have a gap between them;
// with `hold` the last point stands up to `to`; `condense` has for each figure how the points of `grain` seconds become one, "mean" or
// "most"; the figures in `unless.figures` are left out where `unless.columns` has points.
// `fixed` are figures that are the same throughout, null for others; `now` is the moment that points' age counts from.
export function align(sources, fixed, { from, to, now, grain = 0 }) {
  const width = fixed.length;
  const data = Array.from({ length: width + 1 }, () => []);
  const runs = sources.map((source) => run(source, { from, to, now, grain }));
  runs.push({ at: [from, to], values: fixed.map((value) => [value ?? undefined, value ?? undefined]) });
  const next = runs.map(() => 0);
  const broken = Array(width + 1).fill(false); // in a gap: uPlot wants it filled with null, between other tables' moments too
  for (;;) {
    let moment = Infinity;
    for (let r = 0; r < runs.length; r += 1) moment = Math.min(moment, runs[r].at[next[r]] ?? Infinity);
    if (moment === Infinity) return data;
    const index = data[0].push(moment) - 1;
    for (let figure = 1; figure <= width; figure += 1) data[figure][index] = broken[figure] ? null : undefined;
    for (let r = 0; r < runs.length; r += 1) {
      if (runs[r].at[next[r]] === moment) write(data, index, runs[r], next[r]++, broken);
    }
  }
}

// One source's rows: {at, values: a list for each figure}, undefined where it has none and null in a gap.
function run({ columns, fill, hole = Infinity, hold = false, condense, unless }, { from, to, now, grain }) {
  const { at } = columns;
  const rows = { at: [], values: fill.map(() => []), unless };
  const end = indexAfter(at, to);
  const raw = indexAfter(at, to - RAW_SECONDS);
  for (let first = Math.max(0, indexAfter(at, from) - 1), last = first; first < end; first = last) {
    const longest = at[first] < now - FINE_SECONDS ? Math.max(hole, COARSE_HOLE_SECONDS) : hole;
    if (rows.at.length > 0 && at[first] - at[first - 1] > longest) add(rows, at[first - 1] + INSTANT_SECONDS, () => null);
    last = first + 1;
    if (condense && grain > 0 && first < raw) last = endOfGrain(at, first, raw, grain, longest);
    add(rows, (at[first] + at[last - 1]) / 2, (figure) => fold(columns[fill[figure]], first, last, condense?.[figure]), fill);
  }
  if (hold && end > 0 && at[end - 1] < to) add(rows, to, (figure) => columns[fill[figure]][end - 1], fill);
  return rows;
}

function add({ at, values }, moment, valueOf, fill) {
  at.push(moment);
  values.forEach((column, figure) => column.push(fill?.[figure] === null ? undefined : valueOf(figure)));
}

// Grains begin at round moments, so that a point does not change its company as time goes on.
function endOfGrain(at, first, end, grain, hole) {
  const of = Math.floor(at[first] / grain);
  let last = first + 1;
  while (last < end && Math.floor(at[last] / grain) === of && at[last] - at[last - 1] <= hole) last += 1;
  return last;
}

function fold(column, first, last, how) {
  if (last - first === 1) return column[first];
  let folded = null;
  let count = 0;
  for (let point = first; point < last; point += 1) {
    const value = column[point];
    if (value === null) continue;
    count += 1;
    if (folded === null) folded = value;
    else folded = how === "most" ? Math.max(folded, value) : folded + (value - folded) / count;
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

function near(at, moment) {
  const after = indexAfter(at, moment);
  return at[after] - moment < COVERED_SECONDS || moment - at[after - 1] < COVERED_SECONDS;
}

// The row of aligned `data` that tells a figure at a moment: the nearest with a point, not further than `within` seconds; of steps
// the last one before. null where a gap is nearest, or nothing is near.
export function rowAt(data, figure, moment, { within, steps = false }) {
  const [at] = data;
  const values = data[figure];
  const after = indexAfter(at, moment);
  const left = seek(values, after - 1, -1);
  if (steps) return left >= 0 && values[left] !== null ? left : null;
  const right = seek(values, after, 1);
  const nearest = (at[right] ?? Infinity) - moment < moment - (at[left] ?? -Infinity) ? right : left;
  if (!(Math.abs((at[nearest] ?? Infinity) - moment) <= within)) return null;
  return values[nearest] === null ? null : nearest;
}

function seek(values, index, step) {
  while (index >= 0 && index < values.length && values[index] === undefined) index += step;
  return index;
}

// {least, most, last} of a figure within the window; null when it has none there.
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
