// The action that restarts the database, and its dialog.

import { html, nothing, render } from "../lib/vendor.js";
import { dialogElement } from "../lib/dialog.js";
import { shortId } from "../text/format.js";
import { Mutation } from "../api/mutation.js";

const MODES = [
  ["graceful", "The pod is deleted; mongod closes its files and exits. A new pod of the same name takes its volume."],
  ["crash", "mongod is killed (SIGKILL) and starts again in the same pod. This is a crashed process, not a power failure."],
];

const ANOTHERS = "The pod is deleted: the database is told to end, and has time for it. A new pod of the same name takes its volume.";

// The action's name: with MongoDB's contents, or of another application's database.
export function restartTitle(/** @type {wire.State} */ { sources }) {
  return sources.mongo ? "Restart MongoDB" : "Restart database";
}

export class Restart {
  #name;
  #redraw;
  #request;
  #element;
  #state = null;
  #blocked = null;

  constructor({ statefulset }, redraw) {
    this.#name = `${statefulset}-0`;
    this.#redraw = redraw;
    this.#request = new RestartRequest(this.#name, redraw);
    this.#element = dialogElement("restart", () => this.#onClose());
  }

  // To be called with each new state. `blocked` is the reason why nothing can be restarted now, or null.
  draw(state, blocked) {
    this.#state = state;
    this.#blocked = blocked;
    this.#render();
  }

  // The entry in the list of actions. `disabledBy` is the id of the text that says why it is disabled, or null.
  row(state, isOperator, disabledBy) {
    const pod = this.#request.current(state);
    const { last } = this.#request;
    return html`<p><strong>${restartTitle(state)}</strong> <span class="text-muted">${pod ? html`${this.#name} · uid <span class="mono">${shortId(pod.uid)}</span>` : `There is no pod ${this.#name} now.`}</span></p>
      ${isOperator && pod ? html`<button
        type="button"
        class="button"
        data-kind="danger"
        data-operator
        aria-haspopup="dialog"
        aria-disabled=${disabledBy ? "true" : nothing}
        aria-describedby=${disabledBy || nothing}
        @click=${() => disabledBy || this.#open(pod)}
      >
        ${restartTitle(state)}…
      </button>` : nothing}
      <p role="status">${last ? `Requested: ${last.mode} restart of ${this.#name}, uid ${last.uid}.` : nothing}</p>`;
  }

  #render() {
    render(this.#request.uid ? this.#template() : nothing, this.#element);
  }

  #template() {
    const { uid, mode, sent, problem } = this.#request;
    const obstacle = sent ? null : (this.#request.replacedReason(this.#state) ?? this.#blocked);
    return html`<h2 id="restart-title">Restart ${this.#name}?</h2>
      <p>Only the pod <strong class="mono">${this.#name}</strong> with the uid <span class="mono restart-uid">${uid}</span> is restarted. Requests wait for some seconds meanwhile.</p>
      ${this.#state.about.crash ? this.#modes() : html`<p class="text-muted">${this.#state.sources.mongo ? MODES[0][1] : ANOTHERS}</p>`}
      <p class="text-muted" id="restart-command">The same from a shell, without the check of the uid:</p>
      <pre class="example document-command" tabindex="0" aria-labelledby="restart-command"><code>${command(mode, this.#name, this.#state.about.namespace)}</code></pre>
      <p class="problem" role="alert">${obstacle ?? problem ?? nothing}</p>
      <p class="buttons">
        <button type="button" class="button" autofocus @click=${() => this.#element.close()}>${obstacle || problem ? "Close" : "Cancel"}</button>
        ${obstacle ? nothing : this.#confirmButton()}
      </p>`;
  }

  #modes() {
    const { mode, sent } = this.#request;
    return html`<fieldset class="choice">
      <legend class="visually-hidden">How</legend>
      ${MODES.map(([value, text]) => html`<label>
        <input type="radio" name="restart-mode" value=${value} ?disabled=${sent} .checked=${mode === value} @change=${() => this.#choose(value)} />
        <span>${value} <span class="text-muted">${text}</span></span>
      </label>`)}
    </fieldset>`;
  }

  #confirmButton() {
    const { busy, sent } = this.#request;
    return html`<button type="button" class="button" data-kind="danger" aria-busy=${busy} aria-disabled=${String(sent)} @click=${() => this.#confirm()}>
      ${busy ? "Restarting…" : `Restart ${this.#name}`}
    </button>`;
  }

  #open(pod) {
    this.#request.open(pod);
    this.#render(); // at once: the page is drawn in parts, over several frames, and the focus goes to what the dialog has when it opens
    this.#element.showModal();
    this.#redraw();
  }

  #onClose() {
    this.#request.close();
    this.#redraw();
  }

  #choose(mode) {
    this.#request.mode = mode;
    this.#redraw();
  }

  async #confirm() {
    if (await this.#request.send()) this.#element.close();
  }
}

// One request to restart the database. It names the uid of the pod for which the dialog was opened, so that a pod that has replaced it
// is not restarted, and it is sent at most once for each opening.
export class RestartRequest {
  uid = null; // null while the dialog is closed
  mode = "graceful";
  sent = false;
  last = null; // the last accepted request, {uid, mode}
  #pod;
  #mutation;
  #opening = 0; // counts the openings: an answer belongs to the one that asked for it

  // `pod` is the name of the database's pod.
  constructor(pod, redraw, mutation = new Mutation(redraw)) {
    this.#pod = pod;
    this.#mutation = mutation;
  }

  get busy() {
    return this.#mutation.busy;
  }

  get problem() {
    return this.#mutation.problem;
  }

  open({ uid }) {
    this.#opening += 1;
    Object.assign(this, { uid, mode: "graceful", sent: false, last: null });
    this.#mutation.problem = null;
  }

  close() {
    this.uid = null;
  }

  // Returns whether the dashboard accepted the request, and the dialog that asked for it is still the open one.
  async send() {
    if (this.sent) return false;
    this.sent = true;
    const [opening, body] = [this.#opening, { uid: this.uid, mode: this.mode }];
    const isAccepted = (await this.#mutation.run("POST", "/api/mongo/restart", body)) !== undefined;
    if (isAccepted) this.last = body;
    if (opening === this.#opening) return isAccepted;
    this.#mutation.problem = null;
    return false;
  }

  // The pod that a restart would concern now, or null.
  current({ pods }) {
    return pods.find(({ name, phase }) => name === this.#pod && phase !== "Terminating") ?? null;
  }

  // Why the pod of this request can no longer be restarted, as a sentence; null while it can.
  replacedReason(state) {
    const pod = this.current(state);
    if (pod?.uid === this.uid) return null;
    return pod
      ? `${this.#pod} was replaced while this was open: its uid is ${pod.uid} now. Close this and open it again to restart the new pod.`
      : `${this.#pod} is terminating or gone: there is nothing to restart now.`;
  }
}

function command(mode, pod, namespace) {
  if (mode === "graceful") return `kubectl -n ${namespace} delete pod ${pod}`;
  return `kubectl -n ${namespace} exec ${pod} -c mongod -- sh -c 'kill -9 $(pidof mongod)'`;
}
