import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { marksNear, obligationMark } from "../../static/js/charts/model/marks.js";
import { ago } from "../../static/js/text/format.js";
import { obligationText, unmetObligation } from "../../static/js/demos/runs.js";
import { sentence, trendOf } from "../../static/js/demos/trend.js";

const START = "2026-11-25T12:00:00.000Z";
const NOW = Date.parse(START);
const plain = (text) => text.replaceAll("\u00a0", " ");
const OWED = { what: "scale-up", since: "2026-11-25T12:00:10Z", by: "2026-11-25T12:00:40Z", met: null, text: "It owed more than 2 pods" };

describe("how long ago", () => {
  for (const [seconds, words] of [
    [-3, "just now"],
    [59, "just now"],
    [60, "1 min ago"],
    [3 * 3_600 + 300, "3 h ago"],
    [2 * 86_400, "2 d ago"],
  ]) {
    test(`${seconds} s is "${words}"`, () => assert.equal(ago(START, NOW + seconds * 1_000), words));
  }
});

describe("an unmet obligation", () => {
  test("is the run's own, or the first unmet one in the evidence", () => {
    assert.equal(unmetObligation({ verdict: "fail", owed: OWED }), OWED);
    assert.equal(unmetObligation({ verdict: "fail", evidence: { owed: [{ ...OWED, met: START }, OWED] } }), OWED);
  });
  test("is null for a run that did not fail, and for an old run", () => {
    assert.equal(unmetObligation({ verdict: "inconclusive", evidence: { owed: [OWED] } }), null);
    assert.equal(unmetObligation({ verdict: "fail" }), null);
    assert.equal(unmetObligation({ verdict: "fail", owed: null, evidence: {} }), null);
  });
  test("is written with its times", () => assert.match(obligationText(OWED), /^It owed more than 2 pods: due by \d\d:00:40, owed since \d\d:00:10/));
});

describe("the mark of an unmet obligation", () => {
  const from = NOW / 1_000;
  const failed = { id: "a", verdict: "fail", owed: OWED };

  test("is at the due time, and starts when it was owed", () => {
    const mark = obligationMark([{ id: "b", verdict: "pass" }, failed], { from, to: from + 300 });
    assert.deepEqual([mark.since, mark.at, mark.tone], [from + 10, from + 40, "bad"]);
  });
  test("is the latest run's within the range", () => {
    const older = { ...failed, id: "older" };
    assert.equal(obligationMark([failed, older], { from, to: from + 300 }).id, "owed/a");
    assert.equal(obligationMark([failed], { from: from + 41, to: from + 300 }), null);
    assert.equal(obligationMark([failed], { from: from + 20, to: from + 30 }).id, "owed/a");
    assert.equal(obligationMark(undefined, { from, to: from + 300 }), null);
  });
  test("is near all times between the two", () => {
    const mark = { since: 10, at: 40 };
    assert.deepEqual([5, 9, 25, 41, 50].map((time) => marksNear([mark], time, 2).length), [0, 1, 1, 1, 0]);
  });
});

describe("a trend", () => {
  const run = (verdict, down, demo = "persistence") => ({ demo, verdict, compared: down });
  const runs = [run("running", null), run("pass", 4), run("pass", 9, "autoscale"), run("fail", 2), run("inconclusive", null)];

  test("has the demo's ended runs, oldest first", () => {
    const { points } = trendOf(runs, "persistence");
    assert.deepEqual(points.map(({ word, value }) => [word, value]), [["INCONCLUSIVE", null], ["FAIL", 2], ["PASS", 4]]);
    assert.deepEqual(points.map(({ x }) => x), points.map(({ x }) => x).toSorted((a, b) => a - b));
  });
  test("is higher for more, with runs without a figure below", () => {
    const [none, low, high] = trendOf(runs, "persistence").points.map(({ y }) => y);
    assert.ok(none > low && low > high, "y grows downwards");
  });
  test("has a limited width for twenty runs", () => {
    const { points, width } = trendOf(Array(20).fill(run("pass", 3)), "persistence");
    assert.equal(points.length, 20);
    assert.ok(width <= 120 && points.at(-1).x < width);
  });
  test("is empty without runs", () => assert.deepEqual(trendOf(undefined, "autoscale").points, []));
  test("is written as a sentence", () => {
    const { points } = trendOf(runs, "persistence");
    assert.equal(plain(sentence(points, "down {}")), "the last 3 runs, oldest first: INCONCLUSIVE; FAIL, down 2.0 s; PASS, down 4.0 s.");
  });
});
