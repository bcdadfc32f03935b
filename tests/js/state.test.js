import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { PatchError, patch } from "../../static/js/feed/state.js";

const CASES = new URL("../cases/patches.json", import.meta.url);
const POD = { uid: "u1", name: "flask-a", ready: false };
const OTHER = { uid: "u2", name: "flask-b", ready: true };

describe("the test cases shared with the server", { skip: !existsSync(CASES) && "tests/cases/patches.json is not there" }, () => {
  for (const { name, old, new: expected, changes } of existsSync(CASES) ? JSON.parse(readFileSync(CASES, "utf8")) : []) {
    test(name, () => {
      const before = structuredClone(old);
      assert.deepEqual(patch(old, changes), expected);
      assert.deepEqual(old, before, "the old state was altered");
    });
  }
});

describe("patch", () => {
  test("sets a key in the element with that uid, at any index", () => {
    const state = { pods: [OTHER, POD] };
    assert.deepEqual(patch(state, [["set", ["pods", "u1", "ready"], true]]), { pods: [OTHER, { ...POD, ready: true }] });
  });

  test("finds an element by its id where the elements have no uid", () => {
    const state = { newest: [{ id: "a", document: {} }] };
    assert.deepEqual(patch(state, [["set", ["newest", "a", "document"], { n: 1 }]]).newest[0].document, { n: 1 });
  });

  test("replaces, removes and inserts elements", () => {
    const third = { uid: "u3", name: "flask-c" };
    const changes = [["remove", ["pods", "u1"]], ["insert", ["pods"], 0, third], ["set", ["pods", "u2"], { ...OTHER, name: "x" }]];
    assert.deepEqual(patch({ pods: [POD, OTHER] }, changes).pods, [third, { ...OTHER, name: "x" }]);
  });

  test("inserts into an empty list", () => {
    assert.deepEqual(patch({ pods: [] }, [["insert", ["pods"], 0, POD]]), { pods: [POD] });
  });

  test("adds and removes an object's keys", () => {
    assert.deepEqual(patch({ a: 1 }, [["remove", ["a"]], ["set", ["b"], { c: null }]]), { b: { c: null } });
  });

  test("replaces the whole state by an empty path", () => {
    assert.deepEqual(patch({ a: 1 }, [["set", [], { b: 2 }]]), { b: 2 });
  });

  test("does not modify the old state or the change's value", () => {
    const state = { pods: [POD], mongo: { count: 1 } };
    const before = structuredClone(state);
    const value = { uid: "u3", deep: { n: 1 } };
    patch(state, [["insert", ["pods"], 1, value], ["set", ["pods", "u3", "deep", "n"], 2], ["set", ["pods", "u1", "ready"], true]]);
    assert.deepEqual(state, before);
    assert.equal(value.deep.n, 1);
  });

  test("keeps unchanged parts the same objects, so that views can skip them", () => {
    const state = { pods: [POD, OTHER], mongo: { count: 1 } };
    const next = patch(state, [["set", ["pods", "u1", "ready"], true]]);
    assert.equal(next.mongo, state.mongo);
    assert.equal(next.pods[1], OTHER);
    assert.notEqual(next.pods, state.pods);
  });

  test("sets a key named __proto__ as an ordinary key", () => {
    const next = patch({ document: {} }, [["set", ["document", "__proto__"], { admin: true }], ["set", ["document", "__proto__", "x"], 1]]);
    assert.equal(JSON.stringify(next), '{"document":{"__proto__":{"admin":true,"x":1}}}');
    assert.equal(next.document.admin, undefined);
    assert.equal({}.x, undefined);
  });

  for (const [name, change] of [
    ["an absent element", ["set", ["pods", "gone", "ready"], true]],
    ["an absent key on the way", ["set", ["nothing", "here"], 1]],
    ["the removal of an absent key", ["remove", ["absent"]]],
    ["a step into a scalar", ["set", ["count", "x"], 1]],
    ["an insertion beyond the end", ["insert", ["pods"], 5, OTHER]],
    ["an insertion into what is no list", ["insert", ["mongo"], 0, OTHER]],
    ["an operation of no known name", ["move", ["pods"], 1]],
  ]) {
    test(`refuses ${name}`, () => {
      assert.throws(() => patch({ pods: [POD], mongo: {}, count: 1 }, [change]), PatchError);
    });
  }
});
