// A request that changes something, as a button needs it: one at a time, and its failure as a sentence.

import { request } from "./request.js";

// `redraw()` is called after each change of `busy` and `problem`.
export class Mutation {
  busy = false;
  problem = null;
  #redraw;
  #send;

  constructor(redraw, send = request) {
    this.#redraw = redraw;
    this.#send = send;
  }

  // Returns the response, or undefined when it failed or when another one is under way.
  async run(method, path, body) {
    if (this.busy) return undefined;
    this.busy = true;
    this.problem = null;
    this.#redraw();
    try {
      return await this.#send(method, path, { json: body && JSON.stringify(body) });
    } catch (error) {
      this.problem = sentence(error);
      return undefined;
    } finally {
      this.busy = false;
      this.#redraw();
    }
  }
}

// Always names the lease's holder.
function sentence({ message, holder }) {
  return holder && !message.includes(holder) ? `${message} ${holder} holds the lease.` : message;
}
