import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";

import * as format from "../../static/js/text/format.js";

const SOURCE_WORDS = new URL("../cases/source_words.json", import.meta.url);

function table(subject, rows) {
  for (const [input, expected] of rows) {
    test(`${subject.name} of ${JSON.stringify(input)} is ${expected}`, () => assert.equal(subject(...[input].flat()), expected));
  }
}

describe("durations", () => {
  table(format.duration, [[0, "0.0 s"], [0.44, "0.4 s"], [9.9, "9.9 s"], [9.96, "9 s"], [59.9, "59 s"], [-2, "0.0 s"], [null, "—"]]);
  table(format.wholeDuration, [[0.9, "0 s"], [60, "1 min"], [3_599, "59 min"], [7_500, "2 h 05"], [200_000, "2 d"], [Number.NaN, "—"]]);
  table(format.milliseconds, [[0.44, "0.4 ms"], [9.96, "10 ms"], [412.3, "412 ms"], [999.7, "1.0 s"], [12_345, "12 s"], [null, "—"]]);

  test("an age is measured against the given time", () => {
    assert.equal(format.secondsSince("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:01:30Z")), 90);
    assert.equal(format.secondsSince(null, 0), null);
  });

  test("a time of day is written hh:mm:ss", () => assert.match(format.timeOfDay(0), /^\d\d:\d\d:\d\d$/));
  for (const text of [null, undefined, "unable", "2026-13-45"])
    test(`${text} is no time of day`, () => assert.equal(format.timeOfDay(text), "—"));
});

describe("quantities", () => {
  table(format.cpu, [[88, "88m"], [0, "0m"], [1_250, "1.3"], [null, "—"]]);
  table(format.binary, [[52 * 2 ** 20, "52 Mi"], [2 ** 30, "1 Gi"], [1.5 * 2 ** 30, "1.5 Gi"], [512, "512 B"], [null, "—"]]);
  table(format.bytes, [[3_100_000, "3.1 MB"], [999, "999 B"], [12_345, "12 kB"], [null, "—"]]);
  table(format.rate, [[0.44, "0.4 /s"], [0, "0 /s"], [175.6, "176 /s"], [[352, "ops"], "352 ops/s"], [null, "—"]]);
  table(format.percent, [[84.4, "84\u00a0%"], [null, "—"]]);
  table(format.count, [[12_408, "12,408"], [null, "—"]]);
  table(format.plural, [[[1, "pod"], "1 pod"], [[0, "pod"], "0 pods"], [[2, "viewer"], "2 viewers"]]);
  table(format.share, [
    [[52 * 2 ** 20, 256 * 2 ** 20, format.binary], "52 / 256 Mi"],
    [[52 * 2 ** 20, 2 ** 30, format.binary], "52 Mi / 1 Gi"],
    [[88, 100, format.cpu], "88m / 100m"],
    [[88, null, format.cpu], "88m"],
  ]);
});

describe("names", () => {
  table(format.podSuffix, [
    [["flask-7c87d5c4-kt769", "flask"], "kt769"],
    [["flask-7c87d5c4-24567", "flask"], "24567"],
    [["mongodb-0", "mongodb"], "mongodb-0"],
    [["stranger-abc", "flask"], "stranger-abc"],
    [["flask-a", undefined], "flask-a"],
  ]);
  table(format.shortId, [["67439b2e8d1f4c0012aaa1f0", "67439b2e…a1f0"], ["short", "short"]]);
});

describe("the words for sources, as the timeline has them", { skip: !existsSync(SOURCE_WORDS) && "tests/cases/source_words.json is not there" }, () => {
  table(format.kindName, existsSync(SOURCE_WORDS) ? Object.entries(JSON.parse(readFileSync(SOURCE_WORDS, "utf8"))) : []);
});

describe("JSON", () => {
  test("a document is one line, exact if the server sent its text", () => {
    assert.equal(format.jsonLine({ document: { key: "value" } }), '{"key":"value"}');
    assert.equal(format.jsonLine({ document: { n: 9007199254740992 }, text: '{"n":9007199254740993}' }), '{"n":9007199254740993}');
  });
});
