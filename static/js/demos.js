// The two demos: what each proves, its run step by step, and the verdict with its evidence. One click starts one.

import { html, nothing, repeat } from "./vendor.js";
import { keepFocus } from "./focus.js";
import { clock } from "./format.js";
import { icon, status } from "./icons.js";
import { runControl } from "./runControl.js";
import { earlier, evidence, held, lapse, latest, owedIn, owedWords, running, seconds, stepStatus, verdictStatus } from "./runs.js";

export const DEMOS = [
  {
    id: "persistence",
    title: "Persistence",
    claim: "A database restart loses nothing that was acknowledged",
    takes: "40 seconds",
    compared: (time) => `down ${time}`,
    sentence: "Eight writers post through the service while the database is killed; every acknowledged document is read back.",
    command: ({ statefulset }, { namespace }) => `kubectl -n ${namespace} delete pod ${statefulset}-0`,
    watch: "Post documents meanwhile: each is answered 201, a little late, and arrives below.",
  },
  {
    id: "autoscale",
    title: "Autoscale",
    claim: "The autoscaler follows the load, up and down",
    takes: "4 minutes",
    compared: (time) => `${time} to more pods`,
    sentence: "An open-loop load over the CPU target makes the autoscaler add pods; when it stops, they go again.",
    command: () => "ab -t 90 -n 1000000 -c 100 http://localhost:5000/",
    watch: "The first sample over the target takes some 20 seconds; the clock above shows it, and the autoscaler says what follows.",
  },
];
const MODES = [
  ["graceful", "delete the pod"],
  ["crash", "SIGKILL mongod"],
];

// The view keeps what a reader chose and asked for, and each demo's last run as it was seen in full.
export function demos(names, redraw) {
  const cards = DEMOS.map((demo) => card(demo, names, redraw));
  return (state, at) => {
    keepFocus(".demo");
    return html`${cards.map((view) => view(state, at))}`;
  };
}

function card(demo, names, redraw) {
  const { id, title, sentence } = demo;
  const operates = names.role === "operator";
  const control = runControl(demo, redraw);
  let mode = "graceful";
  let kept = null; // the demo's latest run as it last stood in the state

  return (state, at) => {
    if (state.run?.demo === id) kept = state.run;
    control.follow(state);
    const shown = latest(state, id, kept);
    const runs = shown !== null && running({ run: shown });
    return html`<article class="panel demo" data-demo=${id} data-verdict=${shown?.verdict ?? ""} aria-labelledby="demo-${id}" tabindex="-1">
      <header class="panel-head">
        <h2 id="demo-${id}">${title}</h2>
        ${runs ? html`<p class="panel-aside">running · ${lapse(seconds(shown, at), true)}</p>` : nothing}
      </header>
      <p>${sentence}</p>
      ${shown?.steps?.length ? steps(shown.steps, title, at) : nothing}
      <div role="status" aria-live="off">${shown && !runs ? verdict(shown) : nothing}</div>
      ${control.problem()} ${runs ? going(state, shown) : rest(state, shown)} ${past(earlier(state, id, shown), title)} ${byHand(demo, names, state.about)}
    </article>`;
  };

  // Only the dashboard that runs it can end it.
  function going(state, { id: run }) {
    if (state.run?.id !== run) return html`<p class="quiet">${held(state)}</p>`;
    if (!operates) return html`<p class="quiet">An operator may abort it.</p>`;
    return html`<p class="buttons">${control.abortButton(run)}</p>`;
  }

  function rest(state, shown) {
    const reason = held(state);
    const offered = operates && !reason;
    return html`${reason ? html`<p class="quiet">${reason}</p>` : nothing}
      ${operates || reason ? nothing : html`<p class="quiet">A viewer watches; an operator starts it.</p>`}
      ${offered && id === "persistence" && state.about.crash ? modes() : nothing}
      ${offered || shown ? html`<p class="buttons">
        ${offered ? control.startButton(shown ? "Run again" : "Run", () => options(state.about)) : nothing} ${shown ? reports(shown) : nothing}
      </p>` : nothing}`;
  }

  function options({ crash }) {
    return id === "persistence" ? { mode: crash ? mode : "graceful" } : {};
  }

  function modes() {
    return html`<fieldset class="choice">
      <legend class="unseen">How the database is killed</legend>
      ${MODES.map(([value, words]) => html`<label data-operator>
        <input type="radio" name="demo-mode" value=${value} .checked=${mode === value} @change=${() => (mode = value)} />
        <span>${value} <span class="quiet">${words}</span></span>
      </label>`)}
    </fieldset>`;
  }
}

function steps(all, title, at) {
  return html`<ol class="steps" aria-label="Steps of ${title}">
    ${repeat(all, ({ id }) => id, (step) => {
      const { icon: name, word, tone } = stepStatus(step);
      const active = step.state === "running";
      return html`<li data-step=${step.id} data-state=${step.state} data-tone=${tone} aria-current=${active ? "step" : nothing}>
        ${icon(name)}
        <p><span class="unseen">${word}: </span>${step.title}${step.text ? html`<span class="step-text">${step.text}</span>` : nothing}</p>
        <span>${lapse(seconds(step, at), active)}</span>
      </li>`;
    })}
  </ol>`;
}

function verdict(run) {
  const { icon: name, word, tone } = verdictStatus(run);
  const owed = owedIn(run);
  const told = owed && !run.reason?.includes(owed.text);
  return html`<div class="run-verdict" data-tone=${tone}>
    <p class="run-word">${icon(name)}<strong>${word}</strong> <time class="quiet" datetime=${run.ended ?? nothing}>${clock(run.ended)}</time></p>
    ${run.reason ? html`<p>${run.reason}</p>` : nothing} ${told ? html`<p>${owedWords(owed)}</p>` : nothing}
    ${evidence(run).map((parts) => html`<p>${parts.join(" · ")}</p>`)}
    ${run.line ? html`<code class="run-line">${run.line}</code>` : nothing}
  </div>`;
}

function reports({ id }) {
  return html`<a class="button" href="/api/runs/${id}/report.html" target="_blank">Report</a>
    <a class="button" href="/api/runs/${id}/report" download="${id}.json">JSON</a>`;
}

function past(runs, title) {
  if (runs.length === 0) return nothing;
  return html`<div class="runs">
    <h3 class="quiet">Earlier runs</h3>
    <ul aria-label="Earlier runs of ${title}">
      ${repeat(runs, ({ id }) => id, (run) => html`<li>
        ${status(verdictStatus(run))}
        <time class="quiet" datetime=${run.started}>${clock(run.started)}</time>
        <a class="link" href="/api/runs/${run.id}/report.html" target="_blank" aria-label="Report of the run at ${clock(run.started)}">report</a>
      </li>`)}
    </ul>
  </div>`;
}

function byHand({ title, command, watch }, names, about) {
  return html`<details class="by-hand">
    <summary>By hand</summary>
    <pre class="example" tabindex="0" aria-label="Command for ${title}"><code>${command(names, about)}</code></pre>
    <p class="quiet">${watch}</p>
  </details>`;
}
