// The charts as text: the figures at a time, a sentence for each chart, and a table of all. Pure.

import { timeOfDay } from "../../text/format.js";
import { extent, rowAt } from "./align.js";

const ROWS = 60;
const ROW_SECONDS = [5, 15, 60, 300, 720, 900];
const FINE_SECONDS = 3_600; // older points are a minute apart
const COARSE_WITHIN_SECONDS = 45;

// Returns each figure at a time: {value, at} with the time of its point, null where there is none.
export function valuesAt(plot, data, time, now) {
  return plot.figures.map((figure, index) => {
    const within = time < now - FINE_SECONDS ? Math.max(figure.within, COARSE_WITHIN_SECONDS) : figure.within;
    const row = rowAt(data, index + 1, time, { within, steps: figure.steps });
    return row === null ? null : { value: data[index + 1][row], at: figure.steps || figure.fixed ? time : data[0][row] };
  });
}

// "CPU of requests, the last 5 minutes: target 70 %; used now 84 %, between 3 % and 213 %."
export function sentence(plot, data, span, rangeText) {
  const parts = plot.figures.map((figure, index) => figureText(figure, data, index + 1, span)).filter(Boolean);
  return parts.length > 0 ? `${plot.name}, the last ${rangeText}: ${parts.join("; ")}.` : `${plot.name}: nothing recorded in the last ${rangeText}.`;
}

function figureText(figure, data, column, span) {
  const { name, format, within } = figure;
  const found = extent(data, column, span);
  if (!found) return null;
  if (figure.fixed) return `${name} ${format(found.last)}`;
  const isRecent = span.to - found.at <= within;
  const now = isRecent ? `now ${format(found.last)}` : `last ${format(found.last)}`;
  if (found.least === found.most) return `${name} ${now}${found.at > span.from ? " throughout" : ""}`;
  return `${name} ${now}, between ${format(found.least)} and ${format(found.most)}`;
}

// "14:02:11, flask-1 Ready, served 180 /s, …": the marks and figures at a time, null for now.
export function cursorText(view, time) {
  const values = view.values(time);
  const figures = view.all.flatMap(({ plot }, place) =>
    plot.figures.flatMap(({ name, format }, index) => (values[place][index] ? [`${name} ${format(values[place][index].value)}`] : [])),
  );
  if (time === null) return ["now", ...figures].join(", ");
  return [timeOfDay(time * 1_000), ...view.near(time).map(({ text }) => text), ...figures].join(", ");
}

// Returns rows of equal spans, newest first: {at (the span's start), values: a list for each plot, marks}, without empty rows. `all` is
// a list of {plot, data}.
export function table(all, marks, { from, to }) {
  const step = rowSeconds(to - from);
  const rows = new Map();
  const rowOf = (time) => {
    const at = Math.floor(time / step) * step;
    if (!rows.has(at)) rows.set(at, { at, values: all.map(({ plot }) => plot.figures.map(() => null)), marks: [] });
    return rows.get(at);
  };
  for (const mark of marks) rowOf(mark.at).marks.push(mark);
  all.forEach(({ plot, data }, place) =>
    plot.figures.forEach((figure, index) => fold(figure, data, index + 1, { from, to }, (at, value) => (rowOf(at).values[place][index] = value))),
  );
  const sorted = [...rows.values()].sort((a, b) => a.at - b.at);
  all.forEach(({ plot }, place) => plot.figures.forEach((figure, index) => figure.steps && fillDown(sorted, place, index)));
  return { step, rows: sorted.reverse().slice(0, ROWS + 1) };
}

// The seconds that a row covers, so that there are about sixty rows.
export function rowSeconds(span) {
  return ROW_SECONDS.find((step) => span / step <= ROWS) ?? Math.ceil(span / ROWS);
}

// Calls `put(time, value)` for each point with its row's value so far: the mean, the most, or the last of the row's points.
function fold({ fold: method, fixed }, data, column, { from, to }, put) {
  if (fixed) return;
  const step = rowSeconds(to - from);
  const [at] = data;
  let row = null;
  let sum = 0;
  let count = 0;
  for (let index = 0; index < at.length; index += 1) {
    const value = data[column][index];
    if (value === undefined || value === null || at[index] < from || at[index] > to) continue;
    const rowOfPoint = Math.floor(at[index] / step);
    if (rowOfPoint !== row) [row, sum, count] = [rowOfPoint, 0, 0];
    sum = method === "mean" ? sum + value : method === "most" ? Math.max(sum, value) : value;
    count += 1;
    put(at[index], method === "mean" ? sum / count : sum);
  }
}

// Repeats a step's value in the rows after it.
function fillDown(rows, place, index) {
  let last = null;
  for (const { values } of rows) {
    last = values[place][index] ?? last;
    values[place][index] = last;
  }
}
