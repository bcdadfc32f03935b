import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { LineBuffer } from "../../static/js/drawer/log.js";
import { LogSession, emptyLog, logStatus, logSummary } from "../../static/js/drawer/logSession.js";
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

describe("a log session", () => {
  const container = (name, more = {}) => ({ name, kind: "main", restarts: 0, last_state: null, state: { word: "running" }, ...more });
  let reads, session, opened;

  beforeEach(() => {
    reads = [];
    opened = [];
    session = new LogSession({
      onOpen: (name) => opened.push(name),
      onLines: () => {},
      onState: () => {},
      read: async (options) => void reads.push(options),
    });
  });

  test("opens the first main container once", () => {
    const containers = [container("init", { kind: "init" }), container("app")];
    session.show("u1", containers);
    session.show("u1", [...containers]);
    assert.deepEqual([opened, session.choice.container], [["app"], "app"]);
  });

  test("aborts the open log for another container and when it is hidden", () => {
    session.show("u1", [container("a"), container("b")]);
    session.choose({ container: "b" });
    assert.deepEqual([opened, reads[0].signal.aborted, reads[1].signal.aborted], [["a", "b"], true, false]);
    session.hide();
    assert.equal(reads[1].signal.aborted, true);
  });

  test("ignores the lines and states of a log that is no longer open", () => {
    session.show("u1", [container("a"), container("b")]);
    session.choose({ container: "b" });
    reads[0].onLines([{ at: null, text: "late" }]);
    reads[0].onState({ word: "ended" });
    assert.deepEqual([session.lines.size, session.state.word], [0, "opening"]);
    reads[1].onLines([{ at: null, text: "new" }]);
    assert.equal(session.lines.size, 1);
  });

  test("offers the previous log only after a restart", () => {
    session.show("u1", [container("a")]);
    session.choose({ previous: true });
    assert.equal(session.choice.previous, false);
    session.show("u1", [container("a", { restarts: 1 })]);
    session.choose({ previous: true });
    assert.equal(session.choice.previous, true);
  });

  test("resets the container and the filter with the pod", () => {
    session.show("u1", [container("a"), container("b")]);
    session.choose({ container: "b" });
    session.choice.filter = "x";
    session.show("u2", [container("a"), container("b")]);
    assert.deepEqual([session.choice.container, session.choice.filter], ["a", ""]);
  });

  test("resumes when the container runs again", async () => {
    session.show("u1", [container("a", { state: { word: "terminated" } })]);
    const restarted = reads[0].restarted();
    session.show("u1", [container("a")]);
    assert.equal(await restarted, true);
  });
});

describe("the log's status line", () => {
  const lines = new LineBuffer();
  for (let n = 0; n < 3; n += 1) lines.add({ at: null, text: "x" });
  const summary = (more) => logSummary({ lines, shown: 3, pending: 0, filter: "", paused: false, state: { word: "live" }, ...more });

  test("counts the lines, matches and held back lines", () => {
    assert.equal(summary({}), "3 lines");
    assert.equal(summary({ filter: "y", shown: 1 }), "1 of 3 lines");
    assert.equal(summary({ paused: true, pending: 2 }), "3 lines, 2 lines held back");
    assert.equal(summary({ pending: 2 }), "3 lines");
    assert.match(summary({ state: { word: "away", problem: { message: "Lost." } } }), /Lost\.$/);
  });

  test("says that a live log is paused", () => {
    assert.equal(logStatus({ word: "live" }, true).word, "paused");
    assert.equal(logStatus({ word: "ended" }, true).word, "ended");
  });

  test("explains an empty log", () => {
    assert.equal(emptyLog({ word: "live" }, 3, ""), null);
    assert.equal(emptyLog({ word: "live" }, 3, "y").title, "Not found");
    assert.equal(emptyLog({ word: "refused", problem: { status: 403, message: "no" } }, 0, "").title, "Access denied");
    assert.equal(emptyLog({ word: "refused", problem: { status: 404, message: "no" } }, 0, "").canRetry, true);
  });
});
