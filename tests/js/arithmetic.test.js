import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { explain } from "../../static/js/arithmetic.js";

function told(change) {
  const { formula, sentence } = explain({ current: 3, desired: 3, min: 2, max: 5, cpu_percent: 84, target_percent: 70, ...change });
  return { formula, sentence: sentence.replaceAll("\u00a0", " ") };
}

describe("the autoscaler's arithmetic", () => {
  test("over the target it takes ceil(n × cpu / target) pods", () => {
    assert.equal(told({}).formula, "ceil(3 × 84 / 70) = ceil(3.6) = 4");
    assert.match(told({}).sentence, /^3 pods use 84 % of what they request: over the 70 % target .*63 to 77 %.* One more pod brings it to about 63 %\.$/);
  });

  test("an exact quotient is not rounded first", () => {
    assert.equal(told({ current: 2, cpu_percent: 140 }).formula, "ceil(2 × 140 / 70) = 4");
  });

  for (const cpu of [63, 70, 77]) {
    test(`at ${cpu} % it is within the tolerance and nothing changes`, () => {
      assert.match(told({ cpu_percent: cpu }).sentence, /within the 10 % tolerance .* nothing changes\.$/);
    });
  }

  for (const cpu of [62, 78]) {
    test(`at ${cpu} % it is past the tolerance`, () => assert.match(told({ cpu_percent: cpu }).formula, /^ceil/));
  }

  test("no more than max are taken", () => {
    assert.equal(told({ current: 5, cpu_percent: 133 }).formula, "ceil(5 × 133 / 70) = ceil(9.5) = 10 → max 5");
    assert.match(told({ current: 5, cpu_percent: 133 }).sentence, /5 is the most allowed/);
  });

  test("no fewer than min stay", () => {
    assert.equal(told({ current: 2, cpu_percent: 4 }).formula, "ceil(2 × 4 / 70) = ceil(0.1) = 1 → min 2");
    assert.match(told({ current: 2, desired: 2, cpu_percent: 4 }).sentence, /One pod would do; 2 is the least allowed/);
  });

  test("an idle deployment at its minimum is told so", () => {
    assert.match(told({ current: 2, desired: 2, cpu_percent: 0 }).sentence, /2 is the least allowed/);
  });

  test("a pod stays where the rest would pass the target without it", () => {
    assert.match(told({ current: 5, desired: 5, cpu_percent: 60 }).sentence, /One pod fewer .* nothing changes/);
  });

  test("going down waits for the window", () => {
    assert.match(told({ current: 5, desired: 5, cpu_percent: 40 }).sentence, /3 pods would do, once the load has stayed this low/);
    assert.match(told({ current: 5, desired: 4, cpu_percent: 40 }).sentence, /It goes down to 4 pods/);
  });

  test("without a CPU figure there is no formula", () => {
    assert.equal(told({ cpu_percent: null }).formula, null);
    assert.match(told({ cpu_percent: null }).sentence, /No CPU figure yet/);
  });

  test("without a CPU target there is none either", () => {
    assert.equal(told({ target_percent: null }).formula, null);
  });

  test("a Deployment of zero is left alone", () => assert.match(told({ current: 0 }).sentence, /zero/));
});
