// The reader's choices in the metrics panel: the time range, which the browser remembers, the cursor, and whether the table is shown.

import { remember, remembered } from "../lib/storage.js";
import { cursorText } from "./model/summary.js";

export const RANGES = [
  { seconds: 300, name: "5 min", text: "5 minutes" },
  { seconds: 900, name: "15 min", text: "15 minutes" },
  { seconds: 3_600, name: "1 h", text: "hour" },
  { seconds: 43_200, name: "12 h", text: "12 hours" },
];
const KEY = "charts.range";
const STEPS = 100; // arrow presses from one edge to the other
const LARGE_STEP = 10;

export class Selection {
  range = loadRange();
  showsTable = false;
  cursorText = "now"; // for screen readers; changes only when the reader moves the cursor
  #cursor = null; // {x} in pixels under the mouse, or {time} in seconds; null for now

  chooseRange(range) {
    this.range = range;
    this.#cursor = null;
    remember(KEY, String(range.seconds));
  }

  toggleTable() {
    this.showsTable = !this.showsTable;
  }

  // Puts the cursor under the mouse: it stays at this place while time goes on.
  pointAt(x) {
    this.#cursor = { x };
  }

  // Puts the cursor at a time, with which it moves on.
  pointAtTime(time) {
    this.#cursor = { time };
  }

  // Takes the cursor away. Returns whether there was one.
  clear() {
    if (this.#cursor === null) return false;
    this.#cursor = null;
    this.cursorText = "now";
    return true;
  }

  // Moves the cursor by a key. Returns whether the key has an effect.
  press(key, isLarge, view) {
    const time = step(key, isLarge, this.time(view), view.span);
    if (time === undefined) return false;
    this.#cursor = time === null ? null : { time };
    this.cursorText = cursorText(view, time);
    return true;
  }

  // Takes a range and a time that an address names: {range in seconds, at}, each optional. Without a range it is the shortest one that
  // has the time. Returns a sentence if there is no such range or time, or null.
  restore({ range, at }, now) {
    const time = at === undefined ? null : Date.parse(at) / 1_000;
    const fits = ({ seconds }) => time === null || (time >= now - seconds && time <= now);
    const found = range === undefined ? RANGES.find(fits) : RANGES.find(({ seconds }) => String(seconds) === range);
    if (!found || !fits(found)) return time === null ? "This link names a range that the metrics do not have." : `The metrics of ${at} that this link names are gone, or not in its range.`;
    this.range = found;
    this.#cursor = time === null ? null : { time };
    return null;
  }

  // The cursor's time in seconds since 1970; null without a cursor, or when it has left the range.
  time({ timeAt, span }) {
    if (this.#cursor === null) return null;
    const time = this.#cursor.time ?? timeAt(this.#cursor.x);
    return time >= span.from && time <= span.to ? time : null;
  }
}

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

function loadRange() {
  return RANGES.find(({ seconds }) => String(seconds) === remembered(KEY)) ?? RANGES[0];
}
