import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { LineBuffer, Sources } from "../../static/js/logs/log.js";
import { LogSession, emptyLog, logStatus, logSummary, logText } from "../../static/js/logs/session.js";

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
    session.show({ pod: "u1" }, containers);
    session.show({ pod: "u1" }, [...containers]);
    assert.deepEqual([opened, session.choice.container], [["app"], "app"]);
  });

  test("aborts the open log for another container and when it is hidden", () => {
    session.show({ pod: "u1" }, [container("a"), container("b")]);
    session.choose({ container: "b" });
    assert.deepEqual([opened, reads[0].signal.aborted, reads[1].signal.aborted], [["a", "b"], true, false]);
    session.hide();
    assert.equal(reads[1].signal.aborted, true);
  });

  test("ignores the lines and states of a log that is no longer open", () => {
    session.show({ pod: "u1" }, [container("a"), container("b")]);
    session.choose({ container: "b" });
    reads[0].onRecords([{ message: "late" }]);
    reads[0].onState({ word: "ended" });
    assert.deepEqual([session.lines.size, session.state.word], [0, "opening"]);
    reads[1].onRecords([{ message: "new" }]);
    assert.equal(session.lines.size, 1);
  });

  test("offers the previous log only after a restart", () => {
    session.show({ pod: "u1" }, [container("a")]);
    session.choose({ previous: true });
    assert.equal(session.choice.previous, false);
    session.show({ pod: "u1" }, [container("a", { restarts: 1 })]);
    session.choose({ previous: true });
    assert.equal(session.choice.previous, true);
  });

  test("resets the container and the filter with the pod", () => {
    session.show({ pod: "u1" }, [container("a"), container("b")]);
    session.choose({ container: "b" });
    session.choice.filter = "x";
    session.show({ pod: "u2" }, [container("a"), container("b")]);
    assert.deepEqual([session.choice.container, session.choice.filter], ["a", ""]);
  });

  test("shows the log of many pods without asking for a container", () => {
    session.show({ app: "flask" });
    session.show({ app: "flask" });
    assert.deepEqual([opened, session.isMerged], [["flask"], true]);
  });

  test("has the state of its containers, the liveliest first", () => {
    session.show({ app: "flask" });
    reads[0].onState({ word: "live" });
    for (const [source, state] of ["ended", "away"].entries()) {
      reads[0].onRecords([{ source, uid: `u${source}`, pod: "p", container: "c" }, { source, state, text: `${state}.` }]);
    }
    assert.deepEqual([session.state.word, session.state.problem.message], ["away", "away."]);
    reads[0].onRecords([{ source: 0, state: "live", text: "" }]);
    assert.equal(session.state.word, "live");
  });

  test("ends the request when the one pod is gone", () => {
    session.show({ pod: "u1" }, [container("a")]);
    reads[0].onState({ word: "live" });
    reads[0].onRecords([{ source: 0, uid: "u1", pod: "p", container: "a" }, { source: 0, state: "gone", text: "The pod is gone." }]);
    assert.deepEqual([session.state.word, reads[0].signal.aborted], ["gone", true]);
  });
});

describe("the log's status line", () => {
  const lines = new LineBuffer();
  for (let n = 0; n < 3; n += 1) lines.add({ at: null, key: "", text: "x" });
  const choice = { filter: "", level: "", status: "" };
  const filtered = { ...choice, level: "error" };
  const summary = (more) => logSummary({ lines, sources: new Sources(), shown: 3, pending: 0, choice, paused: false, state: { word: "live" }, ...more });

  test("counts the lines, matches and held back lines", () => {
    assert.equal(summary({}), "3 lines");
    assert.equal(summary({ choice: filtered, shown: 1 }), "1 of 3 lines");
    assert.equal(summary({ paused: true, pending: 2 }), "3 lines, 2 lines held back");
    assert.equal(summary({ pending: 2 }), "3 lines");
    assert.match(summary({ state: { word: "away", problem: { message: "Lost." } } }), /Lost\.$/);
  });

  test("counts what is not shown", () => {
    const sources = Object.assign(new Sources(), { dropped: 9_000, omitted: 2 });
    assert.equal(summary({ sources }), "2 containers beyond the limit not followed, 3 lines, 9,000 of a burst dropped");
  });

  test("says that a live log is paused", () => {
    assert.equal(logStatus({ word: "live" }, true).word, "paused");
    assert.equal(logStatus({ word: "ended" }, true).word, "ended");
  });

  test("explains an empty log", () => {
    assert.equal(emptyLog({ word: "live" }, 3, choice), null);
    assert.equal(emptyLog({ word: "live" }, 3, filtered).title, "Not found");
    assert.equal(emptyLog({ word: "refused", problem: { status: 403, message: "no" } }, 0, choice).title, "Access denied");
    assert.equal(emptyLog({ word: "refused", problem: { status: 404, message: "no" } }, 0, choice).canRetry, true);
  });
});

test("a downloaded line has its time, pod and container", () => {
  const source = { pod: "flask-1", container: "flask" };
  assert.equal(logText([{ at: "2026", source, text: "one" }, { at: null, source: null, text: "message" }]), "2026 flask-1 flask one\n- - message\n");
});
