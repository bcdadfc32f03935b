import assert from "node:assert/strict";
import { test } from "node:test";

import { errand } from "../../static/js/mutation.js";
import { Problem } from "../../static/js/request.js";

test("what is asked twice is asked once, and each change is drawn", async () => {
  const asked = [];
  let answer;
  let drawn = 0;
  const one = errand(() => (drawn += 1), (...given) => (asked.push(given), new Promise((resolve) => (answer = resolve))));
  const first = one.run("POST", "/api/runs", { demo: "autoscale" });
  assert.equal(await one.run("POST", "/api/runs", { demo: "autoscale" }), undefined);
  assert.equal(one.busy, true);
  answer({ id: "a" });
  assert.deepEqual(await first, { id: "a" });
  assert.deepEqual(asked, [["POST", "/api/runs", { json: '{"demo":"autoscale"}' }]]);
  assert.equal(one.busy, false);
  assert.equal(drawn, 2);
});

test("what came in the way is told, with who holds the lease, until it is asked again", async () => {
  const answers = [new Problem(409, "A run is going.", "dashboard-2"), new Problem(409, "Held by dashboard-2.", "dashboard-2"), null];
  const one = errand(() => {}, async () => {
    const answer = answers.shift();
    if (answer) throw answer;
    return answer;
  });
  assert.equal(await one.run("POST", "/api/runs"), undefined);
  assert.equal(one.problem, "A run is going. dashboard-2 holds the lease.");
  await one.run("POST", "/api/runs");
  assert.equal(one.problem, "Held by dashboard-2.");
  assert.equal(await one.run("DELETE", "/api/load"), null);
  assert.equal(one.problem, null);
});
