// The demos: each card shows a demo's run step by step, its verdict with the evidence, and the button that starts it.

import { html, nothing, repeat } from "../lib/vendor.js";
import { address } from "../api/address.js";
import { keepFocus } from "../lib/focus.js";
import { count, formatElapsed, timeOfDay } from "../text/format.js";
import { icon, status } from "../lib/icons.js";
import { formatRoute } from "../text/route.js";
import { RunControl } from "./runControl.js";
import { blockedReason, earlier, elapsedSeconds, fileNote, isRunning, latest, obligationText, runById, stepStatus, unmetObligation, verdictStatus } from "./runs.js";

// `specs` are the demos as the server describes them. Between drawings, a card keeps the chosen options and the last active run.
// `linked` has the `id` of the run that the address names, or null.
export function demos(/** @type {wire.DemoView[]} */ specs, { role }, redraw, linked = { id: null }) {
  const cards = specs.map((demo) => card(demo, role === "operator", redraw, linked));
  return (state, now) => {
    keepFocus(".demo");
    return html`${cards.map((view) => view(state, now))}`;
  };
}

function card(/** @type {wire.DemoView} */ demo, isOperator, redraw, linked) {
  const { id, title, sentence } = demo;
  const control = new RunControl(demo, redraw);
  const chosen = Object.fromEntries(demo.options.filter((option) => option.choices).map((option) => [option.name, option.default]));
  let seen = null; // the demo's last active run, with its steps and evidence

  return (state, now) => {
    if (state.run?.demo === id) seen = state.run;
    control.update(state);
    const newest = latest(state, id, seen);
    const named = runById(state, linked.id);
    const isEarlier = named?.demo === id && named.id !== newest?.id;
    const run = isEarlier ? named : newest;
    const active = run !== null && isRunning({ run });
    return html`<article class="panel demo" data-demo=${id} data-verdict=${run?.verdict ?? ""} aria-labelledby="demo-${id}" tabindex="-1">
      <header class="panel-head">
        <h2 id="demo-${id}">${title}</h2>
        ${active ? html`<p class="panel-aside">running · ${formatElapsed(elapsedSeconds(run, now), true)}</p>` : nothing}
      </header>
      <p>${sentence}</p>
      ${isEarlier ? html`<p class="text-muted">The run of ${timeOfDay(run.started)}, not the newest. <a class="link" href="#demo-${id}">Show the newest</a></p>` : nothing}
      ${run?.steps?.length ? steps(run.steps, title, now) : nothing}
      <div role="status" aria-live="off">${run && !active ? verdict(run) : nothing}</div>
      ${control.problem()} ${active ? activeControls(control, state, run, isOperator) : idleControls(control, { demo, chosen, isOperator }, state, run)}
      ${earlierRuns(earlier(state, id, run), title)} ${manualSteps(demo)}
    </article>`;
  };
}

// A run can be aborted only from the dashboard that runs it.
function activeControls(control, /** @type {wire.State} */ state, /** @type {wire.RunView} */ { id }, isOperator) {
  if (state.run?.id !== id) return html`<p class="text-muted">${blockedReason(state)}</p>`;
  if (!isOperator) return html`<p class="text-muted">An operator may abort it.</p>`;
  return html`<p class="buttons">${control.abortButton(id)}</p>`;
}

function idleControls(control, { demo, chosen, isOperator }, state, run) {
  const reason = blockedReason(state);
  const offered = isOperator && !reason;
  return html`${reason ? html`<p class="text-muted">${reason}</p>` : nothing}
    ${isOperator || reason ? nothing : html`<p class="text-muted">Starting this demo needs the operator's token.</p>`}
    ${offered ? demo.options.map((option) => optionInput(demo, option, chosen, state.about)) : nothing}
    ${offered || run ? html`<p class="buttons">
      ${offered ? control.startButton(run ? "Run again" : "Run", () => runOptions(demo, chosen, state.about)) : nothing} ${run ? reports(run) : nothing}
    </p>` : nothing}`;
}

// The chosen value of each option that has more than one. A number that was not entered is left to the run.
function runOptions(/** @type {wire.DemoView} */ demo, chosen, /** @type {wire.About} */ about) {
  const open = demo.options.filter((option) => choices(option, about).length > 1 || (isNumber(option) && chosen[option.name] > 0));
  return Object.fromEntries(open.map(({ name }) => [name, chosen[name]]));
}

function isNumber(option) {
  return !option.choices;
}

function optionInput(/** @type {wire.DemoView} */ demo, option, chosen, /** @type {wire.About} */ about) {
  return isNumber(option) ? optionNumber(option, chosen) : optionChoice(demo, option, chosen, about);
}

function optionNumber(option, chosen) {
  const { name, min, max, unit } = option;
  return html`<p class="choice"><label data-operator>
    ${name} <input class="document-field" type="number" min=${min} max=${max} step="any" placeholder="auto" .value=${chosen[name] || ""} @change=${({ target }) => (chosen[name] = target.valueAsNumber)} />
    <span class="text-muted">${unit}, ${count(min)} to ${count(max)}</span>
  </label></p>`;
}

function optionChoice(/** @type {wire.DemoView} */ { id, title }, option, chosen, /** @type {wire.About} */ about) {
  const { name } = option;
  if (choices(option, about).length < 2) return nothing;
  return html`<fieldset class="choice">
    <legend class="visually-hidden">${title}: ${name}</legend>
    ${choices(option, about).map(([value, text]) => html`<label data-operator>
      <input type="radio" name="${id}-${name}" value=${value} .checked=${chosen[name] === value} @change=${() => (chosen[name] = value)} />
      <span>${value} <span class="text-muted">${text}</span></span>
    </label>`)}
  </fieldset>`;
}

// The values that an option may have in this deployment: the crash mode needs its crash container.
function choices(option, /** @type {wire.About} */ { crash }) {
  return (option.choices ?? []).filter(([value]) => value !== "crash" || crash);
}

function steps(/** @type {wire.RunStep[]} */ all, title, now) {
  return html`<ol class="steps" aria-label="Steps of ${title}">
    ${repeat(all, ({ id }) => id, (step) => {
      const { icon: name, word, tone } = stepStatus(step);
      const active = step.state === "running";
      return html`<li data-step=${step.id} data-state=${step.state} data-tone=${tone} aria-current=${active ? "step" : nothing}>
        ${icon(name)}
        <p><span class="visually-hidden">${word}: </span>${step.title}${step.text ? html`<span class="step-text">${step.text}</span>` : nothing}</p>
        <span>${formatElapsed(elapsedSeconds(step, now), active)}</span>
      </li>`;
    })}
  </ol>`;
}

function verdict(/** @type {wire.RunView} */ run) {
  const { icon: name, word, tone } = verdictStatus(run);
  const obligation = unmetObligation(run);
  const isInReason = run.reason?.includes(obligation?.text);
  return html`<div class="run-verdict" data-tone=${tone}>
    <p class="run-word">${icon(name)}<strong>${word}</strong> <time class="text-muted" datetime=${run.ended ?? nothing}>${timeOfDay(run.ended)}</time></p>
    ${run.reason ? html`<p>${run.reason}</p>` : nothing} ${obligation && !isInReason ? html`<p>${obligationText(obligation)}</p>` : nothing}
    ${(run.lines ?? []).map((parts) => html`<p>${parts.join(" · ")}</p>`)}
    ${run.line ? html`<code class="run-line">${run.line}</code>` : nothing}
  </div>`;
}

function reports(/** @type {wire.RunView | wire.RunRow} */ { id, evidence_file: file }) {
  return html`<a class="button" href=${address(`/api/runs/${id}/report.html`)} target="_blank">Report</a>
    <a class="button" href=${address(`/api/runs/${id}/report`)} download="${id}.json">JSON</a>
    ${file ? html`<a class="button" href=${address(`/api/runs/${id}/evidence`)} download title=${fileNote(file)}>Evidence</a>` : nothing}`;
}

function earlierRuns(/** @type {wire.RunRow[]} */ runs, title) {
  if (runs.length === 0) return nothing;
  return html`<div class="runs">
    <h3 class="text-muted">Earlier runs</h3>
    <ul aria-label="Earlier runs of ${title}">
      ${repeat(runs, ({ id }) => id, (run) => html`<li>
        ${status(verdictStatus(run))}
        <a class="link" href=${formatRoute("runs", [run.id])} aria-label="Show the run at ${timeOfDay(run.started)}"><time datetime=${run.started}>${timeOfDay(run.started)}</time></a>
        <a class="link" href=${address(`/api/runs/${run.id}/report.html`)} target="_blank" aria-label="Report of the run at ${timeOfDay(run.started)}">report</a>
      </li>`)}
    </ul>
  </div>`;
}

function manualSteps(/** @type {wire.DemoView} */ { title, by_hand: { command, watch } }) {
  return html`<details class="by-hand">
    <summary>By hand</summary>
    <pre class="example" tabindex="0" aria-label="Command for ${title}"><code>${command}</code></pre>
    <p class="text-muted">${watch}</p>
  </details>`;
}
