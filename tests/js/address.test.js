import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { address } from "../../static/js/api/address.js";
import { OPTIONS } from "../../static/js/feed/socket.js";

const SCRIPTS = new URL("../../static/js/", import.meta.url);
const ROOT = new URL("../../", import.meta.url).pathname; // the parent of static/

test("an address starts at the parent of static/", () => {
  assert.equal(address("/"), ROOT);
  assert.equal(address("/api/state"), `${ROOT}api/state`);
  assert.equal(OPTIONS.path, `${ROOT}socket.io/`);
});

test("no script has an address that starts at the host's root", () => {
  const found = readdirSync(SCRIPTS, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".js"))
    .filter((name) => /(fetch|assign|replace|open)\(["'`]\/|(href|src|action)=["'`]\//.test(readFileSync(new URL(name, SCRIPTS), "utf8")));
  assert.deepEqual(found, []);
});
