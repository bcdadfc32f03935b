// The demos' runs as a reader meets them: which one a card shows, what its steps and its evidence say. Pure.

import { clock, count, plural } from "./format.js";

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
export function held({ run, lease }) {
  const since = (time) => (time ? ` since ${clock(time)}` : "");
  if (running({ run })) return `One run at a time: the ${run.demo} run by ${run.by} holds the lease${since(lease?.since ?? run.started)}.`;
  return lease ? `One run at a time: ${lease.holder} holds the lease${since(lease.since)}.` : null;
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

// A verdict's evidence in words, as lines of short parts. An earlier run is known by its one line only, which has the same figures.
export function evidence({ demo, evidence: told, line }) {
  const known = told && Object.keys(told).length > 0 ? told : parsed(line);
  const lines = demo === "persistence" ? persistence(known) : autoscale(known);
  return lines.map((parts) => parts.filter(Boolean)).filter((parts) => parts.length > 0);
}

function persistence(of) {
  const told = (name) => (number(of[name]) === null ? "" : `${name} ${count(number(of[name]))}`);
  const took = (words, value) => number(value) !== null && `${words} ${lapse(number(value))}`;
  const rare = (name) => (number(of[name]) > 0 ? told(name) : "");
  return [
    [
      number(of.acked) !== null && `acknowledged ${count(number(of.acked))} of ${count(number(of.attempted))}`,
      told("lost"), rare("corrupt"), rare("unexpected"), told("failed"), told("unknown"), rare("recovered"),
    ],
    [
      of.mode === "crash" ? replaced("container", of.container) : replaced("pod", of.pod),
      { same: "same volume", changed: "another volume", none: "no volume" }[of.volume],
      took("down", of.down),
      took("longest write", of.longest_write),
    ],
  ];
}

// Moments are seconds from the load's start; those that did not come are left out.
function autoscale(of) {
  const [, t1, t2, t3, t4, t5, t6, t7, t8] = Array.from({ length: 9 }, (_, index) => number(of[`t${index}`]));
  const after = (words, moment, from = 0) => (moment === null || from === null ? "" : `${words} ${lapse(moment - from)}`);
  return [
    [
      number(of.peak) !== null && `${count(number(of.start) ?? number(of.min))} → ${plural(number(of.peak), "pod")}`,
      number(of.rate) !== null && `${count(Math.round(number(of.rate)))} requests a second`,
      number(of.errors) !== null && `errors ${count(number(of.errors))}`,
    ],
    [after("over the target after", t1), after("more asked for", t2), after("Ready", t3), after("serving", t4), after("steady", t5)],
    [after("load stopped after", t6), after("fewer asked for", t7, t6), after("back where it began", t8, t6)],
  ];
}

// "pod 1f0c22ab → 7d9e4410": the beginnings tell two ids apart.
function replaced(what, of) {
  const [before, after] = typeof of === "string" ? of.split("→") : [of?.before, of?.after];
  if ([before, after].some((id) => !id || id === "-")) return "";
  if (before === after) return `same ${what}`;
  return `${what} ${brief(before)} → ${brief(after)}`;
}

function brief(id) {
  return id.replace(/^\w+:\/\//, "").slice(0, 8);
}

// "persistence PASS mode=crash lost=0 down=2.9s" as {mode: "crash", lost: "0", down: "2.9s"}.
function parsed(line) {
  return Object.fromEntries([...(line ?? "").matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
}

// A figure, whether it came as one or with its unit behind it; null for none.
function number(value) {
  const found = Number.parseFloat(value);
  return Number.isNaN(found) ? null : found;
}
