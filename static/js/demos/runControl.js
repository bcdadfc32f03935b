// The buttons that start and abort a demo's run. They are on the demo's claim and on its card.

import { html } from "../lib/vendor.js";
import { Mutation } from "../api/mutation.js";

export class RunControl {
  #demo;
  #redraw;
  #start;
  #abort;
  #startedId = null; // the run that was started here, until the state has it

  constructor(demo, redraw) {
    this.#demo = demo;
    this.#redraw = redraw;
    this.#start = new Mutation(redraw);
    this.#abort = new Mutation(redraw);
  }

  // To be called with each new state.
  update({ run, runs }) {
    if (run?.id === this.#startedId || runs?.some(({ id }) => id === this.#startedId)) this.#startedId = null;
  }

  problem() {
    return html`<p class="problem" role="alert">${this.#start.problem ?? this.#abort.problem}</p>`;
  }

  // `options()` returns the run's options when the button is pressed.
  startButton(text, options = () => ({})) {
    return html`<button
      type="button"
      class="button"
      data-kind="primary"
      data-operator
      aria-busy=${this.#start.busy || this.#startedId !== null}
      aria-label="${text}: ${this.#demo.title}"
      @click=${() => this.#run(options())}
    >
      ${text}
    </button>`;
  }

  abortButton(runId) {
    return html`<button
      type="button"
      class="button"
      data-kind="danger"
      data-operator
      aria-busy=${this.#abort.busy}
      aria-label="Abort: ${this.#demo.title}"
      @click=${() => this.#abort.run("DELETE", `/api/runs/${runId}`)}
    >
      Abort
    </button>`;
  }

  async #run(options) {
    if (this.#start.busy || this.#startedId) return;
    this.#abort.problem = null;
    this.#startedId = (await this.#start.run("POST", "/api/runs", { demo: this.#demo.id, options }))?.id ?? null;
    this.#redraw();
  }
}
