// The charts' time ranges. The browser remembers the chosen one.

export const RANGES = [
  { seconds: 300, name: "5 min", text: "5 minutes" },
  { seconds: 900, name: "15 min", text: "15 minutes" },
  { seconds: 3_600, name: "1 h", text: "hour" },
  { seconds: 43_200, name: "12 h", text: "12 hours" },
];
const KEY = "charts.range";

export function loadRange() {
  try {
    return RANGES.find(({ seconds }) => String(seconds) === localStorage.getItem(KEY)) ?? RANGES[0];
  } catch {
    return RANGES[0]; // a browser without storage
  }
}

export function saveRange({ seconds }) {
  try {
    localStorage.setItem(KEY, String(seconds));
  } catch {
    // a browser without storage
  }
}
