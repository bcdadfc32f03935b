// Follows the dashboard's stream: a snapshot, then patches in sequence, and a tick each second that tells whether one was lost.

import { patch } from "./state.js";

const LIVE_FOR_MS = 3_000; // without a word for longer, what is shown is stale
const GIVE_UP_AFTER_MS = 6_000; // a link silent for this long is dead, whatever TCP believes
const ASK_EVERY_MS = 1_000; // at most one request for a snapshot in this time
const ACKNOWLEDGE_EVERY_MS = 1_000;
const RETRY_AFTER_MS = 2_000; // after the server itself refused or ended the connection

// What Socket.IO is opened with: WebSocket only, which needs no sticky sessions, and retries soon enough to be back within
// three seconds of the server.
export const OPTIONS = {
  transports: ["websocket"],
  reconnectionDelay: 250,
  reconnectionDelayMax: 2_000,
  randomizationFactor: 0.4,
  timeout: 4_000,
};

// Follows `socket`. Returns the feed: `state` (null until the first snapshot), `heard` (when the last message came, by `now`),
// `changed` (when the state last changed), `serverTime()` and `check()`, to be called a few times a second.
// `now()` counts milliseconds and never steps back. `onChange()` follows every message and every change of the connection;
// `onSnapshot(epoch)` every snapshot, `onPoints(points)` the charts' new points that came with a tick;
// `why()` finds out what a failed attempt met: a sentence when the server is there and refuses, else null.
export function follow(socket, { now, onChange, onSnapshot = ignore, onPoints = ignore, why, later = setTimeout }) {
  const feed = { state: null, epoch: null, seq: 0, connected: false, refusal: null, heard: null, changed: null, serverTime, check };
  let offset = 0; // the server's clock less ours
  let acknowledged = { seq: null, at: -Infinity };
  let asked = -Infinity;
  let opened = -Infinity;

  socket.on("connect", () => {
    feed.connected = true;
    feed.refusal = null;
    opened = asked = now(); // the server sends a snapshot by itself
    onChange();
  });

  socket.on("disconnect", (reason) => {
    feed.connected = false;
    if (reason === "io server disconnect") retry();
    onChange();
  });

  socket.on("connect_error", async () => {
    feed.connected = false;
    if (!socket.active) retry();
    onChange();
    const refusal = await why();
    if (feed.connected || refusal === feed.refusal) return;
    feed.refusal = refusal;
    onChange();
  });

  socket.on("snapshot", ({ epoch, seq, state }) => {
    Object.assign(feed, { epoch, seq, state, changed: now() });
    asked = -Infinity;
    hear(state.as_of);
    onSnapshot(epoch);
  });

  socket.on("patch", ({ epoch, seq, changes }) => {
    if (epoch !== feed.epoch || seq > feed.seq + 1) ask();
    else if (seq === feed.seq + 1) apply(seq, changes);
    // An older one is already part of the snapshot.
    hear(null);
  });

  socket.on("tick", ({ epoch, seq, as_of: asOf, points }) => {
    if (epoch !== feed.epoch || seq > feed.seq) ask();
    if (points) onPoints(points);
    hear(asOf);
    acknowledge();
  });

  function apply(seq, changes) {
    try {
      feed.state = patch(feed.state, changes);
      feed.seq = seq;
      feed.changed = now();
    } catch (error) {
      console.warn("A patch does not fit; asking for a snapshot.", error);
      ask();
    }
  }

  function hear(asOf) {
    feed.heard = now();
    if (asOf) offset = Date.parse(asOf) - feed.heard;
    onChange();
  }

  function ask() {
    if (now() - asked < ASK_EVERY_MS) return;
    asked = now();
    socket.emit("snapshot");
  }

  function acknowledge() {
    if (feed.seq === acknowledged.seq || now() - acknowledged.at < ACKNOWLEDGE_EVERY_MS) return;
    acknowledged = { seq: feed.seq, at: now() };
    socket.emit("seen", { seq: feed.seq });
  }

  function retry() {
    later(() => socket.connect(), RETRY_AFTER_MS);
  }

  // The server's clock, in milliseconds since 1970: what every age on the page is measured against.
  function serverTime(at = now()) {
    return at + offset;
  }

  // Ends a connection that TCP believes in and that has gone silent, so that a new one is tried.
  function check() {
    if (feed.connected && now() - Math.max(opened, feed.heard ?? opened) > GIVE_UP_AFTER_MS) socket.io.engine.close();
  }

  return feed;
}

function ignore() {}

// The connection in the page's three words, with `age` (milliseconds since the last message; null before the first).
export function connection(feed, now) {
  const age = feed.heard === null ? null : now - feed.heard;
  if (!feed.connected || feed.state === null) return { state: "reconnecting", age };
  return { state: age <= LIVE_FOR_MS ? "live" : "stale", age };
}
