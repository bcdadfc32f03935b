// A pod's CPU as a small line for its tile. Decorative: the figure is beside it.

import { html, nothing } from "../lib/vendor.js";

const WIDTH = 100;
const HEIGHT = 16;
const GAP_SECONDS = 100; // samples further apart than this are not joined

// `points` are a pod's columns {at, cpu_millicores}, or undefined; `now` is the right edge in milliseconds since 1970, `seconds` the
// width. Draws nothing for less than two samples.
export function sparkline(points, { now, seconds }) {
  const d = path(points, { end: now / 1_000, seconds });
  if (!d) return nothing;
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
    <path class="spark-line" d=${d} />
  </svg>`;
}

// Returns the line's path, from zero to the largest sample; null for less than two samples. Pure.
export function path(points, { end, seconds }) {
  const { at = [], cpu_millicores: values = [] } = points ?? {};
  const start = end - seconds;
  let first = at.length;
  while (first > 0 && at[first - 1] >= start) first -= 1;
  if (at.length - first < 2) return null;
  const most = Math.max(...values.slice(first), 1);
  let d = "";
  for (let index = first; index < at.length; index += 1) {
    const joined = index > first && at[index] - at[index - 1] <= GAP_SECONDS;
    const x = (((at[index] - start) / seconds) * WIDTH).toFixed(1);
    const y = (HEIGHT - 1 - (values[index] / most) * (HEIGHT - 2)).toFixed(1);
    d += `${joined ? "L" : "M"}${x} ${y}`;
  }
  return d;
}
