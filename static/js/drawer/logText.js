// The texts of the log view. Pure.

import { plural } from "../format.js";

const STATES = {
  opening: { icon: "half", word: "opening", tone: "busy" },
  live: { icon: "full", word: "live", tone: "good" },
  ended: { icon: "check", word: "ended", tone: "off" },
  waiting: { icon: "ring", word: "waiting for the container", tone: "busy" },
  away: { icon: "half", word: "interrupted, retrying", tone: "warn" },
  refused: { icon: "cross", word: "unavailable", tone: "bad" },
};
const PAUSED = { icon: "minus", word: "paused", tone: "warn" };

export function logStatus({ word }, paused) {
  return paused && word === "live" ? PAUSED : STATES[word];
}

// "12 of 340 lines, 3 lines held back". `shown` is the number of lines on the page, `pending` of those after the last one drawn.
export function logSummary({ lines, shown, pending, filter, paused, state }) {
  if (lines.size === 0) return "";
  const count = plural(lines.size, "line");
  const found = filter ? `${shown} of ${count}` : count;
  const dropped = lines.first > 1 ? ", older ones dropped" : "";
  const held = paused && pending > 0 ? `, ${plural(Math.min(lines.size, pending), "line")} held back` : "";
  const problem = state.problem && state.word !== "live" ? ` · ${state.problem.message}` : "";
  return `${found}${dropped}${held}${problem}`;
}

// The message in place of lines, {title, text, icon?, canRetry?}; null when there are lines but none is on the page yet.
export function emptyLog({ word, problem }, count, filter) {
  const message = problem?.message ?? "";
  if (count > 0) return filter ? { title: "Not found", text: `None of ${plural(count, "line")} has that text.` } : null;
  if (word === "opening") return { title: "Opening the log", text: "The request is sent to the pod's node.", icon: "half" };
  if (word === "live") return { title: "No lines yet", text: "The container has written nothing so far." };
  if (word === "ended") return { title: "An empty log", text: "The container has written nothing." };
  if (word === "waiting") return { title: "No log yet", text: message, icon: "ring" };
  if (word === "away") return { title: "The log can't be read", text: `${message || "The connection was lost."} It is retried every few seconds.`, icon: "warning" };
  if (problem.status === 403) return { title: "Access denied", text: message, icon: "cross" };
  return { title: "There is no such log", text: message, icon: "cross", canRetry: true };
}
