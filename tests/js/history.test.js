import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, describe, test } from "node:test";

import { append, COARSE_SECONDS, columnsOf, downsample, FINE_SECONDS, KEEP_SECONDS, merge, trim } from "../../static/js/feed/columns.js";
import { MetricsHistory } from "../../static/js/feed/history.js";
import { SPARKLINE_POINTS, STEPS, TABLES } from "../../static/js/feed/pointStore.js";

const T0 = 1_764_000_000; // a whole minute
const cpu = (...times) => ({ at: times.map((time) => T0 + time), percent: times });
const points = (table, ...times) => ({ tables: { [table]: cpu(...times) } });
const settle = () => new Promise((resolve) => setImmediate(resolve));

// A server whose responses the test controls. It records the requests.
class Server {
  requests = [];
  #waiting = [];

  fetchSince = (since) => {
    this.requests.push(since);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  };

  async respond(tables = {}, { epoch = "e", began = T0, pods = {} } = {}) {
    this.#waiting.shift().resolve({ epoch, began, tables, pods });
    await settle();
  }

  async fail() {
    this.#waiting.shift().reject(new Error("503"));
    await settle();
  }
}

let server, past, redraws, pauses;

beforeEach(() => {
  server = new Server();
  redraws = 0;
  pauses = [];
  past = new MetricsHistory(() => (redraws += 1), {
    fetchSince: server.fetchSince,
    later: (action, ms) => pauses.push([action, ms]),
    random: () => 1,
  });
});

const times = (table = "cpu") => past.table(table).at.map((at) => Math.round((at - T0) * 1_000) / 1_000);
const wake = async () => {
  pauses.shift()[0]();
  await settle();
};

test("the page keeps the server's tables at the server's resolution", () => {
  const kept = {
    tables: TABLES,
    steps: [...STEPS],
    fine_seconds: FINE_SECONDS,
    coarse_seconds: COARSE_SECONDS,
    kept_seconds: KEEP_SECONDS,
    sparkline_points: SPARKLINE_POINTS,
  };
  assert.deepEqual(kept, JSON.parse(readFileSync(new URL("../cases/history.json", import.meta.url), "utf8")));
});

describe("the history", () => {
  test("has empty columns at first", () => {
    assert.deepEqual(past.table("replicas"), { at: [], desired: [], ready: [] });
    assert.equal(past.pod("u1"), undefined);
  });

  test("first requests everything", async () => {
    past.load("e");
    assert.deepEqual(server.requests, [0]);
    await server.respond({ cpu: cpu(1, 2) });
    assert.deepEqual(times(), [1, 2]);
    assert.equal(redraws, 1);
  });

  test("drops a tick's points that are not newer", () => {
    past.append(points("cpu", 1, 2));
    past.append(points("cpu", 1.5, 2));
    past.append(points("cpu", 2, 3));
    assert.deepEqual(times(), [1, 2, 3]);
  });

  test("keeps the points of ticks during a fetch", async () => {
    past.load("e");
    past.append(points("cpu", 11));
    past.append(points("cpu", 12));
    await server.respond({ cpu: cpu(8, 9, 10, 11) });
    past.append(points("cpu", 13));
    assert.deepEqual(times(), [8, 9, 10, 11, 12, 13]);
  });

  test("fills a gap with the next load, requesting only the time that may be missing", async () => {
    past.load("e");
    await server.respond({ cpu: cpu(998, 999, 1_000) });
    past.load("e"); // after a reconnect
    past.append(points("cpu", 1_005));
    assert.deepEqual(server.requests, [0, T0 + 1_000 - 120]);
    await server.respond({ cpu: cpu(999, 1_000, 1_001, 1_002, 1_003, 1_004, 1_005) });
    assert.deepEqual(times(), [998, 999, 1_000, 1_001, 1_002, 1_003, 1_004, 1_005]);
  });

  test("accepts a sample that is older than other tables' points", async () => {
    past.load("e");
    await server.respond({ traffic: { at: [T0 + 1_000] }, cpu: cpu(985) });
    past.load("e");
    assert.ok(server.requests[1] < T0 + 990);
    await server.respond({ traffic: { at: [T0 + 1_001] }, cpu: cpu(990) });
    assert.deepEqual(times(), [985, 990]);
  });

  test("retries with backoff and still fills the same gap", async () => {
    past.load("e");
    await server.respond({ cpu: cpu(1_000) });
    past.load("e");
    await server.fail();
    past.append(points("cpu", 1_010));
    await wake();
    await server.fail();
    assert.deepEqual(pauses.map(([, ms]) => ms), [2_000]);
    await wake();
    assert.deepEqual(server.requests.slice(1), Array(3).fill(T0 + 880));
    await server.respond({ cpu: cpu(1_005) });
    assert.deepEqual(times(), [1_000, 1_005, 1_010]);
    past.load("e");
    assert.equal(server.requests.at(-1), T0 + 890);
  });

  test("limits the backoff to half a minute", async () => {
    past.load("e");
    for (let attempt = 0; attempt < 12; attempt += 1) {
      await server.fail();
      assert.ok(pauses[0][1] <= 30_000);
      await wake();
    }
  });

  test("retries at once after a snapshot", async () => {
    past.load("e");
    await server.fail();
    past.load("e");
    await settle();
    assert.equal(server.requests.length, 2);
    await server.respond({ cpu: cpu(1) });
    await wake(); // the cancelled backoff makes no request
    assert.equal(server.requests.length, 2);
    assert.deepEqual(times(), [1]);
  });

  test("makes one more request after a snapshot during a request", async () => {
    past.load("e");
    past.load("e");
    past.load("e");
    assert.equal(server.requests.length, 1);
    await server.respond({ cpu: cpu(1) });
    assert.deepEqual(server.requests, [0, 0]);
    await server.respond({ cpu: cpu(1, 2) });
    assert.equal(server.requests.length, 2);
    assert.deepEqual(times(), [1, 2]);
  });

  test("requests everything from a restarted dashboard, and keeps the past with a gap", async () => {
    past.load("e");
    await server.respond({ cpu: cpu(1, 2), replicas: { at: [T0], desired: [2], ready: [2] }, traffic: { at: [T0 + 5], requests: [1] } });
    past.load("f");
    assert.deepEqual(server.requests, [0, 0]);
    await server.respond({ cpu: cpu(20), replicas: { at: [T0 + 18], desired: [3], ready: [2] } }, { epoch: "f", began: T0 + 17 });
    assert.deepEqual(times(), [1, 2, 2.001, 20]);
    assert.deepEqual(past.table("cpu").percent, [1, 2, null, 20]);
    assert.deepEqual(times("replicas"), [0, 5.001, 18]); // two pods until the last known time
    assert.deepEqual(past.table("replicas").desired, [2, null, 3]);
  });

  test("replaces points of the time that a restarted dashboard has seen itself", async () => {
    past.load("e");
    await server.respond({ cpu: cpu(1, 2, 3, 4) });
    past.load("f");
    past.append(points("cpu", 7));
    await server.respond({ cpu: { at: [T0 + 2.5, T0 + 6], percent: [25, 60] } }, { epoch: "f", began: T0 + 2.2 });
    assert.deepEqual(times(), [1, 2, 2.5, 6, 7]);
    past.load("f");
    await server.respond({ cpu: { at: [T0 + 2.6], percent: [0] } }, { epoch: "f", began: T0 + 2.2 });
    assert.deepEqual(times(), [1, 2, 2.5, 2.6, 6, 7]); // only once
  });

  test("goes on with its own points where a restarted dashboard was left fewer", async () => {
    past.load("e");
    await server.respond({ cpu: cpu(100, 200, 300), replicas: { at: [T0 + 50], desired: [2], ready: [2] } });
    past.append(points("cpu", 310));
    past.load("f"); // during a roll-out: the new dashboard began before the old one ended
    const left = { cpu: cpu(40, 100, 200, 309), replicas: { at: [T0 + 50, T0 + 250, T0 + 250.001, T0 + 309], desired: [2, 2, null, 2], ready: [2, 2, null, 2] } };
    await server.respond(left, { epoch: "f", began: T0 + 308 });
    assert.deepEqual(times(), [40, 100, 200, 300, 309]);
    assert.deepEqual(past.table("replicas").desired, [2, 2]); // without a gap
  });

  test("takes what a restarted dashboard was left for the time that it missed itself", async () => {
    past.load("e");
    await server.respond({ cpu: cpu(100, 200) });
    past.load("f");
    await server.respond({ cpu: cpu(100, 150, 200, 210, 220, 400) }, { epoch: "f", began: T0 + 390 });
    assert.deepEqual(times(), [100, 200, 200.001, 210, 220, 400]);
  });

  test("rejects the history of another epoch than the snapshot's", async () => {
    past.load("e");
    await server.respond({ cpu: cpu(1) }, { epoch: "f" });
    assert.deepEqual(times(), []);
    past.load("f");
    await settle();
    await server.respond({ cpu: cpu(1) }, { epoch: "f" });
    assert.deepEqual(times(), [1]);
  });

  test("ignores unknown tables", () => {
    past.append({ tables: { cpu: cpu(1), __proto__: { at: [1] }, constructor: { at: [1] }, humidity: { at: [1], percent: [2] } } });
    assert.deepEqual(times(), [1]);
    assert.equal(past.table("humidity"), undefined);
  });

  test("fills a missing figure with null", () => {
    past.append({ tables: { traffic: { at: [T0], requests: [5] } } });
    assert.deepEqual(past.table("traffic"), { at: [T0], requests: [5], errors: [null], p50_ms: [null], p99_ms: [null] });
  });

  test("counts its revisions", () => {
    const before = past.revision;
    past.append(points("cpu", 1));
    assert.ok(past.revision > before);
  });

  test("is bounded after half a day of seconds, with an hour of them still there", () => {
    const hours = 14;
    for (let second = 0; second < hours * 3_600; second += 1) past.append({ tables: { traffic: { at: [T0 + second], requests: [second] } } });
    const { at, requests } = past.table("traffic");
    assert.ok(at.length <= 5_000);
    assert.equal(requests.length, at.length);
    const end = T0 + hours * 3_600;
    assert.equal(at.filter((moment) => moment >= end - 3_600).length, 3_600);
    assert.ok(at[0] >= end - 12.3 * 3_600 && at[0] <= end - 11.9 * 3_600);
    for (let index = 1; index < at.length; index += 1) assert.ok(at[index] - at[index - 1] > 0 && at[index] - at[index - 1] <= 60);
  });

  test("costs an hour open less than 2 MB", () => {
    const grow = (from) => {
      for (let second = from; second < from + 3_600; second += 1) {
        const at = [T0 + second + 0.123];
        past.append({
          tables: {
            traffic: { at, requests: [180.5], errors: [0], p50_ms: [4.25], p99_ms: [41.75] },
            load: { at, offered: [180], achieved: [179.5], errors: [0], p50_ms: [4.25], p99_ms: [41.75] },
          },
          pods: second % 15 ? {} : Object.fromEntries(Array.from({ length: 5 }, (_, pod) => [`u${pod}`, { at, cpu_millicores: [88.5] }])),
        });
      }
    };
    const numbers = () => ["traffic", "load"].flatMap((name) => Object.values(past.table(name))).reduce((sum, column) => sum + column.length, 0);
    grow(0);
    assert.ok(numbers() * 24 < 2e6); // at most 24 bytes for a number in a list
    grow(3_600);
    grow(7_200);
    assert.ok(numbers() * 24 < 2e6);
  });
});

describe("a pod's history", () => {
  const spark = (...of) => ({ at: of.map((moment) => T0 + moment), cpu_millicores: of });

  test("grows by tick, to a quarter of an hour of samples", () => {
    for (let sample = 0; sample < 500; sample += 1) past.append({ pods: { u1: spark(sample) } });
    const { at, cpu_millicores: values } = past.pod("u1");
    assert.ok(at.length >= 60 && at.length <= 75);
    assert.deepEqual([at.at(-1), values.at(-1)], [T0 + 499, 499]);
  });

  test("is dropped when the server no longer has it, unless it is new", async () => {
    past.append({ pods: { gone: spark(1), stays: spark(1) } });
    past.load("e");
    past.append({ pods: { new: spark(2) } });
    await server.respond({}, { pods: { stays: spark() } });
    assert.equal(past.pod("gone"), undefined);
    assert.deepEqual(past.pod("stays").at, [T0 + 1]);
    assert.deepEqual(past.pod("new").at, [T0 + 2]);
  });

  test("is dropped with its pod", () => {
    past.append({ pods: { u1: spark(1), u2: spark(1) } });
    past.keepPods(["u2", "u3"]);
    assert.equal(past.pod("u1"), undefined);
    assert.ok(past.pod("u2"));
  });
});

describe("columns", () => {
  const of = (...at) => ({ at: [...at], value: at.map(String) });

  test("merge points in order, keeping the present one at the same time", () => {
    const columns = of(10, 20, 30);
    merge(columns, { at: [5, 10, 15, 20, 25, 40], value: ["5'", "10'", "15'", "20'", "25'", "40'"] });
    assert.deepEqual(columns, { at: [5, 10, 15, 20, 25, 30, 40], value: ["5'", "10", "15'", "20", "25'", "30", "40'"] });
  });

  test("merge into empty columns, and with none", () => {
    const columns = columnsOf(["value"]);
    merge(columns, of());
    merge(columns, of(1, 2));
    merge(columns, of(1, 2));
    assert.deepEqual(columns, of(1, 2));
  });

  test("merge to the same result however the points are divided", () => {
    const all = Array.from({ length: 12 }, (_, index) => index);
    for (let choice = 0; choice < 3 ** 7; choice += 5) {
      const digits = all.map((index) => Math.floor(choice / 3 ** (index % 7)) % 3); // 0 ours, 1 theirs, 2 both
      const columns = of(...all.filter((index) => digits[index] !== 1));
      merge(columns, of(...all.filter((index) => digits[index] !== 0)));
      assert.deepEqual(columns, of(...all));
    }
  });

  test("downsample to the mean of each minute, null without points", () => {
    const columns = { at: [], value: [] };
    for (let second = 0; second < 3_720; second += 1) append(columns, { at: [T0 + second], value: [second < 60 ? second : null] });
    append(columns, { at: [T0 + 5_400], value: [1] });
    downsample(columns, 3_000);
    assert.deepEqual(columns.at.slice(0, 3), [T0, T0 + 60, T0 + 120]);
    assert.deepEqual(columns.value.slice(0, 3), [29.5, null, null]);
    assert.ok(columns.at.length <= 2_100);
  });

  test("downsample steps to the last point of each minute", () => {
    const columns = { at: [], value: [] };
    for (let second = 0; second < 600; second += 10) append(columns, { at: [T0 + second], value: [second % 20 ? 4 : 2] });
    append(columns, { at: [T0 + 9_000], value: [3] });
    downsample(columns, 20, { steps: true });
    assert.deepEqual(new Set(columns.value), new Set([4, 3]));
    assert.equal(columns.at[0], T0 + 50);
  });

  test("are cut even when all points are within a second", () => {
    const columns = of(...Array.from({ length: 2_000 }, (_, index) => T0 + index / 2_000));
    downsample(columns, 1_000);
    assert.equal(columns.at.length, 900);
    assert.equal(columns.at.at(-1), T0 + 1_999 / 2_000);
  });

  test("are trimmed in blocks", () => {
    const columns = of(...Array.from({ length: 75 }, (_, index) => index));
    trim(columns, 60);
    assert.equal(columns.at.length, 75);
    append(columns, of(75));
    trim(columns, 60);
    assert.equal(columns.at.length, 60);
  });
});
