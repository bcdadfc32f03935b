// Why the server lets no socket in. A browser does not tell a page what status met its WebSocket, so the same door is asked
// by a plain request: POST, because only then does the browser name the page's origin, which the door wants to know.

const ASK_EVERY_MS = 5_000;

// Asks, at most every five seconds: the server's own sentence, or null when it does not refuse or does not answer. Without a
// session it goes to the login.
export function asker(now) {
  let asked = -Infinity;
  let answer = null;

  return async () => {
    if (now() - asked < ASK_EVERY_MS) return answer;
    asked = now();
    answer = await ask().catch(() => null); // nobody there: the connection's state says so
    return answer;
  };
}

async function ask() {
  const response = await fetch("/socket.io/", { method: "POST" });
  if (response.status === 401) location.assign("/login");
  return response.status === 403 || response.status === 503 ? (await response.json()).detail : null;
}
