// The dialog that restarts the database. It names the very pod that it is about: one that came meanwhile is not killed for it.

import { html, nothing } from "./vendor.js";
import { errand } from "./mutation.js";
import { shortId } from "./format.js";

const ID = "restart";
const MODES = [
  ["graceful", "The pod is deleted; mongod closes its files and ends. Another pod of the same name takes its volume."],
  ["crash", "mongod is killed where it stands (SIGKILL) and starts again in the same pod. A dead process, not a power cut."],
];

// `row(state, operates, denied)` is the action's place in its list; `denied` is the id of the words that say why not. `dialog(state, reason)`
// must stand on the page once.
export function restart({ statefulset }, redraw) {
  const name = `${statefulset}-0`;
  const send = errand(redraw);
  let uid = null; // of the pod, as it stood when the dialog opened; null while it is closed
  let mode = "graceful";
  let spent = false; // the button was pressed: once for each opening
  let done = null; // {uid, mode} of what was asked last

  function open(pod) {
    [uid, mode, spent, done, send.problem] = [pod.uid, "graceful", false, null, null];
    redraw();
    requestAnimationFrame(() => document.getElementById(ID).showModal()); // once it is drawn
  }

  function closed() {
    uid = null;
    redraw();
  }

  async function confirm() {
    if (spent) return;
    spent = true;
    const asked = { uid, mode };
    if ((await send.run("POST", "/api/mongo/restart", asked)) === undefined) return;
    done = asked;
    document.getElementById(ID).close();
  }

  function row(state, operates, denied) {
    const pod = current(state);
    return html`<p><strong>Restart Mongo</strong> <span class="text-muted">${pod ? html`${name} · uid <span class="mono">${shortId(pod.uid)}</span>` : `There is no pod ${name} now.`}</span></p>
      ${operates && pod ? html`<button
        type="button"
        class="button"
        data-kind="danger"
        data-operator
        aria-haspopup="dialog"
        aria-disabled=${denied ? "true" : nothing}
        aria-describedby=${denied || nothing}
        @click=${() => denied || open(pod)}
      >
        Restart Mongo…
      </button>` : nothing}
      <p role="status">${done ? `Asked for: ${done.mode} restart of ${name}, uid ${done.uid}.` : nothing}</p>`;
  }

  function dialog(state, reason) {
    return html`<dialog id=${ID} class="document-form" aria-labelledby="restart-title" @close=${closed}>${uid ? content(state, reason) : nothing}</dialog>`;
  }

  function content(state, reason) {
    const obstacle = spent ? null : (replaced(state) ?? reason);
    return html`<h2 id="restart-title">Restart ${name}?</h2>
      <p>The pod <strong class="mono">${name}</strong> with the uid <span class="mono restart-uid">${uid}</span> and no other. Requests wait meanwhile, some seconds.</p>
      ${state.about.crash ? modes() : html`<p class="text-muted">${MODES[0][1]}</p>`}
      <p class="text-muted" id="restart-command">The same from a shell, which asks for no uid:</p>
      <pre class="example document-command" tabindex="0" aria-labelledby="restart-command"><code>${command(state.about.namespace)}</code></pre>
      <p class="problem" role="alert">${obstacle ?? send.problem ?? nothing}</p>
      <p class="buttons">
        <button type="button" class="button" autofocus @click=${({ target }) => target.closest("dialog").close()}>${obstacle || send.problem ? "Close" : "Cancel"}</button>
        ${obstacle ? nothing : html`<button type="button" class="button" data-kind="danger" aria-busy=${send.busy} aria-disabled=${String(spent)} @click=${confirm}>
          ${send.busy ? "Restarting…" : `Restart ${name}`}
        </button>`}
      </p>`;
  }

  function modes() {
    return html`<fieldset class="choice">
      <legend class="visually-hidden">How</legend>
      ${MODES.map(([value, words]) => html`<label>
        <input type="radio" name="restart-mode" value=${value} ?disabled=${spent} .checked=${mode === value} @change=${() => choose(value)} />
        <span>${value} <span class="text-muted">${words}</span></span>
      </label>`)}
    </fieldset>`;
  }

  function choose(value) {
    mode = value;
    redraw();
  }

  function current({ pods }) {
    return pods.find((pod) => pod.name === name && pod.phase !== "Terminating") ?? null;
  }

  // In words, that the pod which this is about is no longer the one that is there.
  function replaced(state) {
    const pod = current(state);
    if (pod?.uid === uid) return null;
    return pod
      ? `${name} was replaced while this was open: its uid is ${pod.uid} now. Close this and open it again to restart that one.`
      : `${name} is on its way out or gone: there is nothing to restart now.`;
  }

  function command(namespace) {
    if (mode === "graceful") return `kubectl -n ${namespace} delete pod ${name}`;
    return `kubectl -n ${namespace} exec ${name} -c mongod -- sh -c 'kill -9 $(pidof mongod)'`;
  }

  return { row, dialog };
}
