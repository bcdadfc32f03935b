// What a chart says in place of lines that it does not have. Pure.

import { extent } from "./align.js";

// One note a chart, or null: {plot, data} in `all` as they are drawn, `words` the range's.
export function notes(history, state, { all, span }, words, failed) {
  return all.map(({ plot, data }) => {
    const shown = plot.figures.some(({ fixed }, index) => !fixed && extent(data, index + 1, { from: -Infinity, to: span.to }));
    if (failed) return "The charts could not be loaded. The table has their figures.";
    return shown ? null : NOTES[plot.id](history, state, words);
  });
}

// The moment of the oldest point there is, Infinity without any.
export function recordedSince(history) {
  return Math.min(...["traffic", "load", "cpu", "replicas"].map((name) => history.table(name).at[0] ?? Infinity));
}

const NOTES = {
  load: (history, { sources }, words) => {
    if (has(history, "traffic") || has(history, "load")) return `No figures of requests in the last ${words}.`;
    return sources.traffic?.state === "live"
      ? "No requests measured yet. The first figures come a second or two after the first scrape."
      : "No requests measured yet: the service's pods were not reached.";
  },
  cpu: (history, { sources }, words) => {
    if (has(history, "cpu")) return `No CPU sample in the last ${words}.`;
    return sources.metrics?.state === "forbidden"
      ? "The dashboard's Role does not let it read metrics."
      : "No CPU sample yet. A new pod is first measured after about half a minute.";
  },
  pods: () => "No Deployment seen yet.",
};

function has(history, table) {
  return history.table(table).at.length > 0;
}
