// A pod's drawer: what it is made of, its events, logs and YAML, in a dialog at the page's side.

import { html, nothing, render } from "../vendor.js";
import { copy } from "../copy.js";
import { events, overview } from "./details.js";
import { clock, secondsSince } from "../format.js";
import { icon, status } from "../icons.js";
import { logView } from "./logView.js";
import { empty } from "../panel.js";
import { request } from "../request.js";
import { podStatus } from "../status.js";

const EVERY_MS = 5_000; // the details are read again this often
const SOON_MS = 300; // after the pod has changed
const LEAST_MS = 1_000; // between two readings, however often it changes

const TABS = [
  ["overview", "Overview"],
  ["events", "Events"],
  ["logs", "Logs"],
  ["yaml", "YAML"],
];

// `open(uid, from)` shows a pod, and gives the focus back to `from` in the end; `draw(state, at)` is called as the state changes.
export function drawer(dialog) {
  let state = null;
  let at = 0;
  let uid = null; // null while it is closed
  let opener = null;
  let pod = null; // its view in the state, or how it was last seen
  let gone = null; // when it was missed first: milliseconds since 1970
  let tab = "overview";
  let details = null;
  let problem = null;
  let asking = null; // the AbortController of the request under way
  let askedAt = -Infinity;
  let timer = null;
  const logs = logView(paint);

  dialog.addEventListener("close", closed);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it: the backdrop

  function open(next, from) {
    stop();
    [uid, opener, pod, gone, details, problem, askedAt] = [next, from, null, null, null, null, -Infinity];
    look();
    if (pod === null) return; // it left at this very moment
    ask();
    paint();
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("#drawer-title").focus();
    dialog.querySelector(".drawer-body").scrollTop = 0;
  }

  function draw(nextState, nextAt) {
    [state, at] = [nextState, nextAt];
    look();
    paint();
  }

  // Takes the pod from the state, and has it read anew where something changed that is more than a figure.
  function look() {
    if (uid === null || state === null) return;
    const found = state.pods.find((one) => one.uid === uid);
    if (!found) {
      gone ??= at;
      return;
    }
    const changed = pod !== null && essence(found) !== essence(pod);
    [pod, gone] = [found, null];
    if (changed) plan(Math.max(SOON_MS, LEAST_MS - (performance.now() - askedAt)));
  }

  function plan(ms) {
    clearTimeout(timer);
    timer = setTimeout(ask, ms);
  }

  async function ask() {
    if (document.hidden && details) return plan(EVERY_MS);
    asking?.abort();
    const controller = (asking = new AbortController());
    askedAt = performance.now();
    try {
      const told = await request("GET", `/api/pods/${encodeURIComponent(uid)}`, { signal: controller.signal });
      if (asking !== controller) return;
      [details, problem] = [told, null];
    } catch (error) {
      if (asking !== controller) return;
      problem = error.status === 404 && details ? null : error; // it is gone, as the state will say
    }
    asking = null;
    if (gone === null) plan(EVERY_MS);
    paint();
  }

  function stop() {
    clearTimeout(timer);
    asking?.abort();
    asking = null;
    logs.hide();
  }

  function closed() {
    stop();
    uid = null;
    render(nothing, dialog);
    focusFirst([opener, tileButton(pod.name), document.getElementById("main")]);
    opener = null;
  }

  // Only the drawer: a busy log would have the whole page drawn with each frame.
  function paint() {
    if (uid === null || pod === null) return;
    if (tab === "logs" && details) logs.show(uid, details.containers);
    else logs.hide();
    render(view(), dialog);
  }

  function view() {
    return html`<header class="drawer-head">
        <h2 id="drawer-title" tabindex="-1">${pod.name}</h2>
        <button type="button" class="drawer-close" aria-label="Close" @click=${() => dialog.close()}>${icon("cross")}</button>
        <p class="drawer-line">
          ${status(gone === null ? podStatus(pod, secondsSince(pod.created, at)) : { icon: "leaving", word: "Gone", tone: "off" })}
          <span class="text-muted mono">${uid}</span>
        </p>
        <div class="drawer-news" role="status">${gone === null ? nothing : farewell()}</div>
        <div class="drawer-tabs" role="tablist" aria-label="About this pod" @keydown=${turn}>${TABS.map(tabButton)}</div>
      </header>
      <div class="drawer-body" id="drawer-panel" role="tabpanel" aria-labelledby="tab-${tab}" tabindex=${tab === "logs" ? -1 : 0} data-tab=${tab}>
        ${body()}
      </div>`;
  }

  function farewell() {
    const successor = state.pods.find((one) => one.name === pod.name);
    return html`<p class="drawer-gone">
      ${icon("leaving")}<span>This pod is gone since ${clock(gone)}; what you see is how it was last seen.</span>
      ${successor ? html`<button type="button" class="button" @click=${() => open(successor.uid, opener)}>Open its successor</button>` : nothing}
    </p>`;
  }

  function tabButton([name, words]) {
    const chosen = name === tab;
    return html`<button
      type="button"
      role="tab"
      id="tab-${name}"
      aria-selected=${chosen}
      aria-controls=${chosen ? "drawer-panel" : nothing}
      tabindex=${chosen ? 0 : -1}
      @click=${() => turnTo(name)}
    >
      ${words}${name === "events" && details ? html` <span class="text-muted">${details.events.length}</span>` : nothing}
    </button>`;
  }

  function turn(event) {
    const here = TABS.findIndex(([name]) => name === tab);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    turnTo(TABS.at(to % TABS.length)[0]);
    dialog.querySelector(`#tab-${tab}`).focus();
  }

  function turnTo(name) {
    tab = name;
    paint();
    dialog.querySelector(".drawer-body").scrollTop = 0;
  }

  function body() {
    if (!details) return problem ? failure() : loading();
    return html`${problem && gone === null ? failure() : nothing} ${content()}`;
  }

  function content() {
    if (tab === "overview") return overview(pod, details, at);
    if (tab === "events") return events(details, at);
    if (tab === "logs") return logs.view();
    return html`<div class="drawer-yaml">
      <p class="drawer-copy">
        <button type="button" class="button" @click=${({ target }) => copy(target, details.yaml)}>Copy</button>
        <span class="text-muted" role="status"></span>
      </p>
      <pre tabindex="0" role="region" aria-label="YAML of ${pod.name}">${details.yaml}</pre>
    </div>`;
  }

  function loading() {
    return html`<div class="loading" aria-busy="true"><span class="visually-hidden">Reading the pod</span><i></i><i></i><i></i><i></i></div>`;
  }

  function failure() {
    const title = problem.status === 403 ? "Not allowed to look" : details ? "This is not up to date" : "The pod can't be read";
    return html`<div class="drawer-failure" role="alert">
      ${empty(title, problem.message, problem.status === 403 ? "cross" : "warning")}
      <button type="button" class="button" @click=${ask}>Try again</button>
    </div>`;
  }

  return { open, draw };
}

// The first that takes the focus: a tile that has left takes none, although its picture is still there while it fades.
function focusFirst(elements) {
  elements.find((element) => {
    element?.focus();
    return element && document.activeElement === element;
  });
}

// A tile goes with its pod, and another pod may have one under that name.
function tileButton(name) {
  return document.querySelector(`[data-pod="${CSS.escape(name)}"] button`);
}

// What of a pod's view the details depend on: not its figures, which change each second.
function essence({ phase, ready, restarts, reason, ip, node }) {
  return JSON.stringify([phase, ready, restarts, reason, ip, node]);
}
