import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { formatElapsed } from "../../static/js/text/format.js";
import { blockedReason, earlier, elapsedSeconds, fileNote, latest, restartBlockedReason, stepStatus, verdictStatus } from "../../static/js/demos/runs.js";

const START = "2026-11-25T12:00:00.000Z";
const run = (id, demo, verdict = "pass", more = {}) => ({ id, demo, verdict, started: START, by: "operator", ...more });

describe("a card shows", () => {
  const summary = run("b", "autoscale");
  const whole = { ...summary, steps: [{}] };

  test("nothing before any run", () => assert.equal(latest({ run: null, runs: [] }, "autoscale", null), null));
  test("the active run", () => {
    const active = run("a", "autoscale", "running");
    assert.equal(latest({ run: active, runs: [active] }, "autoscale", whole), active);
  });
  test("its demo's latest run while the other demo runs, with its steps if the page has them", () => {
    const state = { run: run("c", "persistence", "running"), runs: [run("c", "persistence", "running"), summary] };
    assert.equal(latest(state, "autoscale", null), summary);
    assert.equal(latest(state, "autoscale", whole), whole);
  });
  test("a verdict that arrived during a disconnection", () => {
    assert.equal(latest({ run: null, runs: [summary] }, "autoscale", { ...whole, verdict: "running" }), summary);
  });
  test("a newer run than the one that the page has", () => {
    const newer = run("d", "autoscale", "fail");
    assert.equal(latest({ run: null, runs: [newer, summary] }, "autoscale", whole), newer);
  });
  test("at most five earlier runs of its demo", () => {
    const runs = Array.from({ length: 9 }, (_, index) => run(String(index), index === 3 ? "persistence" : "autoscale"));
    assert.deepEqual(earlier({ runs }, "autoscale", runs[0]).map(({ id }) => id), ["1", "2", "4", "5", "6"]);
    assert.deepEqual(earlier({ runs: undefined }, "autoscale", null), []);
  });
});

describe("the reason why no run can start", () => {
  test("is null when nothing runs", () => assert.equal(blockedReason({ run: run("a", "autoscale"), lease: null }), null));
  test("names the run and its operator", () => {
    const words = blockedReason({ run: run("a", "autoscale", "running"), lease: { holder: "dashboard-1", run: "a", since: START } });
    assert.match(words, /^One run at a time: the autoscale run by operator holds the lease since \d\d:00:00\.$/);
  });
  test("names another dashboard", () => {
    assert.match(blockedReason({ run: null, lease: { holder: "dashboard-2", run: "x", since: START } }), /dashboard-2 holds the lease since/);
  });
  test("names a load, during which a restart of this dashboard is allowed", () => {
    const lease = { holder: "dashboard-1", run: "load-20261125-120000-00ff", since: START };
    const here = { run: null, lease, load: { active: true, by: "operator" } };
    assert.match(blockedReason(here), /^One at a time: a load is running, by operator; dashboard-1 holds the lease since \d\d:00:00\.$/);
    assert.equal(restartBlockedReason(here), null);
    for (const load of [null, undefined, { active: false, by: "operator" }]) {
      assert.match(blockedReason({ run: null, lease, load }), /a load is running; dashboard-1 holds/);
      assert.equal(restartBlockedReason({ run: null, lease, load }), blockedReason({ run: null, lease, load }));
    }
  });
  test("names a restart", () => {
    const lease = { holder: "dashboard-2", run: "restart-20261125-120000-00ff", since: null };
    assert.equal(blockedReason({ run: null, lease }), "One at a time: the database is being restarted; dashboard-2 holds the lease.");
  });
  test("blocks a restart during a run's load", () => {
    const state = { run: run("a", "autoscale", "running"), lease: { holder: "dashboard-1", run: "a", since: START }, load: { active: true, by: "operator" } };
    assert.match(restartBlockedReason(state), /the autoscale run/);
  });
});

describe("an elapsed time", () => {
  for (const [s, whole, words] of [
    [null, false, ""],
    [0, false, "0.0 s"],
    [4.04, false, "4.0 s"],
    [4.9, true, "4 s"],
    [9.96, false, "10 s"],
    [99.4, false, "99 s"],
    [100, false, "1:40 min"],
    [184.6, false, "3:05 min"],
  ]) {
    test(`of ${s} s is "${words}"`, () => assert.equal(formatElapsed(s, whole).replace("\u00a0", " "), words));
  }
  test("ends with the step, or now", () => {
    assert.equal(elapsedSeconds({ started: START, ended: "2026-11-25T12:00:02.500Z" }, 0), 2.5);
    assert.equal(elapsedSeconds({ started: START, ended: null }, Date.parse(START) + 4_000), 4);
    assert.equal(elapsedSeconds({ started: START, ended: null }, Date.parse(START) - 4_000), 0, "clocks differ");
    assert.equal(elapsedSeconds({ started: null, ended: null }, 0), null);
  });
});

test("an unknown verdict is not shown as a pass", () => {
  assert.equal(verdictStatus({ verdict: "splendid" }).word, "INCONCLUSIVE");
  assert.equal(stepStatus({ state: "odd" }).word, "waiting");
});

test("a file that is not kept says until when and why", () => {
  assert.match(fileNote({ bytes: 1, sha256: "", kept: true, why: null }), /kept with it/);
  assert.match(fileNote({ bytes: 1, sha256: "", kept: false, why: "It is too large." }), /until the dashboard restarts: It is too large\./);
});
