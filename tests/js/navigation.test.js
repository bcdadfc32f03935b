import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { formatRoute, parseRoute } from "../../static/js/text/route.js";
import { Navigation } from "../../static/js/shell/navigation.js";
import { RunEnd } from "../../static/js/shell/runEnd.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a route", () => {
  for (const [place, parts, query, hash] of [
    ["pods", ["mongodb-0", "u1", "logs"], { level: "error" }, "#/pods/mongodb-0/u1/logs?level=error"],
    ["documents", ['{"a":1}'], {}, "#/documents/%7B%22a%22%3A1%7D"],
    ["documents", [], { filter: "a&b=c?#/" }, "#/documents?filter=a%26b%3Dc%3F%23%2F"],
    ["metrics", [], { range: "900" }, "#/metrics?range=900"],
  ]) {
    test(`${hash} is read as it was written`, () => {
      assert.equal(formatRoute(place, parts, query), hash);
      assert.deepEqual(parseRoute(hash), { place, parts, query });
    });
  }
  test("leaves out what has no value", () => assert.equal(formatRoute("logs", ["all", ""], { q: "", line: null, level: undefined }), "#/logs/all"));
  for (const hash of ["", "#sources", "#token", "#/pods/%E0%A4%A"]) test(`"${hash}" is none`, () => assert.equal(parseRoute(hash), null));
});

describe("the navigation", () => {
  let browser, shown, closed, notices, navigation;

  beforeEach(() => {
    [shown, closed, notices] = [[], [], []];
    const location = { hash: "", pathname: "/", search: "" };
    const go = (_, __, address) => (location.hash = address.startsWith("#") ? address : "");
    browser = { location, history: { pushState: (...given) => go(...given, browser.steps++), replaceState: go }, steps: 0, addEventListener: (_, listener) => (browser.listener = listener) };
    const place = (name) => ({ show: ({ parts }) => (shown.push([name, ...parts].join(" ")), parts[0] === "gone" ? "It is gone." : null), close: () => closed.push(name) });
    navigation = new Navigation({ pods: place("pods"), logs: place("logs") }, (sentence) => notices.push(sentence), browser);
  });

  async function visit(hash) {
    browser.location.hash = hash;
    browser.listener();
    await settled();
  }

  test("shows what the first address names", async () => {
    browser.location.hash = "#/pods/a";
    navigation.start();
    await settled();
    assert.deepEqual(shown, ["pods a"]);
  });

  test("closes what another address does not name", async () => {
    navigation.start();
    await visit("#/logs/all");
    assert.deepEqual([shown, closed], [["logs all"], ["pods"]]);
    await visit("");
    assert.deepEqual(closed, ["pods", "pods", "logs"]);
  });

  test("says that what a link names is gone, or leads to nothing", async () => {
    navigation.start();
    await visit("#/pods/gone");
    assert.equal(notices.at(-1), "It is gone.");
    await visit("#/nothing");
    assert.match(notices.at(-1), /leads to nothing/);
    await visit("#sources");
    assert.equal(notices.at(-1), null);
  });

  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"])
    test(`has no place ${name}, though every object has something of that name`, async () => {
      navigation.start();
      await visit(`#/${name}`);
      assert.match(notices.at(-1), /leads to nothing/);
    });

  test("says nothing about an address that was left before its answer came", async () => {
    const answers = [];
    const show = () => new Promise((resolve) => answers.push(resolve));
    navigation = new Navigation({ pods: { show } }, (sentence) => notices.push(sentence), browser);
    navigation.start();
    await visit("#/pods/a");
    await visit("#/pods/b");
    answers[1](null);
    answers[0]("It is gone.");
    await settled();
    assert.equal(notices.at(-1), null);
  });

  test("makes a step for another place, and none for a filter or the same address", () => {
    navigation.set("pods", ["a"]);
    navigation.set("pods", ["a"]);
    navigation.set("pods", ["a"], { q: "x" }, { replace: true });
    assert.deepEqual([browser.steps, browser.location.hash], [1, "#/pods/a?q=x"]);
  });

  test("clears only the place that the address names", () => {
    navigation.set("pods", ["a"]);
    navigation.clear("logs");
    assert.equal(browser.location.hash, "#/pods/a");
    navigation.clear("pods");
    assert.equal(browser.location.hash, "");
  });
});

describe("the end of a run", () => {
  const run = (verdict, id = "r1") => ({ run: { id, verdict, demo: "persistence" } });

  test("is noticed once, and is in the title until it was seen", () => {
    const end = new RunEnd();
    assert.equal(end.update(run("running")), null);
    assert.equal(end.update(run("pass")).id, "r1");
    assert.equal(end.update(run("pass")), null);
    assert.equal(end.title, "PASS: persistence");
    end.seen();
    assert.equal(end.title, null);
  });

  test("is no news of a run that had ended before", () => {
    const end = new RunEnd();
    assert.deepEqual([end.update({ run: null }), end.update(run("fail")), end.title], [null, null, null]);
  });

  test("leaves the title when another run begins", () => {
    const end = new RunEnd();
    end.update(run("running"));
    end.update(run("fail"));
    end.update(run("running", "r2"));
    assert.equal(end.title, null);
  });
});
