// Signs in with the token of a login link. It travels in the link's fragment, which no server and no log sees.

const form = document.querySelector("form");
const field = form.elements.namedItem("token");
const button = form.querySelector("button");
const message = document.getElementById("message");

followLink();
addEventListener("hashchange", followLink); // a link opened while this page already stands loads nothing anew

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const pasted = tokenIn(field.value);
  if (pasted) signIn(pasted);
  else tell("Paste the token, or the whole login link.");
});

function followLink() {
  const token = location.hash.slice(1); // as it stands: tokens need no escaping
  if (!token) return;
  history.replaceState(null, "", location.pathname); // out of the address bar and the history at once
  signIn(token);
}

// Someone may paste the whole link.
function tokenIn(text) {
  const trimmed = text.trim();
  return trimmed.includes("#") ? trimmed.slice(trimmed.indexOf("#") + 1) : trimmed;
}

async function signIn(token) {
  busy(true);
  tell("");
  try {
    const response = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (response.ok) return location.replace("/");
    tell(refusal(response));
  } catch {
    tell("The dashboard does not answer. Is it running?");
  }
  busy(false);
  field.select();
}

function refusal(response) {
  if (response.status === 401 || response.status === 403) return "This token is not valid. “make login” prints the link again.";
  if (response.status === 429) {
    const seconds = response.headers.get("Retry-After");
    return `Too many attempts. Try again in ${seconds ? `${seconds} seconds` : "a minute"}.`;
  }
  return `The dashboard refused: ${response.status} ${response.statusText}`.trim();
}

function busy(on) {
  button.setAttribute("aria-busy", String(on));
  button.disabled = on;
}

function tell(words) {
  message.textContent = words;
  message.hidden = words === "";
}
