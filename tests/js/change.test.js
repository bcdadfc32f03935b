import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { ChangeRequest, changedSettings } from "../../static/js/actions/change/request.js";

const WHAT = { method: "POST", path: "/api/deployment/pause" };

describe("a change", () => {
  let sent, answers, request;

  const answer = (changes = ["paused: none → True"]) => ({ resource_version: "7", changes });

  beforeEach(() => {
    sent = [];
    answers = [];
    const send = async (method, path, { json } = {}) => {
      sent.push([method, path, json && JSON.parse(json)]);
      const next = answers.shift();
      if (next instanceof Error) throw next;
      return next;
    };
    request = new ChangeRequest(WHAT, () => {}, { send });
  });

  test("names what its dry run has seen", async () => {
    answers = [answer(), answer()];
    await request.try();
    assert.equal(request.isReady, true);
    assert.equal(await request.send(), true);
    assert.deepEqual(sent.map(([, , body]) => body), [{ dry_run: true }, { resource_version: "7" }]);
  });

  test("is not sent without a dry run that found something to change", async () => {
    assert.equal(await request.send(), false);
    answers = [answer([])];
    await request.try();
    assert.equal(await request.send(), false);
    answers = [new Error("refused")];
    await request.try();
    assert.equal(await request.send(), false);
    assert.equal(request.problem.message, "refused");
    assert.deepEqual(sent.map(([, , body]) => body.dry_run), [true, true]);
  });

  test("is sent once, also after a failure", async () => {
    answers = [answer(), new Error("changed meanwhile")];
    await request.try();
    assert.deepEqual([await request.send(), await request.send()], [false, false]);
    assert.equal(sent.length, 2);
    assert.equal(request.problem.message, "changed meanwhile");
  });

  test("has the newest dry run's answer, in whatever order they come", async () => {
    const waiting = [];
    request = new ChangeRequest(WHAT, () => {}, { send: () => new Promise((resolve) => waiting.push(resolve)) });
    const [first, second] = [request.try({ max: 6 }), request.try({ max: 7 })];
    waiting[1](answer(["7"]));
    waiting[0](answer(["6"]));
    await Promise.all([first, second]);
    assert.deepEqual(request.preview.changes, ["7"]);
  });

  test("of a pod has no body", async () => {
    answers = [answer(), answer()];
    const send = async (...call) => (sent.push(call), answers.shift());
    request = new ChangeRequest({ method: "DELETE", path: "/api/pods/u1", query: true }, () => {}, { send });
    await request.try();
    await request.send();
    assert.deepEqual(sent, [["DELETE", "/api/pods/u1?dry_run=true"], ["DELETE", "/api/pods/u1"]]);
  });
});

describe("an autoscaler's draft", () => {
  const settings = { min: 2, max: 5, target: 70, unit: "%", behavior: { scaleUp: { stabilizationWindowSeconds: 0, policies: [{ value: 4, periodSeconds: 15 }] } } };
  const draft = (change) => ({ ...structuredClone(settings), ...change });

  test("changes only what differs", () => {
    assert.deepEqual(changedSettings(settings, draft({})), {});
    assert.deepEqual(changedSettings(settings, draft({ max: 8 })), { max: 8 });
  });

  test("is unfinished while a number is missing", () => {
    assert.equal(changedSettings(settings, draft({ max: undefined })), null);
    assert.equal(changedSettings(settings, draft({ min: 1.5 })), null);
    assert.equal(changedSettings(settings, draft({ behavior: { scaleUp: { policies: [{ value: undefined, periodSeconds: 15 }] } } })), null);
  });

  test("needs no target where the autoscaler has none", () => {
    assert.deepEqual(changedSettings({ ...settings, target: null }, draft({ target: null, min: 3 })), { min: 3 });
  });
});
