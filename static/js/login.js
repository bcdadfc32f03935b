// Signs in with a token, from the form or from a login link. A link has the token in its fragment, which is never sent to a server.

import { address } from "./api/address.js";

const form = document.querySelector("form");
/** @type {HTMLInputElement} */
const field = form.querySelector("[name=token]");
const button = form.querySelector("button");
const message = document.getElementById("message");

followLink();
addEventListener("hashchange", followLink); // a link that is opened while the page is open loads no page

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const token = tokenIn(field.value);
  if (token) signIn(token);
  else showMessage("Paste the token, or the whole login link.");
});

function followLink() {
  const token = location.hash.slice(1); // not decoded: tokens need no escaping
  if (!token || token.startsWith("/")) return; // nothing, or a place of the page, which redirected here with it
  history.replaceState(null, "", location.pathname); // removes the token from the address bar and the history
  signIn(token);
}

// Returns the token in a pasted token or login link.
function tokenIn(text) {
  const trimmed = text.trim();
  return trimmed.includes("#") ? trimmed.slice(trimmed.indexOf("#") + 1) : trimmed;
}

async function signIn(token) {
  setBusy(true);
  showMessage("");
  try {
    const response = await fetch(address("/login"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (response.ok) return location.replace(address("/") + location.hash);
    showMessage(refusalText(response));
  } catch {
    showMessage("The dashboard does not answer. Is it running?");
  }
  setBusy(false);
  field.select();
}

function refusalText(response) {
  if (response.status === 401 || response.status === 403) return "This token is not valid.";
  if (response.status === 429) {
    const seconds = response.headers.get("Retry-After");
    return `Too many attempts. Try again in ${seconds ? `${seconds} seconds` : "a minute"}.`;
  }
  return `The dashboard refused: ${response.status} ${response.statusText}`.trim();
}

function setBusy(isBusy) {
  button.setAttribute("aria-busy", String(isBusy));
  button.disabled = isBusy;
}

function showMessage(text) {
  message.textContent = text;
  message.hidden = text === "";
}
