// The actions that change the deployment: a load, a restart of the database, a roll-out, the autoscaler. Some as commands, too.

import { html, nothing } from "../lib/vendor.js";
import { keepFocus } from "../lib/focus.js";
import { count, formatElapsed, milliseconds, plural, rate, secondsSince, timeOfDay } from "../text/format.js";
import { MOST_RATE, MOST_SECONDS } from "../api/limits.js";
import { Mutation } from "../api/mutation.js";
import { panel } from "../lib/panel.js";
import { Restart, restartTitle } from "./restart.js";
import { isRunning, restartBlockedReason } from "../demos/runs.js";

const BLOCKED = "actions-blocked"; // the id of the text that says why nothing can be started

export function actions(names, redraw, changes) {
  const isOperator = names.role === "operator";
  const load = new LoadControl(isOperator, redraw);
  const restart = new Restart(names, redraw);

  return (state, now) => {
    keepFocus("#actions li");
    const reason = restartBlockedReason(state); // not blocked by a load: the panel then offers to stop it instead of starting one
    changes.draw(state, reason);
    restart.draw(state, reason);
    const body = html`<ul class="actions">
        <li tabindex="-1" aria-label="Trigger load">${load.row(state, now, reason)}</li>
        ${names.statefulset ? html`<li tabindex="-1" aria-label=${restartTitle(state)}>${restart.row(state, isOperator, reason && BLOCKED)}</li>` : nothing}
        ${changes.rows(state, reason && BLOCKED)}
      </ul>
      <p class="text-muted" id=${BLOCKED}>${isOperator ? reason : "Starting a load, a restart or a change needs the operator's token."}</p>
      ${commands(names, state)}`;
    return panel({ id: "actions", title: "Actions", aside: "changes to the deployment", state, body });
  };
}

// Starts and stops a load, and shows its figures.
class LoadControl {
  #isOperator;
  #start;
  #stop;

  constructor(isOperator, redraw) {
    this.#isOperator = isOperator;
    this.#start = new Mutation(redraw);
    this.#stop = new Mutation(redraw);
  }

  row(state, now, reason) {
    return html`<p><strong>Trigger load</strong> <span class="text-muted">GET requests at a fixed rate, however slow the answers are</span></p>
      ${state.load?.active ? html`${figures(state.load, now)} ${this.#stopButton(state)}` : this.#idle(state.load, reason)}
      <p class="problem" role="alert">${this.#start.problem ?? this.#stop.problem ?? nothing}</p>`;
  }

  #idle(last, reason) {
    return html`${last ? html`<p class="text-muted">Last: ${summary(last)}.${last.error ? ` It failed: ${last.error}` : nothing}</p>` : nothing}
      ${this.#isOperator ? this.#form(reason) : nothing}`;
  }

  #stopButton(state) {
    if (!this.#isOperator) return nothing;
    if (isRunning(state)) return html`<p class="text-muted">It belongs to the run: abort the run to stop it.</p>`;
    return html`<button type="button" class="button" data-kind="danger" data-operator aria-busy=${this.#stop.busy} @click=${() => this.#stop.run("DELETE", "/api/load")}>
      Stop
    </button>`;
  }

  #form(reason) {
    return html`<form class="load-form" data-operator @submit=${(event) => this.#submit(event, reason)}>
      <label>requests a second <input class="document-field" type="number" name="rate" required min="1" max=${MOST_RATE} value="180" inputmode="numeric" /></label>
      <label>for seconds <input class="document-field" type="number" name="duration" required min="1" max=${MOST_SECONDS} value="120" inputmode="numeric" /></label>
      <button class="button" aria-busy=${this.#start.busy} aria-disabled=${reason ? "true" : nothing} aria-describedby=${reason ? BLOCKED : nothing}>Start load</button>
    </form>`;
  }

  #submit(event, reason) {
    event.preventDefault();
    if (reason) return;
    const { rate: perSecond, duration: seconds } = event.target.elements;
    this.#stop.problem = null;
    this.#start.run("PUT", "/api/load", { rate: perSecond.valueAsNumber, duration: seconds.valueAsNumber });
  }
}

function figures(/** @type {wire.LoadView} */ load, now) {
  const left = load.ends ? -secondsSince(load.ends, now) : null;
  const entries = [
    ["offered", rate(load.offered)],
    ["achieved", rate(load.achieved)],
    ["errors", rate(load.errors_per_second)],
    ["p50", milliseconds(load.p50_ms)],
    ["p99", milliseconds(load.p99_ms)],
    ["left", left === null ? "—" : formatElapsed(Math.max(0, left), true)],
  ];
  return html`<p class="text-muted">${summary(load)}</p>
    <dl class="load-figures">${entries.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${load.dropped ? html`<p class="text-muted">${plural(load.dropped, "request")} not sent: the limit of concurrent requests was reached.</p>` : nothing}`;
}

function summary(/** @type {wire.LoadView} */ { rate: perSecond, duration: seconds, by, started }) {
  return `${count(perSecond)} a second for ${formatElapsed(seconds, true)}, by ${by} at ${timeOfDay(started)}`;
}

function commands({ statefulset, serviceAddress }, /** @type {wire.State} */ state) {
  const post = `curl -H "Content-Type: application/json" -d '{"key":"value"}' ${serviceAddress}/data`;
  const all = [
    ...(statefulset ? [[restartTitle(state), "the new pod takes the same volume", `kubectl -n ${state.about.namespace} delete pod ${statefulset}-0`]] : []),
    ...(state.sources.mongo ? [["Post a document", "it appears below at once", post]] : []),
  ];
  if (all.length === 0) return nothing;
  return html`<details class="by-hand">
    <summary>By kubectl and curl</summary>
    ${all.map(([name, effect, command]) => html`<p><strong>${name}</strong> <span class="text-muted">${effect}</span></p>
      <pre class="example" tabindex="0" aria-label="Command: ${name}"><code>${command}</code></pre>`)}
  </details>`;
}
