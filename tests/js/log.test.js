import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CHARACTERS, LINES, after, keeper, matches, parse, plain, read, splitter } from "../../static/js/drawer/log.js";

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
    test(`${JSON.stringify(input)} is shown as ${JSON.stringify(expected)}`, () => assert.equal(plain(input), expected));
  }

  test("escapes without an end take no time", () => {
    const began = performance.now();
    plain("\x1b[".repeat(50_000) + "0".repeat(50_000) + "\x1b]".repeat(50_000));
    assert.ok(performance.now() - began < 5_000);
  });
});

describe("a line", () => {
  test("has its time apart", () => assert.deepEqual(parse(`${stamp(1)} hello  world`), { at: stamp(1), text: "hello  world" }));
  test("may be empty", () => assert.deepEqual(parse(`${stamp(1)} `), { at: stamp(1), text: "" }));
  test("may have another zone", () => assert.equal(parse("2026-05-28T21:26:01+02:00 x").at, "2026-05-28T21:26:01+02:00"));
  test("without a time is the dashboard's", () => assert.deepEqual(parse("The log broke off."), { at: null, text: "The log broke off." }));
  test("is found by a part of it, in whatever case", () => {
    assert.ok(matches({ text: "GET /data" }, "get /D"));
    assert.ok(matches({ text: "x" }, ""));
    assert.ok(!matches({ text: "a.c" }, "a.?c"));
  });
});

describe("moments", () => {
  test("are told apart to the nanosecond", () => {
    assert.ok(after("2026-05-28T21:26:01.000000002Z", "2026-05-28T21:26:01.000000001Z"));
    assert.ok(!after("2026-05-28T21:26:01.1Z", "2026-05-28T21:26:01.100000000Z"));
  });
  test("are told apart across zones", () => assert.ok(after("2026-05-28T21:26:01+01:00", "2026-05-28T21:26:00+01:00")));
});

describe("chunks", () => {
  test("become lines wherever they break", () => {
    const split = splitter();
    assert.deepEqual([split("on"), split("e\ntwo\n\nth"), split("ree\n")], [[], ["one", "two"], ["three"]]);
  });

  test("a line without an end does not grow for ever", () => {
    const split = splitter();
    assert.equal(split("x".repeat(40_000)).length, 1);
    assert.deepEqual(split("\n"), []);
  });
});

describe("what is kept", () => {
  test("is the newest lines", () => {
    const lines = keeper();
    for (let n = 1; n <= LINES + 5; n += 1) lines.add({ text: `${n}` });
    assert.deepEqual([lines.first(), lines.last(), lines.after(0).length], [6, LINES + 5, LINES]);
    assert.equal(lines.after(0)[0].text, "6");
    assert.deepEqual(lines.after(LINES + 3).map(({ text }) => text), [`${LINES + 4}`, `${LINES + 5}`]);
    assert.deepEqual(lines.after(LINES + 5), []);
  });

  test("is so many characters at most", () => {
    const lines = keeper();
    for (let n = 0; n < LINES; n += 1) lines.add({ text: "x".repeat(16_384) });
    assert.equal(lines.after(0).length, Math.floor(CHARACTERS / 16_384));
  });
});

describe("reading", () => {
  // Plays answers in their order: a list of chunks, or a status that is refused. A container that `ends` runs no more after them,
  // and `resumes` for the last so many.
  async function play(answers, { ends = true, resumes = 0 } = {}) {
    const told = { lines: [], states: [], tails: [], waits: [] };
    const controller = new AbortController();
    const left = [...answers];
    await read({
      signal: controller.signal,
      now: () => 0,
      goesOn: () => left.length > resumes || !ends,
      resumed: async () => left.length > 0,
      wait: async (ms) => {
        told.waits.push(ms);
        if (left.length === 0) controller.abort();
      },
      open: async (tail) => {
        told.tails.push(tail);
        const answer = left.shift();
        if (typeof answer === "number") throw Object.assign(new Error("no"), { status: answer });
        return new Response(answer.join(""));
      },
      onLines: (lines) => told.lines.push(...lines.map(({ text }) => text)),
      onState: ({ word }) => told.states.push(word),
    });
    return told;
  }

  test("ends where the container has ended", async () => {
    const { lines, states } = await play([[`\n${stamp(1)} one\n`, `${stamp(2)} two\n`]]);
    assert.deepEqual([lines, states], [["one", "two"], ["opening", "live", "ended"]]);
  });

  test("goes on where an ended container runs again", async () => {
    const { lines, states } = await play([[`${stamp(1)} one\n`], [`${stamp(1)} one\n${stamp(2)} two\n`]], { resumes: 1 });
    assert.deepEqual(lines, ["one", "Taken up again", "two"]);
    assert.deepEqual(states, ["opening", "live", "ended", "live", "ended"]);
  });

  test("is taken up again after a drop, no line twice", async () => {
    const { lines, tails } = await play([[`${stamp(1)} one\n${stamp(2)} two\n`], [`${stamp(1)} one\n${stamp(2)} two\n${stamp(3)} three\n`]]);
    assert.deepEqual(lines, ["one", "two", "Taken up again", "three"]);
    assert.deepEqual(tails, [500, LINES]);
  });

  test("says that lines may be missing where nothing was seen twice", async () => {
    const { lines } = await play([[`${stamp(1)} one\n`], [`${stamp(9)} nine\n`]]);
    assert.deepEqual(lines, ["one", "Taken up again; lines may be missing", "nine"]);
  });

  test("marks no drop after which nothing came", async () => {
    const { lines } = await play([[`${stamp(1)} one\n`], [`${stamp(1)} one\n`], [`${stamp(1)} one\n`]]);
    assert.deepEqual(lines, ["one"]);
  });

  test("waits longer each time that it is in vain", async () => {
    const { waits, states } = await play([503, 0, 502, 502, 502, 502], { ends: false });
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    assert.deepEqual(new Set(states), new Set(["opening", "away"]));
  });

  test("waits for a container that has not started", async () => {
    assert.deepEqual((await play([409, [`${stamp(1)} one\n`]])).states, ["opening", "waiting", "live", "ended"]);
  });

  for (const status of [400, 401, 403, 404]) {
    test(`gives up at ${status}`, async () => assert.deepEqual((await play([status])).states, ["opening", "refused"]));
  }

  test("hands on what the dashboard has to say", async () => {
    assert.deepEqual((await play([[`${stamp(1)} one\nThe log broke off.\n`]])).lines, ["one", "The log broke off."]);
  });

  test("says once what is the same each time, and waits longer each time", async () => {
    const broken = [`${stamp(1)} one\nThe log broke off.\n`];
    const { lines, waits } = await play([broken, broken, broken], { ends: false });
    assert.deepEqual(lines, ["one", "The log broke off."]);
    assert.deepEqual(waits, [500, 1_000, 2_000]);
  });

  test("a character in two chunks is one", async () => {
    const bytes = new TextEncoder().encode(`${stamp(1)} café\n`);
    const lines = [];
    await read({
      signal: new AbortController().signal,
      now: () => 0,
      goesOn: () => false,
      resumed: async () => false,
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
