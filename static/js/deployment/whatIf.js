// What the autoscaler would do in another situation, or with other settings. The server computes it.

import { html, nothing } from "../lib/vendor.js";
import { MOST_PODS, MOST_USAGE } from "../api/limits.js";
import { request } from "../api/request.js";
import { findings, sentence, unbroken } from "./autoscaler.js";

export class WhatIf {
  #redraw;
  #present = /** @type {Record<string, number>} */ ({}); // the figures when it was opened
  #values = /** @type {Record<string, string | number>} */ ({});
  #answer = /** @type {wire.WhatIf | null} */ (null);
  #problem = null;
  #asking = null;

  constructor(redraw) {
    this.#redraw = redraw;
  }

  open(/** @type {wire.AutoscalerView | null} */ hpa) {
    if (!hpa?.evaluation) return;
    const { percent, target, replicas } = hpa.evaluation;
    this.#present = { percent: percent ?? target, replicas: Math.max(replicas, 1), target, min: hpa.min, max: hpa.max };
    this.#reset();
  }

  template(/** @type {wire.AutoscalerView} */ { evaluation }) {
    if (!evaluation) return html`<p class="text-muted">It has no target for CPU.</p>`;
    const { unit } = evaluation;
    return html`<form class="load-form" aria-label="What if" @submit=${(event) => event.preventDefault()} @input=${(event) => this.#onInput(event)}>
        ${this.#field("percent", `CPU, ${unit}`, 0, MOST_USAGE)} ${this.#field("replicas", "pods", 1, MOST_PODS)}
        ${this.#field("target", `target, ${unit}`, 1, MOST_USAGE)} ${this.#field("min", "min", 0, MOST_PODS)} ${this.#field("max", "max", 1, MOST_PODS)}
        <button type="button" class="button" @click=${() => this.#reset()}>As it is now</button>
      </form>
      <p class="problem" role="alert">${this.#problem ?? nothing}</p>
      <div role="status" aria-label="Answer">${this.#answer && !this.#problem ? answer(this.#answer) : nothing}</div>
      <p class="note">If nothing was scaled lately, the same work is spread evenly over the pods, and each new pod is measured at once.</p>`;
  }

  #field(name, label, min, max) {
    return html`<label>${label} <input class="document-field" type="number" name=${name} required min=${min} max=${max} step="1" inputmode="numeric" .value=${String(this.#values[name])} /></label>`;
  }

  #reset() {
    this.#values = { ...this.#present };
    this.#ask();
  }

  #onInput({ target }) {
    this.#values[target.name] = target.value;
    const wrong = [...target.form.elements].find((field) => !field.validity.valid);
    if (!wrong) return this.#ask();
    this.#asking?.abort();
    this.#problem = `${wrong.labels[0].textContent.trim()}: ${wrong.validationMessage}`;
    this.#redraw();
  }

  // The last question counts: an earlier one that is under way is given up.
  async #ask() {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      this.#answer = await request("GET", `/api/autoscaler/what-if?${new URLSearchParams(Object.entries(this.#values).map(([name, value]) => [name, String(value)]))}`, { signal });
      this.#problem = null;
    } catch (error) {
      if (signal.aborted) return;
      this.#problem = error.message;
    }
    this.#redraw();
  }
}

function answer(/** @type {wire.WhatIf} */ found) {
  return html`<div class="reasoning">
      ${sentence(found.sentence, found.formula)}
      <p class="next">${unbroken(found.summary)}</p>
      ${found.notes.map((note) => html`<p class="note">${unbroken(note)}</p>`)}
    </div>
    ${findings(found.findings)}`;
}
