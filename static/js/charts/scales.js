// The charts' vertical scales: their ranges and their grid lines. Pure.

const HEADROOM = 1.04;

// Returns a scale's range [low, high] for figures from `low` to `most`. Latencies have a logarithmic scale, since one second would
// flatten all milliseconds; all other scales start at zero.
export function range(scale, { low, most }) {
  if (scale === "ms") return [10 ** Math.floor(Math.log10(Math.min(Math.max(low, 0.1), 1))), 10 ** Math.ceil(Math.log10(most))];
  if (scale === "pods") return [0, most * 1.08];
  return [0, roundEnd(most * HEADROOM)];
}

// Returns the values that have a grid line and a label.
export function splits(scale, [low, high]) {
  if (scale === "ms") return magnitudes(low, high);
  if (scale !== "pods") return [0, high / 2, high];
  const step = Math.ceil(Math.floor(high) / 4) || 1;
  return Array.from({ length: Math.floor(high / step) + 1 }, (_, index) => index * step);
}

// "400/s", "10 ms", "1 s", "100 %", "4".
export function tick(scale, value) {
  if (scale === "rate") return `${value >= 10_000 ? `${value / 1_000}k` : value}/s`;
  if (scale === "ms") return value >= 1_000 ? `${value / 1_000} s` : `${Number(value.toPrecision(1))} ms`;
  return scale === "percent" ? `${value} %` : String(value);
}

// Returns a scale's end, whose half is a round number too: 10, 20, 40, 50, 80, 100, …
export function roundEnd(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return size * [1, 2, 4, 5, 8, 10].find((step) => step * size >= most);
}

// Powers of ten, or every second one when there are more than four.
function magnitudes(low, high) {
  const [first, last] = [low, high].map((value) => Math.round(Math.log10(value)));
  const step = last - first > 3 ? 2 : 1;
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => 10 ** (first + index * step));
}
