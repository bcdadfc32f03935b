// How far back the charts look, as the reader chose and the browser remembers.

export const RANGES = [
  { seconds: 300, name: "5 min", words: "5 minutes" },
  { seconds: 900, name: "15 min", words: "15 minutes" },
  { seconds: 3_600, name: "1 h", words: "hour" },
  { seconds: 43_200, name: "12 h", words: "12 hours" },
];
const KEY = "charts.range";

export function remembered() {
  try {
    return RANGES.find(({ seconds }) => String(seconds) === localStorage.getItem(KEY)) ?? RANGES[0];
  } catch {
    return RANGES[0]; // a browser that keeps nothing
  }
}

export function remember({ seconds }) {
  try {
    localStorage.setItem(KEY, String(seconds));
  } catch {
    // a browser that keeps nothing
  }
}
