// The charts' upright scales: where each begins and ends, and where its lines are. Pure.

const HEADROOM = 1.04;

// What a scale covers, [low, high], for figures from `low` to `most`. Latencies are shown by their magnitudes, since a second's wait
// would press all others flat; everything else begins at zero.
export function range(scale, { low, most }) {
  if (scale === "ms") return [10 ** Math.floor(Math.log10(Math.min(Math.max(low, 0.1), 1))), 10 ** Math.ceil(Math.log10(most))];
  if (scale === "pods") return [0, most * 1.08];
  return [0, roundEnd(most * HEADROOM)];
}

// The values that have a line and a tick.
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

// The end of a scale of which the half is round too: 10, 20, 40, 50, 80, 100, …
export function roundEnd(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return size * [1, 2, 4, 5, 8, 10].find((step) => step * size >= most);
}

// Powers of ten, every second one where there are many.
function magnitudes(low, high) {
  const [first, last] = [low, high].map((value) => Math.round(Math.log10(value)));
  const step = last - first > 3 ? 2 : 1;
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => 10 ** (first + index * step));
}
