// The charts as a table: every figure, and what happened, for whoever would rather read than look.

import { guard, html } from "../vendor.js";
import { clock } from "../format.js";
import { PLOTS } from "./plots.js";
import { table } from "./summary.js";

const COLUMNS = PLOTS.flatMap((plot, place) => plot.figures.flatMap((figure, index) => (figure.fixed ? [] : [{ ...figure, place, index }])));

// Made anew only when there is another row or mark, so that nothing moves under whoever reads.
export function figures({ all, marks, span }) {
  const { rows, step } = table(all, marks, span);
  const key = [rows[0]?.at, rows.length, step, marks.length, marks.at(-1)?.id];
  return html`<div id="charts-table" class="charts-table" role="region" aria-label="Figures of the charts" tabindex="0">
    ${guard(key, () => html`<table>
      <caption>Each row covers ${step < 60 ? `${step} s` : `${step / 60} min`}: means, of p99 the highest, of pods the last. Newest first.</caption>
      <thead>
        <tr>
          <th scope="col">from</th>
          ${COLUMNS.map(({ column, name }) => html`<th scope="col">${column ?? name}</th>`)}
          <th scope="col">what happened</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => html`<tr>
          <th scope="row">${clock(row.at * 1_000)}</th>
          ${COLUMNS.map(({ place, index, format }) => html`<td>${format(row.values[place][index])}</td>`)}
          <td>${row.marks.map(happened)}</td>
        </tr>`)}
      </tbody>
    </table>`)}
  </div>`;
}

function happened({ at, tone, text }) {
  return html`<span class="charts-event" data-tone=${tone}>${clock(at * 1_000)} ${text}</span>`;
}
