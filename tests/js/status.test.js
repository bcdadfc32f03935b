import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { conditionStatus, podStatus, serviceStatus, sourceStatus, sourceWarning } from "../../static/js/text/status.js";

const POD = { phase: "Running", ready: true, reason: null };

describe("a pod's status is", () => {
  for (const [name, change, age, word, tone] of [
    ["Ready if it is ready", {}, 100, "Ready", "good"],
    ["Starting while it is young and not ready", { ready: false }, 59, "Starting", "busy"],
    ["Not ready later", { ready: false }, 61, "Not ready", "warn"],
    ["Starting while its container is created", { phase: "Pending", ready: false, reason: "ContainerCreating" }, 1, "Starting", "busy"],
    ["its reason while it is pending", { phase: "Pending", ready: false, reason: "Unschedulable" }, 1, "Unschedulable", "busy"],
    ["its reason if it fails", { ready: false, reason: "CrashLoopBackOff" }, 1, "CrashLoop", "bad"],
    ["Terminating despite other conditions", { phase: "Terminating", reason: "Error" }, 1, "Terminating", "off"],
    ["Failed", { phase: "Failed", ready: false }, 1, "Failed", "bad"],
    ["Unknown", { phase: "Unknown", ready: false }, 1, "Unknown", "warn"],
  ]) {
    test(name, () => {
      const status = podStatus({ ...POD, ...change }, age);
      assert.deepEqual([status.word, status.tone], [word, tone]);
    });
  }
});

describe("a panel's warning", () => {
  const live = { state: "live", since: "2026-01-01T10:00:00Z", error: null };
  const bad = { ...live, error: "flask (and 2 more): Expected `int` <= 9 - at `$.spec`" };
  const stale = { ...live, state: "stale", error: "the API server does not answer" };

  test("is none while all of its sources are live", () => assert.equal(sourceWarning({ pods: live, events: stale }, ["pods", "metrics"]), null));
  test("names an object that can't be read", () => {
    const { text, title } = sourceWarning({ pods: live, horizontalpodautoscalers: bad }, ["pods", "horizontalpodautoscalers"]);
    assert.equal(text, "autoscalers: flask (and 2 more) can’t be read; what is shown of it may be old");
    assert.equal(title, bad.error);
  });
  test("is first of a source that is not live", () => {
    assert.match(sourceWarning({ pods: bad, metrics: stale }, ["pods", "metrics"]).text, /^metrics stale since /);
  });
});

describe("other states", () => {
  test("a Service without endpoints is bad", () => assert.equal(serviceStatus({ name: "flask", endpoints: 0 }).tone, "bad"));
  test("a forbidden source is not shown as stale", () => {
    assert.equal(sourceStatus({ state: "forbidden" }).word, "not allowed");
    assert.equal(sourceStatus({ state: "stale" }).word, "stale");
  });
  test("ScalingLimited is good when False, other conditions when True", () => {
    assert.deepEqual(conditionStatus({ type: "ScalingLimited", status: "False" }).tone, "good");
    assert.deepEqual(conditionStatus({ type: "ScalingActive", status: "False" }).tone, "bad");
    assert.deepEqual(conditionStatus({ type: "AbleToScale", status: "Unknown" }).tone, "warn");
  });
});
