// A chart's frame: its name, its lines' names with their looks and figures, and a place for the lines themselves.

import { html, nothing, svg } from "../vendor.js";

// `values` are the figures to tell, `sentence` what the chart says in words, `note` what it says in place of lines.
export function frame(plot, values, sentence, note) {
  return html`<figure class="chart" data-plot=${plot.id}>
    <figcaption class="chart-key">
      <b>${plot.name}</b>
      ${plot.figures.map((figure, index) => entry(figure, values[index]))}
    </figcaption>
    <div class="chart-place" role="img" aria-label=${sentence}></div>
    ${note ? html`<p class="chart-note"><span>${note}</span></p>` : nothing}
  </figure>`;
}

function entry({ id, name, format, run }, found) {
  return html`<span class="key" data-figure=${id} data-run=${run ? "" : nothing} data-none=${found ? nothing : ""}>
    ${swatch(id)}<span>${name}</span> <span class="key-value">${format(found?.value ?? null)}</span>
  </span>`;
}

function swatch(id) {
  const d = id === "errors" ? "M4 10V3M9 10V6M14 10V1" : "M0 5H20";
  return html`<svg class="swatch" viewBox="0 0 20 10" aria-hidden="true">${svg`<path class="swatch-line" data-figure=${id} d=${d} />`}</svg>`;
}
