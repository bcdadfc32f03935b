import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { append, columnsOf, thin, trim, weave } from "../../static/js/columns.js";
import { history } from "../../static/js/history.js";

const T0 = 1_764_000_000; // a whole minute
const cpu = (...moments) => ({ at: moments.map((moment) => T0 + moment), percent: moments });
const points = (table, ...moments) => ({ tables: { [table]: cpu(...moments) } });
const settle = () => new Promise((resolve) => setImmediate(resolve));

// A server that answers when it is told to, and remembers what it was asked.
class Server {
  asked = [];
  #waiting = [];

  ask = (since) => {
    this.asked.push(since);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  };

  async answer(tables = {}, { epoch = "e", pods = {} } = {}) {
    this.#waiting.shift().resolve({ epoch, tables, pods });
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
  past = history(() => (redraws += 1), {
    ask: server.ask,
    later: (action, ms) => pauses.push([action, ms]),
    random: () => 1,
  });
});

const moments = (table = "cpu") => past.table(table).at.map((at) => Math.round((at - T0) * 1_000) / 1_000);
const wake = async () => {
  pauses.shift()[0]();
  await settle();
};

describe("the history", () => {
  test("has empty columns for each table before anything came", () => {
    assert.deepEqual(past.table("replicas"), { at: [], desired: [], ready: [] });
    assert.equal(past.pod("u1"), undefined);
  });

  test("asks for everything at first, and draws what came", async () => {
    past.load("e");
    assert.deepEqual(server.asked, [0]);
    await server.answer({ cpu: cpu(1, 2) });
    assert.deepEqual(moments(), [1, 2]);
    assert.equal(redraws, 1);
  });

  test("drops a point that is not later than the last of its table", () => {
    past.merge(points("cpu", 1, 2));
    past.merge(points("cpu", 1.5, 2));
    past.merge(points("cpu", 2, 3));
    assert.deepEqual(moments(), [1, 2, 3]);
  });

  test("merges points that come by tick while the fetch is under way, without loss", async () => {
    past.load("e");
    past.merge(points("cpu", 11));
    past.merge(points("cpu", 12));
    await server.answer({ cpu: cpu(8, 9, 10, 11) });
    past.merge(points("cpu", 13));
    assert.deepEqual(moments(), [8, 9, 10, 11, 12, 13]);
  });

  test("heals a gap with the next load, asking only for what may be missing", async () => {
    past.load("e");
    await server.answer({ cpu: cpu(998, 999, 1_000) });
    past.load("e"); // the connection was away, and a snapshot came
    past.merge(points("cpu", 1_005));
    assert.deepEqual(server.asked, [0, T0 + 1_000 - 120]);
    await server.answer({ cpu: cpu(999, 1_000, 1_001, 1_002, 1_003, 1_004, 1_005) });
    assert.deepEqual(moments(), [998, 999, 1_000, 1_001, 1_002, 1_003, 1_004, 1_005]);
  });

  test("takes in a sample whose moment was before points of other tables", async () => {
    past.load("e");
    await server.answer({ traffic: { at: [T0 + 1_000] }, cpu: cpu(985) });
    past.load("e");
    assert.ok(server.asked[1] < T0 + 990);
    await server.answer({ traffic: { at: [T0 + 1_001] }, cpu: cpu(990) });
    assert.deepEqual(moments(), [985, 990]);
  });

  test("tries again, later each time, until it succeeds, and still heals the same gap", async () => {
    past.load("e");
    await server.answer({ cpu: cpu(1_000) });
    past.load("e");
    await server.fail();
    past.merge(points("cpu", 1_010));
    await wake();
    await server.fail();
    assert.deepEqual(pauses.map(([, ms]) => ms), [2_000]);
    await wake();
    assert.deepEqual(server.asked.slice(1), Array(3).fill(T0 + 880));
    await server.answer({ cpu: cpu(1_005) });
    assert.deepEqual(moments(), [1_000, 1_005, 1_010]);
    past.load("e");
    assert.equal(server.asked.at(-1), T0 + 890);
  });

  test("waits half a minute at most", async () => {
    past.load("e");
    for (let attempt = 0; attempt < 12; attempt += 1) {
      await server.fail();
      assert.ok(pauses[0][1] <= 30_000);
      await wake();
    }
  });

  test("tries at once when a snapshot says that the dashboard is back", async () => {
    past.load("e");
    await server.fail();
    past.load("e");
    await settle();
    assert.equal(server.asked.length, 2);
    await server.answer({ cpu: cpu(1) });
    await wake(); // the pause that was cut short asks nothing
    assert.equal(server.asked.length, 2);
    assert.deepEqual(moments(), [1]);
  });

  test("asks once more when a snapshot came while it asked, and not twice at once", async () => {
    past.load("e");
    past.load("e");
    past.load("e");
    assert.equal(server.asked.length, 1);
    await server.answer({ cpu: cpu(1) });
    assert.deepEqual(server.asked, [0, 0]);
    await server.answer({ cpu: cpu(1, 2) });
    assert.equal(server.asked.length, 2);
    assert.deepEqual(moments(), [1, 2]);
  });

  test("asks a new dashboard for all it has, and keeps the past with a gap after it", async () => {
    past.load("e");
    await server.answer({ cpu: cpu(1, 2), replicas: { at: [T0], desired: [2], ready: [2] }, traffic: { at: [T0 + 5], requests: [1] } });
    past.load("f");
    assert.deepEqual(server.asked, [0, 0]);
    await server.answer({ cpu: cpu(20), replicas: { at: [T0 + 18], desired: [3], ready: [2] } }, { epoch: "f" });
    assert.deepEqual(moments(), [1, 2, 2.001, 20]);
    assert.deepEqual(past.table("cpu").percent, [1, 2, null, 20]);
    assert.deepEqual(moments("replicas"), [0, 5.001, 18]); // two were there until the last that was heard
    assert.deepEqual(past.table("replicas").desired, [2, null, 3]);
  });

  test("believes a new dashboard where it knows the same time, and mixes nothing", async () => {
    past.load("e");
    await server.answer({ cpu: cpu(1, 2, 3, 4) });
    past.load("f");
    past.merge(points("cpu", 7));
    await server.answer({ cpu: { at: [T0 + 2.5, T0 + 6], percent: [25, 60] } }, { epoch: "f" });
    assert.deepEqual(moments(), [1, 2, 2.5, 6, 7]);
    past.load("f");
    await server.answer({ cpu: { at: [T0 + 2.6], percent: [0] } }, { epoch: "f" });
    assert.deepEqual(moments(), [1, 2, 2.5, 2.6, 6, 7]); // only once
  });

  test("believes no answer of another dashboard than the one whose snapshot it has", async () => {
    past.load("e");
    await server.answer({ cpu: cpu(1) }, { epoch: "f" });
    assert.deepEqual(moments(), []);
    past.load("f");
    await settle();
    await server.answer({ cpu: cpu(1) }, { epoch: "f" });
    assert.deepEqual(moments(), [1]);
  });

  test("leaves out tables that it does not know", () => {
    past.merge({ tables: { cpu: cpu(1), __proto__: { at: [1] }, constructor: { at: [1] }, humidity: { at: [1], percent: [2] } } });
    assert.deepEqual(moments(), [1]);
    assert.equal(past.table("humidity"), undefined);
  });

  test("fills a figure that is not told with null", () => {
    past.merge({ tables: { traffic: { at: [T0], requests: [5] } } });
    assert.deepEqual(past.table("traffic"), { at: [T0], requests: [5], errors: [null], p50_ms: [null], p99_ms: [null] });
  });

  test("counts its revisions", () => {
    const before = past.revision;
    past.merge(points("cpu", 1));
    assert.ok(past.revision > before);
  });

  test("is bounded after half a day of seconds, with an hour of them still there", () => {
    const hours = 14;
    for (let second = 0; second < hours * 3_600; second += 1) past.merge({ tables: { traffic: { at: [T0 + second], requests: [second] } } });
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
        past.merge({
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
    for (let sample = 0; sample < 500; sample += 1) past.merge({ pods: { u1: spark(sample) } });
    const { at, cpu_millicores: values } = past.pod("u1");
    assert.ok(at.length >= 60 && at.length <= 75);
    assert.deepEqual([at.at(-1), values.at(-1)], [T0 + 499, 499]);
  });

  test("is forgotten when the server has it no longer, unless it came just now", async () => {
    past.merge({ pods: { gone: spark(1), stays: spark(1) } });
    past.load("e");
    past.merge({ pods: { new: spark(2) } });
    await server.answer({}, { pods: { stays: spark() } });
    assert.equal(past.pod("gone"), undefined);
    assert.deepEqual(past.pod("stays").at, [T0 + 1]);
    assert.deepEqual(past.pod("new").at, [T0 + 2]);
  });

  test("is forgotten with its pod", () => {
    past.merge({ pods: { u1: spark(1), u2: spark(1) } });
    past.prune(["u2", "u3"]);
    assert.equal(past.pod("u1"), undefined);
    assert.ok(past.pod("u2"));
  });
});

describe("columns", () => {
  const of = (...at) => ({ at: [...at], value: at.map(String) });

  test("are woven wherever points belong, and where both have one ours stays", () => {
    const columns = of(10, 20, 30);
    weave(columns, { at: [5, 10, 15, 20, 25, 40], value: ["5'", "10'", "15'", "20'", "25'", "40'"] });
    assert.deepEqual(columns, { at: [5, 10, 15, 20, 25, 30, 40], value: ["5'", "10", "15'", "20", "25'", "30", "40'"] });
  });

  test("are woven into empty ones, and with nothing", () => {
    const columns = columnsOf(["value"]);
    weave(columns, of());
    weave(columns, of(1, 2));
    weave(columns, of(1, 2));
    assert.deepEqual(columns, of(1, 2));
  });

  test("stay the same whichever way points are divided between ours and theirs", () => {
    const all = Array.from({ length: 12 }, (_, index) => index);
    for (let choice = 0; choice < 3 ** 7; choice += 5) {
      const digits = all.map((index) => Math.floor(choice / 3 ** (index % 7)) % 3); // 0 ours, 1 theirs, 2 both
      const columns = of(...all.filter((index) => digits[index] !== 1));
      weave(columns, of(...all.filter((index) => digits[index] !== 0)));
      assert.deepEqual(columns, of(...all));
    }
  });

  test("when too long, keep the mean of a minute, null where there was nothing", () => {
    const columns = { at: [], value: [] };
    for (let second = 0; second < 3_720; second += 1) append(columns, { at: [T0 + second], value: [second < 60 ? second : null] });
    append(columns, { at: [T0 + 5_400], value: [1] });
    thin(columns, 3_000);
    assert.deepEqual(columns.at.slice(0, 3), [T0, T0 + 60, T0 + 120]);
    assert.deepEqual(columns.value.slice(0, 3), [29.5, null, null]);
    assert.ok(columns.at.length <= 2_100);
  });

  test("of steps keep the last of a minute and average nothing", () => {
    const columns = { at: [], value: [] };
    for (let second = 0; second < 600; second += 10) append(columns, { at: [T0 + second], value: [second % 20 ? 4 : 2] });
    append(columns, { at: [T0 + 9_000], value: [3] });
    thin(columns, 20, { steps: true });
    assert.deepEqual(new Set(columns.value), new Set([4, 3]));
    assert.equal(columns.at[0], T0 + 50);
  });

  test("are cut even when they all came in one second", () => {
    const columns = of(...Array.from({ length: 2_000 }, (_, index) => T0 + index / 2_000));
    thin(columns, 1_000);
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
