// Loads the log view when it is first opened.

import { loadStyle } from "../lib/style.js";

// Returns a LogView, whose arguments these are.
export async function loadLogView(redraw, onChoice) {
  const [{ LogView }] = await Promise.all([import("./view.js"), loadStyle("log")]);
  return new LogView(redraw, onChoice);
}
