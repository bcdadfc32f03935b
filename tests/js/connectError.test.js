import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { connectErrorProbe } from "../../static/js/feed/connectError.js";
import { address } from "../../static/js/lib/address.js";

const CUT = { status: 426, detail: "A proxy has removed Upgrade." };

let time, asked, answer, probe;

beforeEach(() => {
  time = 1_000_000;
  asked = 0;
  answer = { status: 503, detail: "Too many pages are open." };
  probe = connectErrorProbe(
    () => time,
    async () => {
      asked += 1;
      if (answer === null) throw new TypeError("failed to fetch");
      return answer;
    },
  );
});

async function after(seconds) {
  time += seconds * 1_000;
  return probe();
}

describe("the reason of a refused connection", () => {
  test("is the server's sentence, asked for at most every five seconds", async () => {
    assert.equal(await probe(), "Too many pages are open.");
    assert.equal(await after(4), "Too many pages are open.");
    assert.equal(asked, 1);
    answer = { status: 403, detail: "The request does not come from this origin." };
    assert.equal(await after(1), answer.detail);
    assert.equal(asked, 2);
  });

  test("is none while nothing answers, or a proxy does", async () => {
    for (answer of [null, { status: 502, detail: "Bad Gateway" }, { status: 200, detail: null }]) assert.equal(await after(6), null);
  });

  test("is that a proxy stops WebSockets, once the server has answered twice", async () => {
    answer = CUT;
    assert.equal(await probe(), null, "a server that has just started answers before the page is connected");
    assert.equal(await after(6), CUT.detail);
    assert.equal(await after(6), CUT.detail);
  });

  test("is not that a proxy stops WebSockets when two answers are far apart", async () => {
    answer = CUT;
    assert.equal(await probe(), null);
    assert.equal(await after(60), null, "the page was connected in between");
  });

  test("leads to the login without a session", async () => {
    const led = [];
    globalThis.location = /** @type {any} */ ({ assign: (to) => led.push(to) });
    answer = { status: 401, detail: "Sign in." };
    assert.equal(await probe(), null);
    assert.deepEqual(led, [address("/login")]);
    delete globalThis.location;
  });
});
