import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { LineBuffer, MOST_CHARACTERS, MOST_LINES, isAfter, lineSplitter, matches, parseLine, plainText, readLog } from "../../static/js/drawer/log.js";

const stamp = (n) => `2026-05-28T21:26:${String(n).padStart(2, "0")}.000000000Z`;

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

describe("a line", () => {
  test("has a timestamp and a text", () => assert.deepEqual(parseLine(`${stamp(1)} hello  world`), { at: stamp(1), text: "hello  world" }));
  test("may be empty", () => assert.deepEqual(parseLine(`${stamp(1)} `), { at: stamp(1), text: "" }));
  test("may have another zone", () => assert.equal(parseLine("2026-05-28T21:26:01+02:00 x").at, "2026-05-28T21:26:01+02:00"));
  test("without a timestamp is a message of the dashboard", () => assert.deepEqual(parseLine("The log broke off."), { at: null, text: "The log broke off." }));
  test("matches a part of its text in any case", () => {
    assert.ok(matches({ text: "GET /data" }, "get /D"));
    assert.ok(matches({ text: "x" }, ""));
    assert.ok(!matches({ text: "a.c" }, "a.?c"));
  });
});

describe("timestamps", () => {
  test("are compared to the nanosecond", () => {
    assert.ok(isAfter("2026-05-28T21:26:01.000000002Z", "2026-05-28T21:26:01.000000001Z"));
    assert.ok(!isAfter("2026-05-28T21:26:01.1Z", "2026-05-28T21:26:01.100000000Z"));
  });
  test("are compared across zones", () => assert.ok(isAfter("2026-05-28T21:26:01+01:00", "2026-05-28T21:26:00+01:00")));
});

describe("chunks", () => {
  test("become lines, wherever they are split", () => {
    const split = lineSplitter();
    assert.deepEqual([split("on"), split("e\ntwo\n\nth"), split("ree\n")], [[], ["one", "two"], ["three"]]);
  });

  test("a line without an end is cut", () => {
    const split = lineSplitter();
    assert.equal(split("x".repeat(40_000)).length, 1);
    assert.deepEqual(split("\n"), []);
  });
});

describe("the buffer", () => {
  test("keeps the newest lines", () => {
    const lines = new LineBuffer();
    for (let n = 1; n <= MOST_LINES + 5; n += 1) lines.add({ text: `${n}` });
    assert.deepEqual([lines.first, lines.last, lines.after(0).length], [6, MOST_LINES + 5, MOST_LINES]);
    assert.equal(lines.after(0)[0].text, "6");
    assert.deepEqual(lines.after(MOST_LINES + 3).map(({ text }) => text), [`${MOST_LINES + 4}`, `${MOST_LINES + 5}`]);
    assert.deepEqual(lines.after(MOST_LINES + 5), []);
  });

  test("limits the characters", () => {
    const lines = new LineBuffer();
    for (let n = 0; n < MOST_LINES; n += 1) lines.add({ text: "x".repeat(16_384) });
    assert.equal(lines.after(0).length, Math.floor(MOST_CHARACTERS / 16_384));
  });
});

describe("reading", () => {
  // Reads responses in order: a list of chunks, or an error status. A container that `ends` does not run after them; it runs again
  // for the last `resumes` responses.
  async function readAll(answers, { ends = true, resumes = 0 } = {}) {
    const seen = { lines: [], states: [], tails: [], waits: [] };
    const controller = new AbortController();
    const left = [...answers];
    await readLog({
      signal: controller.signal,
      now: () => 0,
      isRunning: () => left.length > resumes || !ends,
      restarted: async () => left.length > 0,
      wait: async (ms) => {
        seen.waits.push(ms);
        if (left.length === 0) controller.abort();
      },
      open: async (tail) => {
        seen.tails.push(tail);
        const answer = left.shift();
        if (typeof answer === "number") throw Object.assign(new Error("no"), { status: answer });
        return new Response(answer.join(""));
      },
      onLines: (lines) => seen.lines.push(...lines.map(({ text }) => text)),
      onState: ({ word }) => seen.states.push(word),
    });
    return seen;
  }

  test("ends with the container", async () => {
    const { lines, states } = await readAll([[`\n${stamp(1)} one\n`, `${stamp(2)} two\n`]]);
    assert.deepEqual([lines, states], [["one", "two"], ["opening", "live", "ended"]]);
  });

  test("continues when an ended container runs again", async () => {
    const { lines, states } = await readAll([[`${stamp(1)} one\n`], [`${stamp(1)} one\n${stamp(2)} two\n`]], { resumes: 1 });
    assert.deepEqual(lines, ["one", "Reconnected", "two"]);
    assert.deepEqual(states, ["opening", "live", "ended", "live", "ended"]);
  });

  test("reconnects after a drop without repeating a line", async () => {
    const { lines, tails } = await readAll([[`${stamp(1)} one\n${stamp(2)} two\n`], [`${stamp(1)} one\n${stamp(2)} two\n${stamp(3)} three\n`]]);
    assert.deepEqual(lines, ["one", "two", "Reconnected", "three"]);
    assert.deepEqual(tails, [500, MOST_LINES]);
  });

  test("says that lines may be missing without an overlap", async () => {
    const { lines } = await readAll([[`${stamp(1)} one\n`], [`${stamp(9)} nine\n`]]);
    assert.deepEqual(lines, ["one", "Reconnected; lines may be missing", "nine"]);
  });

  test("does not mark a reconnect without new lines", async () => {
    const { lines } = await readAll([[`${stamp(1)} one\n`], [`${stamp(1)} one\n`], [`${stamp(1)} one\n`]]);
    assert.deepEqual(lines, ["one"]);
  });

  test("backs off while it fails", async () => {
    const { waits, states } = await readAll([503, 0, 502, 502, 502, 502], { ends: false });
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    assert.deepEqual(new Set(states), new Set(["opening", "away"]));
  });

  test("waits for a container that has not started", async () => {
    assert.deepEqual((await readAll([409, [`${stamp(1)} one\n`]])).states, ["opening", "waiting", "live", "ended"]);
  });

  for (const status of [400, 401, 403, 404]) {
    test(`gives up at ${status}`, async () => assert.deepEqual((await readAll([status])).states, ["opening", "refused"]));
  }

  test("passes on the dashboard's messages", async () => {
    assert.deepEqual((await readAll([[`${stamp(1)} one\nThe log broke off.\n`]])).lines, ["one", "The log broke off."]);
  });

  test("does not repeat a message, and backs off", async () => {
    const broken = [`${stamp(1)} one\nThe log broke off.\n`];
    const { lines, waits } = await readAll([broken, broken, broken], { ends: false });
    assert.deepEqual(lines, ["one", "The log broke off."]);
    assert.deepEqual(waits, [500, 1_000, 2_000]);
  });

  test("decodes a character that is split between chunks", async () => {
    const bytes = new TextEncoder().encode(`${stamp(1)} café\n`);
    const lines = [];
    await readLog({
      signal: new AbortController().signal,
      now: () => 0,
      isRunning: () => false,
      restarted: async () => false,
      wait: () => assert.fail("nothing to wait for"),
      open: async () => ({
        body: new ReadableStream({
          start(controller) {
            for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
            controller.close();
          },
        }),
      }),
      onLines: (fresh) => lines.push(...fresh),
      onState: () => {},
    });
    assert.deepEqual(lines.map(({ text }) => text), ["café"]);
  });
});
