// The autoscaler: its figures, large enough to read across a room, and why it does what it does.

import { html, nothing, repeat } from "./vendor.js";
import { explain } from "./arithmetic.js";
import { count, percent } from "./format.js";
import { icon } from "./icons.js";
import { absent, panel } from "./panel.js";
import { conditionStatus } from "./status.js";

const KIND = "horizontalpodautoscalers";
const SCALE_AT_LEAST = 140; // percent at the gauge's right end, more when the figure is larger

export function autoscaler(state) {
  const { autoscaler: found } = state;
  return panel({
    id: "autoscaler",
    title: "Autoscaler",
    aside: found ? `CPU target ${percent(found.target_percent)} · ${found.min} to ${found.max} pods` : "",
    state,
    kinds: [KIND, "metrics"],
    body: found
      ? figures(state, found)
      : absent(state, KIND, "No HorizontalPodAutoscaler", "The number of pods stays as the Deployment says."),
  });
}

function figures({ deployment }, found) {
  const { formula, sentence, low, high } = explain(found);
  const ready = deployment?.ready ?? null;
  const cpu = found.cpu_percent;
  return html`<div
      class="scaler"
      data-autoscaler
      data-current=${found.current}
      data-desired=${found.desired}
      data-cpu=${cpu === null ? "" : Math.round(cpu)}
    >
      <dl class="figures">
        <div><dt>ready</dt><dd>${count(ready)}</dd></div>
        <div data-changing=${found.desired !== ready ? "" : nothing}><dt>desired</dt><dd>${count(found.desired)}</dd></div>
        <div data-level=${level(cpu, low, high)}><dt>CPU</dt><dd>${cpu === null ? "—" : html`${Math.round(cpu)}<small> %</small>`}</dd></div>
      </dl>
      ${slots(ready ?? found.current, found)} ${found.target_percent === null ? nothing : gauge(cpu, found.target_percent, low, high)}
      ${formula ? html`<p class="formula">${formula}</p>` : nothing}
      <p class="explanation">${sentence}</p>
    </div>
    ${conditions(found.conditions)}`;
}

// One mark a pod up to max: ready, asked for, or free.
function slots(ready, { desired, min, max }) {
  const kind = (place) => (place <= ready ? "ready" : place <= desired ? "coming" : "free");
  const going = (place) => place <= ready && place > desired;
  const marks = Array.from({ length: Math.max(max, ready, desired) }, (_, index) => index + 1);
  return html`<div class="slots" aria-hidden="true">
    ${marks.map((place) => html`<span class="slot" data-kind=${going(place) ? "going" : kind(place)}></span>`)}
    <span class="slots-words">min ${min} · max ${max}</span>
  </div>`;
}

// The CPU figure on a line: the target marked, and the band around it in which nothing changes.
function gauge(cpu, target, low, high) {
  const end = Math.max(SCALE_AT_LEAST, Math.ceil((cpu ?? 0) / 20) * 20);
  const at = (percent) => (percent / end).toFixed(4);
  const places = `--part: ${at(cpu ?? 0)}; --target: ${at(target)}; --low: ${at(low)}; --high: ${at(high)}`;
  return html`<div class="gauge" data-level=${level(cpu, low, high)} .style=${places} aria-hidden="true">
    <span class="gauge-track"></span>
    <span class="gauge-scale"><span>0</span><span class="gauge-target">${target} %</span><span>${end} %</span></span>
  </div>`;
}

function level(cpu, low, high) {
  if (cpu === null) return "none";
  return cpu > high ? "over" : cpu < low ? "under" : "within";
}

function conditions(list) {
  if (list.length === 0) return nothing;
  return html`<ul class="conditions" aria-label="Conditions">
    ${repeat(list, ({ id }) => id, (condition) => {
      const { icon: name, word, tone } = conditionStatus(condition);
      return html`<li data-tone=${tone}>
        <span class="condition-name">${icon(name)}${word}</span>
        <span class="condition-reason">${condition.reason}</span>
        <span class="condition-message">${condition.message}</span>
      </li>`;
    })}
  </ul>`;
}
