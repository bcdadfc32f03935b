// The demos: what each proves, its run step by step, and the verdict with its evidence. One click starts one.

import { html, nothing, repeat } from "./vendor.js";
import { keepFocus } from "./focus.js";
import { clock } from "./format.js";
import { icon, status } from "./icons.js";
import { runControl } from "./runControl.js";
import { earlier, held, lapse, latest, owedIn, owedWords, running, seconds, stepStatus, verdictStatus } from "./runs.js";

// `specs` are the demos as the server has them. The view keeps what a reader chose, and each demo's last run as it was seen in full.
export function demos(specs, names, redraw) {
  const cards = specs.map((demo) => card(demo, names, redraw));
  return (state, at) => {
    keepFocus(".demo");
    return html`${cards.map((view) => view(state, at))}`;
  };
}

function card(demo, names, redraw) {
  const { id, title, sentence } = demo;
  const operates = names.role === "operator";
  const control = runControl(demo, redraw);
  const chosen = Object.fromEntries(demo.options.filter((option) => option.choices).map((option) => [option.name, option.default]));
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
      ${control.problem()} ${runs ? going(state, shown) : rest(state, shown)} ${past(earlier(state, id, shown), title)} ${byHand(demo)}
    </article>`;
  };

  // Only the dashboard that runs it can end it.
  function going(state, { id: run }) {
    if (state.run?.id !== run) return html`<p class="text-muted">${held(state)}</p>`;
    if (!operates) return html`<p class="text-muted">An operator may abort it.</p>`;
    return html`<p class="buttons">${control.abortButton(run)}</p>`;
  }

  function rest(state, shown) {
    const reason = held(state);
    const offered = operates && !reason;
    return html`${reason ? html`<p class="text-muted">${reason}</p>` : nothing}
      ${operates || reason ? nothing : html`<p class="text-muted">A viewer watches; an operator starts it.</p>`}
      ${offered ? demo.options.map((option) => choice(option, state.about)) : nothing}
      ${offered || shown ? html`<p class="buttons">
        ${offered ? control.startButton(shown ? "Run again" : "Run", () => options(state.about)) : nothing} ${shown ? reports(shown) : nothing}
      </p>` : nothing}`;
  }

  // What was chosen, where there is a choice.
  function options(about) {
    const open = demo.options.filter((option) => choices(option, about).length > 1);
    return Object.fromEntries(open.map(({ name }) => [name, chosen[name]]));
  }

  function choice(option, about) {
    const { name } = option;
    if (choices(option, about).length < 2) return nothing;
    return html`<fieldset class="choice">
      <legend class="visually-hidden">${title}: ${name}</legend>
      ${choices(option, about).map(([value, words]) => html`<label data-operator>
        <input type="radio" name="${id}-${name}" value=${value} .checked=${chosen[name] === value} @change=${() => (chosen[name] = value)} />
        <span>${value} <span class="text-muted">${words}</span></span>
      </label>`)}
    </fieldset>`;
  }
}

// The values that an option may have here: a deployment without a crash container has no crash mode.
function choices(option, { crash }) {
  return (option.choices ?? []).filter(([value]) => value !== "crash" || crash);
}

function steps(all, title, at) {
  return html`<ol class="steps" aria-label="Steps of ${title}">
    ${repeat(all, ({ id }) => id, (step) => {
      const { icon: name, word, tone } = stepStatus(step);
      const active = step.state === "running";
      return html`<li data-step=${step.id} data-state=${step.state} data-tone=${tone} aria-current=${active ? "step" : nothing}>
        ${icon(name)}
        <p><span class="visually-hidden">${word}: </span>${step.title}${step.text ? html`<span class="step-text">${step.text}</span>` : nothing}</p>
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
    <p class="run-word">${icon(name)}<strong>${word}</strong> <time class="text-muted" datetime=${run.ended ?? nothing}>${clock(run.ended)}</time></p>
    ${run.reason ? html`<p>${run.reason}</p>` : nothing} ${told ? html`<p>${owedWords(owed)}</p>` : nothing}
    ${(run.lines ?? []).map((parts) => html`<p>${parts.join(" · ")}</p>`)}
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
    <h3 class="text-muted">Earlier runs</h3>
    <ul aria-label="Earlier runs of ${title}">
      ${repeat(runs, ({ id }) => id, (run) => html`<li>
        ${status(verdictStatus(run))}
        <time class="text-muted" datetime=${run.started}>${clock(run.started)}</time>
        <a class="link" href="/api/runs/${run.id}/report.html" target="_blank" aria-label="Report of the run at ${clock(run.started)}">report</a>
      </li>`)}
    </ul>
  </div>`;
}

function byHand({ title, by_hand: { command, watch } }) {
  return html`<details class="by-hand">
    <summary>By hand</summary>
    <pre class="example" tabindex="0" aria-label="Command for ${title}"><code>${command}</code></pre>
    <p class="text-muted">${watch}</p>
  </details>`;
}
