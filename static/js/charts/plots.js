// The three charts: which figures each has, from where, and how they are told. Pure. How they look is in css/charts.css.

import { align } from "./align.js";
import { percent, rate } from "../format.js";

const SECONDS_HOLE = 5; // of what is measured each second
const SAMPLES_HOLE = 100; // of CPU samples, which some clusters take once a minute
const ROOM_FOR_PODS = 100; // a max beyond would press the lines flat
const CONDENSED = ["mean", "mean", "mean", "most", "mean", "most"]; // so that a spike of errors or waits stays one
const LOAD_FIRST = [3, 4, 5]; // what a client saw of latency and errors says more than what the pods did

const pods = (value) => (value === null ? "—" : String(value));

function ms(value) {
  if (value === null) return "—";
  if (value >= 1_000) return `${Number((value / 1_000).toFixed(1))}\u00a0s`;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)}\u00a0ms`;
}

// Figures: {id, name, scale, format, within (seconds: how near a point must be to be the figure of a moment), steps}, in the order in
// which they are drawn; `run` marks what is there only while load is generated; `column` names it in the table; `fold` says how several in a row of the table become one.
export const PLOTS = [
  {
    id: "load",
    name: "Load",
    figures: [
      { id: "served", name: "served", scale: "rate", format: rate, within: SECONDS_HOLE, fold: "mean" },
      { id: "offered", name: "offered", run: true, scale: "rate", format: rate, within: SECONDS_HOLE, fold: "mean" },
      { id: "achieved", name: "achieved", run: true, scale: "rate", format: rate, within: SECONDS_HOLE, fold: "mean" },
      { id: "errors", name: "errors", scale: "rate", format: rate, within: SECONDS_HOLE, fold: "mean" },
      { id: "p50", name: "p50", scale: "ms", format: ms, within: SECONDS_HOLE, fold: "mean" },
      { id: "p99", name: "p99", scale: "ms", format: ms, within: SECONDS_HOLE, fold: "most" },
    ],
    data: (history, _state, span) => {
      const load = history.table("load");
      const traffic = history.table("traffic");
      return align(
        [
          { columns: load, fill: [null, "offered", "achieved", "errors", "p50_ms", "p99_ms"], hole: SECONDS_HOLE, condense: CONDENSED },
          {
            columns: traffic,
            fill: ["requests", null, null, "errors", "p50_ms", "p99_ms"],
            hole: SECONDS_HOLE,
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
      { id: "cpu", name: "used", column: "CPU", scale: "percent", format: percent, within: SAMPLES_HOLE, fold: "mean", points: true },
    ],
    data: (history, state, span) =>
      align(
        [{ columns: history.table("cpu"), fill: [null, "percent"], hole: SAMPLES_HOLE }],
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
    data: (history, _state, span) =>
      align([{ columns: history.table("replicas"), fill: ["ready", "desired"], hold: true }], [null, null], span),
    least: ({ autoscaler }) => ({ pods: Math.min(autoscaler?.max ?? 2, ROOM_FOR_PODS) }),
  },
];
