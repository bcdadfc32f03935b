import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { describe as describeLine, matches } from "../../static/js/logs/fields.js";
import { LineBuffer, MOST_CHARACTERS, MOST_LINES, Sources, findLine, lineName, lineSplitter, parseRecord, plainText, readLog, timeKey } from "../../static/js/logs/log.js";

const stamp = (n) => `2026-05-28T21:26:${String(n).padStart(2, "0")}.000000000Z`;

describe("the name of a line", () => {
  const line = (pod) => ({ at: stamp(1), key: timeKey(stamp(1)), source: { pod, container: "flask" } });
  const lines = [line("flask-a"), line("flask-b"), { at: null, key: "9", source: null }];

  test("finds it among lines of the same time", () => {
    assert.equal(findLine(lines, lineName(lines[1])), lines[1]);
    assert.equal(findLine(lines, lineName(line("flask-c"))), undefined);
  });

  test("may be a time alone", () => assert.equal(findLine(lines, stamp(1)), lines[0]));
});

describe("text", () => {
  for (const [input, expected] of [
    ["\x1b[1;32mgreen\x1b[0m", "green"],
    ["\x1b]0;title\x07shown", "shown"],
    ["\x1b]8;;http://x\x1b\\link", "link"],
    ["\x1b(Bplain\x1b=", "plain"],
    ["cut short\x1b[", "cut short"],
    ["bell\x07 null\x00", "bell\u2407 null\u2400"],
    ["\u202eesrever", "⟨202e⟩esrever"],
    ["tab\tstays\r", "tab\tstays"],
    ["back\rover", "back\u240dover"],
    ["<b>&amp;</b>", "<b>&amp;</b>"],
  ]) {
    test(`${JSON.stringify(input)} is shown as ${JSON.stringify(expected)}`, () => assert.equal(plainText(input), expected));
  }

  test("unterminated escapes take linear time", () => {
    const began = performance.now();
    plainText("\x1b[".repeat(50_000) + "0".repeat(50_000) + "\x1b]".repeat(50_000));
    assert.ok(performance.now() - began < 5_000);
  });
});

describe("a record", () => {
  test("is JSON", () => assert.deepEqual(parseRecord('{"source":0,"text":"x"}'), { source: 0, text: "x" }));
  for (const text of ["The log ended after 30 minutes.", "1", "null", '{"source":'])
    test(`${text} is a message of the dashboard`, () => assert.deepEqual(parseRecord(text), { message: text }));
});

describe("a line of JSON", () => {
  test("has fields, a status, and info as its level", () => {
    const line = describeLine('{"time":"2026","event":"request","status":200,"n":12345678901234567890,"path":"/a b","o":{"x":[1, 2]}}');
    assert.deepEqual(line, {
      message: "request",
      fields: [["status", "200"], ["n", "12345678901234567890"], ["path", "/a b"], ["o", '{"x":[1, 2]}']],
      level: "info",
      status: 200,
    });
  });
  test("is an error if its status is the server's fault", () => assert.equal(describeLine('{"event":"request","status":503}').level, "error"));
  test("has the level that it names", () => {
    assert.equal(describeLine('{"level":"warning","status":503}').level, "warning");
    assert.equal(describeLine('{"t":{"$date":"2026"},"s":"E","c":"REPL","msg":"lost"}').level, "error");
    assert.equal(describeLine('{"level":7}').level, "info");
  });
  test("keeps a second message as a field", () => {
    const { message, fields } = describeLine('{"event":"log","message":"late"}');
    assert.deepEqual([message, fields], ["log", [["message", "late"]]]);
  });
  for (const text of ["{broken}", "[1]", "plain", "{}x"]) test(`${text} has no fields`, () => assert.equal(describeLine(text).fields, null));
  for (const [text, level] of [["I0528 21:26:40 x", "info"], ["W0528 x", "warning"], ["INFO x", "info"], ["2026 ERROR x", "error"], ["Traceback (most", "error"], ["x", undefined], ["no error here", undefined]])
    test(`${text} has the level ${level}`, () => assert.equal(describeLine(text).level, level));
});

describe("the filters", () => {
  test("match a part of the text in any case", () => {
    assert.ok(matches({ text: "GET /data" }, { filter: "get /D" }));
    assert.ok(matches({ text: "x" }, {}));
    assert.ok(!matches({ text: "a.c" }, { filter: "a.?c" }));
  });
  test("match at least a level, and no line without one", () => {
    const passes = (level) => matches({ text: "", level }, { level: "warning" });
    assert.deepEqual(["info", "warning", "error", null].map(passes), [false, true, true, false]);
  });
  test("match a class of status", () => {
    const passes = (status) => matches({ text: "", status }, { status: "5xx" });
    assert.deepEqual([200, 503, null].map(passes), [false, true, false]);
  });
  test("let marks pass", () => assert.ok(matches({ text: "", mark: true }, { level: "error", filter: "x" })));
});

describe("timestamps", () => {
  test("are compared to the nanosecond", () => {
    assert.ok(timeKey("2026-05-28T21:26:01.000000002Z") > timeKey("2026-05-28T21:26:01.000000001Z"));
    assert.equal(timeKey("2026-05-28T21:26:01.1Z"), timeKey("2026-05-28T21:26:01.100000000Z"));
  });
  test("are compared across zones", () => assert.ok(timeKey("2026-05-28T21:26:01+01:00") > timeKey("2026-05-28T21:26:00+01:00")));
});

describe("chunks", () => {
  test("become lines, wherever they are split", () => {
    const split = lineSplitter();
    assert.deepEqual([split("on"), split("e\ntwo\n\nth"), split("ree\n")], [[], ["one", "two"], ["three"]]);
  });

  test("a line without an end is cut", () => {
    const split = lineSplitter();
    assert.equal(split("x".repeat(140_000)).length, 1);
    assert.deepEqual(split("\n"), []);
  });
});

describe("a line without a time", () => {
  const named = () => {
    const sources = new Sources();
    sources.take({ source: 0, uid: "u", pod: "p", container: "c" });
    return sources;
  };

  test("is the kubelet's, and follows the container's newest one", () => {
    const sources = named();
    sources.take({ source: 0, at: stamp(1), text: "one" });
    const [said] = sources.take({ source: 0, at: "", text: "unable to retrieve\x1b[1m logs" });
    assert.deepEqual([said.at, said.key, said.text, said.mark], [null, timeKey(stamp(1)), "unable to retrieve logs", true]);
  });

  for (const at of ["unable", "2026-13-45T99:00:00Z", 7])
    test(`hides none of the later lines, as ${at} in its place`, () => {
      const sources = named();
      assert.equal(sources.take({ source: 0, at, text: "x" })[0].mark, true);
      const [line] = sources.take({ source: 0, at: stamp(1), text: "one" });
      assert.deepEqual([line.at, line.text], [stamp(1), "one"]);
    });
});

describe("the buffer", () => {
  const add = (buffer, n, text = `${n}`) => buffer.add({ key: timeKey(new Date(n).toISOString()), text });
  const texts = ({ lines }) => lines.map(({ text }) => text);

  test("keeps the newest lines and counts the others", () => {
    const buffer = new LineBuffer();
    for (let n = 1; n <= MOST_LINES + 5; n += 1) add(buffer, n);
    assert.deepEqual([buffer.size, buffer.left, buffer.lines[0].text], [MOST_LINES, 5, "6"]);
  });

  test("limits the characters", () => {
    const buffer = new LineBuffer();
    for (let n = 0; n < MOST_LINES; n += 1) add(buffer, n, "x".repeat(16_384));
    assert.equal(buffer.size, Math.floor(MOST_CHARACTERS / 16_384));
  });

  test("puts a late line in its place, after those of the same time", () => {
    const buffer = new LineBuffer();
    for (const n of [1, 3, 2, 4, 0]) add(buffer, n);
    add(buffer, 2, "2 again");
    assert.deepEqual(texts(buffer), ["0", "1", "2", "2 again", "3", "4"]);
    assert.equal(new Set(buffer.lines.map(({ number }) => number)).size, 6);
  });
});

describe("the sources", () => {
  let sources;
  const named = (source = 0, more = {}) => ({ source, uid: `u${source}`, pod: `flask-${source}`, app: "flask", container: "flask", ...more });
  const take = (...records) => records.flatMap((record) => sources.take(record)).map(({ text }) => text);
  const line = (n, text, source = 0) => ({ source, at: stamp(n), text });

  beforeEach(() => {
    sources = new Sources();
    sources.take(named());
  });

  test("give each line its container", () => {
    sources.take(named(1));
    const [{ source }] = sources.take(line(1, "one", 1));
    assert.deepEqual([source.pod, source.container], ["flask-1", "flask"]);
  });

  test("give pods different colours, and the containers of a pod the same", () => {
    sources.take(named(1));
    sources.take(named(2, { uid: "u0", container: "sidecar" }));
    assert.deepEqual(sources.all.map(({ tone }) => tone), [0, 1, 0]);
  });

  test("leave out what came already, and mark where the log goes on", () => {
    const live = { source: 0, state: "live", text: "" };
    assert.deepEqual(take(live, line(1, "one"), live, line(1, "one"), line(2, "two")), ["one", "Reconnected", "two"]);
    assert.deepEqual(take(live, line(9, "nine")), ["Reconnected; lines may be missing", "nine"]);
    assert.deepEqual(take(live, line(9, "nine")), []);
  });

  test("keep their identity when the server numbers them anew", () => {
    take(line(1, "one"));
    sources.restart();
    assert.deepEqual(take(line(2, "lost: no such source")), []);
    assert.deepEqual(take(named(5, { uid: "u0" }), line(1, "one", 5), line(2, "two", 5)), ["two"]);
    assert.equal(sources.all.length, 1);
  });

  test("tell that a container ended and runs again", () => {
    const texts = take(line(1, "one"), { source: 0, state: "ended", text: "OOMKilled, exit code 137" }, { source: 0, state: "live", text: "" }, line(2, "two"));
    assert.deepEqual(texts, ["one", "The container ended: OOMKilled, exit code 137", "The container runs again", "two"]);
  });

  test("count what a burst dropped", () => {
    assert.match(take({ source: 0, at: stamp(1), dropped: 9_000 })[0], /^9,000 lines dropped/);
    assert.deepEqual([sources.dropped, sources.all[0].dropped], [9_000, 9_000]);
  });

  test("pass on the dashboard's messages", () => assert.deepEqual(take({ message: "The log ended." }), ["The log ended."]));

  test("make escapes harmless", () => assert.deepEqual(take(line(1, "\x1b[31mred\u202e")), ["red⟨202e⟩"]));
});

describe("reading", () => {
  // Reads responses in order: texts, or an error status.
  async function readAll(answers, { follow = true } = {}) {
    const seen = { records: [], states: [], tails: [], waits: [] };
    const controller = new AbortController();
    const left = [...answers];
    await readLog({
      signal: controller.signal,
      follow,
      now: () => 0,
      wait: async (ms) => {
        seen.waits.push(ms);
        if (left.length === 0) controller.abort();
      },
      open: async (tail) => {
        seen.tails.push(tail);
        const answer = left.shift();
        if (typeof answer === "number") throw Object.assign(new Error("no"), { status: answer });
        return new Response(answer);
      },
      onRecords: (records) => seen.records.push(...records),
      onState: ({ word }) => seen.states.push(word),
    });
    return seen;
  }

  test("ends with a log that is not followed", async () => {
    const { records, states } = await readAll(['\n{"source":0}\n'], { follow: false });
    assert.deepEqual([records, states], [[{ source: 0 }], ["opening", "live", "ended"]]);
  });

  test("reconnects after a drop, with a longer tail", async () => {
    const { tails, states } = await readAll(['{"source":0}\n', '{"source":0}\n']);
    assert.deepEqual([tails, states], [[500, MOST_LINES], ["opening", "live", "away", "live", "away"]]);
  });

  test("backs off while it fails", async () => {
    const { waits, states } = await readAll([503, 0, 502, 429, 502, 502]);
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    assert.deepEqual(new Set(states), new Set(["opening", "away"]));
  });

  for (const status of [400, 401, 403, 404]) {
    test(`gives up at ${status}`, async () => assert.deepEqual((await readAll([status])).states, ["opening", "refused"]));
  }

  test("decodes a character that is split between chunks", async () => {
    const bytes = new TextEncoder().encode('{"text":"café"}\n');
    const found = [];
    await readLog({
      signal: new AbortController().signal,
      follow: false,
      now: () => 0,
      wait: () => assert.fail("nothing to wait for"),
      open: async () => ({
        body: new ReadableStream({
          start(controller) {
            for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
            controller.close();
          },
        }),
      }),
      onRecords: (records) => found.push(...records),
      onState: () => {},
    });
    assert.deepEqual(found, [{ text: "café" }]);
  });
});
