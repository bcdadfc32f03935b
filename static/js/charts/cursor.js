// The moment that a reader looks at: under the pointer, or chosen by keys, touch or a mark. Pure.

const STEPS = 100; // arrow presses from one edge to the other
const LEAP = 10;

// Where a key takes the moment: seconds since 1970, null for back to now, undefined when the key is not for the cursor.
export function step(key, leaps, moment, { from, to }) {
  const by = ((to - from) / STEPS) * (leaps ? LEAP : 1);
  const start = moment ?? to;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return Math.max(from, start - by);
    case "ArrowRight":
    case "ArrowUp":
      return start + by >= to ? null : start + by;
    case "PageDown":
      return step("ArrowLeft", true, moment, { from, to });
    case "PageUp":
      return step("ArrowRight", true, moment, { from, to });
    case "Home":
      return from;
    case "End":
    case "Escape":
      return null;
    default:
      return undefined;
  }
}
