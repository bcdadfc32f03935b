// The dashboard drops lines that start with // from the scripts it serves (static_gzip.py). Each such line must be a comment, not
// a part of a template.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../static/js/", import.meta.url);
const COMMENT_LINES = /^[ \t]*\/\/.*$/gm; // as in static_gzip.py

const typescript = await import("typescript").catch(() => null);
const skip = typescript === null && "TypeScript is not installed: npm ci --prefix tests/js";

test("a script without its comment lines is the same program", { skip }, () => {
  const { default: ts } = typescript;
  const options = { compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, removeComments: true } };
  const program = (text) => ts.transpileModule(text, options).outputText;
  const scripts = readdirSync(ROOT, { recursive: true }).map(String).filter((name) => name.endsWith(".js"));
  assert.ok(scripts.length > 40);
  for (const name of scripts) {
    const text = readFileSync(new URL(name, ROOT), "utf8");
    assert.equal(program(text.replace(COMMENT_LINES, "")), program(text), name);
  }
});
