import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { marksNear, owedMark } from "../../static/js/clock/marks.js";
import { ago } from "../../static/js/format.js";
import { comparedBy, keyFigures, owedIn, owedWords } from "../../static/js/runs.js";
import { sentence, trendOf } from "../../static/js/trend.js";

const START = "2026-11-25T12:00:00.000Z";
const NOW = Date.parse(START);
const plain = (words) => words.replaceAll("\u00a0", " ");
const OWED = { what: "scale-up", since: "2026-11-25T12:00:10Z", by: "2026-11-25T12:00:40Z", met: null, text: "It owed more than 2 pods" };

describe("a claim's key figures", () => {
  const said = (run) => plain(keyFigures(run).join(" · "));
  const scaled = { start: 2, peak: 3, t2: 41, t6: 110, t8: 190 };

  for (const [what, run, words] of [
    ["of persistence", { demo: "persistence", figures: { acked: 2196, lost: 0, down: 2.8, longest_write: 3 } }, "0 of 2,196 lost · down 2.8 s"],
    ["of a loss", { demo: "persistence", figures: { acked: 2196, lost: 3, down: null } }, "3 of 2,196 lost"],
    ["of an old run are its line's", { demo: "persistence", line: "persistence PASS acked=5116 lost=0 down=2.9s", figures: { acked: null, lost: null, down: null } }, "0 of 5,116 lost · down 2.9 s"],
    ["of autoscale", { demo: "autoscale", figures: scaled }, "2 → 3 → 2 pods · 41 s to more pods"],
    ["of pods that never went", { demo: "autoscale", figures: { ...scaled, t8: null } }, "2 → 3 pods · 41 s to more pods"],
    ["of pods that never came", { demo: "autoscale", figures: { start: 1, peak: 1, t2: null } }, "stayed at 1 pod"],
    ["of an old autoscale run", { demo: "autoscale", line: "autoscale PASS min=2 peak=4 t2=21.0s t8=184.0s" }, "2 → 4 → 2 pods · 21 s to more pods"],
    ["of a whole run are its evidence's", { demo: "autoscale", evidence: scaled }, "2 → 3 → 2 pods · 41 s to more pods"],
    ["of a run that told nothing", { demo: "autoscale", figures: {}, line: null }, ""],
    ["of a run that broke off", { demo: "persistence", line: "persistence INCONCLUSIVE acked=60 lost=- down=-" }, ""],
  ]) {
    test(what, () => assert.equal(said(run), words));
  }
});

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

describe("what was owed", () => {
  test("is the row's, or the first unmet one of the evidence", () => {
    assert.equal(owedIn({ verdict: "fail", owed: OWED }), OWED);
    assert.equal(owedIn({ verdict: "fail", evidence: { owed: [{ ...OWED, met: START }, OWED] } }), OWED);
  });
  test("is nothing of a run that did not fail, nor of an old one", () => {
    assert.equal(owedIn({ verdict: "inconclusive", evidence: { owed: [OWED] } }), null);
    assert.equal(owedIn({ verdict: "fail" }), null);
    assert.equal(owedIn({ verdict: "fail", owed: null, evidence: {} }), null);
  });
  test("is told with its moments", () => assert.match(owedWords(OWED), /^It owed more than 2 pods, from \d\d:00:10 .* \d\d:00:40 /));
});

describe("the mark of what was owed", () => {
  const from = NOW / 1_000;
  const failed = { id: "a", verdict: "fail", owed: OWED };

  test("stands where it was due, and begins where it was owed", () => {
    const mark = owedMark([{ id: "b", verdict: "pass" }, failed], { from, to: from + 300 });
    assert.deepEqual([mark.since, mark.at, mark.label, mark.tone], [from + 10, from + 40, "owed", "bad"]);
  });
  test("is the latest run's within the window", () => {
    const older = { ...failed, id: "older" };
    assert.equal(owedMark([failed, older], { from, to: from + 300 }).id, "owed/a");
    assert.equal(owedMark([failed], { from: from + 41, to: from + 300 }), null);
    assert.equal(owedMark([failed], { from: from + 20, to: from + 30 }).id, "owed/a");
    assert.equal(owedMark(undefined, { from, to: from + 300 }), null);
  });
  test("is near all moments between the two", () => {
    const mark = { since: 10, at: 40 };
    assert.deepEqual([5, 9, 25, 41, 50].map((moment) => marksNear([mark], moment, 2).length), [0, 1, 1, 1, 0]);
  });
});

describe("a trend", () => {
  const run = (verdict, down, demo = "persistence") => ({ demo, verdict, figures: { down } });
  const runs = [run("running", null), run("pass", 4), run("pass", 9, "autoscale"), run("fail", 2), run("inconclusive", null)];

  test("has the demo's ended runs, oldest first", () => {
    const { points } = trendOf(runs, "persistence");
    assert.deepEqual(points.map(({ word, value }) => [word, value]), [["INCONCLUSIVE", null], ["FAIL", 2], ["PASS", 4]]);
    assert.deepEqual(points.map(({ x }) => x), points.map(({ x }) => x).toSorted((a, b) => a - b));
  });
  test("is higher for more, and has what has no figure below", () => {
    const [none, low, high] = trendOf(runs, "persistence").points.map(({ y }) => y);
    assert.ok(none > low && low > high, "y grows downwards");
  });
  test("is no wider for twenty runs than it may be", () => {
    const { points, width } = trendOf(Array(20).fill(run("pass", 3)), "persistence");
    assert.equal(points.length, 20);
    assert.ok(width <= 120 && points.at(-1).x < width);
  });
  test("is nothing without runs", () => assert.deepEqual(trendOf(undefined, "autoscale").points, []));
  test("is told in a sentence", () => {
    const { points } = trendOf(runs, "persistence");
    assert.equal(plain(sentence(points, (time) => `down ${time}`)), "the last 3 runs, oldest first: INCONCLUSIVE; FAIL, down 2.0 s; PASS, down 4.0 s.");
  });
  test("compares autoscale runs by the time to more pods", () => assert.equal(comparedBy({ demo: "autoscale", figures: { t2: 41 } }), 41));
});
