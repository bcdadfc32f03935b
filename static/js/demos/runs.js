// The demos' runs: which run a card shows, its verdict and steps, and why nothing can be started. Pure.

import { timeOfDay } from "../text/format.js";

const EARLIER = 5; // runs listed under a card

const VERDICTS = {
  running: { icon: "half", word: "running", tone: "busy" },
  pass: { icon: "check", word: "PASS", tone: "good" },
  fail: { icon: "cross", word: "FAIL", tone: "bad" },
  inconclusive: { icon: "warning", word: "INCONCLUSIVE", tone: "warn" },
};

const STEPS = {
  waiting: { icon: "ring", word: "waiting", tone: "off" },
  running: { icon: "half", word: "running", tone: "busy" },
  done: { icon: "check", word: "done", tone: "good" },
  failed: { icon: "cross", word: "failed", tone: "bad" },
  skipped: { icon: "minus", word: "skipped", tone: "off" },
};

export function verdictStatus({ verdict }) {
  return VERDICTS[verdict] ?? VERDICTS.inconclusive;
}

export function stepStatus(/** @type {wire.RunStep} */ { state }) {
  return STEPS[state] ?? STEPS.waiting;
}

// The run that a demo's card shows: the active one or the latest. `seen` is the demo's last active run as the state had it: it has
// all steps and the evidence, which the list of runs lacks.
export function latest(/** @type {wire.State} */ { run, runs }, demo, seen) {
  if (run?.demo === demo) return run;
  const newest = (runs ?? []).find((one) => one.demo === demo) ?? null;
  const same = seen && (!newest || (seen.id === newest.id && seen.verdict === newest.verdict));
  return same && seen.verdict !== "running" ? seen : newest;
}

// The run that an address names, or undefined: the active one or a kept one.
export function runById(/** @type {wire.State} */ { run, runs }, id) {
  return run?.id === id ? run : (runs ?? []).find((one) => one.id === id);
}

export function earlier(/** @type {wire.State} */ { runs }, demo, shown) {
  return (runs ?? []).filter((one) => one.demo === demo && one.id !== shown?.id).slice(0, EARLIER);
}

export function isRunning(/** @type {Pick<wire.State, "run">} */ { run }) {
  return run?.verdict === "running";
}

// Why nothing can be started now, as a sentence; null when something can.
export function blockedReason(/** @type {wire.State} */ { run, lease, load }) {
  const since = (time) => (time ? ` since ${timeOfDay(time)}` : "");
  if (isRunning({ run })) return `One run at a time: the ${run.demo} run by ${run.by} holds the lease${since(lease?.since ?? run.started)}.`;
  if (!lease) return null;
  const action = { load: "a load is running", restart: "the database is being restarted", change: "the deployment is being changed" }[lease.run?.split("-")[0]];
  if (!action) return `One run at a time: ${lease.holder} holds the lease${since(lease.since)}.`;
  return `One at a time: ${action}${isOwnLoad({ lease, load }) ? `, by ${load.by}` : ""}; ${lease.holder} holds the lease${since(lease.since)}.`;
}

// The same for a restart, which is allowed during a load of this dashboard.
export function restartBlockedReason(/** @type {wire.State} */ state) {
  return !isRunning(state) && isOwnLoad(state) ? null : blockedReason(state);
}

// Whether the lease's holder is a load of this dashboard.
function isOwnLoad(/** @type {Pick<wire.State, "lease" | "load">} */ { lease, load }) {
  return Boolean(load?.active && lease?.run?.startsWith("load-"));
}

// The seconds that a run or a step has taken by `now` (milliseconds since 1970); null before it started.
export function elapsedSeconds({ started, ended }, now) {
  return started ? Math.max(0, ((ended ? Date.parse(ended) : now) - Date.parse(started)) / 1_000) : null;
}

// The obligation {since, by, text} that a failed run found unmet; null where something else failed.
export function unmetObligation(/** @type {wire.RunView | wire.RunRow} */ run) {
  if ("owed" in run) return run.owed; // a row of the history
  return (run.verdict === "fail" && run.evidence?.owed?.find(({ met }) => met === null)) || null;
}

// How long a run's evidence file can be downloaded.
export function fileNote(/** @type {wire.EvidenceFileView} */ { kept, why }) {
  return kept ? "All records of the run, kept with it" : `All records of the run, until the dashboard restarts: ${why}`;
}

export function obligationText(/** @type {wire.ObligationView} */ { text, since, by }) {
  return `${text}: due by ${timeOfDay(by)}, owed since ${timeOfDay(since)}, not met.`;
}
