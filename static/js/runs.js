// The demos' runs as a reader meets them: which one a card shows, what its steps and its evidence say. Pure.

import { clock } from "./format.js";

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

export function stepStatus({ state }) {
  return STEPS[state] ?? STEPS.waiting;
}

// The run that a demo's card shows: the one under way or its latest, in full where the page has seen it in full (`kept`).
export function latest({ run, runs }, demo, kept) {
  if (run?.demo === demo) return run;
  const newest = (runs ?? []).find((one) => one.demo === demo) ?? null;
  const same = kept && (!newest || (kept.id === newest.id && kept.verdict === newest.verdict));
  return same && kept.verdict !== "running" ? kept : newest;
}

export function earlier({ runs }, demo, shown) {
  return (runs ?? []).filter((one) => one.demo === demo && one.id !== shown?.id).slice(0, EARLIER);
}

export function running({ run }) {
  return run?.verdict === "running";
}

// Why nothing can be started now, in a sentence; null when something can.
export function held({ run, lease, load }) {
  const since = (time) => (time ? ` since ${clock(time)}` : "");
  if (running({ run })) return `One run at a time: the ${run.demo} run by ${run.by} holds the lease${since(lease?.since ?? run.started)}.`;
  if (!lease) return null;
  const what = { load: "a load is running", restart: "MongoDB is being restarted" }[lease.run?.split("-")[0]];
  if (!what) return `One run at a time: ${lease.holder} holds the lease${since(lease.since)}.`;
  return `One at a time: ${what}${loadsHere({ lease, load }) ? `, by ${load.by}` : ""}; ${lease.holder} holds the lease${since(lease.since)}.`;
}

// The same for a restart, which may go on beside a load of this dashboard's own.
export function heldFromRestart(state) {
  return !running(state) && loadsHere(state) ? null : held(state);
}

// Whether the load that holds the lease is this dashboard's.
function loadsHere({ lease, load }) {
  return Boolean(load?.active && lease?.run?.startsWith("load-"));
}

// Seconds that a run or one of its steps has taken by `at` (milliseconds since 1970); null before it began.
export function seconds({ started, ended }, at) {
  return started ? Math.max(0, ((ended ? Date.parse(ended) : at) - Date.parse(started)) / 1_000) : null;
}

// "4.2 s", "41 s", "2:05 min", never broken over two lines; of what still runs without tenths, which would only flicker.
export function lapse(s, whole = false) {
  if (s === null) return "";
  if (s < 9.95 && !whole) return `${s.toFixed(1)}\u00a0s`;
  const all = whole ? Math.floor(s) : Math.round(s);
  return all < 100 ? `${all}\u00a0s` : `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}\u00a0min`;
}

// What a failed run saw owed and not done, {since, by, text}; null where it was something else that failed.
export function owedIn({ verdict, owed, evidence: told }) {
  return owed ?? (verdict === "fail" ? told?.owed?.find(({ met }) => met === null) : null) ?? null;
}

export function owedWords({ text, since, by }) {
  return `${text}, from ${clock(since)} on and by ${clock(by)} at the latest. That did not come.`;
}
