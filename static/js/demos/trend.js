// A demo's past runs as a small chart, oldest first: each run's position and its label. Pure.

import { formatElapsed } from "../text/format.js";
import { verdictStatus } from "./runs.js";

export const HEIGHT = 24;
const WIDTH = 120; // at most
const MARGIN = 4;
const STEP = 12; // between two runs, while there is room
const FLOOR = HEIGHT - 3 * MARGIN; // the y of zero; runs without a figure are below it

// {width, points: {x, y, value (seconds or null), word, tone}} of the runs that have ended.
export function trendOf(/** @type {wire.RunRow[]} */ runs, demo) {
  const ended = (runs ?? []).filter((run) => run.demo === demo && run.verdict !== "running");
  const most = Math.max(1, ...ended.map(({ compared }) => compared));
  const step = Math.min(STEP, (WIDTH - 2 * MARGIN) / (ended.length - 1));
  const points = ended.reverse().map((run, index) => {
    const value = run.compared ?? null;
    const y = value === null ? HEIGHT - MARGIN : FLOOR - (value / most) * (FLOOR - MARGIN);
    const { word, tone } = verdictStatus(run);
    return { x: MARGIN + index * step, y, value, word, tone };
  });
  return { points, width: 2 * MARGIN + (points.length - 1) * step };
}

// "the last 3 runs, oldest first: PASS, down 2.9 s; FAIL; PASS, down 3.1 s."
export function sentence(points, comparison) {
  return `the last ${points.length} runs, oldest first: ${points.map((point) => label(point, comparison)).join("; ")}.`;
}

// "PASS, down 2.9 s". `comparison` is the text around the time, with {} in its place.
export function label({ word, value }, comparison) {
  return value === null ? word : `${word}, ${comparison.replace("{}", formatElapsed(value))}`;
}
