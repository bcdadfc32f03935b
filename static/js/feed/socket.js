// The connection to the dashboard: a snapshot, then patches in sequence, and each second a tick that reveals a lost patch.

import { address } from "../api/address.js";
import { patch } from "./state.js";

const LIVE_FOR_MS = 3_000; // without a message for longer, the page is stale
const DEAD_AFTER_MS = 6_000; // without a message for longer, the connection is closed, whatever TCP reports
const REQUEST_EVERY_MS = 1_000; // at most one request for a snapshot in this time
const ACK_EVERY_MS = 1_000;
const RECONNECT_AFTER_MS = 2_000; // after the server itself refused or closed the connection

// Socket.IO's options: WebSocket only, which needs no sticky sessions, and a backoff that reconnects within three seconds of the
// server's return.
export const OPTIONS = {
  path: address("/socket.io/"),
  transports: ["websocket"],
  reconnectionDelay: 250,
  reconnectionDelayMax: 2_000,
  randomizationFactor: 0.4,
  timeout: 4_000,
};

// The page's copy of the dashboard's state, kept up to date from a Socket.IO client.
export class Feed {
  /** @type {wire.State | null} */
  state = null; // null until the first snapshot
  epoch = null; // the dashboard process that the sequence numbers belong to
  seq = 0;
  connected = false;
  connectError = null; // the reason why the server refuses the connection, as a sentence
  lastMessageAt = null; // by `now()`
  #socket;
  #options;
  #clockOffset = 0; // the server's clock minus this page's
  #acknowledged = { seq: null, at: -Infinity };
  #requestedAt = -Infinity;
  #connectedAt = -Infinity;
  #closed = false;

  // `now()` is a monotonic clock in milliseconds. `onChange()` is called after every message and every change of the connection,
  // `onSnapshot(epoch)` after every snapshot, `onPoints(points)` with the charts' new points. `connectError()` resolves to the
  // reason of a refused connection, or to null.
  constructor(socket, { now, onChange, onSnapshot = (_epoch) => {}, onPoints = (_points) => {}, connectError, later = wait }) {
    this.#socket = socket;
    this.#options = { now, onChange, onSnapshot, onPoints, connectError, later };
    socket.on("connect", () => this.#onConnect());
    socket.on("disconnect", (reason) => this.#onDisconnect(reason));
    socket.on("connect_error", () => this.#onConnectError());
    socket.on("snapshot", (message) => this.#onSnapshot(message));
    socket.on("patch", (message) => this.#onPatch(message));
    socket.on("tick", (message) => this.#onTick(message));
  }

  // The server's clock in milliseconds since 1970. Every age on the page is measured against it.
  serverTime(at = this.#now()) {
    return at + this.#clockOffset;
  }

  // Closes a connection that is silent but open for TCP, so that Socket.IO reconnects. To be called a few times a second.
  check() {
    const lastSign = Math.max(this.#connectedAt, this.lastMessageAt ?? this.#connectedAt);
    if (this.connected && this.#now() - lastSign > DEAD_AFTER_MS) this.#socket.io.engine.close();
  }

  // Ends the connection for good, before the session that it belongs to ends.
  close() {
    this.#closed = true;
    this.#socket.disconnect();
  }

  #onConnect() {
    this.connected = true;
    this.connectError = null;
    this.#connectedAt = this.#requestedAt = this.#now(); // the server sends a snapshot unasked
    this.#options.onChange();
  }

  #onDisconnect(reason) {
    this.connected = false;
    if (reason === "io server disconnect") this.#reconnectLater();
    this.#options.onChange();
  }

  async #onConnectError() {
    this.connected = false;
    if (!this.#socket.active) this.#reconnectLater();
    this.#options.onChange();
    const connectError = await this.#options.connectError();
    if (this.connected || connectError === this.connectError) return;
    this.connectError = connectError;
    this.#options.onChange();
  }

  #onSnapshot(/** @type {wire.SnapshotMessage} */ { epoch, seq, state }) {
    Object.assign(this, { epoch, seq, state });
    this.#requestedAt = -Infinity;
    this.#received(state.as_of);
    this.#options.onSnapshot(epoch);
  }

  // A patch with an older number is already part of the snapshot.
  #onPatch(/** @type {wire.PatchMessage} */ { epoch, seq, changes }) {
    if (epoch !== this.epoch || seq > this.seq + 1) this.#requestSnapshot();
    else if (seq === this.seq + 1) this.#apply(seq, changes);
    this.#received(null);
  }

  #onTick(/** @type {wire.TickMessage} */ { epoch, seq, as_of: asOf, points }) {
    if (epoch !== this.epoch || seq > this.seq) this.#requestSnapshot();
    if (points) this.#options.onPoints(points);
    this.#received(asOf);
    this.#acknowledge();
  }

  #apply(seq, changes) {
    try {
      this.state = patch(this.state, changes);
      this.seq = seq;
    } catch (error) {
      console.warn("A patch does not fit; requesting a snapshot.", error);
      this.#requestSnapshot();
    }
  }

  #received(asOf) {
    this.lastMessageAt = this.#now();
    if (asOf) this.#clockOffset = Date.parse(asOf) - this.lastMessageAt;
    this.#options.onChange();
  }

  #requestSnapshot() {
    if (this.#now() - this.#requestedAt < REQUEST_EVERY_MS) return;
    this.#requestedAt = this.#now();
    this.#socket.emit("snapshot");
  }

  #acknowledge() {
    const { seq, at } = this.#acknowledged;
    if (this.seq === seq || this.#now() - at < ACK_EVERY_MS) return;
    this.#acknowledged = { seq: this.seq, at: this.#now() };
    this.#socket.emit("seen", { seq: this.seq });
  }

  #reconnectLater() {
    this.#options.later(() => this.#closed || this.#socket.connect(), RECONNECT_AFTER_MS);
  }

  #now() {
    return this.#options.now();
  }
}

// The connection as the page shows it: `state` is "live", "stale" or "reconnecting"; `age` is the milliseconds since the last
// message, null before the first.
export function connection(feed, now) {
  const age = feed.lastMessageAt === null ? null : now - feed.lastMessageAt;
  if (!feed.connected || feed.state === null) return { state: "reconnecting", age };
  return { state: age <= LIVE_FOR_MS ? "live" : "stale", age };
}

// Not `setTimeout` itself, which browsers only let be called on the window.
function wait(action, ms) {
  setTimeout(action, ms);
}
