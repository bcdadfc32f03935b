import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";

import { LARGEST_BYTES, check, command, quote } from "../../static/js/documents/draft.js";

const ADDRESS = "http://localhost:5000/data";

describe("a draft", () => {
  for (const text of ["{}", '{"key": "value"}', ' {\n"n": 9007199254740993} ', '{"_id": "0123456789abcdefABCDEF01"}', '{"__proto__": 1}']) {
    test(`${JSON.stringify(text)} is valid`, () => assert.equal(check(text).fits, true, check(text).message));
  }

  for (const [text, words] of [
    ["", /JSON object/],
    [" \n", /JSON object/],
    ["[1]", /not an array\.$/],
    ["null", /not null\.$/],
    ['"a"', /not a string\.$/],
    ["7", /not a number\.$/],
    ["true", /not a boolean\.$/],
    ['{"a": 1,}', /^Not JSON yet: .*\(line 1\)\.$/],
    ['{"a": 1\n"b": 2}', /\(line 2\)\.$/],
    ["{'a': 1}", /^Not JSON yet: /],
    ['{"a": NaN}', /^Not JSON yet: unexpected token/],
    ["x".repeat(50), /^Not JSON yet: unexpected token 'x'\.$/],
    ['{"_id": 5}', /^_id must be a string of 24 hexadecimal digits/],
    ['{"_id": "short"}', /^_id must be/],
    [`{"a": "${"x".repeat(LARGEST_BYTES)}"}`, /at most 1 MiB\.$/],
    [`{"a": "${"é".repeat(LARGEST_BYTES / 2)}"}`, /at most 1 MiB\.$/],
  ]) {
    test(`${JSON.stringify(text.slice(0, 30))} is invalid, with a reason`, () => {
      assert.equal(check(text).fits, false);
      assert.match(check(text).message, words);
    });
  }

  test("has a size and a number of fields if it is valid", () => assert.equal(check('{"a": 1, "b": 2}').message, "A JSON object of 2 fields, 16 B."));
});

describe("the command", () => {
  test("is the one in the documentation", () => {
    assert.equal(command('{"key":"value"}\n', ADDRESS), `curl -X POST -H "Content-Type: application/json" -d '{"key":"value"}' ${ADDRESS}`);
  });

  test("reads a long text from a file", () => {
    assert.equal(command(`{"a": "${"x".repeat(3_000)}"}`, ADDRESS), `curl -X POST -H "Content-Type: application/json" -d @document.json ${ADDRESS}`);
  });

  for (const text of ["it's", "''", "$HOME `id` $(id) \\ !! \"x\" ; & | > <", "two\nlines", "é 😀 \u202e", "-n", "@file"]) {
    test(`quotes ${JSON.stringify(text)} for the shell`, () => {
      assert.equal(execFileSync("sh", ["-c", `printf %s ${quote(text)}`], { encoding: "utf8" }), text);
    });
  }
});
