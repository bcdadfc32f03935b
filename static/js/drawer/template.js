// The drawer's template: its head, its tabs and the chosen tab's content. Pure.

import { html, nothing } from "../lib/vendor.js";
import { copy } from "../lib/copy.js";
import { secondsSince, timeOfDay } from "../text/format.js";
import { icon, status } from "../lib/icons.js";
import { empty } from "../lib/panel.js";
import { podStatus } from "../text/status.js";
import { events, overview } from "./details.js";

export const TABS = [
  ["overview", "Overview"],
  ["events", "Events"],
  ["logs", "Logs"],
  ["yaml", "YAML"],
];

// `props`: pod (a TrackedPod), state, now, tab, details and problem (of PodDetails), log (a LogView, or null until it has loaded), deletion (see PodDrawer), and the handlers onClose,
// onRetry, onTab(name), onTabKey(event) and onSuccessor(uid).
export function drawerTemplate(props) {
  const { tab } = props;
  return html`${head(props)}
    <div class="drawer-body" id="drawer-panel" role="tabpanel" aria-labelledby="tab-${tab}" tabindex=${tab === "logs" ? -1 : 0} data-tab=${tab}>
      ${body(props)}
    </div>`;
}

function head(props) {
  const { pod, now, onClose, onTabKey } = props;
  const podState = pod.goneAt === null ? podStatus(pod.view, secondsSince(pod.view.created, now)) : { icon: "leaving", word: "Gone", tone: "off" };
  return html`<header class="drawer-head">
    <h2 id="drawer-title" tabindex="-1">${pod.view.name}</h2>
    <button type="button" class="drawer-close" aria-label="Close" @click=${onClose}>${icon("cross")}</button>
    <p class="drawer-line">${status(podState)} ${ownWords(pod)} <span class="text-muted mono">${pod.uid}</span> ${deleteButton(props)}</p>
    <div class="drawer-notice" role="status">${pod.goneAt === null ? nothing : goneNotice(props)}</div>
    <div class="drawer-tabs" role="tablist" aria-label="About this pod" @keydown=${onTabKey}>${TABS.map((tab) => tabButton(tab, props))}</div>
  </header>`;
}

// Why a pod of the service is not ready. Kubernetes' own reasons are in the details.
function ownWords({ goneAt, view: { unready } }) {
  return goneAt === null && unready ? html`<span>${unready}</span>` : nothing;
}

function deleteButton({ pod, state, deletion: { canDelete, onDelete } }) {
  if (pod.goneAt !== null || !canDelete(state, pod.view)) return nothing;
  return html`<button type="button" class="link" data-operator aria-haspopup="dialog" @click=${() => onDelete(pod.view)}>Delete pod…</button>`;
}

function goneNotice({ pod, state, onSuccessor }) {
  const successor = state.pods.find(({ name }) => name === pod.view.name);
  return html`<p class="drawer-gone">
    ${icon("leaving")}<span>This pod is gone since ${timeOfDay(pod.goneAt)}. The drawer shows its last state.</span>
    ${successor ? html`<button type="button" class="button" @click=${() => onSuccessor(successor.uid)}>Open its successor</button>` : nothing}
  </p>`;
}

// Returns the tab to which a key leads from the present one, null if it leads to none.
export function nextTab({ key }, tabs, tab) {
  const index = tabs.findIndex(([name]) => name === tab);
  const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[key];
  return to === undefined ? null : tabs.at(to % tabs.length)[0];
}

// `prefix` begins the ids of a second drawer on the page.
export function tabButton(/** @type {string[]} */ [name, label], { tab, details, onTab, prefix = "" }) {
  const isChosen = name === tab;
  return html`<button
    type="button"
    role="tab"
    id="${prefix}tab-${name}"
    aria-selected=${isChosen}
    aria-controls=${isChosen ? `${prefix}drawer-panel` : nothing}
    tabindex=${isChosen ? 0 : -1}
    @click=${() => onTab(name)}
  >
    ${label}${name === "events" && details ? html` <span class="text-muted">${details.events.length}</span>` : nothing}
  </button>`;
}

function body(props) {
  const { pod, details, problem } = props;
  if (!details) return problem ? failure(props) : loading("the pod");
  return html`${problem && pod.goneAt === null ? failure(props) : nothing} ${content(props)}`;
}

function content({ pod, now, tab, details, log }) {
  if (tab === "overview") return overview(pod.view, details, now);
  if (tab === "events") return events(details, now);
  if (tab === "logs") return log?.view() ?? loading("the log view");
  return yaml(pod.view.name, details.yaml);
}

export function yaml(name, text) {
  return html`<div class="drawer-yaml">
    <p class="drawer-copy">
      <button type="button" class="button" @click=${({ target }) => copy(target, text)}>Copy</button>
      <span class="text-muted" role="status"></span>
    </p>
    <pre tabindex="0" role="region" aria-label="YAML of ${name}">${text}</pre>
  </div>`;
}

export function loading(what) {
  return html`<div class="loading" aria-busy="true"><span class="visually-hidden">Loading ${what}</span><i></i><i></i><i></i><i></i></div>`;
}

export function failure({ details, problem, onRetry }, unread = "The pod can't be read") {
  const denied = problem.status === 403;
  const title = denied ? "Access denied" : details ? "This is not up to date" : unread;
  return html`<div class="drawer-failure" role="alert">
    ${empty(title, problem.message, denied ? "cross" : "warning")}
    <button type="button" class="button" @click=${onRetry}>Try again</button>
  </div>`;
}
