// A container's log: lines from bytes, a bounded buffer for them, and a reader that reconnects. No DOM here.

export const MOST_LINES = 2_000; // in the buffer
export const MOST_CHARACTERS = 2_000_000; // likewise: 2,000 of the longest lines would be 32 MB
const FIRST_TAIL = 500; // lines from before the log was opened
const LONGEST_LINE = 32_768; // characters; the server cuts lines at 16 KB
const STABLE_MS = 10_000; // a connection that lasted longer resets the backoff
const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 8_000];

const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])/g; // colours, cursor movements, titles
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g; // control characters, and those that reverse text
const TIMESTAMPED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)$/s;

// Removes terminal escapes from a text and makes control characters visible.
export function plainText(text) {
  return text.replace(/\r$/, "").replace(ESCAPES, "").replace(CONTROLS, visible);
}

function visible(character) {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : `⟨${code.toString(16).padStart(4, "0")}⟩`;
}

// Parses a line of the response to {at, text}. `at` is Kubernetes' timestamp; null for a message of the dashboard itself.
export function parseLine(line) {
  const found = TIMESTAMPED.exec(line);
  return found ? { at: found[1], text: plainText(found[2]) } : { at: null, text: plainText(line) };
}

// Compares two timestamps to the nanosecond, which a Date does not hold.
export function isAfter(a, b) {
  const [x, y] = [Date.parse(a), Date.parse(b)];
  return x === y ? fraction(a) > fraction(b) : x > y;
}

function fraction(timestamp) {
  return (/\.(\d+)/.exec(timestamp)?.[1] ?? "").padEnd(9, "0");
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

// The newest lines, numbered from 1.
export class LineBuffer {
  #lines = [];
  #next = 1;
  #characters = 0;

  add(line) {
    this.#lines.push({ ...line, number: this.#next });
    this.#next += 1;
    this.#characters += line.text.length;
    while (this.#lines.length > MOST_LINES || this.#characters > MOST_CHARACTERS) this.#characters -= this.#lines.shift().text.length;
  }

  after(number) {
    return this.#lines.slice(Math.max(0, number + 1 - this.first));
  }

  get first() {
    return this.#next - this.#lines.length;
  }

  get last() {
    return this.#next - 1;
  }

  get size() {
    return this.#lines.length;
  }
}

export function matches({ text }, filter) {
  return filter === "" || text.toLowerCase().includes(filter.toLowerCase());
}

// Reads a log until `signal` aborts it or nothing more can come. After a dropped connection it reads again and skips the lines that
// it has. `open(tail)` returns the response or throws a Problem. `onLines([{at, text, mark?}])` receives the lines; `onState({word,
// problem?})` receives opening, live, ended, waiting, away or refused. `isRunning()` says whether the container runs;
// `restarted()` resolves when it runs again, to false when it will not. `wait(ms)` and `now()` are the clock.
export async function readLog({ open, onLines, onState, isRunning, restarted, wait, now, signal }) {
  const seen = { count: 0, last: null, message: null }; // log lines, the newest timestamp, the dashboard's message after it
  let failures = 0;
  onState({ word: "opening" });
  while (!signal.aborted) {
    const [startedAt, before] = [now(), seen.count];
    const problem = await readOnce(open, seen, onLines, onState);
    if (signal.aborted) return;
    const word = problem ? wordFor(problem.status) : isRunning() ? "away" : "ended";
    onState({ word, problem });
    if (word === "refused" || (word === "ended" && !(await restarted()))) return;
    failures = seen.count > before || now() - startedAt > STABLE_MS ? 0 : failures + 1;
    await wait(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)]);
  }
}

// Makes one request and reads it to its end. Returns the problem that ended it, if any.
async function readOnce(open, seen, onLines, onState) {
  try {
    const response = await open(seen.last === null ? FIRST_TAIL : MOST_LINES);
    onState({ word: "live" });
    await drain(response.body, seen, onLines);
  } catch (problem) {
    return problem;
  }
}

// 409: the container has not started. Any other 4xx except 429 is final. Everything else may succeed later.
function wordFor(status) {
  if (status === 409) return "waiting";
  return status >= 400 && status < 500 && status !== 429 ? "refused" : "away";
}

// Passes on the lines that are new. After a reconnect, a mark precedes the first of them.
async function drain(body, seen, onLines) {
  const split = lineSplitter();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let markPending = seen.last !== null;
  let overlaps = false; // whether a line came again, so that none is missing in between
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const fresh = [];
    for (const line of split(decoder.decode(value, { stream: true })).map(parseLine)) {
      if (!isNew(line, seen)) {
        overlaps ||= line.at !== null;
        continue;
      }
      if (markPending && line.at) fresh.push(reconnectMark(overlaps));
      markPending &&= !line.at;
      fresh.push(line);
    }
    if (fresh.length > 0) onLines(fresh);
  }
}

// A message of the dashboard has no timestamp: it is not new if it repeats the last one with no line in between.
function isNew({ at, text }, seen) {
  if (at === null ? text === seen.message : seen.last !== null && !isAfter(at, seen.last)) return false;
  seen.last = at ?? seen.last;
  seen.count += at === null ? 0 : 1;
  seen.message = at === null ? text : null;
  return true;
}

function reconnectMark(overlaps) {
  return { at: null, text: overlaps ? "Reconnected" : "Reconnected; lines may be missing", mark: true };
}
