// One request to restart the database. It names the uid of the pod for which the dialog was opened, so that a pod that has replaced
// it meanwhile is not restarted, and it is sent at most once for each opening. No DOM here.

import { Mutation } from "./mutation.js";

export class RestartRequest {
  uid = null; // null while the dialog is closed
  mode = "graceful";
  sent = false;
  last = null; // the last accepted request, {uid, mode}
  #pod;
  #mutation;

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
    Object.assign(this, { uid, mode: "graceful", sent: false, last: null });
    this.#mutation.problem = null;
  }

  close() {
    this.uid = null;
  }

  // Returns whether the dashboard accepted the request.
  async send() {
    if (this.sent) return false;
    this.sent = true;
    const body = { uid: this.uid, mode: this.mode };
    if ((await this.#mutation.run("POST", "/api/mongo/restart", body)) === undefined) return false;
    this.last = body;
    return true;
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
