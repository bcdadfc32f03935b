// A pod in the state, followed by its uid until it is gone. Pure.

export class TrackedPod {
  view = null; // the pod in the state, or its last version when it is gone
  goneAt = null; // when it was first missing, in milliseconds since 1970
  #uid;

  constructor(uid) {
    this.#uid = uid;
  }

  get uid() {
    return this.#uid;
  }

  // Takes the state's pods. Returns whether the pod has changed in more than its figures, which change each second.
  update(pods, now) {
    const found = pods.find(({ uid }) => uid === this.#uid);
    if (!found) {
      this.goneAt ??= now;
      return false;
    }
    const changed = this.view !== null && fingerprint(found) !== fingerprint(this.view);
    this.view = found;
    this.goneAt = null;
    return changed;
  }
}

function fingerprint({ phase, ready, restarts, reason, ip, node }) {
  return JSON.stringify([phase, ready, restarts, reason, ip, node]);
}
