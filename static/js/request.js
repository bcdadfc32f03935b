// Requests to the dashboard's own API, with what they need: the session's CSRF token, and the words of a problem.

// The answer's JSON; a Problem for any other status than 2xx, and for no answer at all.
export async function request(method, path, { json, signal } = {}) {
  const response = await ask(path, {
    method,
    signal,
    headers: { Accept: "application/json", ...(json === undefined ? {} : { "Content-Type": "application/json" }), ...csrf(method) },
    body: json,
  });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

// The response itself, its body not yet read: for what streams.
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "The dashboard does not answer.");
  }
  if (!response.ok) throw await problem(response);
  return response;
}

// What the dashboard or the service refused, in one sentence. `status` is 0 when there was no answer; `holder` is who is in the way.
export class Problem extends Error {
  constructor(status, sentence, holder = null) {
    super(sentence);
    this.status = status;
    this.holder = holder;
  }
}

function csrf(method) {
  if (method === "GET") return {};
  return { "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content };
}

async function problem(response) {
  const { detail, title, holder } = await response.json().catch(() => ({}));
  return new Problem(response.status, detail || title || `Status ${response.status}.`, holder);
}
