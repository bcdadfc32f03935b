// What surrounds the panels: the header's buttons, keyboard shortcuts, the tab's title, notifications, and the notice about a link.
// What it opens loads when it opens.

import { percent } from "../text/format.js";
import { formatRoute } from "../text/route.js";
import { remembered } from "../lib/storage.js";
import { loadStyle } from "../lib/style.js";
import { LatePart } from "./latePart.js";
import { RunEnd, endText } from "./runEnd.js";
import { listen } from "./shortcuts.js";

const SEEN_AFTER_MS = 4_000; // the title shows a run's end so long after the reader has returned

export class Shell {
  #names;
  #navigation;
  #getState;
  #runEnd = new RunEnd();
  #getNow;
  #objects = new LatePart(() => this.#loadObjects());
  #logs = new LatePart(() => this.#loadLogs());

  constructor(names, navigation, getState, getNow) {
    this.#names = names;
    this.#navigation = navigation;
    this.#getState = getState;
    this.#getNow = getNow;
    const actions = {
      "/": () => this.#act("find"),
      "?": () => this.#act("settings"),
      l: () => this.#act("logs"),
    };
    listen(actions);
    document.querySelector(".app-header").addEventListener("click", ({ target }) => {
      const button = /** @type {HTMLElement} */ (target).closest("[data-opens]");
      if (button) this.#act(/** @type {HTMLElement} */ (button).dataset.opens);
    });
    document.addEventListener("visibilitychange", () => !document.hidden && setTimeout(() => this.#see(), SEEN_AFTER_MS));
    document.getElementById("notice").addEventListener("click", ({ target }) => /** @type {HTMLElement} */ (target).closest("button") && this.notice(null));
  }

  // To be called with each new state. Of a hidden tab the title changes at a run's end only.
  update(state) {
    if (state === null) return;
    const ended = this.#runEnd.update(state);
    if (ended && document.hidden && remembered("notify") === "on") notify(ended);
    if (ended && !document.hidden) setTimeout(() => this.#see(), SEEN_AFTER_MS);
    if (document.hidden && !ended) return;
    document.title = [this.#runEnd.title, title(state)].filter(Boolean).join(" · ");
  }

  draw(state) {
    this.#logs.part?.draw(state);
  }

  // Shows a sentence about the address, or removes it for null.
  notice(sentence) {
    const element = document.getElementById("notice");
    element.hidden = sentence === null;
    element.querySelector("span").textContent = sentence ?? "";
  }

  async showLogs({ parts: [app = "all"], query }) {
    const logs = await this.#logs.want();
    logs?.open(app, query, this.#getState());
    return null;
  }

  async showObject(route) {
    let objects;
    try {
      objects = await this.#objects.want();
    } catch {
      return "This part of the page did not load. Reload the page to try again.";
    }
    return objects ? objects.show(route, this.#getState()) : null;
  }

  closeObject() {
    this.#objects.withdraw();
    this.#objects.part?.close();
  }

  async #loadObjects() {
    const { ObjectDrawer } = await import("../drawer/object.js");
    return new ObjectDrawer(document.getElementById("object"), this.#navigation, this.#names, this.#getNow);
  }

  closeLogs() {
    this.#logs.withdraw();
    this.#logs.part?.close();
  }

  async #loadLogs() {
    const { LogsDialog } = await import("../logs/dialog.js");
    return new LogsDialog(document.getElementById("logs"), this.#navigation).load();
  }

  // A part that does not load, since the dashboard does not answer, says so; the next attempt loads it again.
  async #act(name) {
    const state = this.#getState();
    if (state === null) return;
    try {
      if (name === "settings") await openSettings();
      else if (name === "find") await this.#openFinder(state);
      else await this.#openLogs();
    } catch (error) {
      this.notice("This part of the page did not load. The dashboard does not answer.");
      reportError(error);
    }
  }

  #openLogs() {
    this.#navigation.set("logs", [this.#names.deployment]);
    return this.showLogs({ parts: [this.#names.deployment], query: {} });
  }

  // The dialog is open while its parts load: what is typed meanwhile is no shortcut.
  async #openFinder(state) {
    const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("finder"));
    dialog.showModal();
    const parts = Promise.all([import("./finder.js"), loadStyle("shell")]);
    const [{ Finder }] = await parts.catch((error) => {
      dialog.close();
      throw error;
    });
    new Finder(dialog).open(state, this.#names, {
      go: (hash) => this.#go(hash),
      act: (name) => this.#act(name),
    });
  }

  // Follows a link, also to where the address is already.
  #go(hash) {
    if (location.hash === hash) dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = hash;
    if (!hash.startsWith("#/")) /** @type {HTMLElement} */ (document.querySelector(hash))?.scrollIntoView();
  }

  #see() {
    if (document.hidden) return;
    this.#runEnd.seen();
    this.update(this.#getState());
  }
}

async function openSettings() {
  const [{ openSettings: open }] = await Promise.all([import("./settings.js"), loadStyle("shell")]);
  open(document.getElementById("settings"));
}

function notify(run) {
  const notification = new Notification(endText(run), { body: run.reason ?? "", tag: run.id });
  notification.onclick = () => {
    focus();
    location.hash = formatRoute("runs", [run.id]);
  };
}

function title({ about, deployment: owner, autoscaler: hpa }) {
  const cpu = hpa?.cpu_percent == null ? null : percent(hpa.cpu_percent);
  return [owner && `${owner.ready}/${owner.desired}`, cpu, about.namespace].filter(Boolean).join(" · ");
}
