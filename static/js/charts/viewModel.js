// All that one drawing of the charts shows, and where on the time axis it is. Pure.

import { extent } from "./align.js";
import { marksIn, marksNear, owedMark } from "./marks.js";
import { PLOTS } from "./plots.js";
import { sentence, valuesAt } from "./summary.js";

const GRAIN_PX = 2; // points nearer to each other than this are drawn as one
const LEAST_GRAIN_S = 2;
const NEAR_PX = 6; // a cursor this near to a mark tells it

// `now` and `heard` in seconds: the right edge, and up to when something is known; `width` in CSS pixels of the time axis.
export function viewOf({ history, state, range, width, now, heard }) {
  const span = { from: now - range.seconds, to: now };
  const perPixel = range.seconds / width;
  const grain = Math.ceil(GRAIN_PX * perPixel);
  const known = { from: span.from, to: Math.min(heard, now), now, grain: grain >= LEAST_GRAIN_S ? grain : 0 };
  const all = PLOTS.map((plot) => ({ plot, data: plot.data(history, state, known) }));
  const owed = owedMark(state.runs, span);
  const marks = [...marksIn(state.timeline, span), ...(owed ? [owed] : [])];
  return {
    span,
    known,
    all,
    marks,
    owed,
    width,
    extents: extents(all, state, span),
    sentences: all.map(({ plot, data }) => sentence(plot, data, span, range.words)),
    x: (moment) => (moment - span.from) / perPixel,
    momentAt: (x) => span.from + x * perPixel,
    near: (moment) => marksNear(marks, moment, NEAR_PX * perPixel),
    // The figures of a moment, of the newest one for null: a list for each plot.
    values: (moment) => all.map(({ plot, data }) => valuesAt(plot, data, moment ?? known.to, now)),
  };
}

// What each scale has to hold: its figures in the window, and at least what its plot says.
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
