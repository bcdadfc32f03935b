// A pod's drawer: its details, events, log and YAML, in a dialog at the page's side.

import { nothing, render } from "../lib/vendor.js";
import { loadLogView } from "../logs/load.js";
import { PodDetails, TrackedPod } from "./pod.js";
import { TABS, drawerTemplate, nextTab } from "./template.js";

export class PodDrawer {
  #dialog;
  #state = null;
  #now = 0; // the server's time in milliseconds since 1970
  #pod = null; // a TrackedPod; null while the drawer is closed
  #returnFocus = null; // the element that opened the drawer
  #deletion;
  #tab = "overview";
  #choice = null; // what an address names of the log, until the log is open
  #details = new PodDetails(
    () => this.#render(),
    () => this.#pod === null || this.#pod.goneAt !== null,
  );
  #log = null; // a LogView, once the tab has been opened
  #loading = null; // the promise of the LogView
  #navigation;

  // `canDelete(state, pod)` says whether the reader may delete a pod, `onDelete(pod)` asks to.
  constructor(dialog, navigation, { canDelete, onDelete }) {
    this.#dialog = dialog;
    this.#navigation = navigation;
    this.#deletion = { canDelete, onDelete };
    dialog.addEventListener("close", () => this.#onClose());
    dialog.addEventListener("click", ({ target }) => target === dialog && this.close()); // on the backdrop
  }

  // Shows what an address names. Returns a sentence if the pod is gone, or null.
  show({ parts: [name, uid, tab], query }) {
    const pods = this.#state?.pods ?? [];
    const found = pods.find((pod) => pod.uid === uid) ?? (uid ? undefined : pods.find((pod) => pod.name === name));
    if (!found) {
      const successor = pods.find((pod) => pod.name === name);
      return `The pod ${name} that this link names is gone.${successor ? " Another pod has its name now." : ""}`;
    }
    this.#tab = TABS.some(([known]) => known === tab) ? tab : TABS[0][0];
    this.#choice = this.#tab === "logs" ? query : null;
    if (this.#dialog.open && this.#pod?.uid === found.uid) this.#render();
    else this.open(found.uid, this.#returnFocus ?? tileButton(found.name));
    return null;
  }

  close() {
    if (!this.#dialog.open) return;
    this.#dialog.close();
    this.#onClose(); // at once: the browser dispatches "close" later, and what is shown next may be this again
  }

  // Shows a pod. On closing, the element `from` gets the focus back.
  open(uid, from) {
    this.#stop();
    this.#pod = new TrackedPod(uid);
    this.#returnFocus = from;
    this.#pod.update(this.#state.pods, this.#now);
    if (this.#pod.view === null) return; // it has just been deleted
    this.#details.open(uid);
    this.#render();
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#dialog.querySelector("#drawer-title").focus();
    this.#scrollToTop();
    if (this.#choice === null) this.#address();
  }

  // To be called with each new state.
  draw(state, now) {
    this.#state = state;
    this.#now = now;
    if (this.#pod?.update(state.pods, now)) this.#details.fetchSoon();
    this.#render();
  }

  // Draws the drawer alone: a busy log would otherwise redraw the whole page each frame.
  #render() {
    if (!this.#pod?.view) return;
    const { details } = this.#details;
    if (this.#tab === "logs" && details) this.#showLog(details.containers);
    else this.#log?.hide();
    render(this.#template(), this.#dialog);
  }

  #showLog(containers) {
    if (this.#log === null) {
      this.#loadLog();
      return;
    }
    this.#log.show({ pod: this.#pod.uid }, containers);
    const choice = this.#choice;
    this.#choice = null;
    if (choice) this.#log.restore(choice);
  }

  // Several drawings may ask for it; the first one loads it.
  #loadLog() {
    this.#loading ??= loadLogView(
      () => this.#render(),
      (choice) => this.#address(choice, { replace: true }),
    )
      .then((log) => (this.#log = log))
      .finally(() => (this.#loading = null))
      .then(() => this.#render());
  }

  // Puts the pod, the tab and what the log shows into the address.
  #address(query = {}, options = {}) {
    const { name, uid } = this.#pod.view;
    this.#navigation.set("pods", [name, uid, this.#tab === "overview" ? "" : this.#tab], query, options);
  }

  #template() {
    const { details, problem } = this.#details;
    return drawerTemplate({
      pod: this.#pod,
      state: this.#state,
      now: this.#now,
      tab: this.#tab,
      details,
      problem,
      log: this.#log,
      deletion: this.#deletion,
      onClose: () => this.close(),
      onRetry: () => this.#details.fetch(),
      onTab: (tab) => this.#showTab(tab),
      onTabKey: (event) => this.#moveTab(event),
      onSuccessor: (uid) => this.open(uid, this.#returnFocus),
    });
  }

  #showTab(tab) {
    this.#tab = tab;
    this.#address();
    this.#render();
    this.#scrollToTop();
  }

  #moveTab(event) {
    const tab = nextTab(event, TABS, this.#tab);
    if (tab === null) return;
    event.preventDefault();
    this.#showTab(tab);
    this.#dialog.querySelector(`#tab-${tab}`).focus();
  }

  #scrollToTop() {
    this.#dialog.querySelector(".drawer-body").scrollTop = 0;
  }

  #stop() {
    this.#details.stop();
    this.#log?.hide();
  }

  #onClose() {
    if (this.#dialog.open || this.#pod === null) return;
    this.#stop();
    const name = this.#pod?.view?.name;
    this.#pod = this.#choice = null;
    this.#navigation.clear("pods");
    render(nothing, this.#dialog);
    focusFirst([this.#returnFocus, tileButton(name), document.getElementById("main")]);
    this.#returnFocus = null;
  }
}

// Focuses the first element that accepts the focus. The tile of a deleted pod does not, although it still fades out.
function focusFirst(elements) {
  elements.find((element) => {
    element?.focus();
    return element && document.activeElement === element;
  });
}

// The tile of the pod that has this name now: a StatefulSet's next pod has the same name.
function tileButton(name) {
  return document.querySelector(`[data-pod="${CSS.escape(name)}"] button`);
}
