import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { align, extent, rowAt } from "../../static/js/charts/model/align.js";
import { columnsOf } from "../../static/js/feed/columns.js";
import { lineEnds, spread } from "../../static/js/charts/chart.js";
import { marksIn, marksNear, placeLabels } from "../../static/js/charts/model/marks.js";
import { notes, recordedSince } from "../../static/js/charts/model/notes.js";
import { PLOTS } from "../../static/js/charts/model/plots.js";
import { range, roundEnd, splits, tick } from "../../static/js/charts/scales.js";
import { Selection, step } from "../../static/js/charts/selection.js";
import { viewModel } from "../../static/js/charts/model/viewModel.js";
import { rowSeconds, sentence, table, valuesAt } from "../../static/js/charts/model/summary.js";

const SPAN = { from: 100, to: 200, now: 200 };
const source = (at, value, more = {}) => ({ columns: { at, value }, fill: ["value"], ...more });
const [LOAD, CPU, PODS] = PLOTS;

// A history with the given tables.
function historyOf(tables = {}) {
  const empty = { traffic: columnsOf(["requests", "errors", "p50_ms", "p99_ms"]), load: columnsOf(["offered", "achieved", "errors", "p50_ms", "p99_ms"]) };
  const all = { ...empty, cpu: columnsOf(["percent"]), replicas: columnsOf(["desired", "ready"]), ...tables };
  return { table: (name) => all[name] };
}

describe("aligned columns", () => {
  test("have rows at both edges of the window, and the last point before it", () => {
    const [at, values] = align([source([50, 90, 110, 150, 250], [1, 2, 3, 4, 5])], [null], SPAN);
    assert.deepEqual(at, [90, 100, 110, 150, 200]);
    assert.deepEqual(values, [2, undefined, 3, 4, undefined]);
  });

  test("keep the times of each table", () => {
    const two = [
      { columns: { at: [110, 120], a: [1, 2] }, fill: ["a", null] },
      { columns: { at: [115, 120], b: [3, 4] }, fill: [null, "b"] },
    ];
    assert.deepEqual(align(two, [null, null], SPAN), [
      [100, 110, 115, 120, 200],
      [undefined, 1, undefined, 2, undefined],
      [undefined, undefined, 3, 4, undefined],
    ]);
  });

  test("have a gap where a table's points are too far apart, also at the other table's times", () => {
    const two = [
      { columns: { at: [110, 140], a: [1, 2] }, fill: ["a", null], gap: 5 },
      { columns: { at: [111, 114, 141], b: [3, 4, 5] }, fill: [null, "b"] },
    ];
    const [at, a] = align(two, [null, null], SPAN);
    assert.deepEqual(at, [100, 110, 110.001, 111, 114, 140, 141, 200]);
    assert.deepEqual(a, [undefined, 1, null, null, null, 2, undefined, undefined]);
  });

  test("have a gap in the figures of that table only", () => {
    const cpu = { columns: { at: [110, 190], percent: [1, 2] }, fill: [null, "percent"], gap: 5 };
    const [at, target, used] = align([cpu], [70, null], SPAN);
    assert.deepEqual(at, [100, 110, 110.001, 190, 200]);
    assert.deepEqual(target, [70, undefined, undefined, undefined, 70]);
    assert.deepEqual(used, [undefined, 1, null, 2, undefined]);
  });

  test("have a gap around a null, from the point before to the point after", () => {
    const two = [
      { columns: { at: [110, 120, 130], a: [1, null, 2] }, fill: ["a", null] },
      { columns: { at: [115, 125], b: [3, 4] }, fill: [null, "b"] },
    ];
    const [, a] = align(two, [null, null], SPAN);
    assert.deepEqual(a, [undefined, 1, null, null, null, 2, undefined]);
  });

  test("have no gaps between the minutes of downsampled points", () => {
    const [, values] = align([source([1_000, 1_060, 1_120, 9_000, 9_020], [1, 2, 3, 4, 5], { gap: 5 })], [null], { from: 900, to: 9_100, now: 9_100 });
    assert.deepEqual(values.filter((value) => value !== undefined), [1, 2, 3, null, 4, null, 5]);
  });

  test("hold the last value until the end, unless it is null", () => {
    const [at, values] = align([source([50, 150], [2, 3], { hold: true })], [null], SPAN);
    assert.deepEqual([at.at(-1), values.at(-1)], [200, 3]);
    assert.equal(align([source([50, 150], [2, null], { hold: true })], [null], SPAN)[1].at(-1), null);
    assert.equal(align([source([50], [2], { hold: true })], [null], SPAN)[1].at(-1), 2);
  });

  test("have constants at both edges, even without points", () => {
    assert.deepEqual(align([source([], [])], [70], SPAN), [[100, 200], [70, 70]]);
  });

  test("prefer the table that has priority where it has points", () => {
    const columns = { at: [150], a: [9] };
    const two = [
      { columns, fill: ["a"] },
      { columns: { at: [120, 149.5, 151, 160], b: [1, 2, 3, 4] }, fill: ["b"], unless: { columns, figures: [0] } },
    ];
    assert.deepEqual(align(two, [null], SPAN)[1].filter((value) => value !== undefined), [1, 9, 4]);
  });

  test("are condensed to grains at round times, except the newest points", () => {
    const at = Array.from({ length: 101 }, (_, index) => 100 + index);
    const data = (to) => align([source(at, at.map((moment) => moment % 10), { condense: ["mean"], gap: 5 })], [null], { from: 100, to, now: to, grain: 10 });
    const [moments, values] = data(200);
    assert.deepEqual([moments[0], values[0]], [100, undefined]); // the window's edge
    assert.deepEqual([moments[1], values[1]], [104.5, 4.5]);
    assert.ok(moments.length < 25);
    assert.deepEqual(values.slice(-5), [6, 7, 8, 9, 0]);
    assert.deepEqual(data(193)[0].slice(0, 5), moments.slice(0, 5)); // points stay in their grain
  });

  test("condense to the maximum on request, and keep gaps", () => {
    const points = source([100.5, 101, 102, 120, 121, 122], [1, 9, 2, null, null, null], { condense: ["most"], gap: 5 });
    const [, values] = align([points], [null], { ...SPAN, grain: 10 });
    assert.deepEqual(values, [undefined, 9, null, null, null]);
  });

  test("of an hour are condensed to fewer than 400 rows", () => {
    const at = Array.from({ length: 3_600 }, (_, index) => index);
    const [moments] = align([source(at, at, { condense: ["mean"], gap: 5 })], [null], { from: 0, to: 3_600, now: 3_600, grain: 10 });
    assert.ok(moments.length < 400);
  });
});

describe("the value at a time", () => {
  const data = [[100, 110, 120, 130, 140], [undefined, 1, undefined, null, 2]];

  test("is the nearest within the limit", () => {
    assert.equal(rowAt(data, 1, 111, { within: 5 }), 1);
    assert.equal(rowAt(data, 1, 117, { within: 5 }), null);
    assert.equal(rowAt(data, 1, 139, { within: 5 }), 4);
    assert.equal(rowAt(data, 1, 300, { within: 5 }), null);
    assert.equal(rowAt([[100], [undefined]], 1, 100, { within: 5 }), null);
  });

  test("is null in a gap", () => assert.equal(rowAt(data, 1, 129, { within: 50 }), null));

  test("of a step function is the last one before", () => {
    assert.equal(rowAt(data, 1, 129, { within: Infinity, steps: true }), 1);
    assert.equal(rowAt(data, 1, 131, { within: Infinity, steps: true }), null);
    assert.equal(rowAt(data, 1, 105, { within: Infinity, steps: true }), null);
  });

  test("may be further away if points are a minute apart", () => {
    const traffic = { at: [1_000, 1_060], requests: [5, 7], errors: [0, 0], p50_ms: [1, 1], p99_ms: [2, 2] };
    const span = { from: 900, to: 9_000, now: 9_000 };
    const found = valuesAt(LOAD, LOAD.data(historyOf({ traffic }), {}, span), 1_040, span.to);
    assert.deepEqual(found[0], { value: 7, at: 1_060 });
  });

  test("counts in the extent only within the window", () => {
    const values = [[90, 110, 120, 210], [50, 3, 1, 99]];
    assert.deepEqual(extent(values, 1, SPAN), { least: 1, most: 3, last: 1, at: 120 });
    assert.equal(extent(values, 1, { from: 300, to: 400 }), null);
  });
});

describe("a chart's text alternative", () => {
  const state = { autoscaler: { target_of_requests: 70, max: 5 } };
  const textOf = (plot, tables, of = state) => sentence(plot, plot.data(historyOf(tables), of, SPAN), SPAN, "5 minutes").replaceAll("\u00a0", " ");

  test("has the present value, the extent and the target", () => {
    assert.equal(
      textOf(CPU, { cpu: { at: [120, 150, 190], percent: [3, 213, 84] } }),
      "CPU of requests, the last 5 minutes: target 70 %; used now 84 %, between 3 % and 213 %.",
    );
  });

  test("says that nothing was recorded", () => {
    assert.equal(textOf(LOAD, {}), "Load: nothing recorded in the last 5 minutes.");
    assert.equal(textOf(CPU, {}), "CPU of requests, the last 5 minutes: target 70 %.");
  });

  test("says last instead of now for an old value", () => {
    const traffic = { at: [110, 111], requests: [5, 7], errors: [0, 0], p50_ms: [null, null], p99_ms: [null, null] };
    assert.equal(textOf(LOAD, { traffic }), "Load, the last 5 minutes: served last 7 /s, between 5 /s and 7 /s; errors last 0 /s throughout.");
  });

  test("has the pods of a change before the window", () => {
    assert.equal(textOf(PODS, { replicas: { at: [10], desired: [3], ready: [2] } }), "Pods, the last 5 minutes: ready now 2 throughout; desired now 3 throughout.");
  });
});

describe("the table", () => {
  const state = { autoscaler: null };
  const made = (tables, span, marks = []) => {
    const now = { ...span, now: span.to };
    return table(PLOTS.map((plot) => ({ plot, data: plot.data(historyOf(tables), state, now) })), marks, span);
  };

  test("has 40 to 60 rows in each range", () => {
    for (const span of [300, 900, 3_600, 43_200]) assert.ok(span / rowSeconds(span) <= 60 && span / rowSeconds(span) >= 40);
    const at = Array.from({ length: 300 }, (_, index) => 1_000 + index);
    const traffic = { at, requests: at.map(() => 5), errors: at.map(() => 0), p50_ms: at.map(() => 1), p99_ms: at.map(() => 2) };
    assert.equal(made({ traffic }, { from: 1_000, to: 1_300 }).rows.length, 60);
  });

  test("has means, the highest p99 and the last number of pods, newest first", () => {
    const traffic = { at: [100, 101, 102, 106], requests: [1, 2, 6, 4], errors: [0, 0, 3, 0], p50_ms: [1, null, 3, 5], p99_ms: [9, 50, 10, 8] };
    const replicas = { at: [90, 103], desired: [2, 4], ready: [2, 2] };
    const { step: seconds, rows } = made({ traffic, replicas }, { from: 100, to: 400 });
    assert.equal(seconds, 5);
    const [load, , pods] = rows.at(-1).values;
    assert.deepEqual([rows.at(-1).at, load], [100, [3, null, null, 1, 2, 50]]);
    assert.deepEqual(pods, [2, 4]);
    assert.ok(rows[0].at > rows[1].at);
    assert.deepEqual(rows.at(-2).values[2], [2, 4]); // as before, since nothing changed
  });

  test("leaves out empty rows, unless they have a mark", () => {
    const { rows } = made({}, { from: 100, to: 400 }, [{ at: 222, tone: "bad", text: "mongod down" }]);
    assert.deepEqual(rows.map(({ at, marks }) => [at, marks.length]), [[220, 1]]);
  });
});

describe("marks", () => {
  const entry = (id, seconds, mark = "label", tone = "off") => ({ id, at: new Date(seconds * 1_000).toISOString(), mark, tone, text: `text ${id}` });
  const spread = (...seconds) => seconds.map((at, index) => ({ id: String(index), at, label: "12345", tone: "off" }));
  const room = { x: (at) => at, measure: (words) => words.length * 6, width: 400, rows: 2, gap: 4 };

  test("are the timeline's entries with a mark in the window, oldest first", () => {
    const found = marksIn([entry("d", 250), entry("c", 180, "2 → 3", "busy"), entry("b", 150, null), entry("a", 101)], SPAN);
    assert.deepEqual(found.map(({ id, at, label, tone }) => [id, at, label, tone]), [["a", 101, "label", "off"], ["c", 180, "2 → 3", "busy"]]);
    assert.deepEqual(marksIn(undefined, SPAN), []);
  });

  test("are limited to the newest 80", () => {
    const many = Array.from({ length: 200 }, (_, index) => entry(String(index), 100 + index / 2));
    const found = marksIn(many, SPAN);
    assert.ok(found.length <= 80 && found.at(-1).id === "199");
  });

  test("have labels beside their lines that do not overlap", () => {
    const marks = spread(...Array.from({ length: 30 }, (_, index) => index * 13));
    const placed = placeLabels(marks, room);
    assert.ok(placed.length >= 16);
    for (const [index, { at, left, row, side }] of placed.entries()) {
      assert.ok(left >= 0 && left + 34 <= room.width);
      assert.equal(side === "right" ? left : left + 34, at);
      for (const other of placed.slice(index + 1)) assert.ok(other.row !== row || Math.abs(other.left - left) >= 34);
    }
  });

  test("have labels on the left where there is no room on the right", () => {
    assert.deepEqual(placeLabels(spread(395), room).map(({ left, side }) => [left, side]), [[361, "left"]]);
  });

  test("of failures keep their labels before others", () => {
    const marks = spread(100, 101, 102, 103, 104, 105);
    marks[0].tone = "bad";
    assert.ok(placeLabels(marks, room).some(({ id }) => id === "0"));
    assert.ok(placeLabels(marks, { ...room, width: 20 }).length === 0);
  });

  test("are found near a time", () => assert.deepEqual(marksNear(spread(100, 110), 109, 2).map(({ at }) => at), [110]));
});

describe("scales", () => {
  test("end at a round number whose half is round, too", () => {
    for (const [most, end] of [[0, 1], [1, 1], [3, 4], [9, 10], [11, 20], [41, 50], [51, 80], [341, 400], [999, 1_000], [12_345, 20_000]]) {
      assert.equal(roundEnd(most), end);
    }
  });

  test("of latencies are logarithmic, from a millisecond or less", () => {
    assert.deepEqual(range("ms", { low: 4, most: 100 }), [1, 100]);
    assert.deepEqual(range("ms", { low: 0.4, most: 9_500 }), [0.1, 10_000]);
    assert.deepEqual(range("ms", { low: 0, most: 100 }), [0.1, 100]);
    assert.deepEqual(range("ms", { low: Infinity, most: 100 }), [1, 100]);
    assert.deepEqual(splits("ms", [1, 100]), [1, 10, 100]);
    assert.deepEqual(splits("ms", [0.1, 10_000]).length, 3);
  });

  test("of other units start at zero and contain the maximum", () => {
    assert.deepEqual(range("rate", { low: 100, most: 180 }), [0, 200]);
    assert.deepEqual(range("percent", { low: 3, most: 213 }), [0, 400]);
    assert.deepEqual(splits("percent", [0, 400]), [0, 200, 400]);
    assert.ok(range("pods", { low: 2, most: 5 })[1] > 5);
  });

  test("of pods have integers only", () => {
    assert.deepEqual(splits("pods", [0, 5.4]), [0, 2, 4]);
    assert.deepEqual(splits("pods", [0, 2.2]), [0, 1, 2]);
    assert.deepEqual(splits("pods", [0, 1]), [0, 1]);
    assert.ok(splits("pods", range("pods", { low: 0, most: 1_000 })).length <= 6);
  });

  test("have ticks with units", () => {
    assert.deepEqual(
      [tick("rate", 200), tick("rate", 20_000), tick("ms", 0.1), tick("ms", 100), tick("ms", 10_000), tick("percent", 100), tick("pods", 3)],
      ["200/s", "20k/s", "0.1 ms", "100 ms", "10 s", "100 %", "3"],
    );
  });
});

describe("the cursor's keys", () => {
  const move = (key, moment, shift = false) => step(key, shift, moment, { from: 100, to: 200 });

  test("move it, in larger steps with shift or page keys", () => {
    assert.equal(move("ArrowLeft", null), 199);
    assert.equal(move("ArrowRight", 150), 151);
    assert.equal(move("ArrowLeft", 150, true), 140);
    assert.equal(move("PageUp", 150), 160);
    assert.equal(move("PageDown", 150), 140);
    assert.equal(move("Home", 150), 100);
  });

  test("stop at the oldest time, and return to now after the newest", () => {
    assert.equal(move("ArrowLeft", 100), 100);
    assert.equal(move("ArrowRight", 199.5), null);
    assert.equal(move("End", 150), null);
    assert.equal(move("Escape", 150), null);
  });

  test("do not include other keys", () => assert.equal(move("Tab", 150), undefined));
});

describe("a chart without lines", () => {
  const live = { traffic: { state: "live" }, metrics: { state: "live" } };
  const notesOf = (tables, { sources = live, failed = false } = {}) => {
    const state = { sources, autoscaler: { target_of_requests: 70 } };
    const history = historyOf(tables);
    const all = PLOTS.map((plot) => ({ plot, data: plot.data(history, state, SPAN) }));
    return notes(history, state, { all, span: SPAN }, "5 minutes", failed);
  };

  test("gives a reason of its own", () => {
    const [load, cpu, pods] = notesOf({});
    assert.match(load, /No requests measured yet/);
    assert.match(cpu, /No CPU sample yet/);
    assert.match(pods, /No Deployment/);
  });

  test("names a source that is forbidden or unreachable", () => {
    assert.match(notesOf({}, { sources: { metrics: { state: "forbidden" } } })[1], /does not let it read metrics/);
    assert.match(notesOf({}, { sources: { traffic: { state: "connecting" } } })[0], /could not be reached/);
    assert.match(notesOf({}, { sources: {} })[0], /not counted/);
  });

  test("says that the window is empty if there are older points", () => {
    const cpu = { at: [], percent: [] };
    const traffic = { at: [1, 2], requests: [1, 1], errors: [0, 0], p50_ms: [1, 1], p99_ms: [1, 1] };
    const [load] = notesOf({ traffic, cpu });
    assert.equal(load, null); // its last point holds into the window
    assert.match(notesOf({ traffic: { ...traffic, at: [301, 302] } })[0], /in the last 5 minutes/);
  });

  test("has no note with lines, and refers to the table if the charts failed to load", () => {
    const tables = { cpu: { at: [150], percent: [84] } };
    assert.equal(notesOf(tables)[1], null);
    assert.match(notesOf(tables, { failed: true })[1], /The table has their figures/);
  });

  test("has the time of the first record", () => {
    assert.equal(recordedSince(historyOf()), Infinity);
    assert.equal(recordedSince(historyOf({ cpu: { at: [150], percent: [1] }, replicas: { at: [120], desired: [1], ready: [1] } })), 120);
  });
});

describe("the view model", () => {
  const state = { autoscaler: { target_of_requests: 70, max: 5 }, timeline: [{ id: "1", at: "2025-11-24T16:00:00Z", mark: "Ready", tone: "good", text: "Ready" }] };
  const NOW = Date.parse("2025-11-24T16:04:00Z") / 1_000;
  const range = { seconds: 300, text: "5 minutes" };
  const viewOf = (tables, more = {}) => viewModel({ history: historyOf(tables), state, range, width: 600, now: NOW, knownUntil: NOW, ...more });

  test("converts times to positions and back", () => {
    const { x, timeAt, span } = viewOf({});
    assert.deepEqual([x(span.from), x(span.to), timeAt(300)], [0, 600, NOW - 150]);
  });

  test("finds the marks near the cursor", () => {
    const { near } = viewOf({});
    assert.deepEqual(near(NOW - 240 + 2).map(({ label }) => label), ["Ready"]);
    assert.deepEqual(near(NOW - 240 + 5), []);
  });

  test("has the newest values without a time", () => {
    const { values } = viewOf({ cpu: { at: [NOW - 30, NOW - 15], percent: [80, 84] } });
    assert.deepEqual(values(null)[1].map((found) => found?.value), [70, 84]);
  });

  test("ends its lines at the last known time, and the axis at the present", () => {
    const { all, known, span } = viewOf({ replicas: { at: [NOW - 400], desired: [3], ready: [2] } }, { knownUntil: NOW - 60 });
    assert.deepEqual([known.to, span.to], [NOW - 60, NOW]);
    assert.equal(all[2].data[0].at(-1), NOW - 60);
  });

  test("has the extents of the visible points only", () => {
    const traffic = { at: [NOW - 900, NOW - 10], requests: [9_999, 180], errors: [0, 2], p50_ms: [1, 4], p99_ms: [9_000, 41] };
    const { extents } = viewOf({ traffic });
    assert.deepEqual(extents, { rate: { low: 2, most: 180 }, ms: { low: 4, most: 100 }, percent: { low: 70, most: 100 }, pods: { low: Infinity, most: 5 } });
  });

  test("ignores a target in another unit, and limits the pods' scale", () => {
    const huge = { ...state, autoscaler: { target_percent: null, target_millicores: 70, target_of_requests: null, max: 2 ** 31 - 1 } };
    const { extents, values } = viewOf({ cpu: { at: [NOW - 15], percent: [84] } }, { state: huge });
    assert.deepEqual([extents.percent.most, extents.pods.most], [100, 100]);
    assert.deepEqual(values(null)[1].map((found) => found?.value), [undefined, 84]);
  });

  test("condenses points only if they are close together", () => {
    const at = Array.from({ length: 3_600 }, (_, index) => NOW - 3_600 + index);
    const traffic = { at, requests: at, errors: at, p50_ms: at, p99_ms: at };
    assert.ok(viewOf({ traffic }).all[0].data[0].length >= 300);
    assert.ok(viewOf({ traffic }, { range: { seconds: 3_600, text: "hour" } }).all[0].data[0].length < 400);
  });
});

describe("a pod's sparkline", async () => {
  globalThis.document ??= { createTreeWalker() {}, createComment() {} }; // lit-html needs these to be imported
  const { path } = await import("../../static/js/deployment/sparkline.js");
  const of = (points) => path(points, { end: 1_000, seconds: 900 });

  test("is null for less than two samples in its range", () => {
    assert.equal(of(undefined), null);
    assert.equal(of({ at: [990], cpu_millicores: [5] }), null);
    assert.equal(of({ at: [10, 990], cpu_millicores: [5, 5] }), null);
  });

  test("goes from left to right, and up with the value", () => {
    assert.equal(of({ at: [100, 190, 280], cpu_millicores: [0, 50, 100] }), "M0.0 15.0L10.0 8.0L20.0 1.0");
  });

  test("has a gap where samples are missing", () => {
    assert.equal(of({ at: [100, 190, 900, 990], cpu_millicores: [1, 1, 1, 1] }).match(/M/g).length, 2);
  });
});

describe("the reader's selection", () => {
  const view = { span: { from: 100, to: 400 }, timeAt: (x) => 100 + x, values: () => [], all: [], near: () => [] };

  test("has no time without a cursor, nor with one outside the range", () => {
    const selection = new Selection();
    assert.equal(selection.time(view), null);
    selection.pointAtTime(150);
    assert.equal(selection.time(view), 150);
    assert.equal(selection.time({ ...view, span: { from: 200, to: 500 } }), null);
  });

  test("keeps the mouse's position while time passes", () => {
    const selection = new Selection();
    selection.pointAt(50);
    assert.equal(selection.time(view), 150);
    assert.equal(selection.time({ ...view, timeAt: (x) => 110 + x }), 160);
  });

  test("moves by keys, announces it, and ignores other keys", () => {
    const selection = new Selection();
    assert.equal(selection.press("Tab", false, view), false);
    assert.equal(selection.press("ArrowLeft", false, view), true);
    assert.equal(selection.time(view), 397);
    assert.match(selection.cursorText, /^\d\d:\d\d:\d\d$/);
    assert.deepEqual([selection.clear(), selection.clear(), selection.cursorText], [true, false, "now"]);
  });

  test("drops the cursor when the range changes", () => {
    const selection = new Selection();
    selection.pointAtTime(150);
    selection.chooseRange({ seconds: 900 });
    assert.deepEqual([selection.time(view), selection.range.seconds], [null, 900]);
  });
});

describe("the labels at the lines' ends", () => {
  const figures = [{ id: "served" }, { id: "errors" }];

  test("belong to recent points, except zero errors", () => {
    const ends = (served, errors) => lineEnds(figures, [[0, 50, 100], served, errors], { from: 0, to: 100 }).map(({ figure, value }) => [figure.id, value]);
    assert.deepEqual(ends([1, 2, 3], [0, 0, 0]), [["served", 3]]);
    assert.deepEqual(ends([1, 2, undefined], [0, 0, 4]), [["errors", 4]]);
  });

  test("do not overlap and stay in the chart", () => {
    const ys = spread([{ y: 50 }, { y: 48 }, { y: 99 }, { y: 100 }], { top: 0, bottom: 100, height: 10 }).map(({ y }) => y);
    assert.deepEqual(ys, [48, 58, 90, 100]);
  });
});
