// The charted figures, past and new, by their own moments: merging the same point twice changes nothing.

import { append, columnsOf, indexAfter, lastMoment, thin, trim, weave } from "./columns.js";
import { request } from "./request.js";

export const TABLES = {
  traffic: ["requests", "errors", "p50_ms", "p99_ms"],
  load: ["offered", "achieved", "errors", "p50_ms", "p99_ms"],
  cpu: ["percent"],
  replicas: ["desired", "ready"],
};
const STEPS = new Set(["replicas"]); // these stay what they are until the next point

const MOST_POINTS = 5_000; // of a table: an hour of seconds, half a day of minutes, and room to cut only now and then
const SPARK_POINTS = 60;
const LATE_SECONDS = 120; // a sample's moment may be so long before it is told
const INSTANT_SECONDS = 0.001;
const RETRY_MS = 1_000;
const RETRY_AT_MOST_MS = 30_000;
const ANSWER_WITHIN_MS = 20_000;

// `redraw()` follows whatever changes. `load(epoch)` fetches what is missing, now and until it succeeds; points that a tick brings
// meanwhile have their place already. `revision` counts the changes.
export function history(redraw, { ask = fetched, later = setTimeout, random = Math.random } = {}) {
  const tables = Object.fromEntries(Object.entries(TABLES).map(([name, columns]) => [name, columnsOf(columns)]));
  const pods = new Map(); // uid → its points
  let epoch = null;
  let complete = -Infinity; // up to this moment nothing is missing
  let loading = false;
  let again = false;
  let severed = null; // table → up to which moment it is another dashboard's, until the new one has told its past
  let wake = null; // ends the pause before the next attempt

  const past = { revision: 0, load, merge, table: (name) => tables[name], pod: (uid) => pods.get(uid), prune };

  function load(of) {
    if (of !== epoch) {
      if (epoch !== null) sever();
      epoch = of;
      complete = -Infinity;
    }
    again = true;
    wake?.();
    if (!loading) fetchMissing();
  }

  async function fetchMissing() {
    loading = true;
    for (let failures = 0; again; ) {
      again = false;
      try {
        await fetchOnce();
        failures = 0;
      } catch {
        again = true; // whatever it was, the rest of the page says whether the dashboard is there
        await pause(Math.min(RETRY_AT_MOST_MS, RETRY_MS * 2 ** failures) * (0.5 + random() / 2));
        failures += 1;
      }
    }
    loading = false;
  }

  async function fetchOnce() {
    const known = [...pods.keys()];
    const answer = await ask(complete > 0 ? complete - LATE_SECONDS : 0);
    if (answer.epoch !== epoch) throw new Error("another one answered than the one that is followed");
    if (severed) replace(answer);
    for (const uid of known) if (!Object.hasOwn(answer.pods, uid)) pods.delete(uid);
    take(answer, weave);
    if (!again) complete = newest();
    changed();
  }

  function merge(points) {
    take(points, append);
    if (!loading) complete = newest();
    changed();
  }

  function take(points, put) {
    for (const [name, columns] of Object.entries(points.tables ?? {})) {
      if (!Object.hasOwn(tables, name)) continue;
      put(tables[name], columns);
      thin(tables[name], MOST_POINTS, { steps: STEPS.has(name) });
    }
    for (const [uid, columns] of Object.entries(points.pods ?? {})) {
      if (!pods.has(uid)) pods.set(uid, columnsOf(["cpu_millicores"]));
      put(pods.get(uid), columns);
      trim(pods.get(uid), SPARK_POINTS);
    }
  }

  // A dashboard that was started anew may know nothing of the time before: what this page still knows stays, and no line leads
  // from there to here.
  function sever() {
    const end = newest();
    for (const [name, columns] of Object.entries(tables)) {
      if (columns.at.length === 0) continue;
      append(columns, { at: [(STEPS.has(name) ? end : lastMoment(columns)) + INSTANT_SECONDS] });
    }
    severed = Object.fromEntries(Object.entries(tables).map(([name, columns]) => [name, lastMoment(columns)]));
  }

  // Where both know the same time, the new one's word stands, and not a mixture.
  function replace(answer) {
    for (const [name, columns] of Object.entries(tables)) {
      const from = answer.tables[name]?.at[0] ?? Infinity;
      const first = columns.at.findIndex((moment) => moment >= from);
      const excess = indexAfter(columns.at, severed[name]) - first;
      if (first >= 0 && excess > 0) for (const column of Object.values(columns)) column.splice(first, excess);
    }
    severed = null;
  }

  // Forgets the pods that are not among these.
  function prune(uids) {
    const there = new Set(uids);
    for (const uid of pods.keys()) if (!there.has(uid)) pods.delete(uid);
  }

  function newest() {
    return Math.max(...Object.values(tables).map(lastMoment));
  }

  function changed() {
    past.revision += 1;
    redraw();
  }

  function pause(ms) {
    return new Promise((resolve) => {
      wake = resolve;
      later(resolve, ms);
    }).then(() => (wake = null));
  }

  return past;
}

function fetched(since) {
  return request("GET", `/api/history?since=${since.toFixed(3)}`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
}
