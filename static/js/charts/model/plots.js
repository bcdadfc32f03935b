// The three charts: their figures, where the figures come from, and how they are written. Pure. Colours and dashes are in css/charts.css.

import { align } from "./align.js";
import { percent, rate } from "../../text/format.js";

const SECONDS_GAP = 5; // between points that are measured each second
const SAMPLES_GAP = 100; // between CPU samples, which some clusters take once a minute
const MOST_PODS = 100; // an autoscaler's max may be any number, and would flatten the lines
const CONDENSED = ["mean", "mean", "mean", "most", "mean", "most"]; // a spike of errors or latency stays visible
const LOAD_FIRST = [3, 4, 5]; // errors and latency: the load generator's measurement replaces the pods' own

const pods = (value) => (value === null ? "—" : String(value));

function ms(value) {
  if (value === null) return "—";
  if (value >= 1_000) return `${Number((value / 1_000).toFixed(1))}\u00a0s`;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)}\u00a0ms`;
}

// Tells whether there can be such a figure: of an application whose requests nobody counts, none are "served".
export const isMeasured = ({ source }, /** @type {wire.State} */ { sources }) => source === undefined || sources[source] !== undefined;

// A figure is {id, name, scale, format, within, fold, …}. A point within `within` seconds of a time is the figure at that time; `fold`
// says how a row of the table is made from several points. `steps`: it holds until the next point. `fixed`: it is the same
// throughout. `points`: each sample has a mark. `run`: it exists only during a load. `source`: it exists only with that source of the
// state. `column`: its name in the table. `least(state)` returns the least maximum of each scale.
export const PLOTS = [
  {
    id: "load",
    name: "Load",
    figures: [
      { id: "served", name: "served", source: "traffic", scale: "rate", format: rate, within: SECONDS_GAP, fold: "mean" },
      { id: "offered", name: "offered", run: true, scale: "rate", format: rate, within: SECONDS_GAP, fold: "mean" },
      { id: "achieved", name: "achieved", run: true, scale: "rate", format: rate, within: SECONDS_GAP, fold: "mean" },
      { id: "errors", name: "errors", scale: "rate", format: rate, within: SECONDS_GAP, fold: "mean" },
      { id: "p50", name: "p50", scale: "ms", format: ms, within: SECONDS_GAP, fold: "mean" },
      { id: "p99", name: "p99", scale: "ms", format: ms, within: SECONDS_GAP, fold: "most" },
    ],
    data: (history, _, span) => {
      const load = history.table("load");
      const traffic = history.table("traffic");
      return align(
        [
          { columns: load, fill: [null, "offered", "achieved", "errors", "p50_ms", "p99_ms"], gap: SECONDS_GAP, condense: CONDENSED },
          {
            columns: traffic,
            fill: ["requests", null, null, "errors", "p50_ms", "p99_ms"],
            gap: SECONDS_GAP,
            condense: CONDENSED,
            unless: { columns: load, figures: LOAD_FIRST },
          },
        ],
        Array(6).fill(null),
        span,
      );
    },
    least: () => ({ rate: 10, ms: 100 }),
  },
  {
    id: "cpu",
    name: "CPU of requests",
    figures: [
      { id: "target", name: "target", scale: "percent", format: percent, within: Infinity, fold: "last", fixed: true },
      { id: "cpu", name: "used", column: "CPU", scale: "percent", format: percent, within: SAMPLES_GAP, fold: "mean", points: true },
    ],
    data: (history, state, span) =>
      align(
        [{ columns: history.table("cpu"), fill: [null, "percent"], gap: SAMPLES_GAP }],
        [state.autoscaler?.target_of_requests ?? null, null],
        span,
      ),
    least: ({ autoscaler }) => ({ percent: Math.max(100, (autoscaler?.target_of_requests ?? 0) * 1.3) }),
  },
  {
    id: "pods",
    name: "Pods",
    figures: [
      { id: "ready", name: "ready", scale: "pods", format: pods, steps: true, within: Infinity, fold: "last" },
      { id: "desired", name: "desired", scale: "pods", format: pods, steps: true, within: Infinity, fold: "last" },
    ],
    data: (history, _, span) =>
      align([{ columns: history.table("replicas"), fill: ["ready", "desired"], hold: true }], [null, null], span),
    least: ({ autoscaler }) => ({ pods: Math.min(autoscaler?.max ?? 2, MOST_PODS) }),
  },
];
