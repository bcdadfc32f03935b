// A pod's drawer: its details, events, log and YAML, in a dialog at the page's side.

import { nothing, render } from "../lib/vendor.js";
import { LogView } from "./logView.js";
import { PodDetails, TrackedPod } from "./pod.js";
import { TABS, drawerTemplate } from "./template.js";

export class PodDrawer {
  #dialog;
  #state = null;
  #now = 0; // the server's time in milliseconds since 1970
  #pod = null; // a TrackedPod; null while the drawer is closed
  #returnFocus = null; // the element that opened the drawer
  #tab = "overview";
  #details = new PodDetails(
    () => this.#render(),
    () => this.#pod === null || this.#pod.goneAt !== null,
  );
  #log = new LogView(() => this.#render());

  constructor(dialog) {
    this.#dialog = dialog;
    dialog.addEventListener("close", () => this.#onClose());
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // on the backdrop
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
    if (this.#tab === "logs" && details) this.#log.show(this.#pod.uid, details.containers);
    else this.#log.hide();
    render(this.#template(), this.#dialog);
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
      onClose: () => this.#dialog.close(),
      onRetry: () => this.#details.fetch(),
      onTab: (tab) => this.#showTab(tab),
      onTabKey: (event) => this.#moveTab(event),
      onSuccessor: (uid) => this.open(uid, this.#returnFocus),
    });
  }

  #showTab(tab) {
    this.#tab = tab;
    this.#render();
    this.#scrollToTop();
  }

  #moveTab(event) {
    const index = TABS.findIndex(([name]) => name === this.#tab);
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#showTab(TABS.at(to % TABS.length)[0]);
    this.#dialog.querySelector(`#tab-${this.#tab}`).focus();
  }

  #scrollToTop() {
    this.#dialog.querySelector(".drawer-body").scrollTop = 0;
  }

  #stop() {
    this.#details.stop();
    this.#log.hide();
  }

  #onClose() {
    this.#stop();
    const name = this.#pod?.view?.name;
    this.#pod = null;
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
