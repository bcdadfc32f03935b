// The autoscaler: its figures, and the calculation behind the number of pods. The calculation and its text come with the state.

import { html, nothing, repeat } from "../lib/vendor.js";
import { count, percent, plural, secondsSince, timeOfDay, wholeDuration } from "../text/format.js";
import { icon } from "../lib/icons.js";
import { Lazy } from "../lib/lazy.js";
import { objectHash } from "../text/objects.js";
import { absent, panel } from "../lib/panel.js";
import { conditionStatus } from "../text/status.js";

const KIND = "horizontalpodautoscalers";
const NO_METRICS = "The dashboard's Role does not let it read the pods' CPU, and the autoscaler's status has no figure.";
const GAUGE_TARGETS = 2; // the gauge ends at twice the target, or later when the figure is larger
const MOST_SLOTS = 100; // with more pods than this, there is no mark for each

// `name` is the autoscaler's.
export function autoscaler(redraw, name) {
  const whatIf = new Lazy(async () => new (await import("./whatIf.js")).WhatIf(redraw), redraw);
  const sizing = new Lazy(async () => new (await import("./sizing.js")).Sizing(redraw), redraw);
  return (/** @type {wire.State} */ state, now) => {
    if (name === "") return nothing; // another application, without an autoscaler
    const { autoscaler: hpa } = state;
    const sizes = details("Requests and limits that fit", sizing, () => sizing.open(), (part) => part.template(state));
    return panel({
      id: "autoscaler",
      title: "Autoscaler",
      aside: hpa ? html`<a class="object-link" href=${objectHash("HorizontalPodAutoscaler", name)}>${name}</a> · ${aside(hpa)}` : "",
      state,
      kinds: [KIND, "metrics"],
      body: hpa
        ? [
            figures(state, hpa, now),
            conditions(hpa.conditions, now),
            details("What if…", whatIf, () => whatIf.open(hpa), (part) => part.template(hpa)),
            sizes,
          ]
        : [absent(state, KIND, "No HorizontalPodAutoscaler", "The number of pods is the one that the Deployment sets."), sizes],
    });
  };
}

// A part that is loaded when it is opened.
function details(title, /** @type {Lazy} */ part, onOpen, template) {
  return html`<details class="advice" @toggle=${({ target }) => (target.open ? onOpen() : part.close())}>
    <summary>${title}</summary>
    ${part.draw(template)}
  </details>`;
}

function aside(/** @type {wire.AutoscalerView} */ hpa) {
  const { target, unit } = cpuOf(hpa);
  return `${target === null ? "no CPU target" : `CPU target ${count(target)}\u00a0${unit}`} · ${hpa.min} to ${hpa.max} pods`;
}

// The controller's figure and its target, both in the target's unit: percent of the pods' requests, or millicores a pod.
function cpuOf(/** @type {wire.AutoscalerView} */ hpa) {
  return hpa.target_millicores === null
    ? { cpu: hpa.cpu_percent, target: hpa.target_percent, unit: "%" }
    : { cpu: hpa.cpu_millicores, target: hpa.target_millicores, unit: "m" };
}

function figures(/** @type {wire.State} */ { deployment, sources }, /** @type {wire.AutoscalerView} */ hpa, now) {
  const { desired, evaluation } = hpa;
  const { cpu, unit } = cpuOf(hpa);
  const ready = deployment?.ready ?? null;
  return html`<div
    class="scaler"
    data-autoscaler
    data-current=${hpa.current}
    data-desired=${desired}
    data-cpu=${hpa.cpu_percent === null ? "" : Math.round(hpa.cpu_percent)}
  >
    <dl class="figures">
      <div><dt>ready</dt><dd>${count(ready)}</dd></div>
      <div data-changing=${desired !== ready ? "" : nothing}><dt>desired</dt><dd>${count(desired)}</dd></div>
      <div data-level=${level(cpu, evaluation)}><dt>CPU</dt><dd>${cpu === null ? "—" : html`${Math.round(cpu)}<small> ${unit}</small>`}</dd></div>
    </dl>
    ${slots(ready ?? hpa.current, hpa)} ${evaluation ? gauge(cpu, evaluation) : nothing}
    ${evaluation ? reasoning(hpa, evaluation, sources, now) : html`<p class="sentence">It has no target for CPU: it scales on another metric.</p>`}
    ${metrics(hpa)} ${findings(hpa.findings)}
  </div>`;
}

// One mark for each possible pod up to max: ready, coming, going or free. No marks when there would be too many to read.
function slots(ready, { desired, min, max }) {
  const kind = (slot) => (slot <= ready ? (slot > desired ? "going" : "ready") : slot <= desired ? "coming" : "free");
  const most = Math.max(max, ready, desired);
  const marks = Array.from({ length: most <= MOST_SLOTS ? most : 0 }, (_, index) => index + 1);
  return html`<div class="slots" aria-hidden="true">
    ${marks.map((slot) => html`<span class="slot" data-kind=${kind(slot)}></span>`)}
    <span class="slots-label">min ${min} · max ${max}</span>
  </div>`;
}

// The CPU figure on a line, with the target and the tolerance band around it, in which nothing changes.
function gauge(cpu, { target, low, high, unit }) {
  const end = Math.ceil(Math.max(GAUGE_TARGETS * target, cpu ?? 0) / 20) * 20;
  const part = (figure) => Math.min(1, figure / end).toFixed(4);
  const positions = `--part: ${part(cpu ?? 0)}; --target: ${part(target)}; --low: ${part(low)}; --high: ${part(high)}`;
  return html`<div class="gauge" data-level=${level(cpu, { low, high })} .style=${positions} aria-hidden="true">
    <span class="gauge-track"></span>
    <span class="gauge-scale"><span>0</span><span class="gauge-target">${target} ${unit}</span><span>${end} ${unit}</span></span>
  </div>`;
}

function level(cpu, band) {
  if (cpu === null || !band) return "none";
  return cpu > band.high ? "over" : cpu < band.low ? "under" : "within";
}

function reasoning(/** @type {wire.AutoscalerView} */ hpa, /** @type {wire.Evaluation} */ evaluation, sources, now) {
  const { formula: steps, sentence: text, measured, next, until, notes } = evaluation;
  if (measured === null && sources.metrics?.state === "forbidden") return html`<p class="sentence">${NO_METRICS}</p>${terms(hpa, evaluation, now)}`;
  return html`<div class="reasoning">
      ${sentence(text, steps)}
      ${next || until ? html`<p class="next">${unbroken(next ?? "")} ${countdown(evaluation, now)}</p>` : nothing}
      ${notes.map((note) => html`<p class="note">${unbroken(note)}</p>`)}
      <p class="source">${source(hpa, evaluation)}</p>
    </div>
    ${terms(hpa, evaluation, now)}`;
}

// What was measured, the calculation on a line of its own, and what follows.
export function sentence(text, steps) {
  const [measure, verdict] = steps ? text.split(steps).map(trimJoint) : [text, ""];
  return html`<p class="sentence">${unbroken(measure)}${steps ? formula(steps) : nothing}<span class="verdict">${unbroken(verdict)}${verdict ? "." : ""}</span></p>`;
}

// Each metric with its proposal, where CPU is not the only one.
function metrics(/** @type {wire.AutoscalerView} */ { metrics: list, asks }) {
  if (!asks) return nothing;
  return html`<p class="sentence">${unbroken(asks.sentence)}</p>
    <ul class="metrics" aria-label="Metrics">
      ${repeat(list, ({ id }) => id, (/** @type {wire.MetricView} */ metric) => html`<li data-metric=${metric.name}>
        <strong>${metric.name}</strong>
        <span class="text-muted">${[metric.type, metric.container ?? metric.object, `target ${metric.target}`].filter(Boolean).join(" · ")}</span>
        <span class="metric-proposal">${metric.proposed === null ? "no proposal" : plural(metric.proposed, "pod")}</span>
        ${metric.formula ? formula(metric.formula) : nothing}
        ${metric.problem ? html`<span class="note">${metric.problem}</span>` : html`<span class="note">${metric.measured_by === "controller" ? "by the controller’s last figure" : "by the newest samples"}</span>`}
      </li>`)}
    </ul>`;
}

// Settings by which the autoscaler can't do its work.
export function findings(/** @type {wire.Finding[]} */ list) {
  if (list.length === 0) return nothing;
  return html`<ul class="findings" aria-label="Findings">
    ${repeat(list, ({ id }) => id, ({ id, tone, text }) => html`<li data-tone=${tone} data-finding=${id}>${icon(tone === "bad" ? "cross" : "warning")}<span>${unbroken(text)}</span></li>`)}
  </ul>`;
}

// The settings, which hold whatever the figures are.
function terms(/** @type {wire.AutoscalerView} */ hpa, /** @type {wire.Evaluation} */ { condition, rules, tolerance: margins, last }, now) {
  return html`<dl class="terms">
    <div><dt>Goes down</dt><dd>${unbroken(condition)}</dd></div>
    <div><dt>Last scaled</dt><dd>${lastScaled(hpa, last, now)}</dd></div>
    <div><dt>Rules</dt><dd>up ${unbroken(rules.up)}; down ${unbroken(rules.down)}; ${tolerance(margins)}</dd></div>
  </dl>`;
}

// Each step is an element of its own, so that a narrow page breaks the line between steps.
function formula(text) {
  return html`<code class="formula">${text.split(/(?<= → )/).map((step) => html`<span>${step}</span>`)}</code>`;
}

// Where the sentence's figure comes from. The large figure is always the controller's own, from its last sync.
function source(/** @type {wire.AutoscalerView} */ hpa, { percent: used, newest, unit }) {
  const { cpu } = cpuOf(hpa);
  if (used === null) return "";
  if (used === cpu) return newest ? "as the controller saw it" : "as the controller saw it, newer than the samples here";
  return `by the newest samples; the controller saw ${cpu === null ? "no figure" : `${cpu}\u00a0${unit}`} at its last sync`;
}

// "2 pods go in 41 s if CPU stays at or under 56 %". In no live region, since it changes each second.
function countdown({ until, then, provided }, now) {
  if (!until) return nothing;
  const left = -secondsSince(until, now);
  const when = left > 0 ? `in ${wholeDuration(Math.ceil(left))}` : "any moment now";
  return html`<strong class="countdown">${then} <time datetime=${until}>${when}</time>${provided ? ` ${unbroken(provided)}` : ""}.</strong>`;
}

function lastScaled(/** @type {wire.AutoscalerView} */ { last_scaled: time }, /** @type {wire.LastChange} */ last, now) {
  if (!time) return "not yet";
  const when = html`<time datetime=${time}>${timeOfDay(time)}</time>, ${wholeDuration(secondsSince(time, now))} ago`;
  if (!last) return when;
  const computed = last.expected === null ? nothing : last.expected === last.to ? ", as computed" : `, where ${last.expected} were computed`;
  return html`${when}: ${last.from} → ${last.to}${computed}${last.formula ? html`, ${formula(last.formula)}` : nothing}`;
}

function tolerance({ down, up }) {
  const margin = (ratio) => percent(ratio * 100);
  return up === down ? `${margin(up)} tolerance` : `tolerance ${margin(up)} up, ${margin(down)} down`;
}

function conditions(/** @type {wire.ConditionView[]} */ list, now) {
  if (list.length === 0) return nothing;
  return html`<ul class="conditions" aria-label="Conditions">
    ${repeat(list, ({ id }) => id, (condition) => {
      const { icon: name, word, tone } = conditionStatus(condition);
      return html`<li data-tone=${tone}>
        <span class="condition-name">${icon(name)}${word}</span>
        <span class="condition-reason">${condition.reason}</span>
        ${condition.since ? html`<time class="condition-age" datetime=${condition.since} title="since ${timeOfDay(condition.since)}">${wholeDuration(secondsSince(condition.since, now))}</time>` : nothing}
        <span class="condition-message">${condition.message}</span>
      </li>`;
    })}
  </ul>`;
}

// A part of the sentence without the comma or arrow that joined it to the formula, which has a line of its own.
function trimJoint(part) {
  return part.replace(/^, | → $/g, "");
}

// Keeps a figure and its unit on one line.
export function unbroken(text) {
  return text.replace(/(?<=\d) (?=%|m\b|s\b|min\b|pods?\b)/g, "\u00a0");
}
