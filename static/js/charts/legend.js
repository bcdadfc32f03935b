// A chart's frame: its title and legend with the current figures, and the element that uPlot draws into.

import { html, nothing, svg } from "../vendor.js";

// `values` are the figures in the legend, `sentence` is the chart's text for screen readers, `note` replaces missing lines.
export function chartFrame(plot, values, sentence, note) {
  return html`<figure class="chart" data-plot=${plot.id}>
    <figcaption class="chart-legend">
      <b>${plot.name}</b>
      ${plot.figures.map((figure, index) => legendEntry(figure, values[index]))}
    </figcaption>
    <div class="chart-canvas" role="img" aria-label=${sentence}></div>
    ${note ? html`<p class="chart-note"><span>${note}</span></p>` : nothing}
  </figure>`;
}

function legendEntry({ id, name, format, run }, found) {
  return html`<span class="legend-entry" data-figure=${id} data-run=${run ? "" : nothing} data-none=${found ? nothing : ""}>
    ${swatch(id)}<span>${name}</span> <span class="legend-value">${format(found?.value ?? null)}</span>
  </span>`;
}

function swatch(id) {
  const d = id === "errors" ? "M4 10V3M9 10V6M14 10V1" : "M0 5H20";
  return html`<svg class="swatch" viewBox="0 0 20 10" aria-hidden="true">${svg`<path class="swatch-line" data-figure=${id} d=${d} />`}</svg>`;
}
