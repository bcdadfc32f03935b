// What a button asks of the dashboard: once at a time, and in one sentence what came in the way.

import { request } from "./request.js";

// {busy, problem, run}: `run` gives the answer, or undefined when there is none; `redraw()` follows each change.
export function errand(redraw, send = request) {
  const self = { busy: false, problem: null, run };

  async function run(method, path, body) {
    if (self.busy) return undefined;
    Object.assign(self, { busy: true, problem: null });
    redraw();
    try {
      return await send(method, path, { json: body && JSON.stringify(body) });
    } catch (error) {
      self.problem = words(error);
      return undefined;
    } finally {
      self.busy = false;
      redraw();
    }
  }

  return self;
}

// Who is in the way is told in any case.
function words({ message, holder }) {
  return holder && !message.includes(holder) ? `${message} ${holder} holds the lease.` : message;
}
