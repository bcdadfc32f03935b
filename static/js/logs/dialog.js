// The logs of several pods together, in a dialog at the page's side. It loads when it opens.

import { html, nothing, render } from "../lib/vendor.js";
import { icon } from "../lib/icons.js";
import { loadLogView } from "./load.js";

export const ALL = "all"; // in an address: all pods of the namespace

export class LogsDialog {
  #dialog;
  #log = null;
  #app = ""; // the chosen app, or "" for all pods
  #state = null;
  #navigation;
  #returnFocus = null;

  constructor(dialog, navigation) {
    this.#dialog = dialog;
    this.#navigation = navigation;
    dialog.addEventListener("close", () => this.#onClose());
    dialog.addEventListener("click", ({ target }) => target === dialog && this.close()); // on the backdrop
  }

  async load() {
    this.#log = await loadLogView(
      () => this.#render(),
      (choice) => this.#navigation.set("logs", [this.#app || ALL], choice, { replace: true }),
    );
    return this;
  }

  // Opens the logs of an app, or of all pods for "all", with what an address names.
  open(app, choice, state) {
    this.#state = state;
    this.#app = app === ALL ? "" : app;
    this.#log.show({ app: this.#app });
    this.#log.restore(choice);
    this.#render();
    if (this.#dialog.open) return;
    this.#returnFocus = document.activeElement;
    this.#dialog.showModal();
    /** @type {HTMLElement} */ (this.#dialog.querySelector("#logs-title")).focus();
  }

  close() {
    if (!this.#dialog.open) return;
    this.#dialog.close();
    this.#onClose(); // at once: the browser dispatches "close" later, and what is shown next may be this again
  }

  // To be called with each new state.
  draw(state) {
    this.#state = state;
    if (this.#dialog.open) this.#render();
  }

  #render() {
    const apps = [...new Set(this.#state.pods.map(({ app }) => app))].filter(Boolean).sort();
    if (this.#app && !apps.includes(this.#app)) apps.push(this.#app);
    render(
      html`<header class="drawer-head logs-head">
          <h2 id="logs-title" tabindex="-1">Logs</h2>
          <button type="button" class="drawer-close" aria-label="Close" @click=${() => this.close()}>${icon("cross")}</button>
          <label class="log-field logs-scope"><span>Pods</span>
            <select @change=${({ target }) => this.#choose(target.value)}>
              <option value="" .selected=${this.#app === ""}>all pods, ${this.#state.pods.length}</option>
              ${apps.map((app) => html`<option value=${app} .selected=${app === this.#app}>${app}, ${this.#state.pods.filter((pod) => pod.app === app).length}</option>`)}
            </select>
          </label>
        </header>
        <div class="drawer-body" data-tab="logs">${this.#log.view()}</div>`,
      this.#dialog,
    );
  }

  #choose(app) {
    this.#app = app;
    this.#log.show({ app });
    this.#navigation.set("logs", [app || ALL]);
    this.#render();
  }

  #onClose() {
    if (this.#dialog.open || this.#returnFocus === null) return;
    this.#log.hide();
    this.#navigation.clear("logs");
    render(nothing, this.#dialog);
    /** @type {HTMLElement} */ (this.#returnFocus).focus();
    this.#returnFocus = null;
  }
}
