import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { beforeEach, describe, mock, test } from "node:test";

import { Feed, connection } from "../../static/js/feed/socket.js";

const AS_OF = "2026-01-02T03:04:05.000Z";

// The part of a Socket.IO client that the feed uses. It records what is sent.
class Socket extends EventEmitter {
  sent = [];
  active = true;
  connects = 0;
  closed = 0;
  io = { engine: { close: () => (this.closed += 1) } };

  receive(name, message) {
    super.emit(name, message);
  }

  emit(...message) {
    this.sent.push(message);
  }

  connect() {
    this.connects += 1;
  }

  disconnect() {
    this.receive("disconnect", "io client disconnect");
  }
}

let socket, time, feed, reason, later;

beforeEach(() => {
  socket = new Socket();
  time = 1_000;
  reason = null;
  later = [];
  feed = new Feed(socket, {
    now: () => time,
    onChange: () => {},
    connectError: async () => reason,
    later: (action, after) => later.push([action, after]),
  });
});

function begin(seq = 7) {
  socket.receive("connect");
  socket.receive("snapshot", { epoch: "e", seq, state: { as_of: AS_OF, n: 0 } });
}

const patch = (seq, epoch = "e") => socket.receive("patch", { epoch, seq, changes: [["set", ["n"], seq]] });
const tick = (seq, epoch = "e") => socket.receive("tick", { epoch, seq, as_of: AS_OF });
const requests = () => socket.sent.filter(([name]) => name === "snapshot").length;

describe("the feed", () => {
  test("applies a snapshot, then each patch in sequence", () => {
    begin();
    patch(8);
    patch(9);
    assert.deepEqual([feed.seq, feed.state.n], [9, 9]);
    assert.equal(requests(), 0);
  });

  test("ignores a patch that is older than the snapshot", () => {
    begin();
    patch(7);
    assert.deepEqual([feed.seq, feed.state.n, requests()], [7, 0, 0]);
  });

  test("requests one snapshot after a lost patch, and continues from it", () => {
    begin();
    time += 2_000;
    patch(9);
    patch(10);
    assert.deepEqual([feed.seq, requests()], [7, 1]);
    socket.receive("snapshot", { epoch: "e", seq: 10, state: { as_of: AS_OF, n: 10 } });
    patch(11);
    assert.deepEqual([feed.seq, feed.state.n, requests()], [11, 11, 1]);
  });

  test("repeats the request after a second without a snapshot", () => {
    begin();
    time += 2_000;
    patch(9);
    time += 1_000;
    patch(10);
    assert.equal(requests(), 2);
  });

  test("detects a lost last patch by the tick", () => {
    begin();
    time += 2_000;
    tick(8);
    assert.equal(requests(), 1);
  });

  test("requests a snapshot when the epoch changes", () => {
    begin();
    time += 2_000;
    patch(8, "another");
    assert.deepEqual([feed.state.n, requests()], [0, 1]);
  });

  test("requests a snapshot when a patch does not fit", () => {
    mock.method(console, "warn", () => {});
    begin();
    time += 2_000;
    socket.receive("patch", { epoch: "e", seq: 8, changes: [["set", ["absent", "x"], 1]] });
    assert.deepEqual([feed.seq, requests()], [7, 1]);
  });

  test("acknowledges each sequence number once, at most once a second", () => {
    begin();
    tick(7);
    patch(8);
    time += 400;
    tick(8);
    time += 700;
    tick(8);
    tick(8);
    assert.deepEqual(socket.sent, [["seen", { seq: 7 }], ["seen", { seq: 8 }]]);
  });

  test("follows the server's clock", () => {
    begin();
    tick(7);
    time += 250;
    assert.equal(feed.serverTime(), Date.parse(AS_OF) + 250);
  });

  test("keeps the reason of a refused connection until one succeeds", async () => {
    reason = "As many pages as can be served are open.";
    socket.receive("connect_error", new Error("websocket error"));
    await new Promise(setImmediate);
    assert.equal(feed.connectError, reason);
    begin();
    assert.equal(feed.connectError, null);
  });

  test("reconnects after a refusal that Socket.IO does not retry", () => {
    socket.active = false;
    socket.receive("connect_error", new Error("refused"));
    later[0][0]();
    assert.equal(socket.connects, 1);
  });

  test("reconnects after the server closed the connection", () => {
    begin();
    socket.receive("disconnect", "io server disconnect");
    assert.equal(later.length, 1);
  });

  test("does not reconnect once it is closed, even if it was about to", () => {
    begin();
    socket.receive("disconnect", "io server disconnect");
    feed.close();
    for (const [reconnect] of later) reconnect();
    assert.equal(socket.connects, 0);
  });

  test("closes a connection that is silent for longer than six seconds", () => {
    begin();
    time += 6_000;
    feed.check();
    assert.equal(socket.closed, 0);
    time += 1;
    feed.check();
    assert.equal(socket.closed, 1);
  });
});

describe("the connection's state", () => {
  const state = () => connection(feed, time).state;

  test("is reconnecting until the first snapshot", () => {
    assert.equal(state(), "reconnecting");
    socket.receive("connect");
    assert.equal(state(), "reconnecting");
  });

  test("is live for three seconds after each message, then stale", () => {
    begin();
    time += 3_000;
    assert.equal(state(), "live");
    time += 1;
    assert.equal(state(), "stale");
    tick(7);
    assert.equal(state(), "live");
  });

  test("is reconnecting without a connection", () => {
    begin();
    socket.receive("disconnect", "transport close");
    assert.equal(state(), "reconnecting");
  });

  test("is stale after a reconnect until a message arrives", () => {
    begin();
    socket.receive("disconnect", "transport close");
    time += 5_000;
    socket.receive("connect");
    assert.equal(state(), "stale");
  });
});
