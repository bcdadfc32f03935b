import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as limits from "../../static/js/api/limits.js";

const CASES = JSON.parse(readFileSync(new URL("../cases/limits.json", import.meta.url), "utf8"));

test("the page has the server's limits of a load", () => {
  assert.deepEqual({ rate: limits.MOST_RATE, seconds: limits.MOST_SECONDS }, CASES.load);
});

test("the page has the server's limits of a What if", () => {
  assert.deepEqual({ pods: limits.MOST_PODS, usage: limits.MOST_USAGE }, CASES.what_if);
});
