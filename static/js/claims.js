// What the deployment claims, first on the page: each claim's last verdict with its key figures, their trend, and its button.

import { html, nothing, svg } from "./vendor.js";
import { keepFocus } from "./focus.js";
import { ago } from "./format.js";
import { icon } from "./icons.js";
import { runControl } from "./runControl.js";
import { held, lapse, latest, owedIn, owedWords, running, seconds, verdictStatus } from "./runs.js";
import { HEIGHT, sentence, told, trendOf } from "./trend.js";

const SIGNS = {
  PASS: svg`<circle r="3" />`,
  FAIL: svg`<path d="m-3-3 6 6m0-6-6 6" />`,
  INCONCLUSIVE: svg`<path d="M0-3 3.2 2.6H-3.2z" />`,
};
const UNPROVED = { icon: "ring", word: "not proved yet", tone: "off" };

export function claims(specs, { role }, redraw) {
  const views = specs.map((demo) => claim(demo, role === "operator", redraw));
  return (state, at) => {
    keepFocus(".claim");
    return views.map((view) => view(state, at));
  };
}

function claim(demo, operates, redraw) {
  const { id, title } = demo;
  const control = runControl(demo, redraw);

  return (state, at) => {
    control.follow(state);
    const run = latest(state, id, null);
    const { icon: name, word, tone } = run ? verdictStatus(run) : UNPROVED;
    return html`<article class="panel claim" data-claim=${id} data-claim-verdict=${run?.verdict ?? ""} data-tone=${tone} aria-labelledby="claim-${id}" tabindex="-1">
      <h2 id="claim-${id}">${demo.claim}</h2>
      <p class="claim-verdict" role="status">${icon(name)}<span class="visually-hidden">${title}: </span><strong>${word}</strong></p>
      <p class="claim-figures">${words(demo, run, operates, held(state), at)}</p>
      ${why(run)} ${trend(state.runs, demo)}
      <p class="claim-button">${operates ? button(state, run) : nothing}</p>
      ${control.problem()}
    </article>`;
  };

  // None while something else goes: the card says who is in the way.
  function button(state, run) {
    if (running(state) && state.run.demo === id) return control.abortButton(state.run.id);
    return held(state) ? nothing : control.startButton(run ? "Prove again" : "Prove it");
  }
}

function words({ id, title, takes }, run, operates, busy, at) {
  if (!run && busy) return "One thing at a time: it can be proved when the other is over.";
  if (!run) return operates ? `One click proves or refutes it, in about ${takes}.` : "An operator can prove it.";
  if (run.verdict === "running") return underWay(run, at);
  const figures = (run.key_figures ?? []).map((part) => html`<span>${part}</span> · `);
  return html`${figures}<time datetime=${run.ended}>${ago(run.ended, at)}</time> ·
    <a class="link" href="#demo-${id}" aria-label="Evidence: ${title}">evidence</a>`;
}

// The step under way; another dashboard's run is known by its beginning only.
function underWay(run, at) {
  const steps = run.steps ?? [];
  const place = steps.findIndex(({ state }) => state === "running");
  const step = place >= 0 ? html`<span>step ${place + 1} of ${steps.length}: ${steps[place].title}</span> · ` : nothing;
  return html`${step}<span>${lapse(seconds(run, at), true)}</span>`;
}

function why(run) {
  const owed = run && owedIn(run);
  const words = owed ? owedWords(owed) : run?.reason;
  return words ? html`<p class="claim-why">${words}</p>` : nothing;
}

function trend(runs, { id, title, comparison }) {
  const { points, width } = trendOf(runs, id);
  if (points.length < 2) return nothing;
  const line = points.filter(({ value }) => value !== null).map(({ x, y }) => `${x} ${y}`);
  return html`<figure class="trend">
    <figcaption>last ${points.length} runs</figcaption>
    <svg viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${title}: ${sentence(points, comparison)}">
      <path class="trend-line" d=${line.length > 0 ? `M${line.join("L")}` : nothing} />
      ${points.map((point) => svg`<g data-tone=${point.tone} transform="translate(${point.x} ${point.y})">
        <title>${told(point, comparison)}</title>${SIGNS[point.word]}
      </g>`)}
    </svg>
  </figure>`;
}
