// The cursor's keys. Pure.

const STEPS = 100; // arrow presses from one edge to the other
const LARGE_STEP = 10;

// Returns the time that a key moves the cursor to, in seconds since 1970: null for back to now, undefined when the key has no effect.
export function step(key, isLarge, time, { from, to }) {
  const by = ((to - from) / STEPS) * (isLarge ? LARGE_STEP : 1);
  const start = time ?? to;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return Math.max(from, start - by);
    case "ArrowRight":
    case "ArrowUp":
      return start + by >= to ? null : start + by;
    case "PageDown":
      return step("ArrowLeft", true, time, { from, to });
    case "PageUp":
      return step("ArrowRight", true, time, { from, to });
    case "Home":
      return from;
    case "End":
    case "Escape":
      return null;
    default:
      return undefined;
  }
}
