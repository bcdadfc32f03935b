// What a reader may do to the deployment: load it, and restart its database. The same as commands, too.

import { html, nothing } from "./vendor.js";
import { errand } from "./mutation.js";
import { keepFocus } from "./focus.js";
import { clock, count, duration, plural, rate, secondsSince } from "./format.js";
import { panel } from "./panel.js";
import { restart as restartOf } from "./restart.js";
import { heldFromRestart, lapse, running } from "./runs.js";

const MOST_RATE = 2_000; // as the server allows
const MOST_SECONDS = 1800;
const DENIED = "actions-denied"; // the id of the words that say why nothing can be done

export function actions(names, redraw) {
  const start = errand(redraw);
  const end = errand(redraw);
  const restart = restartOf(names, redraw);
  const operates = names.role === "operator";

  return (state, at) => {
    keepFocus("#actions li");
    const reason = heldFromRestart(state); // while a load goes, it alone is offered
    return html`${panel({ id: "actions", title: "Actions", aside: "what changes the deployment", state, body: body(state, at, reason) })}
    ${operates ? restart.dialog(state, reason) : nothing}`;
  };

  function body(state, at, reason) {
    return html`<ul class="actions">
        <li tabindex="-1" aria-label="Trigger load">
          <p><strong>Trigger load</strong> <span class="text-muted">GET requests at a fixed rate, whatever the answers take</span></p>
          ${loading(state, at, reason)}
          <p class="problem" role="alert">${start.problem ?? end.problem ?? nothing}</p>
        </li>
        <li tabindex="-1" aria-label="Restart Mongo">${restart.row(state, operates, reason && DENIED)}</li>
      </ul>
      <p class="text-muted" id=${DENIED}>${operates ? reason : "A viewer watches; an operator loads the service and restarts the database."}</p>
      ${commands(names, state)}`;
  }

  function loading(state, at, reason) {
    const { load: told } = state;
    if (told?.active) return html`${figures(told, at)} ${stop(state)}`;
    return html`${told ? html`<p class="text-muted">Last: ${words(told)}.${told.error ? ` It failed: ${told.error}` : nothing}</p>` : nothing} ${operates ? form(reason) : nothing}`;
  }

  function stop(state) {
    if (!operates) return nothing;
    if (running(state)) return html`<p class="text-muted">It belongs to the run: abort that to stop it.</p>`;
    return html`<button type="button" class="button" data-kind="danger" data-operator aria-busy=${end.busy} @click=${() => end.run("DELETE", "/api/load")}>
      Stop
    </button>`;
  }

  function form(reason) {
    return html`<form class="load-form" data-operator @submit=${(event) => submit(event, reason)}>
      <label>requests a second <input class="document-field" type="number" name="rate" required min="1" max=${MOST_RATE} value="180" inputmode="numeric" /></label>
      <label>for seconds <input class="document-field" type="number" name="duration" required min="1" max=${MOST_SECONDS} value="120" inputmode="numeric" /></label>
      <button class="button" aria-busy=${start.busy} aria-disabled=${reason ? "true" : nothing} aria-describedby=${reason ? DENIED : nothing}>Start load</button>
    </form>`;
  }

  function submit(event, reason) {
    event.preventDefault();
    if (reason) return;
    const { rate: asked, duration: lasts } = event.target.elements;
    end.problem = null;
    start.run("PUT", "/api/load", { rate: asked.valueAsNumber, duration: lasts.valueAsNumber });
  }
}

function figures(load, at) {
  const left = load.ends ? -secondsSince(load.ends, at) : null;
  const ms = (value) => (value === null ? "—" : duration(value / 1_000).replace(/^0\.0 s$/, `${count(Math.round(value))} ms`));
  const told = [
    ["offered", rate(load.offered)],
    ["achieved", rate(load.achieved)],
    ["errors", rate(load.errors_per_second)],
    ["p50", ms(load.p50_ms)],
    ["p99", ms(load.p99_ms)],
    ["left", left === null ? "—" : lapse(Math.max(0, left), true)],
  ];
  return html`<p class="text-muted">${words(load)}</p>
    <dl class="load-figures">${told.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${load.dropped ? html`<p class="text-muted">${plural(load.dropped, "request")} not sent: as many as may be were under way.</p>` : nothing}`;
}

function words({ rate: asked, duration: lasts, by, started }) {
  return `${count(asked)} a second for ${lapse(lasts, true)}, by ${by} at ${clock(started)}`;
}

function commands({ deployment, statefulset }, { about }) {
  const all = [
    ["Restart Mongo", "its successor takes the same volume", `kubectl -n ${about.namespace} delete pod ${statefulset}-0`],
    ["Replace the service's pods", "no request is dropped", `kubectl -n ${about.namespace} rollout restart deployment/${deployment}`],
    ["Post a document", "it appears below at once", `curl -H "Content-Type: application/json" -d '{"key":"value"}' http://localhost:5000/data`],
  ];
  return html`<details class="by-hand">
    <summary>By kubectl and curl</summary>
    ${all.map(([name, effect, command]) => html`<p><strong>${name}</strong> <span class="text-muted">${effect}</span></p>
      <pre class="example" tabindex="0" aria-label="Command: ${name}"><code>${command}</code></pre>`)}
  </details>`;
}
