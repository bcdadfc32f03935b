// The dialog of a change: what it concerns, what a dry run says that it would do, the same for a shell.

import { html, nothing, render } from "../../lib/vendor.js";
import { dialogElement } from "../../lib/dialog.js";
import { request } from "../../api/request.js";
import { settingsForm } from "./autoscalerForm.js";
import { ChangeRequest, changedSettings } from "./request.js";

const TYPING_MS = 300; // without another key, after which a dry run is asked for

const ROLL = { method: "POST" };
const CHANGES = {
  restart: { ...ROLL, title: (name) => `Restart ${name}?`, verb: "Restart", text: "Each pod is replaced, one after the other. A pod goes only once its successor is ready, so no request fails." },
  pause: { ...ROLL, title: (name) => `Pause the roll-out of ${name}?`, verb: "Pause", text: "The old and the new pods stay as they are now, until it is resumed or undone." },
  resume: { ...ROLL, title: (name) => `Resume the roll-out of ${name}?`, verb: "Resume", text: "The remaining old pods are replaced." },
  undo: { ...ROLL, title: (name) => `Undo the roll-out of ${name}?`, verb: "Undo", text: "The pods are replaced again, by ones with an earlier revision's template. A paused roll-out is resumed by it." },
  autoscaler: { method: "PATCH", title: (name) => `Change the autoscaler ${name}`, verb: "Change", text: "" },
  pod: { method: "DELETE", title: (name) => `Delete ${name}?`, verb: "Delete", danger: true, text: "The pod ends, within its grace period, and its ReplicaSet makes another. If it is the only one that is ready, requests fail meanwhile." },
};

export class ChangeDialog {
  #names;
  #element;
  #state = null;
  #blocked = null;
  #change = null; // a key of CHANGES; null while the dialog is closed
  #subject = null; // what was read first: the pod, the revisions or the autoscaler's settings
  #draft = null; // of the settings
  #request = null;
  #problem = null; // of reading the subject
  #timer = null;
  #asked = null; // identifies the newest reading of the subject; an answer to an earlier one comes too late

  constructor(names) {
    this.#names = names;
    this.#element = dialogElement("change", () => this.#onClose());
  }

  // To be called with each new state.
  draw(state, blocked) {
    this.#state = state;
    this.#blocked = blocked;
    this.#render();
  }

  open(change, pod) {
    this.#change = change;
    this.#subject = pod;
    this.#render();
    if (!this.#element.open) this.#element.showModal();
    this.#begin();
  }

  // Reads what the change concerns, and asks for its dry run. Also after somebody else has changed it.
  async #begin() {
    const change = this.#change;
    const asked = {};
    this.#asked = asked;
    clearTimeout(this.#timer);
    this.#problem = this.#request = null;
    const typed = this.#draft && changedSettings(this.#subject.settings, this.#draft);
    this.#render();
    let subject = this.#subject;
    try {
      if (change !== "pod") subject = await request("GET", change === "autoscaler" ? "/api/autoscaler" : "/api/deployment");
    } catch (error) {
      if (this.#asked !== asked) return;
      this.#problem = error;
      this.#render();
      return;
    }
    if (this.#asked !== asked) return; // closed meanwhile, or opened for something else
    this.#subject = subject;
    const seen = this.#subject.resource_version ?? null;
    this.#request = new ChangeRequest(this.#address(), () => this.#render(), { seen });
    if (change === "autoscaler") {
      this.#draft = { ...structuredClone(this.#subject.settings), ...typed }; // what was typed stays, and has a dry run anew
      this.#onInput();
    } else await this.#request.try(change === "undo" ? revisionOf(former(this.#subject)) : {});
    this.#render();
  }

  #address() {
    const { method } = CHANGES[this.#change];
    if (this.#change === "pod") return { method, path: `/api/pods/${encodeURIComponent(this.#subject.uid)}`, query: true };
    return { method, path: this.#change === "autoscaler" ? "/api/autoscaler" : `/api/deployment/${this.#change}` };
  }

  #render() {
    render(this.#change ? this.#template() : nothing, this.#element);
  }

  #template() {
    const { title, text, verb, danger } = CHANGES[this.#change];
    const obstacle = this.#obstacle();
    const name = this.#subject?.object?.name ?? this.#subject?.name ?? this.#names.deployment;
    return html`<h2 id="change-title">${title(name)}</h2>
      ${text ? html`<p>${text}</p>` : nothing} ${this.#fields()} ${this.#dryRun()} ${this.#identity()}
      <p class="problem" role="alert">${obstacle ?? this.#request?.problem?.message ?? this.#problem?.message ?? nothing}</p>
      <p class="buttons">
        <button type="button" class="button" autofocus @click=${() => this.#element.close()}>Cancel</button>
        ${this.#request?.problem || this.#problem ? html`<button type="button" class="button" @click=${() => this.#begin()}>Look again</button>` : nothing}
        <button
          type="button"
          class="button"
          data-kind=${danger ? "danger" : "primary"}
          aria-busy=${this.#request?.busy === "changing"}
          aria-disabled=${String(obstacle !== null || !this.#request?.isReady)}
          @click=${() => this.#confirm(obstacle)}
        >
          ${verb} ${name}
        </button>
      </p>`;
  }

  // Why the change can't be made now, as a sentence; null if it can.
  #obstacle() {
    if (this.#blocked) return this.#blocked;
    const pod = this.#change === "pod" && this.#state.pods.find(({ uid }) => uid === this.#subject.uid);
    if (pod === undefined) return `The pod ${this.#subject.name} is gone.`;
    return null;
  }

  #fields() {
    if (this.#change === "autoscaler" && this.#draft) return settingsForm(this.#draft, () => this.#onInput());
    if (this.#change !== "undo" || !this.#subject?.revisions) return nothing;
    const earlier = this.#subject.revisions.filter(({ current }) => !current);
    if (earlier.length === 0) return nothing;
    return html`<label class="change-field">Back to
      <select class="document-field" @change=${({ target }) => this.#request?.try({ revision: Number(target.value) })}>
        ${earlier.map(({ revision, created }) => html`<option value=${revision}>revision ${revision}${created ? `, made ${created.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")}` : ""}</option>`)}
      </select>
    </label>`;
  }

  #dryRun() {
    const { preview, busy } = this.#request ?? { preview: null, busy: "trying" };
    if (this.#problem || this.#request?.problem) return nothing;
    if (busy === "trying") return html`<p class="text-muted" role="status">Dry run: asking the API server…</p>`;
    if (preview === null) return html`<p class="text-muted" role="status">Change something: a dry run then shows what it would do.</p>`;
    if (preview.changes.length === 0) return html`<p class="text-muted" role="status">Dry run: nothing would change.</p>`;
    return html`<div class="change-preview" role="status">
      <p>Dry run: the API server accepts it. It would change</p>
      <ul>${preview.changes.map((one) => html`<li class="mono">${one}</li>`)}</ul>
      ${preview.evaluation ? arithmetic(preview.evaluation) : nothing}
    </div>`;
  }

  #identity() {
    const { preview } = this.#request ?? {};
    const { uid, kind, version } = {
      uid: this.#subject?.object?.uid ?? this.#subject?.uid,
      kind: this.#subject?.object?.kind ?? "Pod",
      version: this.#subject?.resource_version,
    };
    if (!uid) return nothing;
    return html`<p class="text-muted">${kind} · uid <span class="mono">${uid}</span>${version ? html` · as of resourceVersion <span class="mono">${version}</span>` : nothing}</p>
      ${preview?.command ? html`<p class="text-muted" id="change-command">The same from a shell, without the check of what was seen:</p>
        <pre class="example document-command" tabindex="0" aria-labelledby="change-command"><code>${preview.command}</code></pre>` : nothing}`;
  }

  #onInput() {
    clearTimeout(this.#timer);
    const changed = changedSettings(this.#subject.settings, this.#draft);
    if (changed === null || Object.keys(changed).length === 0) this.#request.reset();
    else this.#timer = setTimeout(() => this.#request?.try(changed), TYPING_MS);
    this.#render();
  }

  async #confirm(obstacle) {
    if (obstacle) return;
    const sent = this.#request;
    if ((await sent?.send()) && this.#request === sent) this.#element.close();
  }

  #onClose() {
    clearTimeout(this.#timer);
    this.#change = null;
    this.#subject = this.#draft = this.#request = this.#problem = this.#asked = null;
    this.#render();
  }
}

// What the autoscaler would do now by the new settings; the server's arithmetic.
function arithmetic({ sentence, next }) {
  return html`<p>By these settings, now: ${sentence}${sentence?.endsWith(".") ? "" : "."} ${next ?? ""}</p>`;
}

function former({ revisions }) {
  return revisions.find(({ current }) => !current);
}

function revisionOf(found) {
  return found ? { revision: found.revision } : {};
}
