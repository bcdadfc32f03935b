// The claims, first on the page: each claim's last verdict with its key figures, their trend, and the button that proves it.

import { html, nothing, svg } from "../lib/vendor.js";
import { keepFocus } from "../lib/focus.js";
import { ago, formatElapsed } from "../text/format.js";
import { icon } from "../lib/icons.js";
import { RunControl } from "./runControl.js";
import { blockedReason, elapsedSeconds, isRunning, latest, obligationText, unmetObligation, verdictStatus } from "./runs.js";
import { HEIGHT, label, sentence, trendOf } from "./trend.js";

const SIGNS = {
  PASS: svg`<circle r="3" />`,
  FAIL: svg`<path d="m-3-3 6 6m0-6-6 6" />`,
  INCONCLUSIVE: svg`<path d="M0-3 3.2 2.6H-3.2z" />`,
};
const UNPROVED = { icon: "ring", word: "not proved yet", tone: "off" };

export function claims(/** @type {wire.DemoView[]} */ specs, { role }, redraw) {
  const views = specs.map((demo) => claim(demo, role === "operator", redraw));
  return (state, now) => {
    keepFocus(".claim");
    return views.map((view) => view(state, now));
  };
}

function claim(/** @type {wire.DemoView} */ demo, isOperator, redraw) {
  const { id, title } = demo;
  const control = new RunControl(demo, redraw);

  return (state, now) => {
    control.update(state);
    const run = latest(state, id, null);
    const { icon: name, word, tone } = run ? verdictStatus(run) : UNPROVED;
    return html`<article class="panel claim" data-claim=${id} data-claim-verdict=${run?.verdict ?? ""} data-tone=${tone} aria-labelledby="claim-${id}" tabindex="-1">
      <h2 id="claim-${id}">${demo.claim}</h2>
      <p class="claim-verdict" role="status">${icon(name)}<span class="visually-hidden">${title}: </span><strong>${word}</strong></p>
      <p class="claim-figures">${figures(demo, run, isOperator, blockedReason(state), now)}</p>
      ${reason(run)} ${confidence(state, demo)} ${trend(state.runs, demo)}
      <p class="claim-button">${isOperator ? button(control, demo, state, run) : nothing}</p>
      ${control.problem()}
    </article>`;
  };
}

// No button while something else runs: the demo's card says what that is.
function button(control, /** @type {wire.DemoView} */ { id }, /** @type {wire.State} */ state, /** @type {wire.RunView} */ run) {
  if (isRunning(state) && state.run.demo === id) return control.abortButton(state.run.id);
  return blockedReason(state) ? nothing : control.startButton(run ? "Prove again" : "Prove it");
}

function figures(/** @type {wire.DemoView} */ { id, title, takes }, /** @type {wire.RunView} */ run, isOperator, blocked, now) {
  if (!run && blocked) return "One run at a time: this can be proved when the current one has ended.";
  if (!run) return isOperator ? `One click proves or refutes it, in about ${takes}.` : "An operator can prove it.";
  if (run.verdict === "running") return progress(run, now);
  const parts = (run.key_figures ?? []).map((part) => html`<span>${part}</span> · `);
  return html`${parts}<time datetime=${run.ended}>${ago(run.ended, now)}</time> ·
    <a class="link" href="#demo-${id}" aria-label="Evidence: ${title}">evidence</a>`;
}

// The current step and the time. Another dashboard's run comes without its steps.
function progress(/** @type {wire.RunView} */ run, now) {
  const steps = run.steps ?? [];
  const index = steps.findIndex(({ state }) => state === "running");
  const step = index >= 0 ? html`<span>step ${index + 1} of ${steps.length}: ${steps[index].title}</span> · ` : nothing;
  return html`${step}<span>${formatElapsed(elapsedSeconds(run, now), true)}</span>`;
}

function reason(/** @type {wire.RunView} */ run) {
  const obligation = run && unmetObligation(run);
  const text = obligation ? obligationText(obligation) : run?.reason;
  return text ? html`<p class="claim-reason">${text}</p>` : nothing;
}

// What the demo's kept runs show together. The server has the arithmetic.
function confidence(/** @type {wire.State} */ state, /** @type {wire.DemoView} */ { id }) {
  const text = state.confidence?.[id];
  return text ? html`<p class="claim-confidence text-muted">${text}</p>` : nothing;
}

function trend(/** @type {wire.RunRow[]} */ runs, /** @type {wire.DemoView} */ { id, title, comparison }) {
  const { points, width } = trendOf(runs, id);
  if (points.length < 2) return nothing;
  const line = points.filter(({ value }) => value !== null).map(({ x, y }) => `${x} ${y}`);
  return html`<figure class="trend">
    <figcaption>last ${points.length} runs</figcaption>
    <svg viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${title}: ${sentence(points, comparison)}">
      <path class="trend-line" d=${line.length > 0 ? `M${line.join("L")}` : nothing} />
      ${points.map((point) => svg`<g data-tone=${point.tone} transform="translate(${point.x} ${point.y})">
        <title>${label(point, comparison)}</title>${SIGNS[point.word]}
      </g>`)}
    </svg>
  </figure>`;
}
