// The charts' points, past and new: loaded with a retry, and extended by each tick.

import { PointStore } from "./pointStore.js";
import { request } from "../api/request.js";

const LATE_SECONDS = 120; // a sample may arrive so long after its own time
const RETRY_MS = 1_000;
const RETRY_AT_MOST_MS = 30_000;
const TIMEOUT_MS = 20_000;

// `redraw()` is called after every change. A test may pass `fetchSince(seconds)`, `later(action, ms)` and `random()`.
export class MetricsHistory {
  revision = 0; // counts the changes
  #store = new PointStore();
  #redraw;
  #options;
  #epoch = null; // the dashboard process whose history this is
  #completeUntil = -Infinity; // no point before this time is missing
  #loading = false;
  #requested = false; // a load was requested and has not begun
  #wake = null; // ends the backoff before the next attempt

  constructor(redraw, { fetchSince = fetchHistory, later = wait, random = Math.random } = {}) {
    this.#redraw = redraw;
    this.#options = { fetchSince, later, random };
  }

  table(name) {
    return this.#store.table(name);
  }

  pod(uid) {
    return this.#store.pod(uid);
  }

  // Fetches the missing points, and retries until it succeeds. Points that ticks bring meanwhile are kept.
  load(epoch) {
    if (epoch !== this.#epoch) {
      if (this.#epoch !== null) this.#store.markRestart(this.#completeUntil);
      this.#epoch = epoch;
      this.#completeUntil = -Infinity;
    }
    this.#requested = true;
    this.#wake?.();
    if (!this.#loading) this.#fetchMissing();
  }

  // Adds a tick's points.
  append(points) {
    this.#store.append(points);
    if (!this.#loading) this.#completeUntil = this.#store.newest();
    this.#changed();
  }

  // Forgets all pods but these.
  keepPods(uids) {
    const kept = new Set(uids);
    this.#store.dropPods(this.#store.podUids().filter((uid) => !kept.has(uid)));
  }

  async #fetchMissing() {
    this.#loading = true;
    for (let failures = 0; this.#requested; ) {
      this.#requested = false;
      try {
        await this.#fetchOnce();
        failures = 0;
      } catch {
        this.#requested = true; // the connection's state on the page says what is wrong
        await this.#pause(Math.min(RETRY_AT_MOST_MS, RETRY_MS * 2 ** failures) * (0.5 + this.#options.random() / 2));
        failures += 1;
      }
    }
    this.#loading = false;
  }

  async #fetchOnce() {
    const known = this.#store.podUids();
    const history = await this.#options.fetchSince(this.#completeUntil > 0 ? this.#completeUntil - LATE_SECONDS : 0);
    if (history.epoch !== this.#epoch) throw new Error("The history is of another dashboard process than the snapshot.");
    this.#store.dropOverlap(history);
    this.#store.dropPods(known.filter((uid) => !Object.hasOwn(history.pods, uid)));
    this.#store.merge(history);
    if (!this.#requested) this.#completeUntil = this.#store.newest();
    this.#changed();
  }

  #changed() {
    this.revision += 1;
    this.#redraw();
  }

  #pause(ms) {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#options.later(resolve, ms);
    }).then(() => (this.#wake = null));
  }
}

function fetchHistory(since) {
  return request("GET", `/api/history?since=${since.toFixed(3)}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
}

function wait(action, ms) {
  setTimeout(action, ms);
}
