import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { beforeEach, describe, mock, test } from "node:test";

import { connection, follow } from "../../static/js/socket.js";

const AS_OF = "2026-01-02T03:04:05.000Z";

// A Socket.IO client as far as the feed knows it: what it is told, and what it was asked to send.
class Socket extends EventEmitter {
  sent = [];
  active = true;
  connects = 0;
  closed = 0;
  io = { engine: { close: () => (this.closed += 1) } };

  hear(name, message) {
    super.emit(name, message);
  }

  emit(...message) {
    this.sent.push(message);
  }

  connect() {
    this.connects += 1;
  }
}

let socket, time, feed, refusal, later;

beforeEach(() => {
  socket = new Socket();
  time = 1_000;
  refusal = null;
  later = [];
  feed = follow(socket, {
    now: () => time,
    onChange: () => {},
    why: async () => refusal,
    later: (action, after) => later.push([action, after]),
  });
});

function begin(seq = 7) {
  socket.hear("connect");
  socket.hear("snapshot", { epoch: "e", seq, state: { as_of: AS_OF, n: 0 } });
}

const raise = (seq, epoch = "e") => socket.hear("patch", { epoch, seq, changes: [["set", ["n"], seq]] });
const tick = (seq, epoch = "e") => socket.hear("tick", { epoch, seq, as_of: AS_OF });
const requests = () => socket.sent.filter(([name]) => name === "snapshot").length;

describe("the feed", () => {
  test("takes a snapshot, then each next patch", () => {
    begin();
    raise(8);
    raise(9);
    assert.deepEqual([feed.seq, feed.state.n], [9, 9]);
    assert.equal(requests(), 0);
  });

  test("ignores a patch that the snapshot already holds", () => {
    begin();
    raise(7);
    assert.deepEqual([feed.seq, feed.state.n, requests()], [7, 0, 0]);
  });

  test("asks once for a snapshot when patches are missing, and goes on from it", () => {
    begin();
    time += 2_000;
    raise(9);
    raise(10);
    assert.deepEqual([feed.seq, requests()], [7, 1]);
    socket.hear("snapshot", { epoch: "e", seq: 10, state: { as_of: AS_OF, n: 10 } });
    raise(11);
    assert.deepEqual([feed.seq, feed.state.n, requests()], [11, 11, 1]);
  });

  test("asks again a second later when no snapshot came", () => {
    begin();
    time += 2_000;
    raise(9);
    time += 1_000;
    raise(10);
    assert.equal(requests(), 2);
  });

  test("notices by the tick that the last patch was lost", () => {
    begin();
    time += 2_000;
    tick(8);
    assert.equal(requests(), 1);
  });

  test("asks for a snapshot when the server began anew", () => {
    begin();
    time += 2_000;
    raise(8, "another");
    assert.deepEqual([feed.state.n, requests()], [0, 1]);
  });

  test("asks for a snapshot when a patch does not fit", () => {
    mock.method(console, "warn", () => {});
    begin();
    time += 2_000;
    socket.hear("patch", { epoch: "e", seq: 8, changes: [["set", ["absent", "x"], 1]] });
    assert.deepEqual([feed.seq, requests()], [7, 1]);
  });

  test("acknowledges what it has, at most once a second, and not twice", () => {
    begin();
    tick(7);
    raise(8);
    time += 400;
    tick(8);
    time += 700;
    tick(8);
    tick(8);
    assert.deepEqual(socket.sent, [["seen", { seq: 7 }], ["seen", { seq: 8 }]]);
  });

  test("tells the time by the server's clock", () => {
    begin();
    tick(7);
    time += 250;
    assert.equal(feed.serverTime(), Date.parse(AS_OF) + 250);
  });

  test("says what a refused attempt met, until one succeeds", async () => {
    refusal = "As many pages as can be served are open.";
    socket.hear("connect_error", new Error("websocket error"));
    await new Promise(setImmediate);
    assert.equal(feed.refusal, refusal);
    begin();
    assert.equal(feed.refusal, null);
  });

  test("tries again when refused after the connection stood, which Socket.IO does not do by itself", () => {
    socket.active = false;
    socket.hear("connect_error", new Error("refused"));
    later[0][0]();
    assert.equal(socket.connects, 1);
  });

  test("tries again when the server ends the connection, which Socket.IO does not do by itself", () => {
    begin();
    socket.hear("disconnect", "io server disconnect");
    assert.equal(later.length, 1);
  });

  test("ends a connection that has been silent for longer than six seconds", () => {
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
    socket.hear("connect");
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

  test("is reconnecting while the connection is away", () => {
    begin();
    socket.hear("disconnect", "transport close");
    assert.equal(state(), "reconnecting");
  });

  test("is not live by the connection alone: data must come", () => {
    begin();
    socket.hear("disconnect", "transport close");
    time += 5_000;
    socket.hear("connect");
    assert.equal(state(), "stale");
  });
});
