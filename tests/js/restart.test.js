import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

globalThis.document ??= { createTreeWalker() {}, createComment() {} }; // lit-html needs these to be imported
const { RestartRequest } = await import("../../static/js/actions/restart.js");

const POD = { name: "mongodb-0", uid: "u1", phase: "Running" };

describe("a restart request", () => {
  let request, sent, accepted;

  beforeEach(() => {
    sent = [];
    accepted = {};
    const mutation = { busy: false, problem: null, run: async (...call) => (sent.push(call), accepted) };
    request = new RestartRequest("mongodb-0", () => {}, mutation);
    request.open(POD);
  });

  test("names the uid and is sent once for each opening", async () => {
    assert.deepEqual([await request.send(), await request.send()], [true, false]);
    assert.deepEqual(sent, [["POST", "/api/mongo/restart", { uid: "u1", mode: "graceful" }]]);
    request.open(POD);
    assert.equal(await request.send(), true);
  });

  test("is not repeated after a failure", async () => {
    accepted = undefined;
    assert.deepEqual([await request.send(), await request.send(), request.last], [false, false, null]);
    assert.equal(sent.length, 1);
  });

  test("does not close or mark another opening, when its answer comes late", async () => {
    const answers = [];
    const mutation = { busy: false, problem: null, run: () => new Promise((resolve) => answers.push(resolve)) };
    request = new RestartRequest("mongodb-0", () => {}, mutation);
    request.open(POD);
    const late = request.send();
    request.close();
    request.open({ ...POD, uid: "u2" });
    mutation.problem = "refused";
    answers[0](undefined);
    assert.equal(await late, false);
    assert.deepEqual([mutation.problem, request.sent, request.uid], [null, false, "u2"]);
    request.close();
    request.open(POD);
    const second = request.send();
    request.close();
    request.open(POD);
    answers[1]({});
    assert.equal(await second, false);
    assert.deepEqual(request.last, { uid: "u1", mode: "graceful" });
  });

  test("is refused for a pod that was replaced or is terminating", () => {
    assert.equal(request.replacedReason({ pods: [POD] }), null);
    assert.match(request.replacedReason({ pods: [{ ...POD, uid: "u2" }] }), /u2/);
    assert.notEqual(request.replacedReason({ pods: [{ ...POD, phase: "Terminating" }] }), null);
  });
});
