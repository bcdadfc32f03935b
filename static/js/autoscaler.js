// The autoscaler: its figures, large enough to read across a room, and why it does what it does. The arithmetic and its words
// come with the state; here they are only put in their places.

import { html, nothing, repeat } from "./vendor.js";
import { clock, count, percent, secondsSince, wholeDuration } from "./format.js";
import { icon } from "./icons.js";
import { absent, panel } from "./panel.js";
import { conditionStatus } from "./status.js";

const KIND = "horizontalpodautoscalers";
const BLIND = "The dashboard's Role does not let it read the pods' CPU, and the autoscaler has told no figure.";
const SCALE_AT_LEAST = 2; // targets at the gauge's right end, more when the figure is larger
const MOST_SLOTS = 100; // more pods than these have no mark each

export function autoscaler(state, at) {
  const { autoscaler: found } = state;
  return panel({
    id: "autoscaler",
    title: "Autoscaler",
    aside: found ? aside(found) : "",
    state,
    kinds: [KIND, "metrics"],
    body: found
      ? [figures(state, found, at), conditions(found.conditions, at)]
      : absent(state, KIND, "No HorizontalPodAutoscaler", "The number of pods stays as the Deployment says."),
  });
}

function aside(found) {
  const { target, unit } = cpuOf(found);
  return `${target === null ? "no CPU target" : `CPU target ${count(target)}\u00a0${unit}`} · ${found.min} to ${found.max} pods`;
}

// The controller's figure and its target, both in the target's unit: percent of what the pods request, or millicores a pod.
function cpuOf(found) {
  return found.target_millicores === null
    ? { seen: found.cpu_percent, target: found.target_percent, unit: "%" }
    : { seen: found.cpu_millicores, target: found.target_millicores, unit: "m" };
}

function figures({ deployment, sources }, found, at) {
  const { desired, evaluation: told } = found;
  const { seen, unit } = cpuOf(found);
  const ready = deployment?.ready ?? null;
  return html`<div
    class="scaler"
    data-autoscaler
    data-current=${found.current}
    data-desired=${desired}
    data-cpu=${found.cpu_percent === null ? "" : Math.round(found.cpu_percent)}
  >
    <dl class="figures">
      <div><dt>ready</dt><dd>${count(ready)}</dd></div>
      <div data-changing=${desired !== ready ? "" : nothing}><dt>desired</dt><dd>${count(desired)}</dd></div>
      <div data-level=${level(seen, told)}><dt>CPU</dt><dd>${seen === null ? "—" : html`${Math.round(seen)}<small> ${unit}</small>`}</dd></div>
    </dl>
    ${slots(ready ?? found.current, found)} ${told ? gauge(seen, told) : nothing}
    ${told ? reasoning(found, told, sources, at) : html`<p class="sentence">It has no target for CPU: it scales on something else.</p>`}
  </div>`;
}

// One mark a pod up to max: ready, asked for, or free. No marks where there are too many to be seen.
function slots(ready, { desired, min, max }) {
  const kind = (place) => (place <= ready ? "ready" : place <= desired ? "coming" : "free");
  const going = (place) => place <= ready && place > desired;
  const places = Math.max(max, ready, desired);
  const marks = Array.from({ length: places <= MOST_SLOTS ? places : 0 }, (_, index) => index + 1);
  return html`<div class="slots" aria-hidden="true">
    ${marks.map((place) => html`<span class="slot" data-kind=${going(place) ? "going" : kind(place)}></span>`)}
    <span class="slots-words">min ${min} · max ${max}</span>
  </div>`;
}

// The CPU figure on a line: the target marked, and the band around it in which nothing changes.
function gauge(cpu, { target, low, high, unit }) {
  const end = Math.ceil(Math.max(SCALE_AT_LEAST * target, cpu ?? 0) / 20) * 20;
  const part = (figure) => Math.min(1, figure / end).toFixed(4);
  const places = `--part: ${part(cpu ?? 0)}; --target: ${part(target)}; --low: ${part(low)}; --high: ${part(high)}`;
  return html`<div class="gauge" data-level=${level(cpu, { low, high })} .style=${places} aria-hidden="true">
    <span class="gauge-track"></span>
    <span class="gauge-scale"><span>0</span><span class="gauge-target">${target} ${unit}</span><span>${end} ${unit}</span></span>
  </div>`;
}

function level(cpu, told) {
  if (cpu === null || !told) return "none";
  return cpu > told.high ? "over" : cpu < told.low ? "under" : "within";
}

function reasoning(found, told, sources, at) {
  if (told.measured === null && sources.metrics?.state === "forbidden") return html`<p class="sentence">${BLIND}</p>${terms(found, told, at)}`;
  const [measure, verdict] = told.formula ? told.sentence.split(told.formula).map(trimmed) : [told.sentence, ""];
  return html`<div class="reasoning">
      <p class="sentence">${unbroken(measure)}${told.formula ? formula(told.formula) : nothing}<span class="verdict">${unbroken(verdict)}${verdict ? "." : ""}</span></p>
      ${told.next || told.until ? html`<p class="next">${unbroken(told.next ?? "")} ${countdown(told, at)}</p>` : nothing}
      ${told.notes.map((note) => html`<p class="note">${unbroken(note)}</p>`)}
      <p class="source">${source(found, told)}</p>
    </div>
    ${terms(found, told, at)}`;
}

// What holds whatever the figures are.
function terms(found, { condition, rules, tolerance: margins, last }, at) {
  return html`<dl class="terms">
    <div><dt>Goes down</dt><dd>${unbroken(condition)}</dd></div>
    <div><dt>Last scaled</dt><dd>${lastScaled(found, last, at)}</dd></div>
    <div><dt>Rules</dt><dd>up ${unbroken(rules.up)}; down ${unbroken(rules.down)}; ${tolerance(margins)}</dd></div>
  </dl>`;
}

// Its steps are broken between lines before anything else is.
function formula(text) {
  return html`<code class="formula">${text.split(/(?<= → )/).map((step) => html`<span>${step}</span>`)}</code>`;
}

// Whose figure the sentence goes by. The large one is always the controller's own, of its last look.
function source(found, { percent: used, newest, unit }) {
  const { seen } = cpuOf(found);
  if (used === null) return "";
  if (used === seen) return newest ? "as the controller saw it" : "as the controller saw it, newer than the samples here";
  return `by the newest samples; the controller saw ${seen === null ? "no figure" : `${seen}\u00a0${unit}`} at its last look`;
}

// "2 pods go in 41 s if CPU stays at or under 56 %". It ticks, so it is in no live region.
function countdown({ until, then, provided }, at) {
  if (!until) return nothing;
  const left = -secondsSince(until, at);
  const when = left > 0 ? `in ${wholeDuration(Math.ceil(left))}` : "any moment now";
  return html`<strong class="countdown">${then} <time datetime=${until}>${when}</time>${provided ? ` ${unbroken(provided)}` : ""}.</strong>`;
}

function lastScaled({ last_scaled: moment }, last, at) {
  if (!moment) return "not yet";
  const time = html`<time datetime=${moment}>${clock(moment)}</time>, ${wholeDuration(secondsSince(moment, at))} ago`;
  if (!last) return time;
  const computed = last.expected === null ? nothing : last.expected === last.to ? ", as computed" : `, where ${last.expected} were computed`;
  return html`${time}: ${last.from} → ${last.to}${computed}${last.formula ? html`, ${formula(last.formula)}` : nothing}`;
}

function tolerance({ down, up }) {
  const margin = (ratio) => percent(ratio * 100);
  return up === down ? `${margin(up)} tolerance` : `tolerance ${margin(up)} up, ${margin(down)} down`;
}

function conditions(list, at) {
  if (list.length === 0) return nothing;
  return html`<ul class="conditions" aria-label="Conditions">
    ${repeat(list, ({ id }) => id, (condition) => {
      const { icon: name, word, tone } = conditionStatus(condition);
      return html`<li data-tone=${tone}>
        <span class="condition-name">${icon(name)}${word}</span>
        <span class="condition-reason">${condition.reason}</span>
        ${condition.since ? html`<time class="condition-age" datetime=${condition.since} title="since ${clock(condition.since)}">${wholeDuration(secondsSince(condition.since, at))}</time>` : nothing}
        <span class="condition-message">${condition.message}</span>
      </li>`;
    })}
  </ul>`;
}

// Without what joined it to the formula, which has a line of its own.
function trimmed(part) {
  return part.replace(/^, | → $/g, "");
}

// A figure and its unit stay on one line.
function unbroken(text) {
  return text.replace(/(?<=\d) (?=%|m\b|s\b|min\b|pods?\b)/g, "\u00a0");
}
