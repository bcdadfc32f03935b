// The drawer of an object that is no pod: its facts, related objects, events, last change and YAML. Loads when it opens.

import { html, nothing, render, repeat } from "../lib/vendor.js";
import { icon } from "../lib/icons.js";
import { objectHash, objectsOf } from "../text/objects.js";
import { empty } from "../lib/panel.js";
import { request } from "../api/request.js";
import { conditionStatus, podConditionStatus } from "../text/status.js";
import { conditions, events, fact, since } from "./details.js";
import { PodDetails } from "./pod.js";
import { failure, loading, nextTab, tabButton, yaml } from "./template.js";

const OVERVIEW = ["overview", "Overview"];
const TABS = [OVERVIEW, ["events", "Events"], ["yaml", "YAML"]];
const TABS_OF = { deployment: [OVERVIEW, ["change", "Last change"], ...TABS.slice(1)], node: [OVERVIEW] };

export class ObjectDrawer {
  #dialog;
  #navigation;
  #names;
  #now;
  #shown = null; // {kind, name} of what is shown; null while the drawer is closed
  #tab = "overview";
  #returnFocus = null;
  #details = new PodDetails(
    () => this.#render(),
    () => this.#shown === null,
    { fetchDetails },
  );

  // `now()` returns the server's time in milliseconds since 1970.
  constructor(dialog, navigation, names, now) {
    this.#dialog = dialog;
    this.#navigation = navigation;
    this.#names = names;
    this.#now = now;
    dialog.addEventListener("close", () => this.#onClose());
    dialog.addEventListener("click", ({ target }) => target === dialog && this.close()); // on the backdrop
  }

  // Shows what an address names. Returns a sentence if it is gone, or null.
  show({ parts: [kind, name, tab] }, state) {
    const known = objectsOf(state, this.#names).some(([one, its]) => one.toLowerCase() === kind && its === name);
    if (!known) {
      this.close();
      return `The deployment has no ${kind} ${name}, or it is gone.`;
    }
    const isOther = !this.#dialog.open || this.#shown?.kind !== kind || this.#shown?.name !== name;
    this.#shown = { kind, name };
    this.#tab = this.#tabs().some(([one]) => one === tab) ? tab : "overview";
    if (isOther) this.#details.open({ kind, name });
    this.#render();
    if (!this.#dialog.open) {
      this.#returnFocus = document.activeElement;
      this.#dialog.showModal();
    }
    if (isOther) /** @type {HTMLElement} */ (this.#dialog.querySelector("#object-title")).focus();
    return null;
  }

  close() {
    if (!this.#dialog.open) return;
    this.#dialog.close();
    this.#onClose(); // at once: the browser dispatches "close" later, and what is shown next may be this again
  }

  #tabs() {
    return TABS_OF[this.#shown.kind] ?? TABS;
  }

  #render() {
    if (this.#shown) render(this.#template(), this.#dialog);
  }

  #template() {
    const { name, kind } = this.#shown;
    const { details, problem } = this.#details;
    const props = { tab: this.#tab, details, problem, prefix: "object-", onTab: (tab) => this.#showTab(tab), onRetry: () => this.#details.fetch() };
    return html`<header class="drawer-head">
        <h2 id="object-title" tabindex="-1">${name}</h2>
        <button type="button" class="drawer-close" aria-label="Close" @click=${() => this.close()}>${icon("cross")}</button>
        <p class="drawer-line"><span class="tag">${details?.kind ?? kind}</span> <span class="text-muted mono">${details?.uid ?? ""}</span></p>
        <div class="drawer-tabs" role="tablist" aria-label="About this object" @keydown=${(event) => this.#moveTab(event)}>
          ${repeat(this.#tabs(), ([one]) => one, (tab) => tabButton(tab, props))}
        </div>
      </header>
      <div class="drawer-body" id="object-drawer-panel" role="tabpanel" aria-labelledby="object-tab-${this.#tab}" tabindex="0" data-tab=${this.#tab}>
        ${problem ? failure(props, "The object can't be read") : nothing} ${details ? content(this.#tab, details, this.#now()) : problem ? nothing : loading("the object")}
      </div>`;
  }

  #showTab(tab) {
    this.#tab = tab;
    const { kind, name } = this.#shown;
    this.#navigation.set("objects", [kind, name, tab === "overview" ? "" : tab]);
    this.#render();
    this.#dialog.querySelector(".drawer-body").scrollTop = 0;
  }

  #moveTab(event) {
    const tab = nextTab(event, this.#tabs(), this.#tab);
    if (tab === null) return;
    event.preventDefault();
    this.#showTab(tab);
    /** @type {HTMLElement} */ (this.#dialog.querySelector(`#object-tab-${tab}`)).focus();
  }

  #onClose() {
    if (this.#dialog.open || this.#shown === null) return;
    this.#details.stop();
    this.#shown = null;
    this.#navigation.clear("objects");
    render(nothing, this.#dialog);
    const from = this.#returnFocus;
    (from?.isConnected && from !== document.body ? from : document.getElementById("main")).focus();
    this.#returnFocus = null;
  }
}

function fetchDetails({ kind, name }, signal) {
  return request("GET", `/api/objects/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`, { signal });
}

function content(tab, /** @type {wire.ObjectDetails} */ details, now) {
  if (tab === "events") return events(details, now);
  if (tab === "change") return change(details);
  if (tab === "yaml") return yaml(details.name, details.yaml);
  const status = details.kind === "HorizontalPodAutoscaler" ? conditionStatus : podConditionStatus;
  return html`${details.kind === "Node" ? html`<p class="text-muted">${details.note}</p>` : nothing}
    ${details.facts.length || details.created ? html`<dl class="drawer-facts">
      ${details.facts.map(({ name, value }) => fact(name, value))} ${details.created ? fact("Age", since(details.created, now)) : nothing}
    </dl>` : nothing}
    <section class="drawer-part" aria-labelledby="object-related">
      <h3 id="object-related">Related objects</h3>
      ${details.related.length ? related(details.related) : empty("None", "The deployment has nothing that belongs to it.")}
    </section>
    ${details.conditions.length ? html`<section class="drawer-part" aria-labelledby="object-conditions">
      <h3 id="object-conditions">Conditions</h3>
      ${conditions(details.conditions, now, status)}
    </section>` : nothing}`;
}

function related(all) {
  return html`<ul class="drawer-related">
    ${repeat(all, ({ kind, name }) => `${kind} ${name}`, ({ kind, name, uid, role }) => html`<li>
      <span class="tag">${kind}</span> <a class="mono" href=${objectHash(kind, name, uid)}>${name}</a> <span class="text-muted">${role}</span>
    </li>`)}
  </ul>`;
}

function change({ revisions, note }) {
  if (!revisions) return empty("No comparison", note ?? "");
  const { before, after, words, diff } = revisions;
  return html`<section class="drawer-part" aria-labelledby="object-words">
      <h3 id="object-words">Revision ${before} → ${after}</h3>
      <ul>${words.length ? words.map((text) => html`<li>${text}</li>`) : html`<li>nothing differs</li>`}</ul>
    </section>
    <div class="drawer-yaml"><pre tabindex="0" role="region" aria-label="Difference as YAML">${diff}</pre></div>`;
}
