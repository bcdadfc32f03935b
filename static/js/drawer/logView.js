// The log in the drawer: its controls, its lines and its state.

import { html, nothing } from "../lib/vendor.js";
import { status } from "../lib/icons.js";
import { empty } from "../lib/panel.js";
import { LogPane } from "./logPane.js";
import { LogSession, emptyLog, logStatus, logSummary } from "./logSession.js";

export class LogView {
  #redraw;
  #pane;
  #session;
  #scheduled = false;

  // `redraw()` is called when the template has changed.
  constructor(redraw) {
    this.#redraw = redraw;
    this.#pane = new LogPane(redraw);
    this.#session = new LogSession({
      onOpen: (container) => this.#pane.reset(`Log of ${container}`),
      onLines: () => this.#schedule(),
      onState: redraw,
    });
  }

  // Opens the log of a pod, unless it is open.
  show(uid, containers) {
    this.#session.show(uid, containers);
  }

  hide() {
    this.#session.hide();
  }

  view() {
    const session = this.#session;
    if (!session.container) return empty("No containers", "The pod has none.");
    const { element, following } = this.#pane;
    element.toggleAttribute("data-wrap", session.choice.wrap);
    element.toggleAttribute("data-times", session.choice.times);
    return html`<div class="log">
      ${this.#controls()}
      <div class="log-frame">
        ${element} ${this.#pane.shown === 0 ? html`<div class="log-empty">${this.#empty()}</div>` : nothing}
        ${following ? nothing : html`<button type="button" class="button log-jump" data-kind="primary" @click=${() => this.#jump()}>Jump to newest</button>`}
      </div>
      ${this.#footer()}
    </div>`;
  }

  #controls() {
    const { choice, containers, hasPrevious } = this.#session;
    const disabled = hasPrevious ? nothing : "The container has not restarted: it has no previous log.";
    return html`<div class="log-controls">
      <label class="log-field"><span>Container</span>
        <select @change=${({ target }) => this.#choose({ container: target.value })}>
          ${containers.map(({ name }) => html`<option value=${name} .selected=${name === choice.container}>${name}</option>`)}
        </select>
      </label>
      <label class="log-field log-filter"><span>Filter</span>
        <input type="search" placeholder="text to find" autocomplete="off" spellcheck="false" .value=${choice.filter} @input=${({ target }) => this.#filter(target.value)}>
      </label>
      ${checkbox("Previous", choice.previous, (previous) => this.#choose({ previous }), disabled)}
      ${checkbox("Wrap", choice.wrap, (wrap) => this.#format({ wrap }))} ${checkbox("Times", choice.times, (times) => this.#format({ times }))}
    </div>`;
  }

  #footer() {
    const { choice, lines, paused, state } = this.#session;
    const summary = logSummary({ lines, shown: this.#pane.shown, pending: this.#pane.pending(lines), filter: choice.filter, paused, state });
    return html`<div class="log-state">
      <span role="status">${status(logStatus(state, paused))}</span>
      <span class="text-muted">${summary}</span>
      ${choice.previous ? nothing : html`<button type="button" class="button" aria-pressed=${paused} @click=${() => this.#togglePause()}>Pause</button>`}
    </div>`;
  }

  #empty() {
    const { choice, lines, state } = this.#session;
    const message = emptyLog(state, lines.size, choice.filter);
    if (message === null) return nothing;
    return html`${empty(message.title, message.text, message.icon)}
      ${message.canRetry ? html`<button type="button" class="button" @click=${() => this.#retry()}>Try again</button>` : nothing}`;
  }

  // The page changes at most once a frame, however many lines arrive. A hidden tab gets no frames; the buffer is bounded all the same.
  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      if (!this.#session.paused) this.#drawLines();
      this.#redraw();
    });
  }

  #drawLines() {
    this.#pane.draw(this.#session.lines, this.#session.choice.filter);
  }

  #choose(change) {
    this.#session.choose(change);
    this.#redraw();
  }

  #filter(text) {
    this.#session.choice.filter = text;
    this.#pane.clear();
    this.#drawLines();
    this.#redraw();
  }

  #format(change) {
    Object.assign(this.#session.choice, change);
    this.#redraw();
    if (this.#pane.following) requestAnimationFrame(() => this.#pane.scrollToEnd()); // the lines' heights have changed
  }

  #togglePause() {
    this.#session.paused = !this.#session.paused;
    if (!this.#session.paused) this.#drawLines();
    this.#redraw();
  }

  #jump() {
    this.#session.paused = false;
    this.#drawLines();
    this.#pane.scrollToEnd();
    this.#pane.element.focus(); // the button, which had the focus, disappears
    this.#redraw();
  }

  #retry() {
    this.#session.retry();
    this.#redraw();
  }
}

// `disabled` is the reason why the box is disabled, or nothing.
/** @param {unknown} disabled */
function checkbox(label, checked, onChange, disabled = nothing) {
  return html`<label class="log-check" title=${disabled}>
    <input type="checkbox" .checked=${checked} ?disabled=${disabled !== nothing} @change=${({ target }) => onChange(target.checked)}>${label}
  </label>`;
}
