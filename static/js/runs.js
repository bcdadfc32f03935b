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

// A verdict's evidence in words, as lines of short parts.
export function evidence(run) {
  const lines = run.demo === "persistence" ? persistence(known(run)) : autoscale(known(run));
  return lines.map((parts) => parts.filter(Boolean)).filter((parts) => parts.length > 0);
}

// The figures that a demo's claim stands on, as short parts: "0 of 2,196 lost", "down 2.8 s"; "2 → 3 → 2 pods", "41 s to more pods".
export function keyFigures(run) {
  const of = known(run);
  const [acked, lost, down, start, peak, t2, t8] = ["acked", "lost", "down", "start", "peak", "t2", "t8"].map((name) => number(of[name]));
  if (run.demo === "persistence") {
    return [acked !== null && lost !== null && `${count(lost)} of ${count(acked)} lost`, down !== null && `down ${lapse(down)}`].filter(Boolean);
  }
  const first = start ?? number(of.min); // what older runs were known by
  const pods = peak > first ? `${[first, peak, ...(t8 === null ? [] : [first])].join(" → ")} pods` : `stayed at ${plural(first, "pod")}`;
  return [first !== null && peak !== null && pods, t2 !== null && `${lapse(t2)} to more pods`].filter(Boolean);
}

// The figure that a demo's runs are compared by, in seconds; null where a run has none.
export function comparedBy(run) {
  return number(known(run)[run.demo === "persistence" ? "down" : "t2"]);
}

// What a failed run saw owed and not done, {since, by, text}; null where it was something else that failed.
export function owedIn({ verdict, owed, evidence: told }) {
  return owed ?? (verdict === "fail" ? told?.owed?.find(({ met }) => met === null) : null) ?? null;
}

export function owedWords({ text, since, by }) {
  return `${text}, from ${clock(since)} on and by ${clock(by)} at the latest. That did not come.`;
}

// All that is known of a run: an earlier one has no evidence here, an old one only its line, which has the same figures.
function known({ line, figures, evidence: told }) {
  const given = Object.entries({ ...figures, ...told }).filter(([, value]) => value !== null);
  return { ...parsed(line), ...Object.fromEntries(given) };
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
