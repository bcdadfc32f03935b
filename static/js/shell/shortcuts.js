// Keyboard shortcuts: single keys, which work unless the reader types, a dialog is open, or they are switched off. Pure but for the
// document.

import { remembered } from "../lib/storage.js";

export const SHORTCUTS_KEY = "shortcuts"; // in localStorage: "off"

export const SHORTCUTS = [
  { key: "/", text: "Find anything on the page" },
  { key: "?", text: "Settings and keyboard shortcuts" },
  { key: "l", text: "Logs of all pods of the service" },
];

// Shortcuts of parts of the page, which those parts handle.
export const LOCAL_SHORTCUTS = [
  { key: "Esc", text: "Close a dialog; in the metrics, put the cursor back to now" },
  { key: "← →", text: "In the metrics: move the cursor; in a drawer: change the tab" },
  { key: "Shift ↑ ↓", text: "In a log: choose a line, for a link to it" },
  { key: "Ctrl Enter", text: "In a form: send it" },
];

// Calls an action {key: () => …} when its key is pressed.
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || !isShortcut(event) || remembered(SHORTCUTS_KEY) === "off") return;
    event.preventDefault();
    action();
  });
}

function isShortcut({ target, ctrlKey, altKey, metaKey, defaultPrevented }) {
  if (ctrlKey || altKey || metaKey || defaultPrevented) return false;
  return !target.closest?.('input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable]') && !document.querySelector("dialog[open]");
}
