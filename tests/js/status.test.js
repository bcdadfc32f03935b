import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { conditionStatus, podStatus, serviceStatus, sourceStatus } from "../../static/js/text/status.js";

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
