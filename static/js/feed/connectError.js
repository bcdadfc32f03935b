// The reason why the server refuses the WebSocket. A browser does not tell a page the status of a failed WebSocket handshake, so a
// plain request goes to the same address. It is a POST: only then does the browser send the Origin header, which the server checks.

const ASK_EVERY_MS = 5_000;

// Returns a function that asks for the reason, at most every five seconds: the server's sentence, or null when it does not refuse
// or does not answer. Without a session, the page goes to the login.
export function connectErrorProbe(now) {
  let askedAt = -Infinity;
  let reason = null;

  return async () => {
    if (now() - askedAt < ASK_EVERY_MS) return reason;
    askedAt = now();
    reason = await ask().catch(() => null); // no answer: the connection's state says so
    return reason;
  };
}

async function ask() {
  const response = await fetch("/socket.io/", { method: "POST" });
  if (response.status === 401) location.assign("/login");
  return response.status === 403 || response.status === 503 ? (await response.json()).detail : null;
}
