// The charts' figures and marks as a table.

import { guard, html } from "../lib/vendor.js";
import { timeOfDay } from "../text/format.js";
import { isMeasured, PLOTS } from "./model/plots.js";
import { table } from "./model/summary.js";

const COLUMNS = PLOTS.flatMap((plot, place) => plot.figures.flatMap((figure, index) => (figure.fixed ? [] : [{ ...figure, place, index }])));

// Drawn again only when there is a new row or mark, so that the figures stay still while someone reads them.
export function figuresTable({ all, marks, span }, state) {
  const columns = COLUMNS.filter((figure) => isMeasured(figure, state));
  const { rows, step } = table(all, marks, span);
  const key = [rows[0]?.at, rows.length, step, marks.length, marks.at(-1)?.id];
  return html`<div id="charts-table" class="charts-table" role="region" aria-label="Figures of the charts" tabindex="0">
    ${guard(key, () => html`<table>
      <caption>Each row covers ${step < 60 ? `${step} s` : `${step / 60} min`}: means, the highest p99, the last number of pods. Newest first.</caption>
      <thead>
        <tr>
          <th scope="col">from</th>
          ${columns.map(({ column, name }) => html`<th scope="col">${column ?? name}</th>`)}
          <th scope="col">events</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => html`<tr>
          <th scope="row">${timeOfDay(row.at * 1_000)}</th>
          ${columns.map(({ place, index, format }) => html`<td>${format(row.values[place][index])}</td>`)}
          <td>${row.marks.map(mark)}</td>
        </tr>`)}
      </tbody>
    </table>`)}
  </div>`;
}

function mark({ at, tone, text }) {
  return html`<span class="charts-event" data-tone=${tone}>${timeOfDay(at * 1_000)} ${text}</span>`;
}
