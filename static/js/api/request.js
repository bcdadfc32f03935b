// Requests to the dashboard's API, with the session's CSRF token. Failures become a Problem.

import { address } from "./address.js";

// Returns the response's JSON, null for an empty body. Throws a Problem for a status other than 2xx, and for no response.
export async function request(method, path, /** @type {{json?: string, signal?: AbortSignal, headers?: Record<string, string>}} */ { json, signal, headers = {} } = {}) {
  const response = await ask(path, {
    method,
    signal,
    headers: { Accept: "application/json", ...(json === undefined ? {} : { "Content-Type": "application/json" }), ...csrf(method), ...headers },
    body: json,
  });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

// Returns the response with its body unread, for streams. Throws as `request` does.
export async function ask(path, /** @type {RequestInit} */ options = {}) {
  let response;
  try {
    response = await fetch(address(path), { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "The dashboard does not answer.");
  }
  if (!response.ok) throw await problem(response);
  return response;
}

// A failed request: a sentence, its status (0 when there was no response), and the lease's holder when that is the reason.
export class Problem extends Error {
  constructor(status, sentence, holder = null) {
    super(sentence);
    this.status = status;
    this.holder = holder;
  }
}

function csrf(method) {
  if (method === "GET") return {};
  return { "X-CSRF-Token": /** @type {HTMLMetaElement} */ (document.querySelector('meta[name="csrf-token"]')).content };
}

async function problem(response) {
  const { detail, title, holder } = await response.json().catch(() => ({}));
  return new Problem(response.status, detail || title || `Status ${response.status}.`, holder);
}
