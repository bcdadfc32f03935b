// What lies over all three charts: shades where nothing is known, lines where something happened, and the cursor.

import { html, nothing, repeat } from "../vendor.js";
import { clock } from "../format.js";
import { labels } from "./marks.js";

const LABEL_ROWS = 2;
const LABEL_REM = 0.72;
const LABEL_GAP_REM = 0.6;
const RECORDED_REM = 10; // of room for the words that say since when

// Parts of the window that nothing is known of: before `since`, when the record begins, and after the last word; and the part in
// which something was owed.
export function shades(view, layout, since) {
  const start = since > view.span.from ? view.x(Math.min(since, view.known.to)) : 0;
  const end = view.x(view.known.to);
  const words = since !== Infinity && start >= RECORDED_REM * layout.rem ? `recorded since ${clock(since * 1_000)}` : "";
  return html`${start > 1 ? shade("before", [0, start], layout, words) : nothing}
  ${view.owed ? shade("owed", [view.owed.since, view.owed.at].map((moment) => Math.max(0, view.x(moment))), layout, "") : nothing}
  ${end < view.width - 1 ? shade("after", [end, view.width], layout, `no word since ${clock(view.known.to * 1_000)}`) : nothing}`;
}

function shade(kind, [start, end], { tops }, words) {
  const place = `--x: ${start.toFixed(1)}px; --width: ${(end - start).toFixed(1)}px; --top: ${tops[0]}px`;
  return html`<p class="shade" data-kind=${kind} .style=${place}>${words ? html`<span>${words}</span>` : nothing}</p>`;
}

export function lines({ marks, x }) {
  return marks.map(({ at, tone }) => html`<i class="mark-line" data-tone=${tone} .style=${`--x: ${x(at).toFixed(1)}px`}></i>`);
}

// The marks' labels under the charts, each a button that has the cursor go to its moment: `look(moment)`, null when it is left.
// `ruler` is a canvas' context to measure words with.
export function markLabels(view, layout, ruler, look) {
  ruler.font = `${layout.rem * LABEL_REM}px ${layout.family}`;
  const placed = labels(view.marks, {
    x: view.x,
    measure: (words) => ruler.measureText(words).width,
    width: view.width + layout.right,
    rows: LABEL_ROWS,
    gap: layout.rem * LABEL_GAP_REM,
  });
  return repeat(placed, ({ id }) => id, ({ at, tone, label, text, row, side }) => html`<button
    type="button"
    class="mark"
    data-tone=${tone}
    data-side=${side}
    title="${clock(at * 1_000)} ${text}"
    aria-label="${label}: ${clock(at * 1_000)} ${text}"
    .style=${`--x: ${view.x(at).toFixed(1)}px; --row: ${row}`}
    @pointerenter=${() => look(at)}
    @pointerleave=${() => look(null)}
    @focus=${() => look(at)}
    @blur=${() => look(null)}
  >
    ${label}
  </button>`);
}

// The cursor's line through all charts, and a dot on each of their lines. `values` are the figures of its moment.
export function pointer(view, layout, charts, moment, values) {
  const dots = view.all.flatMap(({ plot }, place) =>
    plot.figures.flatMap((figure, index) => {
      const found = values[place][index];
      if (!found || figure.fixed || !charts) return [];
      const [x, y] = charts[place].place(figure, found.value, found.at);
      return { id: figure.id, style: `--x: ${x.toFixed(1)}px; --y: ${(layout.tops[place] + y).toFixed(1)}px` };
    }),
  );
  return html`<i class="cursor-line" .style=${`--x: ${view.x(moment).toFixed(1)}px`}></i>
    ${dots.map(({ id, style }) => html`<i class="dot" data-figure=${id} .style=${style}></i>`)}`;
}
