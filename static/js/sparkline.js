// A pod's CPU in a line small enough for its tile. Decoration: the figure stands beside it.

import { nothing, svg, html } from "./vendor.js";

const WIDTH = 100;
const HEIGHT = 16;
const HOLE_SECONDS = 100; // samples further apart than this have no line between them

// `points` are a pod's columns {at, cpu_millicores}, or undefined; `at` is the right edge in milliseconds since 1970, and `seconds` how
// long ago the left edge is. The request is marked where it is within what is shown: up to the largest of it and the samples,
// and never beyond the limit. Nothing for less than two samples.
export function sparkline(points, { at, seconds = 900, request = null, limit = null }) {
  const line = path(points, { end: at / 1_000, seconds, request, limit });
  if (!line) return nothing;
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
    ${line.request === null ? nothing : svg`<path class="spark-request" d="M0 ${line.request}H${WIDTH}" />`}
    <path class="spark-line" d=${line.d} />
  </svg>`;
}

// {d, request}: the line's path, and the height of the request's mark or null. null for less than two samples. Pure.
export function path(points, { end, seconds, request, limit }) {
  const { at = [], cpu_millicores: values = [] } = points ?? {};
  const start = end - seconds;
  let first = at.length;
  while (first > 0 && at[first - 1] >= start) first -= 1;
  if (at.length - first < 2) return null;
  const most = Math.max(request ?? 0, ...values.slice(first), 1);
  const top = limit === null ? most : Math.min(Math.max(limit, 1), most);
  const y = (value) => (HEIGHT - 1 - Math.min(1, value / top) * (HEIGHT - 2)).toFixed(1);
  let d = "";
  for (let index = first; index < at.length; index += 1) {
    const joined = index > first && at[index] - at[index - 1] <= HOLE_SECONDS;
    d += `${joined ? "L" : "M"}${(((at[index] - start) / seconds) * WIDTH).toFixed(1)} ${y(values[index])}`;
  }
  return { d, request: request !== null && request <= top ? y(request) : null };
}
