// The charts in words: the figures of a moment, a sentence for each chart, and all of them as a table. Pure.

import { extent, rowAt } from "./align.js";

const ROWS = 60;
const ROW_STEPS_S = [5, 15, 60, 300, 720, 900];
const FINE_SECONDS = 3_600;
const COARSE_WITHIN_SECONDS = 45;

// What each figure was at a moment: {value, at} with the moment of its point, null where there is none.
export function valuesAt(plot, data, moment, now) {
  return plot.figures.map((figure, index) => {
    const within = moment < now - FINE_SECONDS ? Math.max(figure.within, COARSE_WITHIN_SECONDS) : figure.within;
    const row = rowAt(data, index + 1, moment, { within, steps: figure.steps });
    return row === null ? null : { value: data[index + 1][row], at: figure.steps || figure.fixed ? moment : data[0][row] };
  });
}

// "CPU of requests: used now 84 %, between 3 % and 213 % in the last 5 minutes; target 70 %."
export function sentence(plot, data, span, length) {
  const parts = plot.figures.map((figure, index) => told(figure, data, index + 1, span)).filter(Boolean);
  return parts.length > 0 ? `${plot.name}, the last ${length}: ${parts.join("; ")}.` : `${plot.name}: nothing recorded in the last ${length}.`;
}

function told(figure, data, column, span) {
  const { name, format, within } = figure;
  const found = extent(data, column, span);
  if (!found) return null;
  if (figure.fixed) return `${name} ${format(found.last)}`;
  const recent = span.to - found.at <= within;
  const now = recent ? `now ${format(found.last)}` : `last ${format(found.last)}`;
  if (found.least === found.most) return `${name} ${now}${found.at > span.from ? " throughout" : ""}`;
  return `${name} ${now}, between ${format(found.least)} and ${format(found.most)}`;
}

// Rows of equal spans, newest first: {at (the span's start, a round moment), values: one list a plot, marks}. Those in which nothing
// was recorded are left out. `all` is a list of {plot, data}.
export function table(all, marks, { from, to }) {
  const step = rowSeconds(to - from);
  const rows = new Map();
  const rowOf = (moment) => {
    const at = Math.floor(moment / step) * step;
    if (!rows.has(at)) rows.set(at, { at, values: all.map(({ plot }) => plot.figures.map(() => null)), marks: [] });
    return rows.get(at);
  };
  for (const mark of marks) rowOf(mark.at).marks.push(mark);
  all.forEach(({ plot, data }, place) =>
    plot.figures.forEach((figure, index) => fold(figure, data, index + 1, { from, to }, (at, value) => (rowOf(at).values[place][index] = value))),
  );
  const told = [...rows.values()].sort((a, b) => a.at - b.at);
  all.forEach(({ plot }, place) => plot.figures.forEach((figure, index) => figure.steps && carry(told, place, index)));
  return { step, rows: told.reverse().slice(0, ROWS + 1) };
}

// Seconds that a row covers, so that there are about sixty.
export function rowSeconds(span) {
  return ROW_STEPS_S.find((step) => span / step <= ROWS) ?? Math.ceil(span / ROWS);
}

// Several points of one row as one: their mean, the most of them, or the last.
function fold({ fold: how, fixed }, data, column, { from, to }, put) {
  if (fixed) return;
  const step = rowSeconds(to - from);
  const [at] = data;
  let row = null;
  let sum = 0;
  let count = 0;
  for (let index = 0; index < at.length; index += 1) {
    const value = data[column][index];
    if (value === undefined || value === null || at[index] < from || at[index] > to) continue;
    const of = Math.floor(at[index] / step);
    if (of !== row) [row, sum, count] = [of, 0, 0];
    sum = how === "mean" ? sum + value : how === "most" ? Math.max(sum, value) : value;
    count += 1;
    put(at[index], how === "mean" ? sum / count : sum);
  }
}

// A step stands in the rows after it too.
function carry(rows, place, index) {
  let standing = null;
  for (const { values } of rows) {
    standing = values[place][index] ?? standing;
    values[place][index] = standing;
  }
}
