import assert from "node:assert/strict";
import { test } from "node:test";

import { objectHash, objectsOf } from "../../static/js/text/objects.js";
import { candidates, search } from "../../static/js/shell/candidates.js";

const NAMES = { deployment: "flask", hpa: "flask-hpa" };
const STATE = /** @type {any} */ ({
  pods: [{ name: "a", uid: "1", node: "n2" }, { name: "b", uid: "2", node: "n1" }, { name: "c", uid: "3", node: null }, { name: "d", uid: "4", node: "n1" }],
  deployment: { name: "flask" },
  statefulset: { name: "mongodb" },
  autoscaler: {},
  claims: [{ name: "data-mongodb-0" }],
  service: { name: "flask" },
  sources: { mongo: {}, traffic: {} },
});

test("the objects of a state are each named once", () => {
  assert.deepEqual(objectsOf(STATE, NAMES), [
    ["Deployment", "flask"],
    ["StatefulSet", "mongodb"],
    ["HorizontalPodAutoscaler", "flask-hpa"],
    ["PersistentVolumeClaim", "data-mongodb-0"],
    ["Service", "flask"],
    ["Node", "n1"],
    ["Node", "n2"],
  ]);
});

test("what the state does not have is not named", () => {
  assert.deepEqual(objectsOf(/** @type {any} */ ({ pods: [], claims: [], deployment: null, statefulset: null, autoscaler: null, service: null }), NAMES), []);
});

test("a pod's address has its uid, any other's its kind", () => {
  assert.equal(objectHash("Pod", "a", "1"), "#/pods/a/1");
  assert.equal(objectHash("Service", "flask"), "#/objects/service/flask");
  assert.equal(objectHash("Node", "a/b"), "#/objects/node/a%2Fb");
});

test("the finder finds objects by kind and name", () => {
  const hashes = [];
  const all = candidates(STATE, NAMES, { go: (hash) => hashes.push(hash), act: () => {} });
  for (const text of ["statefulset", "persistent mongodb", "node n2"]) search(all, text)[0].go();
  assert.deepEqual(hashes, ["#/objects/statefulset/mongodb", "#/objects/persistentvolumeclaim/data-mongodb-0", "#/objects/node/n2"]);
});

test("the finder finds the panel of an action by what it does", () => {
  const hashes = [];
  const all = candidates(STATE, NAMES, { go: (hash) => hashes.push(hash), act: () => {} });
  for (const text of ["restart", "undo", "prove"]) search(all, text)[0].go();
  assert.deepEqual(hashes, ["#actions", "#actions", "#claims"]);
});

test("the finder names no part that another application lacks", () => {
  const parts = (state, names) => candidates(/** @type {any} */ (state), names, { go: () => {}, act: () => {} }).filter(({ kind }) => kind === "part").length;
  assert.equal(parts(STATE, NAMES) - parts({ ...STATE, sources: {} }, { ...NAMES, hpa: "" }), 2);
});
