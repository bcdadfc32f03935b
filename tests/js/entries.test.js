import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { day, filters, fullTime, select, shortTime } from "../../static/js/timeline/entries.js";

const entry = (id, kind, tone, text, about = null) => ({ id, at: "2026-11-24T12:00:00Z", kind, tone, text, about, mark: null });

const ENTRIES = [
  entry("1", "change", "good", "flask-1 Ready after 3 s", { kind: "Pod", name: "flask-1", uid: "u1" }),
  entry("2", "event", "off", "Started mongodb-0/mongod: Container started", { kind: "Pod", name: "mongodb-0", uid: "u2" }),
  entry("3", "event", "warn", "Unhealthy mongodb-0/mongod: Readiness probe failed", { kind: "Pod", name: "mongodb-0", uid: "u2" }),
  entry("4", "change", "bad", "MongoDB does not answer"),
];
const ids = (filter, text) => select(ENTRIES, filter, text).map(({ id }) => id).join("");

describe("a filter selects", () => {
  for (const [filter, expected] of [["all", "1234"], ["change", "14"], ["event", "23"], ["warning", "34"], ["action", ""]]) {
    test(`${expected || "nothing"} as ${filter}`, () => assert.equal(ids(filter, ""), expected));
  }
});

describe("a search finds", () => {
  for (const [name, filter, text, expected] of [
    ["a word in whatever case", "all", "MONGO", "234"],
    ["all of its words, in any order", "all", "failed  mongodb", "3"],
    ["the object's kind", "all", "pod", "123"],
    ["only within the filter", "change", "mongo", "4"],
    ["characters as they are, and no pattern", "all", ".*", ""],
    ["everything when it is only spaces", "all", "   ", "1234"],
  ]) {
    test(name, () => assert.equal(ids(filter, text), expected));
  }
});

describe("filters", () => {
  test("have counts, and include actions only if there are any", () => {
    assert.deepEqual(filters(ENTRIES, "all").map(({ id, count }) => [id, count]), [["all", 4], ["change", 2], ["event", 2], ["warning", 2]]);
    const withAction = [...ENTRIES, entry("5", "action", "busy", "operator restarts mongodb-0")];
    assert.deepEqual(filters(withAction, "all").at(-1), { id: "action", word: "Actions", count: 1 });
  });
  test("keep the selected one after its last entry is dropped", () => assert.equal(filters([], "action").at(-1).id, "action"));
});

describe("a time is written", () => {
  const noon = new Date(2026, 10, 24, 12, 0, 5);
  test("as the time of day in the reader's zone", () => assert.equal(shortTime(noon.toISOString(), noon.getTime()), "12:00:05"));
  test("with the date if it is another day", () => {
    const next = new Date(2026, 10, 25, 0, 0, 1).getTime();
    assert.equal(shortTime(noon.toISOString(), next), "24 Nov 12:00:05");
  });
  test("in full with its date and zone", () => assert.match(fullTime(noon.toISOString()), /24 November 2026.*12:00:05 \S+/));
  test("with days that end at the reader's midnight", () => {
    assert.notEqual(day(new Date(2026, 10, 24, 23, 59, 59).getTime()), day(new Date(2026, 10, 25).getTime()));
    assert.equal(day(noon), day(noon.getTime()));
  });
});
