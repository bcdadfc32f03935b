// Everything that one drawing of the charts shows, and its position on the time axis. Pure.

import { extent } from "./align.js";
import { marksIn, marksNear, obligationMark } from "./marks.js";
import { PLOTS } from "./plots.js";
import { sentence, valuesAt } from "./summary.js";

const GRAIN_PX = 2; // points that are closer together are drawn as one
const LEAST_GRAIN_S = 2;
const NEAR_PX = 6; // the cursor selects the marks within this distance

// `now` is the right edge, and `knownUntil` the time up to which there are data, both in seconds since 1970. `width` is the time
// axis' width in CSS pixels.
export function viewModel({ history, state, range, width, now, knownUntil }) {
  const span = { from: now - range.seconds, to: now };
  const perPixel = range.seconds / width;
  const grain = Math.ceil(GRAIN_PX * perPixel);
  const known = { from: span.from, to: Math.min(knownUntil, now), now, grain: grain >= LEAST_GRAIN_S ? grain : 0 };
  const all = PLOTS.map((plot) => ({ plot, data: plot.data(history, state, known) }));
  const obligation = obligationMark(state.runs, span);
  const marks = [...marksIn(state.timeline, span), ...(obligation ? [obligation] : [])];
  return {
    span,
    known,
    all,
    marks,
    obligation,
    width,
    extents: extents(all, state, span),
    sentences: all.map(({ plot, data }) => sentence(plot, data, span, range.text)),
    x: (time) => (time - span.from) / perPixel,
    timeAt: (x) => span.from + x * perPixel,
    near: (time) => marksNear(marks, time, NEAR_PX * perPixel),
    // The figures at a time, or the newest ones for null: a list for each plot.
    values: (time) => all.map(({ plot, data }) => valuesAt(plot, data, time ?? known.to, now)),
  };
}

// The extent of each scale: its figures in the range, and at least what its plot demands.
function extents(all, state, span) {
  const found = {};
  for (const { plot, data } of all) {
    const least = plot.least(state);
    plot.figures.forEach(({ scale }, index) => {
      const { least: low = Infinity, most = 0 } = extent(data, index + 1, span) ?? {};
      const { low: lowest, most: highest } = found[scale] ?? { low: Infinity, most: least[scale] };
      found[scale] = { low: Math.min(low, lowest), most: Math.max(most, highest) };
    });
  }
  return found;
}
