import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { deleteCommand, difference, replaceCommand } from "../../static/js/documents/version.js";

const URL = "http://localhost:5000/data/0123456789abcdef01234567";
const ETAG = '"0123abcd"';

describe("a command", () => {
  test("names the version that it changes", () => {
    assert.equal(deleteCommand(URL, ETAG), `curl -X DELETE -H 'If-Match: "0123abcd"' ${URL}`);
    assert.equal(replaceCommand('{"n": 1}', URL, ETAG), `curl -X PUT -H 'If-Match: "0123abcd"' -H "Content-Type: application/json" -d '{"n": 1}' ${URL}`);
  });

  test("quotes the document for a shell, and reads a long one from a file", () => {
    assert.match(replaceCommand('{"a": "it\'s"}', URL, ETAG), /-d '{"a": "it'\\''s"}'/);
    assert.match(replaceCommand(`{"a": "${"x".repeat(3_000)}"}`, URL, ETAG), / -d @document\.json /);
  });
});

describe("the difference of two texts", () => {
  const shown = (before, after) => difference(before.join("\n"), after.join("\n")).map(({ mark, text }) => `${mark}${text}`);

  test("has removed and added lines in their places", () => {
    assert.deepEqual(shown(["{", "a", "b", "}"], ["{", "b", "c", "}"]), [" {", "-a", " b", "+c", " }"]);
    assert.deepEqual(shown(["a"], ["b"]), ["-a", "+b"]);
    assert.deepEqual(shown(["a", "a"], ["a"]), [" a", "-a"]);
    assert.deepEqual(shown(["a"], ["a", "a"]), [" a", "+a"]);
  });

  test("leaves out what is far from a change", () => {
    const lines = Array.from({ length: 20 }, (_, number) => `${number}`);
    const changed = lines.with(10, "new");
    assert.deepEqual(shown(lines, changed), ["…7", " 7", " 8", " 9", "-10", "+new", " 11", " 12", " 13", "…6"]);
    assert.deepEqual(shown(lines, lines), ["…20"]);
  });

  test("gives both texts back, whatever they are", () => {
    const random = (seed) => () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let seed = 1; seed < 300; seed += 1) {
      const draw = random(seed);
      const text = () => Array.from({ length: 1 + draw() * 8 }, () => "abc"[Math.floor(draw() * 3)]);
      const [before, after] = [text(), text()];
      const lines = difference(before.join("\n"), after.join("\n"));
      const skipped = lines.filter(({ mark }) => mark === "…").reduce((sum, each) => sum + each.text, 0);
      const of = (mark) => lines.filter((each) => each.mark === " " || each.mark === mark);
      assert.equal(of("-").length + skipped, before.length);
      assert.equal(of("+").length + skipped, after.length);
      if (skipped > 0) continue;
      assert.deepEqual(of("-").map((each) => each.text), before);
      assert.deepEqual(of("+").map((each) => each.text), after);
    }
  });

  test("of very long texts takes all lines between as changed", () => {
    const lines = (word) => Array.from({ length: 5_000 }, (_, number) => `${word}${number}`);
    const marks = shown(["{", ...lines("a"), "}"], ["{", ...lines("b"), "}"]);
    assert.equal(marks.filter((line) => line.startsWith("-")).length, 5_000);
    assert.equal(marks.at(-1), " }");
  });
});
