// The drawer's pod: followed in the state, and its details from the API. No DOM here.

import { request } from "../api/request.js";

const EVERY_MS = 5_000;
const SOON_MS = 300; // after a change of the pod
const LEAST_MS = 1_000; // between two requests, however often the pod changes

// A pod in the state, followed by its uid until it is gone.
export class TrackedPod {
  view = null; // the pod in the state, or its last version when it is gone
  goneAt = null; // when it was first missing, in milliseconds since 1970
  #uid;

  constructor(uid) {
    this.#uid = uid;
  }

  get uid() {
    return this.#uid;
  }

  // Takes the state's pods. Returns whether the pod has changed in more than its figures, which change each second.
  update(pods, now) {
    const found = pods.find(({ uid }) => uid === this.#uid);
    if (!found) {
      this.goneAt ??= now;
      return false;
    }
    const changed = this.view !== null && fingerprint(found) !== fingerprint(this.view);
    this.view = found;
    this.goneAt = null;
    return changed;
  }
}

// The API's details: fetched when the drawer opens, every few seconds, and soon after a change of the pod.
export class PodDetails {
  details = null;
  problem = null; // the Problem of the last request
  #uid = null;
  #abort = null; // the AbortController of the pending request
  #requestedAt = -Infinity;
  #timer = null;
  #onChange;
  #options;

  // `onChange()` is called after every response. `isGone()` says whether the pod has been deleted, which ends the polling.
  constructor(onChange, isGone, { isHidden = () => document.hidden, fetchDetails = fetchPod, now = () => performance.now() } = {}) {
    this.#onChange = onChange;
    this.#options = { isGone, isHidden, fetchDetails, now };
  }

  open(uid) {
    this.stop();
    Object.assign(this, { details: null, problem: null });
    this.#uid = uid;
    this.#requestedAt = -Infinity;
    this.fetch();
  }

  // To be called when the pod has changed.
  fetchSoon() {
    this.#fetchIn(Math.max(SOON_MS, LEAST_MS - (this.#options.now() - this.#requestedAt)));
  }

  async fetch() {
    const { isGone, isHidden, fetchDetails, now } = this.#options;
    if (isHidden() && this.details) return this.#fetchIn(EVERY_MS);
    this.#abort?.abort();
    const controller = new AbortController();
    this.#abort = controller;
    this.#requestedAt = now();
    try {
      const details = await fetchDetails(this.#uid, controller.signal);
      if (this.#abort !== controller) return;
      Object.assign(this, { details, problem: null });
    } catch (error) {
      if (this.#abort !== controller) return;
      this.problem = error.status === 404 && this.details ? null : error; // the pod is gone, and the state will say so
    }
    this.#abort = null;
    if (!isGone()) this.#fetchIn(EVERY_MS);
    this.#onChange();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  #fetchIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.fetch(), ms);
  }
}

function fetchPod(uid, signal) {
  return request("GET", `/api/pods/${encodeURIComponent(uid)}`, { signal });
}

function fingerprint({ phase, ready, restarts, reason, unready, ip, node }) {
  return JSON.stringify([phase, ready, restarts, reason, unready, ip, node]);
}
