import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { indent, parts, takeId } from "../../static/js/text/json.js";

const EXACT = '{"n":9007199254740993,"whole":1.0,"e":1e2}';

describe("parts", () => {
  for (const [json, expected] of [
    ["[]", []],
    [" [ ] ", []],
    ["{}", []],
    ['[1, "a,]" ,{"a":[1,2]},[]]', ["1", '"a,]"', '{"a":[1,2]}', "[]"]],
    ['{"a":1.0,"b":{"c":[{}]}}', ['"a":1.0', '"b":{"c":[{}]}']],
    ['["\\"},{\\\\"]', ['"\\"},{\\\\"']],
  ]) {
    test(`${json} is split only at its outer commas`, () => assert.deepEqual(parts(json), expected));
  }

  test("a response of megabytes is split without a stack overflow", () => {
    const long = `{"_id":"a","text":"${"x".repeat(3_000_000)}${'\\"'.repeat(200_000)}"}`;
    assert.deepEqual(parts(`[${long},1]`), [long, "1"]);
    assert.equal(parts(`[${'{"a":[]},'.repeat(100_000)}1]`).length, 100_001);
  });
});

describe("the id of a document", () => {
  for (const [json, id, text] of [
    [`{"_id":"x",${EXACT.slice(1)}`, "x", EXACT],
    ['{"a":1,"_id":"\\"x\\"","b":2.0}', '"x"', '{"a":1,"b":2.0}'],
    ['{"\\u005fid":5,"inner":{"_id":6}}', "5", '{"inner":{"_id":6}}'],
    ['{"_id":"only"}', "only", "{}"],
    ["{}", null, "{}"],
  ]) {
    test(`of ${json} is ${id}, and the rest is unchanged`, () => assert.deepEqual(takeId(json), { id, text }));
  }
});

describe("indenting", () => {
  for (const value of [{}, [], { a: [] }, { a: { b: [1, "x, {y}: [z]", null, true] }, c: -1.5e-7 }, { quote: 'a"b\\', empty: "" }, [[], [{}]], "text", 3]) {
    const json = JSON.stringify(value);
    test(`${json} is indented as by JSON.stringify`, () => assert.equal(indent(json), JSON.stringify(value, null, 2)));
  }

  test("keeps every number as written", () => {
    assert.equal(indent(EXACT), '{\n  "n": 9007199254740993,\n  "whole": 1.0,\n  "e": 1e2\n}');
  });

  test("stops at a limit, even if the result would be a thousand times as long", () => {
    const deep = `${"[1,".repeat(100)}${"[],".repeat(300_000)}1${"]".repeat(100)}`;
    assert.equal(indent(deep, 10_000).length, 10_000);
    assert.equal(indent('"xxxxxxxx"', 4), '"xxx');
  });
});
