import assert from "node:assert/strict";
import { test } from "node:test";

import { Mutation } from "../../static/js/api/mutation.js";
import { Problem } from "../../static/js/api/request.js";

test("a second request is ignored while the first is pending", async () => {
  const requests = [];
  let respond;
  let drawn = 0;
  const one = new Mutation(() => (drawn += 1), (...request) => (requests.push(request), new Promise((resolve) => (respond = resolve))));
  const first = one.run("POST", "/api/runs", { demo: "autoscale" });
  assert.equal(await one.run("POST", "/api/runs", { demo: "autoscale" }), undefined);
  assert.equal(one.busy, true);
  respond({ id: "a" });
  assert.deepEqual(await first, { id: "a" });
  assert.deepEqual(requests, [["POST", "/api/runs", { json: '{"demo":"autoscale"}' }]]);
  assert.equal(one.busy, false);
  assert.equal(drawn, 2);
});

test("a problem names the lease's holder, and is cleared by the next request", async () => {
  const responses = [new Problem(409, "A run is going.", "dashboard-2"), new Problem(409, "Held by dashboard-2.", "dashboard-2"), null];
  const one = new Mutation(() => {}, async () => {
    const response = responses.shift();
    if (response) throw response;
    return response;
  });
  assert.equal(await one.run("POST", "/api/runs"), undefined);
  assert.equal(one.problem, "A run is going. dashboard-2 holds the lease.");
  await one.run("POST", "/api/runs");
  assert.equal(one.problem, "Held by dashboard-2.");
  assert.equal(await one.run("DELETE", "/api/load"), null);
  assert.equal(one.problem, null);
});
