// The state of the log view: the pod's containers, the reader's choices, the open log and its lines. No DOM here.

import { LineBuffer, readLog } from "./log.js";
import { ask } from "../request.js";

export class LogSession {
  choice = { container: null, previous: false, filter: "", wrap: true, times: true };
  lines = new LineBuffer();
  state = { word: "opening" }; // as readLog reports it
  paused = false;
  #uid = null;
  #containers = [];
  #key = null; // identifies the open log
  #abort = null; // the AbortController of the open log
  #restarted = null; // resolves the wait for an ended container to run again
  #listeners;
  #read;

  // `onOpen()` is called when another log is opened, `onLines()` after new lines, `onState()` after a change of the state.
  constructor({ onOpen, onLines, onState, read = readLog }) {
    this.#listeners = { onOpen, onLines, onState };
    this.#read = read;
  }

  get containers() {
    return this.#containers;
  }

  // The chosen container, or undefined.
  get container() {
    return this.#containers.find(({ name }) => name === this.choice.container);
  }

  // Whether the chosen container has a log of its previous run.
  get hasPrevious() {
    return Boolean(this.container && (this.container.restarts > 0 || this.container.last_state));
  }

  // Shows a pod's log, or takes a new version of the pod's containers.
  show(uid, containers) {
    if (this.#uid !== uid) Object.assign(this.choice, { container: null, previous: false, filter: "" });
    this.#uid = uid;
    this.#containers = containers;
    if (!this.container) this.choice.container = (containers.find(({ kind }) => kind === "main") ?? containers[0])?.name ?? null;
    if (!this.hasPrevious) this.choice.previous = false;
    if (this.container) this.#open();
    if (!this.choice.previous && this.#isRunning()) this.#restarted?.(true);
  }

  hide() {
    this.#abort?.abort();
    this.#abort = this.#key = this.#restarted = null;
  }

  // Chooses another container, or its previous run.
  choose(change) {
    Object.assign(this.choice, change);
    if (!this.hasPrevious) this.choice.previous = false;
    this.#open();
  }

  retry() {
    this.#key = null;
    this.#open();
  }

  // Opens the chosen log, unless it is open.
  #open() {
    const { container, previous } = this.choice;
    const key = [this.#uid, container, previous].join(" ");
    if (this.#key === key) return;
    this.hide();
    this.#key = key;
    this.#abort = new AbortController();
    this.lines = new LineBuffer();
    this.paused = false;
    this.#listeners.onOpen(container);
    this.#follow(this.#abort);
  }

  #follow(controller) {
    const { signal } = controller;
    const { container, previous } = this.choice;
    const path = `/api/pods/${encodeURIComponent(this.#uid)}/log`;
    const query = (tail) => new URLSearchParams({ container, previous, tail, follow: !previous, timestamps: true });
    const ifOpen = (handle) => (event) => this.#abort === controller && handle(event);
    this.#read({
      open: (tail) => ask(`${path}?${query(tail)}`, { signal }),
      onLines: ifOpen((lines) => this.#take(lines)),
      onState: ifOpen((state) => {
        this.state = state;
        this.#listeners.onState();
      }),
      isRunning: () => !previous && this.#isRunning(),
      restarted: () => new Promise((resolve) => (this.#restarted = resolve)),
      wait: (ms) => abortableWait(ms, signal),
      now: () => performance.now(),
      signal,
    }).catch((error) => signal.aborted || reportError(error));
  }

  #take(lines) {
    for (const line of lines) this.lines.add(line);
    this.#listeners.onLines();
  }

  #isRunning() {
    const word = this.container?.state?.word;
    return word === "running" || word === "waiting";
  }
}

function abortableWait(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
