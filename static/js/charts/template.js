// The template of the metrics panel: its toolbar, the charts' frames, the layer over them, and the table. Pure.

import { html, nothing, svg } from "../lib/vendor.js";
import { timeOfDay } from "../text/format.js";
import { panel } from "../lib/panel.js";
import { notes, recordedSince } from "./model/notes.js";
import { cursorLine, markLabels, markLines, shades } from "./overlay.js";
import { isMeasured, PLOTS } from "./model/plots.js";
import { RANGES } from "./selection.js";
import { figuresTable } from "./table.js";

// `props`: state, history, view (a view model), selection (a Selection), painter (a Painter), ruler (a canvas context), isStale, and
// the handlers onRange(range), onTable(), onPointer(event), onTime(time or null), onLeave(event) and onKey(event).
export function chartsTemplate(props) {
  const { state, view, selection } = props;
  return panel({
    id: "charts",
    title: "Metrics",
    aside: `the last ${selection.range.text}`,
    state,
    kinds: ["traffic", "metrics"],
    body: html`${toolbar(props)} ${stack(props)} ${selection.showsTable ? figuresTable(view, state) : nothing}`,
  });
}

function toolbar(props) {
  const { selection, onRange, onTable } = props;
  const { range, showsTable } = selection;
  return html`<div class="charts-toolbar">
    <div class="segments" role="group" aria-label="Range">
      ${RANGES.map((each) => html`<button type="button" aria-pressed=${each === range} @click=${() => onRange(each)}>${each.name}</button>`)}
    </div>
    <p class="charts-readout">${readout(props)}</p>
    <button type="button" class="segment" aria-expanded=${showsTable} aria-controls=${showsTable ? "charts-table" : nothing} @click=${onTable}>
      ${showsTable ? "Hide table" : "Show as table"}
    </button>
  </div>`;
}

// The time of the shown figures, and the marks near the cursor.
function readout({ view, selection, isStale }) {
  const time = selection.time(view);
  if (time === null) return html`<b>${isStale ? "as of" : "now"}</b> ${timeOfDay(view.known.to * 1_000)}`;
  const marks = view.near(time).map(({ tone, text }) => html`<span class="charts-event" data-tone=${tone}>${text}</span>`);
  return html`<b>${timeOfDay(time * 1_000)}</b> ${marks}`;
}

function stack(props) {
  const { history, state, view, selection, painter, ruler, onTime } = props;
  const { layout, failed } = painter;
  const values = view.values(selection.time(view));
  const chartNotes = notes(history, state, view, selection.range.text, failed);
  return html`<div class="charts-stack" .style=${layout ? `--left: ${layout.left}px; --right: ${layout.right}px` : ""}>
    ${PLOTS.map((plot, index) => chartFrame(plot, state, values[index], view.sentences[index], chartNotes[index]))}
    ${overlay(props, values)}
    <div class="charts-labels">${layout ? markLabels(view, layout, ruler, onTime) : nothing}</div>
  </div>`;
}

function overlay({ history, view, selection, painter, onPointer, onTime, onLeave, onKey }, values) {
  const { layout, charts } = painter;
  const time = selection.time(view);
  return html`<div
    class="charts-overlay"
    role="slider"
    tabindex="0"
    aria-label="Time under the cursor; the arrow keys move it"
    aria-orientation="horizontal"
    aria-valuemin=${-selection.range.seconds}
    aria-valuemax="0"
    aria-valuenow=${time === null ? 0 : Math.round(time - view.span.to)}
    aria-valuetext=${selection.cursorText}
    @pointermove=${onPointer}
    @pointerdown=${onPointer}
    @pointerleave=${onLeave}
    @pointercancel=${() => onTime(null)}
    @keydown=${onKey}
    @blur=${() => onTime(null)}
  >
    ${layout ? shades(view, layout, recordedSince(history)) : nothing} ${layout ? markLines(view) : nothing}
    ${layout && time !== null ? cursorLine(view, layout, charts, time, values) : nothing}
  </div>`;
}

// A chart's title and legend, and the element that uPlot draws into. `values` are the legend's figures, `sentence` is the chart's text
// for screen readers, `note` replaces missing lines.
function chartFrame(plot, state, values, sentence, note) {
  return html`<figure class="chart" data-plot=${plot.id}>
    <figcaption class="chart-legend">
      <b>${plot.name}</b>
      ${plot.figures.map((figure, index) => legendEntry(figure, values[index], isMeasured(figure, state)))}
    </figcaption>
    <div class="chart-canvas" role="img" aria-label=${sentence}></div>
    ${note ? html`<p class="chart-note"><span>${note}</span></p>` : nothing}
  </figure>`;
}

// The painter takes each figure's look from its entry, so that one without a source is hidden and not left out.
function legendEntry({ id, name, format, run, fixed }, found, measured) {
  return html`<span class="legend-entry" data-figure=${id} data-run=${run ? "" : nothing} data-none=${found ? nothing : ""} ?hidden=${!measured || (fixed && !found)}>
    ${swatch(id)}<span>${name}</span> <span class="legend-value">${format(found?.value ?? null)}</span>
  </span>`;
}

function swatch(id) {
  const d = id === "errors" ? "M4 10V3M9 10V6M14 10V1" : "M0 5H20";
  return html`<svg class="swatch" viewBox="0 0 20 10" aria-hidden="true">${svg`<path class="swatch-line" data-figure=${id} d=${d} />`}</svg>`;
}
