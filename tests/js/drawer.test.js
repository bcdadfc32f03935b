import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { PodDetails, TrackedPod } from "../../static/js/drawer/pod.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a tracked pod", () => {
  const view = { uid: "u1", phase: "Running", ready: true, restarts: 0, cpu_millicores: 5 };

  test("changes with its status, but not with its figures", () => {
    const pod = new TrackedPod("u1");
    assert.equal(pod.update([view], 1), false);
    assert.equal(pod.update([{ ...view, cpu_millicores: 9 }], 2), false);
    assert.equal(pod.view.cpu_millicores, 9);
    assert.equal(pod.update([{ ...view, restarts: 1 }], 3), true);
  });

  test("keeps its last version and the time when it was first missing", () => {
    const pod = new TrackedPod("u1");
    pod.update([view], 1);
    pod.update([], 2);
    pod.update([], 3);
    assert.deepEqual([pod.view, pod.goneAt], [view, 2]);
    pod.update([view], 4);
    assert.equal(pod.goneAt, null);
  });
});

describe("a pod's details", () => {
  let requests, details, isGone, isHidden, changes;

  afterEach(() => mock.timers.reset());

  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout"] });
    requests = [];
    changes = 0;
    isGone = isHidden = false;
    const fetchDetails = (uid, signal) => new Promise((resolve, reject) => requests.push({ uid, signal, resolve, reject }));
    details = new PodDetails(() => (changes += 1), () => isGone, { isHidden: () => isHidden, fetchDetails, now: () => 0 });
    details.open("u1");
  });

  test("are fetched again every five seconds", async () => {
    requests[0].resolve({ n: 1 });
    await settled();
    assert.deepEqual([details.details, changes], [{ n: 1 }, 1]);
    mock.timers.tick(4_999);
    assert.equal(requests.length, 1);
    mock.timers.tick(1);
    assert.equal(requests.length, 2);
  });

  test("are not fetched again for a pod that is gone, nor on a hidden page", async () => {
    isGone = true;
    requests[0].resolve({ n: 1 });
    await settled();
    mock.timers.tick(60_000);
    assert.equal(requests.length, 1);
    isHidden = true;
    await details.fetch();
    assert.equal(requests.length, 1);
  });

  test("are fetched at most once a second when the pod keeps changing", async () => {
    requests[0].resolve({ n: 1 });
    await settled();
    details.fetchSoon();
    mock.timers.tick(900);
    details.fetchSoon();
    assert.equal(requests.length, 1);
    mock.timers.tick(1_000);
    assert.equal(requests.length, 2);
  });

  test("keep the last response after a 404, and report any other problem", async () => {
    requests[0].resolve({ n: 1 });
    await settled();
    for (const [status, problem] of [[404, null], [403, 403]]) {
      details.fetch();
      requests.at(-1).reject(Object.assign(new Error("no"), { status }));
      await settled();
      assert.deepEqual([details.details, details.problem?.status ?? null], [{ n: 1 }, problem]);
    }
  });

  test("ignore the response for a pod that is no longer shown", async () => {
    details.open("u2");
    assert.equal(requests[0].signal.aborted, true);
    requests[0].resolve({ n: 1 });
    await settled();
    assert.equal(details.details, null);
  });
});
