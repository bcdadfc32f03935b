import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { connectErrorProbe } from "../../static/js/feed/connectError.js";
import { address } from "../../static/js/api/address.js";

const CUT = { status: 426, detail: "A proxy has removed Upgrade." };

let time, requests, response, probe;

beforeEach(() => {
  time = 1_000_000;
  requests = 0;
  response = { status: 503, detail: "Too many pages are open." };
  probe = connectErrorProbe(
    () => time,
    async () => {
      requests += 1;
      if (response === null) throw new TypeError("failed to fetch");
      return response;
    },
  );
});

async function after(seconds) {
  time += seconds * 1_000;
  return probe();
}

describe("the reason of a refused connection", () => {
  test("is the server's sentence, requested at most every five seconds", async () => {
    assert.equal(await probe(), "Too many pages are open.");
    assert.equal(await after(4), "Too many pages are open.");
    assert.equal(requests, 1);
    response = { status: 403, detail: "The request does not come from this origin." };
    assert.equal(await after(1), response.detail);
    assert.equal(requests, 2);
  });

  test("is null while the dashboard does not answer, or only a proxy does", async () => {
    for (response of [null, { status: 502, detail: "Bad Gateway" }, { status: 200, detail: null }]) assert.equal(await after(6), null);
  });

  test("is a proxy without WebSockets, once the server has answered twice", async () => {
    response = CUT;
    assert.equal(await probe(), null, "a server that has just started answers before the page is connected");
    assert.equal(await after(6), CUT.detail);
    assert.equal(await after(6), CUT.detail);
  });

  test("is not a proxy without WebSockets if the two answers are far apart", async () => {
    response = CUT;
    assert.equal(await probe(), null);
    assert.equal(await after(60), null, "the page was connected in between");
  });

  test("redirects to the login without a session", async () => {
    const led = [];
    globalThis.location = /** @type {any} */ ({ assign: (to) => led.push(to) });
    response = { status: 401, detail: "Sign in." };
    assert.equal(await probe(), null);
    assert.deepEqual(led, [address("/login")]);
    delete globalThis.location;
  });
});
