// The reason why the server refuses the WebSocket. A browser does not tell a page the status of a failed WebSocket handshake, so a
// plain request goes to the same address. It is a POST: only then does the browser send the Origin header, which the server checks.

import { address } from "../api/address.js";

const ASK_EVERY_MS = 5_000;
const SAME_FAILURE_MS = 15_000; // between two answers

// Returns a function that asks for the reason, at most every five seconds: the server's sentence, or null when it does not refuse
// or does not answer. Without a session, the page goes to the login.
export function connectErrorProbe(now, ask = askServer) {
  let askedAt = -Infinity;
  let reason = null;
  let openAt = -Infinity; // when the server last said that it takes WebSockets

  return async () => {
    if (now() - askedAt < ASK_EVERY_MS) return reason;
    askedAt = now();
    const { status, detail } = await ask().catch(() => ({ status: 0, detail: null })); // no answer: the connection's state says so
    if (status === 401) location.assign(address("/login"));
    // The answer to every plain request. A server that has just started is connected before the second one.
    const isCut = status === 426 && askedAt - openAt < SAME_FAILURE_MS;
    if (status === 426) openAt = askedAt;
    reason = status === 403 || status === 503 || isCut ? detail : null;
    return reason;
  };
}

async function askServer() {
  const response = await fetch(address("/socket.io/"), { method: "POST" });
  const { detail = null } = await response.json().catch(() => ({})); // a proxy's answer may be a page
  return { status: response.status, detail };
}
