// The merged log of one or many containers: records from bytes, a bounded buffer for their lines, and a reader that reconnects. No DOM
// here.

import { describe } from "./fields.js";

export const MOST_LINES = 2_000; // in the buffer
export const MOST_CHARACTERS = 2_000_000; // likewise: 2,000 of the longest lines would be 32 MB
const FIRST_TAIL = 500; // lines from before the log was opened
const LONGEST_LINE = 131_072; // characters of a record; the server cuts lines at 16 KB, which JSON may make six times as long
const STABLE_MS = 10_000; // a connection that lasted longer resets the backoff
const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 8_000];
const TONES = 8; // colours of pods

const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])/g; // colours, cursor movements, titles
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g; // control characters, and those that reverse text
// Removes terminal escapes from a text and makes control characters visible.
export function plainText(text) {
  return text.replace(/\r$/, "").replace(ESCAPES, "").replace(CONTROLS, visible);
}

function visible(character) {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : `⟨${code.toString(16).padStart(4, "0")}⟩`;
}

// Parses a line of the response to a record. A line that is no record is a message of the dashboard itself.
export function parseRecord(line) {
  try {
    const record = JSON.parse(line);
    if (record && typeof record === "object") return record;
  } catch {
    // a message
  }
  return { message: line };
}

// A timestamp as a text that sorts by time, to the nanosecond, which a Date does not hold.
export function timeKey(timestamp) {
  const fraction = (/\.(\d+)/.exec(timestamp)?.[1] ?? "").padEnd(9, "0");
  return `${String(Math.floor(Date.parse(timestamp) / 1_000)).padStart(12, "0")}.${fraction}`;
}

function isTime(timestamp) {
  return typeof timestamp === "string" && !Number.isNaN(Date.parse(timestamp));
}

// Names a line for an address: its time and its container, since two containers may write at the same time.
export function lineName({ at, source }) {
  return source ? `${at} ${source.pod}/${source.container}` : at;
}

// Finds the line of a name. The name may be a time alone.
export function findLine(lines, name) {
  const [at, from] = name.split(" ");
  const key = timeKey(at);
  return lines.find((line) => line.at && line.key === key && (!from || lineName(line) === `${line.at} ${from}`));
}

// Returns a function that takes chunks of text and returns their whole lines; the rest waits for the next chunk. Empty lines are
// heartbeats and are left out.
export function lineSplitter() {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    if (rest.length > LONGEST_LINE) {
      lines.push(rest);
      rest = "";
    }
    return lines.filter((line) => line !== "");
  };
}

// The newest lines in order of time: {at, key, text, source, number, mark?}. A line that arrives late takes its place.
export class LineBuffer {
  lines = [];
  left = 0; // how many older lines have left the buffer
  #next = 1;
  #characters = 0;

  // Adds a line and returns the lines that had to leave.
  add(line) {
    const { lines } = this;
    let index = lines.length;
    while (index > 0 && lines[index - 1].key > line.key) index -= 1;
    lines.splice(index, 0, { ...line, number: this.#next });
    this.#next += 1;
    this.#characters += line.text.length;
    const removed = [];
    while (lines.length > MOST_LINES || this.#characters > MOST_CHARACTERS) {
      removed.push(lines.shift());
      this.#characters -= removed.at(-1).text.length;
    }
    this.left += removed.length;
    return removed;
  }

  get size() {
    return this.lines.length;
  }
}

// Reads a log until `signal` aborts it or nothing more can come. After a dropped connection it reads again; `records` leaves out what
// it has. `open(tail)` returns the response or throws a Problem. `onRecords(records)` receives them; `onState({word, problem?})`
// receives opening, live, ended, away or refused. `follow` says whether the log goes on. `wait(ms)` and `now()` are the clock.
export async function readLog({ open, onRecords, onState, follow, wait, now, signal }) {
  let failures = 0;
  let hasRead = false;
  onState({ word: "opening" });
  while (!signal.aborted) {
    const startedAt = now();
    let received = false;
    const problem = await readOnce(() => open(hasRead ? MOST_LINES : FIRST_TAIL), onState, (records) => {
      received = hasRead = true;
      onRecords(records);
    });
    if (signal.aborted) return;
    const word = problem ? wordFor(problem.status) : follow ? "away" : "ended";
    onState({ word, problem });
    if (word === "refused" || word === "ended") return;
    failures = received || now() - startedAt > STABLE_MS ? 0 : failures + 1;
    await wait(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)]);
  }
}

// Makes one request and reads it to its end. Returns the problem that ended it, if any.
async function readOnce(open, onState, onRecords) {
  try {
    const response = await open();
    onState({ word: "live" });
    const split = lineSplitter();
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      const records = split(decoder.decode(value, { stream: true })).map(parseRecord);
      if (records.length > 0) onRecords(records);
    }
  } catch (problem) {
    return problem;
  }
}

// A 4xx except 429 is final. Everything else may succeed later.
function wordFor(status) {
  return status >= 400 && status < 500 && status !== 429 ? "refused" : "away";
}

// The containers of a log and their lines. The server numbers them anew in each response; here they keep their identity.
export class Sources {
  all = []; // {id, uid, pod, app, container, tone, word, text, dropped}
  omitted = 0; // containers that are not followed, because there are too many
  dropped = 0; // lines that the server left out
  #byNumber = new Map(); // of this response
  #seen = new Map(); // id → {last, resumes, overlaps}

  // To be called when a new response begins.
  restart() {
    this.#byNumber.clear();
  }

  // Takes a record and returns the lines that it adds to the log.
  take(record) {
    if (record.message !== undefined) return [{ at: null, key: "9", text: plainText(record.message), mark: true, source: null }];
    if (record.omitted !== undefined) this.omitted = record.omitted;
    if (record.uid !== undefined) this.#name(record);
    const source = this.#byNumber.get(record.source);
    if (!source) return [];
    const seen = this.#seen.get(source.id);
    if (record.state) return this.#changeState(source, seen, record);
    if (record.dropped) return this.#countDropped(source, seen, record);
    if (record.text === undefined) return [];
    if (!isTime(record.at)) return [mark(source, seen.last, plainText(record.text))]; // the kubelet's, about the log
    return this.#line(source, seen, record);
  }

  #name({ source: number, uid, pod, app = "", container = "" }) {
    const id = `${uid} ${container}`;
    let source = this.all.find((each) => each.id === id);
    if (!source) {
      const tone = (this.all.find((each) => each.uid === uid)?.tone ?? new Set(this.all.map((each) => each.uid)).size) % TONES;
      source = { id, uid, pod, app, container, tone, word: "opening", text: "", dropped: 0 };
      this.all.push(source);
      this.#seen.set(id, { last: null, resumes: null, overlaps: false });
    }
    this.#byNumber.set(number, source);
  }

  #changeState(source, seen, { state, text }) {
    const before = source.word;
    Object.assign(source, { word: state, text });
    if (state === "live" && seen.last !== null) Object.assign(seen, { resumes: before, overlaps: false });
    return state === "ended" && text ? [mark(source, seen.last, `The container ended: ${text}`)] : [];
  }

  #countDropped(source, seen, { dropped, at }) {
    this.dropped += dropped;
    source.dropped += dropped;
    return [mark(source, at || seen.last, `${dropped.toLocaleString("en")} lines dropped: they came faster than they can be shown`)];
  }

  // A line is new if it is later than the last one of its container. After the log was opened again, a mark precedes the first of them.
  #line(source, seen, { at, text }) {
    const key = timeKey(at);
    if (seen.last !== null && key <= timeKey(seen.last)) {
      seen.overlaps = true;
      return [];
    }
    const lines = [];
    if (seen.resumes !== null) lines.push(mark(source, at, resumeText(seen)));
    Object.assign(seen, { last: at, resumes: null });
    const plain = plainText(text);
    lines.push({ at, key, text: plain, source, ...describe(plain) });
    return lines;
  }
}

function resumeText({ resumes, overlaps }) {
  if (resumes === "ended") return "The container runs again";
  return overlaps ? "Reconnected" : "Reconnected; lines may be missing";
}

function mark(source, at, text) {
  return { at: null, key: at ? timeKey(at) : "9", text, source, mark: true };
}
