// The buttons that start and abort a demo's run: they are on its claim and on its card.

import { html } from "./vendor.js";
import { errand } from "./mutation.js";

export function runControl({ id, title }, redraw) {
  const start = errand(redraw);
  const abort = errand(redraw);
  let begun = null; // the id of a run that was started here and is not in the state yet

  async function run(options) {
    if (start.busy || begun) return;
    abort.problem = null;
    begun = (await start.run("POST", "/api/runs", { demo: id, options }))?.id ?? null;
    redraw();
  }

  return {
    // To be called with each state.
    follow(state) {
      if (state.run?.id === begun || state.runs?.some((one) => one.id === begun)) begun = null;
    },
    problem: () => html`<p class="problem" role="alert">${start.problem ?? abort.problem}</p>`,
    // `options()` gives the run's options when the button is pressed.
    startButton: (words, options = () => ({})) => html`<button
      type="button"
      class="button"
      data-kind="primary"
      data-operator
      aria-busy=${start.busy || begun !== null}
      aria-label="${words}: ${title}"
      @click=${() => run(options())}
    >
      ${words}
    </button>`,
    abortButton: (run) => html`<button
      type="button"
      class="button"
      data-kind="danger"
      data-operator
      aria-busy=${abort.busy}
      aria-label="Abort: ${title}"
      @click=${() => abort.run("DELETE", `/api/runs/${run}`)}
    >
      Abort
    </button>`,
  };
}
