// The layer over all charts: shaded gaps, the marks' lines and labels, and the cursor.

import { html, nothing, repeat } from "../lib/vendor.js";
import { timeOfDay } from "../text/format.js";
import { placeLabels } from "./model/marks.js";

const LABEL_ROWS = 2;
const LABEL_REM = 0.72;
const LABEL_GAP_REM = 0.6;
const RECORDED_REM = 10; // the least width of the gap that has a text

// The parts of the range without data, which are before `since`, the oldest point, and after the last message; and the time of an
// unmet obligation.
export function shades(view, layout, since) {
  const start = since > view.span.from ? view.x(Math.min(since, view.known.to)) : 0;
  const end = view.x(view.known.to);
  const text = since !== Infinity && start >= RECORDED_REM * layout.rem ? `recorded since ${timeOfDay(since * 1_000)}` : "";
  return html`${start > 1 ? shade("before", [0, start], layout, text) : nothing}
  ${view.obligation ? shade("owed", [place(view, view.obligation.since), place(view, view.obligation.at)], layout, "") : nothing}
  ${end < view.width - 1 ? shade("after", [end, view.width], layout, `no data since ${timeOfDay(view.known.to * 1_000)}`) : nothing}`;
}

function place(view, time) {
  return Math.max(0, view.x(time));
}

function shade(kind, [start, end], { tops }, text) {
  const position = `--x: ${start.toFixed(1)}px; --width: ${(end - start).toFixed(1)}px; --top: ${tops[0]}px`;
  return html`<p class="shade" data-kind=${kind} .style=${position}>${text ? html`<span>${text}</span>` : nothing}</p>`;
}

export function markLines({ marks, x }) {
  return marks.map(({ at, tone }) => html`<i class="mark-line" data-tone=${tone} .style=${`--x: ${x(at).toFixed(1)}px`}></i>`);
}

// The marks' labels below the charts. Each is a button that moves the cursor: `onPoint(time)` is called with the mark's time, and with
// null when it is left. `ruler` is a canvas context that measures texts.
export function markLabels(view, layout, ruler, onPoint) {
  ruler.font = `${layout.rem * LABEL_REM}px ${layout.family}`;
  const placed = placeLabels(view.marks, {
    x: view.x,
    measure: (label) => ruler.measureText(label).width,
    width: view.width + layout.right,
    rows: LABEL_ROWS,
    gap: layout.rem * LABEL_GAP_REM,
  });
  return repeat(placed, ({ id }) => id, ({ at, tone, label, text, row, side }) => html`<button
    type="button"
    class="mark"
    data-tone=${tone}
    data-side=${side}
    title="${timeOfDay(at * 1_000)} ${text}"
    aria-label="${label}: ${timeOfDay(at * 1_000)} ${text}"
    .style=${`--x: ${view.x(at).toFixed(1)}px; --row: ${row}`}
    @pointerenter=${() => onPoint(at)}
    @pointerleave=${() => onPoint(null)}
    @focus=${() => onPoint(at)}
    @blur=${() => onPoint(null)}
  >
    ${label}
  </button>`);
}

// The cursor's line through all charts, and a dot on each figure's line. `values` are the figures at the cursor.
export function cursorLine(view, layout, charts, time, values) {
  const dots = view.all.flatMap(({ plot }, place) =>
    plot.figures.flatMap((figure, index) => {
      const found = values[place][index];
      if (!found || figure.fixed || !charts) return [];
      const [x, y] = charts[place].place(figure, found.value, found.at);
      return { id: figure.id, style: `--x: ${x.toFixed(1)}px; --y: ${(layout.tops[place] + y).toFixed(1)}px` };
    }),
  );
  return html`<i class="cursor-line" .style=${`--x: ${view.x(time).toFixed(1)}px`}></i>
    ${dots.map(({ id, style }) => html`<i class="dot" data-figure=${id} .style=${style}></i>`)}`;
}
