// The states of Kubernetes objects as the page shows them: {icon, word, tone}; `tone` is good, busy, warn, bad or off. Pure.

import { kindName, timeOfDay } from "./format.js";

const STARTING_FOR_S = 60; // a running pod that is not ready is starting while it is younger, and has a problem later
const PROBLEM = /BackOff|Err|Error|OOM|Evicted|Invalid|Failed/;

export function podStatus(/** @type {wire.PodView} */ pod, ageSeconds) {
  if (pod.phase === "Terminating") return { icon: "leaving", word: "Terminating", tone: "off" };
  if (pod.reason && PROBLEM.test(pod.reason)) return { icon: "cross", word: pod.reason.replace(/^CrashLoopBackOff$/, "CrashLoop"), tone: "bad" };
  if (pod.phase === "Failed") return { icon: "cross", word: "Failed", tone: "bad" };
  if (pod.phase === "Succeeded") return { icon: "check", word: "Finished", tone: "off" };
  if (pod.phase === "Pending") return { icon: "ring", word: pending(pod.reason), tone: "busy" };
  if (pod.phase !== "Running") return { icon: "warning", word: pod.phase ?? "Unknown", tone: "warn" };
  if (pod.ready) return { icon: "full", word: "Ready", tone: "good" };
  if (ageSeconds < STARTING_FOR_S) return { icon: "half", word: "Starting", tone: "busy" };
  return { icon: "warning", word: "Not ready", tone: "warn" };
}

export function serviceStatus(/** @type {wire.ServiceView} */ service) {
  if (service.endpoints === 0) return { icon: "cross", word: "No endpoints", tone: "bad" };
  return { icon: "full", word: service.endpoints === 1 ? "1 endpoint" : `${service.endpoints} endpoints`, tone: "good" };
}

export function claimStatus(/** @type {wire.ClaimView} */ { phase }) {
  if (phase === "Bound") return { icon: "full", word: "Bound", tone: "good" };
  if (phase === "Lost") return { icon: "cross", word: "Lost", tone: "bad" };
  return { icon: "ring", word: phase, tone: "busy" };
}

export function sourceStatus(/** @type {wire.SourceView} */ { state }) {
  if (state === "live") return { icon: "full", word: "live", tone: "good" };
  if (state === "connecting") return { icon: "half", word: "connecting", tone: "busy" };
  if (state === "forbidden") return { icon: "cross", word: "not allowed", tone: "bad" };
  return { icon: "warning", word: state, tone: "warn" };
}

// What a panel says of its sources, by `kinds`: the first that is not live, else the first with an object that can't be read, whose
// former version is shown: {icon, tone, text, title}. Null if all is well.
export function sourceWarning(/** @type {wire.State["sources"]} */ sources, kinds) {
  const known = kinds.filter((kind) => sources[kind]);
  const away = known.find((kind) => sources[kind].state !== "live");
  if (away) {
    const { word, tone, icon } = sourceStatus(sources[away]);
    return { icon, tone, text: `${kindName(away)} ${word} since ${timeOfDay(sources[away].since)}`, title: sources[away].error };
  }
  const partly = known.find((kind) => sources[kind].error);
  if (!partly) return null;
  const { error } = sources[partly]; // "<name>: <reason>"
  return { icon: "warning", tone: "warn", text: `${kindName(partly)}: ${error.split(": ", 1)[0]} can’t be read; what is shown of it may be old`, title: error };
}

// The autoscaler's condition. ScalingLimited is the only one that is good when it is False.
export function conditionStatus(/** @type {wire.ConditionView} */ { type, status }) {
  const isInverted = type === "ScalingLimited";
  if (status !== "True" && status !== "False") return { icon: "warning", word: `${type} unknown`, tone: "warn" };
  const word = status === "True" ? type : `not ${type}`;
  if ((status === "True") !== isInverted) return { icon: "check", word, tone: "good" };
  return isInverted ? { icon: "minus", word, tone: "busy" } : { icon: "cross", word, tone: "bad" };
}

const BAD_WHEN_TRUE = new Set(["DisruptionTarget", "PodResizePending", "ReplicaFailure"]);

// A pod's condition. Those of a completed pod become False without being a failure.
export function podConditionStatus({ type, status, reason }) {
  if (status !== "True" && status !== "False") return { icon: "warning", word: `${type} unknown`, tone: "warn" };
  const word = status === "True" ? type : `not ${type}`;
  if ((status === "True") !== BAD_WHEN_TRUE.has(type)) return { icon: "check", word, tone: "good" };
  if (status === "True") return { icon: "cross", word, tone: "bad" };
  return reason === "PodCompleted" ? { icon: "minus", word, tone: "off" } : { icon: "half", word, tone: "warn" };
}

// A container's status. Init and debug containers are not expected to become ready.
export function containerStatus({ kind, state, ready }) {
  if (state === null) return { icon: "ring", word: "Not started", tone: "off" };
  if (state.word === "waiting") {
    const broken = state.reason && PROBLEM.test(state.reason);
    return { icon: broken ? "cross" : "ring", word: state.reason ?? "Waiting", tone: broken ? "bad" : "busy" };
  }
  if (state.word === "terminated") {
    if (state.exit_code === 0) return { icon: "check", word: state.reason ?? "Completed", tone: "off" };
    return { icon: "cross", word: `${state.reason ?? "Ended"}, exit code ${state.exit_code}`, tone: "bad" };
  }
  if (ready || kind === "init" || kind === "debug") return { icon: "full", word: ready ? "Running, ready" : "Running", tone: "good" };
  return { icon: "half", word: "Running, not ready", tone: "busy" };
}

function pending(reason) {
  return !reason || reason === "ContainerCreating" || reason === "PodInitializing" ? "Starting" : reason;
}
