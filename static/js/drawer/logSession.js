// The state of the log view, and its texts: the pod's containers, the reader's choices, the open log and its lines. No DOM here.

import { plural } from "../lib/format.js";
import { ask } from "../lib/request.js";
import { LineBuffer, readLog } from "./log.js";

const STATES = {
  opening: { icon: "half", word: "opening", tone: "busy" },
  live: { icon: "full", word: "live", tone: "good" },
  ended: { icon: "check", word: "ended", tone: "off" },
  waiting: { icon: "ring", word: "waiting for the container", tone: "busy" },
  away: { icon: "half", word: "interrupted, retrying", tone: "warn" },
  refused: { icon: "cross", word: "unavailable", tone: "bad" },
};
const PAUSED = { icon: "minus", word: "paused", tone: "warn" };

export class LogSession {
  choice = { container: null, previous: false, filter: "", wrap: true, times: true };
  lines = new LineBuffer();
  state = { word: "opening", problem: undefined }; // as readLog reports it
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
    const query = (tail) => new URLSearchParams({ container, previous: String(previous), tail, follow: String(!previous), timestamps: "true" });
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

export function logStatus({ word }, paused) {
  return paused && word === "live" ? PAUSED : STATES[word];
}

// "12 of 340 lines, 3 lines held back". `shown` is the number of lines on the page, `pending` of those after the last one drawn.
export function logSummary({ lines, shown, pending, filter, paused, state }) {
  if (lines.size === 0) return "";
  const count = plural(lines.size, "line");
  const found = filter ? `${shown} of ${count}` : count;
  const dropped = lines.first > 1 ? ", older ones dropped" : "";
  const held = paused && pending > 0 ? `, ${plural(Math.min(lines.size, pending), "line")} held back` : "";
  const problem = state.problem && state.word !== "live" ? ` · ${state.problem.message}` : "";
  return `${found}${dropped}${held}${problem}`;
}

// The message in place of lines, {title, text, icon?, canRetry?}; null when there are lines but none is on the page yet.
export function emptyLog({ word, problem }, count, filter) {
  const message = problem?.message ?? "";
  if (count > 0) return filter ? { title: "Not found", text: `None of ${plural(count, "line")} has that text.` } : null;
  if (word === "opening") return { title: "Opening the log", text: "The request is sent to the pod's node.", icon: "half" };
  if (word === "live") return { title: "No lines yet", text: "The container has written nothing so far." };
  if (word === "ended") return { title: "An empty log", text: "The container has written nothing." };
  if (word === "waiting") return { title: "No log yet", text: message, icon: "ring" };
  if (word === "away") return { title: "The log can't be read", text: `${message || "The connection was lost."} It is retried every few seconds.`, icon: "warning" };
  if (problem.status === 403) return { title: "Access denied", text: message, icon: "cross" };
  return { title: "There is no such log", text: message, icon: "cross", canRetry: true };
}

function abortableWait(ms, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", resolve, { once: true });
  });
}
