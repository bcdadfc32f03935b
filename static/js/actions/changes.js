// What an operator changes in the deployment: which changes are offered in which state, and their dialog, which loads when it opens.

import { html, nothing } from "../lib/vendor.js";
import { keepFocus } from "../lib/focus.js";

const BUTTONS = {
  restart: "Restart service…",
  pause: "Pause roll-out…",
  resume: "Resume roll-out…",
  undo: "Undo…",
};

// The roll-out's changes that make sense in each of its states.
const OFFERED = {
  complete: ["restart", "undo"],
  progressing: ["pause", "undo"],
  paused: ["resume", "undo"],
  failed: ["pause", "undo"],
};

function offered(/** @type {wire.RolloutView} */ { state, revision }) {
  return OFFERED[state].filter((change) => change !== "undo" || revision !== "1"); // the first revision has none before it
}

export class Changes {
  problem = null; // why the dialog could not be loaded
  #names;
  #redraw;
  #state = null;
  #blocked = null;
  #dialog = null; // a ChangeDialog, once it is loaded

  constructor(names, redraw) {
    this.#names = names;
    this.#redraw = redraw;
  }

  // Whether the reader may make this kind of change here: "rollout", "autoscaler" or "pods".
  allows(/** @type {wire.State} */ { about }, /** @type {"rollout" | "autoscaler" | "pods"} */ kind) {
    return this.#names.role === "operator" && about.actions.includes(kind);
  }

  // To be called with each new state. `blocked` is the reason why nothing can be changed now, or null.
  draw(/** @type {wire.State} */ state, blocked) {
    this.#state = state;
    this.#blocked = blocked;
    this.#dialog?.draw(state, blocked);
  }

  // Opens the dialog of a change. `pod` is the pod to delete.
  async open(change, pod = null) {
    this.problem = null;
    try {
      const { ChangeDialog } = await import("./change/dialog.js");
      this.#dialog ??= new ChangeDialog(this.#names);
      this.#dialog.draw(this.#state, this.#blocked);
      this.#dialog.open(change, pod);
    } catch (error) {
      this.problem = "The dialog can't be loaded: the dashboard does not answer.";
      console.warn(error);
    }
    this.#redraw();
  }

  // The entries in the list of actions. `disabledBy` is the id of the text that says why they are disabled, or null.
  rows(/** @type {wire.State} */ state, disabledBy) {
    const { deployment, autoscaler } = state;
    return html`${deployment?.rollout ? this.#rollout(state, deployment, disabledBy) : nothing}
      ${autoscaler && this.allows(state, "autoscaler") ? this.#autoscaler(autoscaler, disabledBy) : nothing}
      ${this.problem ? html`<li><p class="problem" role="alert">${this.problem}</p></li>` : nothing}`;
  }

  #rollout(state, /** @type {wire.WorkloadView} */ { name, desired, updated, available, rollout }, disabledBy) {
    keepFocus("#actions li");
    const { state: word, text, revision } = rollout;
    const title = revision ? `${name} · revision ${revision} · ` : `${name} · `;
    return html`<li tabindex="-1" aria-label="Roll-out" data-rollout=${word}>
      <p><strong>Roll-out</strong> <span class="text-muted">${title}${text}</span></p>
      ${word === "complete" ? nothing : html`<progress class="rollout" max=${desired} value=${Math.min(updated, available)} aria-label="New pods that are available"></progress>`}
      ${this.allows(state, "rollout") ? html`<p class="buttons">${offered(rollout).map((change) => this.#button(change, BUTTONS[change], disabledBy))}</p>` : nothing}
    </li>`;
  }

  #autoscaler(/** @type {wire.AutoscalerView} */ { min, max, target_percent: percent, target_millicores: millicores }, disabledBy) {
    const target = percent === null ? (millicores === null ? "no CPU target" : `target ${millicores} m`) : `target ${percent} %`;
    return html`<li tabindex="-1" aria-label="Autoscaler">
      <p><strong>Autoscaler</strong> <span class="text-muted">min ${min}, max ${max}, ${target}</span></p>
      <p class="buttons">${this.#button("autoscaler", "Change autoscaler…", disabledBy)}</p>
    </li>`;
  }

  #button(change, label, disabledBy) {
    return html`<button
      type="button"
      class="button"
      data-operator
      aria-haspopup="dialog"
      aria-disabled=${disabledBy ? "true" : nothing}
      aria-describedby=${disabledBy || nothing}
      @click=${() => disabledBy || this.open(change)}
    >
      ${label}
    </button>`;
  }
}
