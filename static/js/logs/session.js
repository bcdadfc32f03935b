// The state of the log view, and its texts: what is read, the reader's choices, the open log and its lines. No DOM here.

import { count, plural } from "../text/format.js";
import { ask } from "../api/request.js";
import { LineBuffer, Sources, readLog } from "./log.js";

const STATES = {
  opening: { icon: "half", word: "opening", tone: "busy" },
  live: { icon: "full", word: "live", tone: "good" },
  ended: { icon: "check", word: "ended", tone: "off" },
  gone: { icon: "leaving", word: "ended: the pod is gone", tone: "off" },
  waiting: { icon: "ring", word: "waiting for the container", tone: "busy" },
  away: { icon: "half", word: "interrupted, retrying", tone: "warn" },
  refused: { icon: "cross", word: "unavailable", tone: "bad" },
};
const PAUSED = { icon: "minus", word: "paused", tone: "warn" };
const ORDER = ["live", "waiting", "away", "opening", "refused", "ended", "gone"]; // of several containers, the first that one has
const UNFILTERED = { filter: "", level: "", status: "" };

export class LogSession {
  choice = { container: null, previous: false, ...UNFILTERED, wrap: true, times: true };
  lines = new LineBuffer();
  sources = new Sources();
  /** @type {{pod?: string, app?: string}} */
  scope = {}; // {pod: uid} for one pod, {app} for its pods, {} for all pods
  paused = false;
  #connection = { word: "opening", problem: undefined }; // as readLog reports it
  #containers = []; // of the one pod
  #key = null; // identifies the open log
  #abort = null; // the AbortController of the open log
  #listeners;
  #read;

  // `onOpen(label)` is called when another log is opened, `onLines()` after new lines, `onState()` after a change of the state.
  constructor({ onOpen, onLines, onState, read = readLog }) {
    this.#listeners = { onOpen, onLines, onState };
    this.#read = read;
  }

  get containers() {
    return this.#containers;
  }

  // Whether the chosen container has a log of its previous run.
  get hasPrevious() {
    const chosen = this.#containers.filter(({ name }) => this.choice.container === "" || name === this.choice.container);
    return chosen.some(({ restarts, last_state: last }) => restarts > 0 || last);
  }

  // Whether lines of more than one container are shown.
  get isMerged() {
    return !this.scope.pod || this.choice.container === "";
  }

  // The state {word, problem?}: the connection's, and once that is live the containers'.
  get state() {
    const { all } = this.sources;
    if (this.#connection.word !== "live" || all.length === 0) return this.#connection;
    const word = ORDER.find((each) => all.some((source) => source.word === each)) ?? "live";
    const text = all.find((source) => source.word === word).text;
    return { word, problem: text ? { message: text, status: word === "refused" ? 403 : 404 } : undefined };
  }

  // Whether no further line can come.
  get isOver() {
    return ["ended", "gone"].includes(this.state.word);
  }

  // Shows the log of a scope. `containers` are the pod's, if it is one pod, in their present version.
  show(scope, containers = []) {
    if (scopeKey(this.scope) !== scopeKey(scope)) Object.assign(this.choice, { container: null, previous: false, ...UNFILTERED });
    this.scope = scope;
    this.#containers = containers;
    this.#settle();
    if (!scope.pod || containers.length > 0) this.#open();
  }

  hide() {
    this.#abort?.abort();
    this.#abort = this.#key = null;
  }

  // Chooses another container, or its previous run.
  choose(change) {
    Object.assign(this.choice, change);
    this.#settle();
    this.#open();
  }

  retry() {
    this.#key = null;
    this.#open();
  }

  // Corrects choices that the containers do not allow; the default is the first main container.
  #settle() {
    const { choice } = this;
    const known = this.#containers.map(({ name }) => name);
    if (this.scope.pod && choice.container !== "" && !known.includes(choice.container)) {
      choice.container = (this.#containers.find(({ kind }) => kind === "main") ?? this.#containers[0])?.name ?? null;
    }
    if (!this.hasPrevious) choice.previous = false;
  }

  // Opens the chosen log, unless it is open.
  #open() {
    const key = [scopeKey(this.scope), this.choice.container, this.choice.previous].join(" ");
    if (this.#key === key) return;
    this.hide();
    this.#key = key;
    this.#abort = new AbortController();
    this.lines = new LineBuffer();
    this.sources = new Sources();
    this.paused = false;
    this.#listeners.onOpen(this.choice.container || (this.scope.pod ? "all containers" : (this.scope.app ?? "all pods")));
    this.#follow(this.#abort);
  }

  #follow(controller) {
    const { signal } = controller;
    const follow = !this.choice.previous;
    const path = (tail) => `/api/logs?${query(this.scope, this.choice, tail)}`;
    const ifOpen = (handle) => (event) => this.#abort === controller && handle(event);
    this.#read({
      open: (tail) => {
        this.sources.restart();
        return ask(path(tail), { signal });
      },
      onRecords: ifOpen((records) => this.#take(records, controller)),
      onState: ifOpen((state) => {
        this.#connection = state;
        this.#listeners.onState();
      }),
      follow,
      wait: (ms) => abortableWait(ms, signal),
      now: () => performance.now(),
      signal,
    }).catch((error) => signal.aborted || reportError(error));
  }

  #take(records, controller) {
    for (const record of records) for (const line of this.sources.take(record)) this.lines.add(line);
    if (this.scope.pod && this.sources.all.length > 0 && this.sources.all.every(({ word }) => word === "gone")) controller.abort();
    this.#listeners.onLines();
  }
}

function query(/** @type {{pod?: string, app?: string}} */ { pod, app }, { container, previous }, tail) {
  const parameters = new URLSearchParams({ tail, follow: String(!previous) });
  if (app) parameters.set("app", app);
  if (pod) parameters.set("pod", pod);
  if (pod && container) parameters.set("container", container);
  if (previous) parameters.set("previous", "true");
  return parameters;
}

function scopeKey(/** @type {{pod?: string, app?: string}} */ { pod = "", app = "" }) {
  return `${pod}/${app}`;
}

export function isFiltered({ filter, level, status }) {
  return Boolean(filter || level || status);
}

export function logStatus({ word }, paused) {
  return paused && word === "live" ? PAUSED : STATES[word];
}

// "12 of 340 lines, 3 lines held back". `shown` is the number of lines on the page, `pending` of those that were not drawn yet.
export function logSummary({ lines, sources, shown, pending, choice, paused, state }) {
  const parts = [];
  const present = sources.all.filter(({ word }) => word !== "gone");
  if (sources.all.length > 1) parts.push(`${present.filter(({ word }) => word === "live").length} of ${plural(present.length, "container")} live`);
  if (sources.omitted > 0) parts.push(`${plural(sources.omitted, "container")} beyond the limit not followed`);
  if (lines.size > 0) parts.push(isFiltered(choice) ? `${shown} of ${plural(lines.size, "line")}` : plural(lines.size, "line"));
  if (lines.left > 0) parts.push(`${count(lines.left)} older ones dropped`);
  if (sources.dropped > 0) parts.push(`${count(sources.dropped)} of a burst dropped`);
  if (paused && pending > 0) parts.push(`${plural(pending, "line")} held back`);
  const problem = state.problem && !["live", "gone"].includes(state.word) ? ` · ${state.problem.message}` : "";
  return `${parts.join(", ")}${lines.size > 0 ? problem : ""}`;
}

// The message in place of lines, {title, text, icon?, canRetry?}; null when there are lines but none is on the page yet.
export function emptyLog({ word, problem }, size, choice) {
  const message = problem?.message ?? "";
  if (size > 0) return isFiltered(choice) ? { title: "Not found", text: `None of ${plural(size, "line")} passes the filter.` } : null;
  if (word === "opening") return { title: "Opening the log", text: "The request is sent to the pod's node.", icon: "half" };
  if (word === "live") return { title: "No lines yet", text: "Nothing has been written so far." };
  if (word === "ended") return { title: "An empty log", text: "The container has written nothing." };
  if (word === "waiting") return { title: "No log yet", text: message, icon: "ring" };
  if (word === "away") return { title: "The log can't be read", text: `${message || "The connection was lost."} It is retried every few seconds.`, icon: "warning" };
  if (problem?.status === 403) return { title: "Access denied", text: message, icon: "cross" };
  return { title: "There is no such log", text: message, icon: "cross", canRetry: true };
}

// The shown lines as a text file.
export function logText(lines) {
  return lines.map(({ at, source, text }) => [at ?? "-", source ? `${source.pod} ${source.container}` : "-", text].join(" ")).join("\n").concat("\n");
}

function abortableWait(ms, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", resolve, { once: true });
  });
}
