// One change of the deployment: its dry run, then the change itself. No DOM here.

import { request } from "../../api/request.js";

// `what` is {method, path, query}: with `query`, there is no body, and a dry run is asked for in the address.
export class ChangeRequest {
  preview = null; // the answer of the newest dry run; null until there is one, and after a failure
  busy = null; // "trying", "changing" or null
  problem = null; // the Problem of the last request
  done = null; // the answer of the change
  #what;
  #redraw;
  #send;
  #tries = 0;
  #body = {};
  #seen; // the resourceVersion that was seen

  constructor(what, redraw, { send = request, seen = null } = {}) {
    this.#what = what;
    this.#redraw = redraw;
    this.#send = send;
    this.#seen = seen;
  }

  // Asks for a dry run of the change with this body. A later one supersedes it.
  async try(body = {}) {
    this.#tries += 1;
    const number = this.#tries;
    Object.assign(this, { busy: "trying", problem: null, preview: null });
    this.#body = body;
    this.#redraw();
    try {
      const answer = await this.#ask(true);
      if (number !== this.#tries) return;
      this.preview = answer;
      this.#seen ??= answer.resource_version ?? null;
    } catch (error) {
      if (number !== this.#tries) return;
      this.problem = error;
    }
    this.busy = null;
    this.#redraw();
  }

  // Drops the dry run, for a change that has become empty or unreadable.
  reset() {
    this.#tries += 1;
    Object.assign(this, { busy: null, problem: null, preview: null });
    this.#redraw();
  }

  // Whether the newest dry run found something to change, and nothing has been sent yet.
  get isReady() {
    return this.preview !== null && this.preview.changes.length > 0 && this.busy === null;
  }

  // Makes the change, as its dry run was. Returns whether it was made. After a failure, only another dry run leads to another try.
  async send() {
    if (!this.isReady) return false;
    this.busy = "changing";
    this.#redraw();
    try {
      this.done = await this.#ask(false);
    } catch (error) {
      this.problem = error;
    }
    Object.assign(this, { busy: null, preview: null });
    this.#redraw();
    return this.done !== null;
  }

  #ask(isDryRun) {
    const { method, path, query } = this.#what;
    if (query) return this.#send(method, isDryRun ? `${path}?dry_run=true` : path);
    const seen = this.#seen ? { resource_version: this.#seen } : {};
    const body = { ...this.#body, ...seen, ...(isDryRun ? { dry_run: true } : {}) };
    return this.#send(method, path, { json: JSON.stringify(body) });
  }
}

// The settings of a draft that differ from the autoscaler's; null if one is no number.
export function changedSettings(settings, draft) {
  const numbers = ["min", "max", ...(settings.target === null ? [] : ["target"])];
  if (numbers.some((name) => !Number.isInteger(draft[name])) || hasGap(draft.behavior)) return null;
  const changed = {};
  for (const name of [...numbers, "behavior"]) {
    if (JSON.stringify(draft[name]) !== JSON.stringify(settings[name])) changed[name] = draft[name];
  }
  return changed;
}

function hasGap(behavior) {
  return Object.values(behavior).some(
    ({ stabilizationWindowSeconds: window = 0, policies }) =>
      !Number.isInteger(window) || (policies ?? []).some(({ value, periodSeconds }) => !Number.isInteger(value) || !Number.isInteger(periodSeconds)),
  );
}
