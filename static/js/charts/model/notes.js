// The notes in charts without lines. Pure.

import { extent } from "./align.js";

// Returns a note or null for each chart. `rangeText` is the range's text; `failed` says that uPlot could not be loaded.
export function notes(history, state, { all, span }, rangeText, failed) {
  return all.map(({ plot, data }) => {
    const hasLines = plot.figures.some(({ fixed }, index) => !fixed && extent(data, index + 1, { from: -Infinity, to: span.to }));
    if (failed) return "The charts could not be loaded. The table has their figures.";
    return hasLines ? null : NOTES[plot.id](history, state, rangeText);
  });
}

// Returns the time of the oldest point, Infinity without any.
export function recordedSince(history) {
  return Math.min(...["traffic", "load", "cpu", "replicas"].map((name) => history.table(name).at[0] ?? Infinity));
}

const NOTES = {
  load: (history, { sources }, rangeText) => {
    if (has(history, "traffic") || has(history, "load")) return `No requests in the last ${rangeText}.`;
    if (!sources.traffic) return "The pods' requests are not counted. A load's are.";
    return sources.traffic.state === "live"
      ? "No requests measured yet. The first figures come a second or two after the first scrape."
      : "No requests measured yet: the service's pods could not be reached.";
  },
  cpu: (history, { sources }, rangeText) => {
    if (has(history, "cpu")) return `No CPU sample in the last ${rangeText}.`;
    return sources.metrics?.state === "forbidden"
      ? "The dashboard's Role does not let it read metrics."
      : "No CPU sample yet. A new pod is first measured after about half a minute.";
  },
  pods: () => "No Deployment seen yet.",
};

function has(history, table) {
  return history.table(table).at.length > 0;
}
