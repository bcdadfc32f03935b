// The reader's choices in the metrics panel: the time range, the cursor, and whether the table is shown. No DOM here.

import { step } from "./cursor.js";
import { loadRange, saveRange } from "./ranges.js";
import { cursorText } from "./summary.js";

export class Selection {
  range = loadRange();
  showsTable = false;
  cursorText = "now"; // for screen readers; changes only when the reader moves the cursor
  #cursor = null; // {x} in pixels under the mouse, or {time} in seconds; null for now

  chooseRange(range) {
    this.range = range;
    this.#cursor = null;
    saveRange(range);
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

  // The cursor's time in seconds since 1970; null without a cursor, or when it has left the range.
  time({ timeAt, span }) {
    if (this.#cursor === null) return null;
    const time = this.#cursor.time ?? timeAt(this.#cursor.x);
    return time >= span.from && time <= span.to ? time : null;
  }
}
