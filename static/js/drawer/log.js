// A container's log as it comes: lines out of bytes, so many of them and no more, and a reading that survives a drop. No DOM here.

export const LINES = 2_000; // kept at most
export const CHARACTERS = 2_000_000; // likewise: 2,000 of the longest lines would be 32 MB
const FIRST_TAIL = 500; // lines that were written before one looked
const LONGEST_LINE = 32_768; // characters: the server cuts at 16 KB
const LASTED_MS = 10_000; // a reading that held for so long had worked
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000];

const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])/g; // colours, cursors, titles
const UNSEEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g; // what moves the cursor, or turns the text around
const STAMPED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)$/s;

// Text as it may be shown: terminal colours left out, what else steers a terminal made visible.
export function plain(text) {
  return text.replace(/\r$/, "").replace(ESCAPES, "").replace(UNSEEN, visible);
}

function visible(character) {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : `⟨${code.toString(16).padStart(4, "0")}⟩`;
}

// A line that the server sent: {at, text}, `at` as Kubernetes stamped it; null for what the dashboard itself has to say.
export function parse(line) {
  const stamped = STAMPED.exec(line);
  return stamped ? { at: stamped[1], text: plain(stamped[2]) } : { at: null, text: plain(line) };
}

// Whether the moment a is after b. Both to the nanosecond, which a Date does not hold.
export function after(a, b) {
  const [x, y] = [Date.parse(a), Date.parse(b)];
  return x === y ? fraction(a) > fraction(b) : x > y;
}

function fraction(moment) {
  return (/\.(\d+)/.exec(moment)?.[1] ?? "").padEnd(9, "0");
}

// Chunks of text in, whole lines out; the rest waits for the next chunk. Empty lines are heartbeats and left out.
export function splitter() {
  let rest = "";
  return (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    if (rest.length > LONGEST_LINE) {
      parts.push(rest);
      rest = "";
    }
    return parts.filter((line) => line !== "");
  };
}

// The newest lines, numbered from 1 since the log was opened: no more than LINES, no more than CHARACTERS in all.
export function keeper() {
  const kept = [];
  let next = 1;
  let characters = 0;

  function add(line) {
    kept.push({ ...line, number: next });
    next += 1;
    characters += line.text.length;
    while (kept.length > LINES || characters > CHARACTERS) characters -= kept.shift().text.length;
  }

  return {
    add,
    after: (number) => kept.slice(Math.max(0, number + 1 - (next - kept.length))),
    first: () => next - kept.length,
    last: () => next - 1,
  };
}

export function matches(line, filter) {
  return filter === "" || line.text.toLowerCase().includes(filter.toLowerCase());
}

// Reads a log until `signal` aborts it or there is no more to come, and begins anew after a drop, where what was read before is
// left out. `open(tail)` gives the response, or throws a Problem; `onLines([{at, text, mark?}])`; `onState({word, problem?})`,
// word being opening, live, ended, waiting, away or refused; `goesOn()` whether the container still runs, `resumed()` whether it
// does again, once that is known; `wait(ms)`; `now()`.
export async function read({ open, onLines, onState, goesOn, resumed, wait, now, signal }) {
  const seen = { count: 0, last: null, words: null }; // the log's lines, the newest one's moment, what the dashboard said since
  let failures = 0;
  onState({ word: "opening" });
  while (!signal.aborted) {
    const [began, before] = [now(), seen.count];
    const problem = await follow(open, seen, onLines, onState);
    if (signal.aborted) return;
    const word = problem ? wordFor(problem.status) : goesOn() ? "away" : "ended";
    onState({ word, problem });
    if (word === "refused" || (word === "ended" && !(await resumed()))) return;
    failures = seen.count > before || now() - began > LASTED_MS ? 0 : failures + 1;
    await wait(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
  }
}

// One request, until it ends: the problem that ended it, if any.
async function follow(open, seen, onLines, onState) {
  try {
    const response = await open(seen.last === null ? FIRST_TAIL : LINES);
    onState({ word: "live" });
    await drain(response.body, seen, onLines);
  } catch (problem) {
    return problem;
  }
}

// What a refusal means: 409 that the container has not started, 4xx that it stays as it is, all else that it may work again.
function wordFor(status) {
  if (status === 409) return "waiting";
  return status >= 400 && status < 500 && status !== 429 ? "refused" : "away";
}

// Hands on what was not seen yet. A mark stands where it was taken up again.
async function drain(body, seen, onLines) {
  const split = splitter();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let again = seen.last !== null;
  let overlaps = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const fresh = [];
    for (const line of split(decoder.decode(value, { stream: true })).map(parse)) {
      if (!isNew(line, seen)) {
        overlaps ||= line.at !== null;
        continue;
      }
      if (again && line.at) fresh.push(mark(overlaps));
      again &&= !line.at;
      fresh.push(line);
    }
    if (fresh.length > 0) onLines(fresh);
  }
}

// The dashboard's own words have no moment: the same ones again, and nothing between, are not new.
function isNew({ at, text }, seen) {
  if (at === null ? text === seen.words : seen.last !== null && !after(at, seen.last)) return false;
  seen.last = at ?? seen.last;
  seen.count += at === null ? 0 : 1;
  seen.words = at === null ? text : null;
  return true;
}

function mark(overlaps) {
  return { at: null, text: overlaps ? "Taken up again" : "Taken up again; lines may be missing", mark: true };
}
