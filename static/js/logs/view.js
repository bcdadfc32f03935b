// The log of one pod or of many: its controls, its lines and its state.

import { html, nothing } from "../lib/vendor.js";
import { copy } from "../lib/copy.js";
import { status } from "../lib/icons.js";
import { empty } from "../lib/panel.js";
import { LEVELS, STATUSES, matches } from "./fields.js";
import { findLine, lineName } from "./log.js";
import { LogPane } from "./pane.js";
import { LogSession, emptyLog, logStatus, logSummary, logText } from "./session.js";

export class LogView {
  #redraw;
  #onChoice;
  #pane;
  #session;
  #scheduled = false;
  #line = null; // the line that the address names, as log.js' lineName
  #sought = false; // whether that line is still to be found

  // `redraw()` is called when the template has changed, `onChoice(choice)` when the reader has changed what the address names.
  constructor(redraw, onChoice) {
    this.#redraw = redraw;
    this.#onChoice = onChoice;
    this.#pane = new LogPane({ onFollow: redraw, onSelect: (number) => this.#select(number) });
    this.#session = new LogSession({
      onOpen: (label) => {
        this.#line = null;
        this.#pane.reset(`Log of ${label}`);
      },
      onLines: () => this.#schedule(),
      onState: redraw,
    });
  }

  // Opens the log of a scope, unless it is open: {pod: uid} with its containers, {app}, or {} for all pods.
  show(scope, containers) {
    this.#session.show(scope, containers);
  }

  hide() {
    this.#session.hide();
  }

  // Takes what an address names: {container, previous, q, level, status, line}.
  restore({ container, previous, q = "", level = "", status: httpStatus = "", line = null }) {
    const { choice } = this.#session;
    this.#session.choose({ container: container ?? choice.container, previous: previous === "true" });
    this.#filter({ filter: q, level: LEVELS.includes(level) ? level : "", status: STATUSES.includes(httpStatus) ? httpStatus : "" }, false);
    this.#line = line;
    this.#sought = line !== null;
    this.#schedule();
  }

  view() {
    const session = this.#session;
    if (session.scope.pod && session.containers.length === 0) return empty("No containers", "The pod has none.");
    const { element } = this.#pane;
    element.toggleAttribute("data-wrap", session.choice.wrap);
    element.toggleAttribute("data-times", session.choice.times);
    return html`<div class="log">
      ${this.#controls()}
      <div class="log-frame">
        ${element} ${this.#pane.shown === 0 ? html`<div class="log-empty">${this.#empty()}</div>` : nothing}
        ${this.#pane.following || (session.isOver && this.#pane.isWhole) ? nothing : html`<button type="button" class="button log-jump" data-kind="primary" @click=${() => this.#jump()}>Jump to newest</button>`}
      </div>
      ${this.#footer()}
    </div>`;
  }

  #controls() {
    const { choice, containers, hasPrevious } = this.#session;
    const disabled = hasPrevious ? nothing : "The container has not restarted: it has no previous log.";
    const names = [...containers.map(({ name }) => [name, name]), ...(containers.length > 1 ? [["", "all containers"]] : [])];
    return html`<div class="log-controls">
      ${containers.length ? select("Container", choice.container, names, (container) => this.#choose({ container })) : nothing}
      <label class="log-field log-filter"><span>Filter</span>
        <input type="search" placeholder="text to find" autocomplete="off" spellcheck="false" .value=${choice.filter} @input=${({ target }) => this.#filter({ filter: target.value })}>
      </label>
      ${select("Level", choice.level, [["", "all"], ...LEVELS.slice(1).map((level, index) => [level, index < 2 ? `${level} or worse` : level])], (level) => this.#filter({ level }))}
      ${select("Status", choice.status, [["", "all"], ...STATUSES.map((each) => [each, each])], (httpStatus) => this.#filter({ status: httpStatus }))}
      ${containers.length ? checkbox("Previous", choice.previous, (previous) => this.#choose({ previous }), disabled) : nothing}
      ${checkbox("Wrap", choice.wrap, (wrap) => this.#format({ wrap }))} ${checkbox("Times", choice.times, (times) => this.#format({ times }))}
    </div>`;
  }

  #footer() {
    const { choice, lines, sources, paused, state, isOver } = this.#session;
    const summary = logSummary({ lines, sources, shown: this.#pane.shown, pending: this.#pane.pending(lines), choice, paused, state });
    return html`<div class="log-state">
      <span role="status">${status(logStatus(state, paused))}</span>
      <span class="text-muted">${summary}${this.#sought ? " · The linked line is not among them." : ""}</span>
      <span class="log-buttons">
        ${this.#line ? html`<button type="button" class="button" @click=${({ currentTarget }) => copy(currentTarget, location.href)}>Copy link to line</button><span role="status"></span>` : nothing}
        <button type="button" class="button" @click=${() => this.#download()}>Download</button>
        ${choice.previous || isOver ? nothing : html`<button type="button" class="button" aria-pressed=${paused} @click=${() => this.#togglePause()}>Pause</button>`}
      </span>
    </div>`;
  }

  #empty() {
    const { choice, lines, state } = this.#session;
    const message = emptyLog(state, lines.size, choice);
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
    const { lines, choice, isMerged } = this.#session;
    this.#pane.draw(lines, choice, isMerged);
    if (this.#sought) this.#seek();
  }

  // Shows the line that the address names, once it has been read.
  #seek() {
    const found = findLine(this.#session.lines.lines, this.#line);
    if (!found || !this.#pane.select(found.number)) return;
    this.#sought = false;
    this.#redraw(); // first, since the footer's height changes with it, and so the pane's
    this.#pane.scrollToSelected();
  }

  #select(number) {
    const line = this.#session.lines.lines.find((each) => each.number === number);
    this.#pane.select(number);
    this.#line = line?.at ? lineName(line) : null;
    this.#sought = false;
    this.#choiceChanged();
    this.#redraw();
  }

  #choose(change) {
    this.#session.choose(change);
    this.#choiceChanged();
    this.#redraw();
  }

  #filter(change, isNew = true) {
    Object.assign(this.#session.choice, change);
    this.#pane.clear();
    this.#drawLines();
    if (isNew) this.#choiceChanged();
    this.#redraw();
  }

  #choiceChanged() {
    const { container, previous, filter: q, level, status: httpStatus } = this.#session.choice;
    this.#onChoice({ container, previous: previous ? "true" : "", q, level, status: httpStatus, line: this.#line });
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
    this.#sought = false;
    this.#drawLines();
    this.#pane.scrollToEnd();
    this.#pane.element.focus(); // the button, which had the focus, disappears
    this.#redraw();
  }

  #retry() {
    this.#session.retry();
    this.#redraw();
  }

  // Saves the lines that pass the filter, in the order of the page.
  #download() {
    const { lines, choice } = this.#session;
    const file = new Blob([logText(lines.lines.filter((line) => matches(line, choice)))], { type: "text/plain" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${this.#pane.element.getAttribute("aria-label").toLowerCase().replaceAll(/\W+/g, "-")}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}

function select(label, chosen, options, onChange) {
  return html`<label class="log-field"><span>${label}</span>
    <select @change=${({ target }) => onChange(target.value)}>
      ${options.map(([value, text]) => html`<option value=${value} .selected=${value === chosen}>${text}</option>`)}
    </select>
  </label>`;
}

// `disabled` is the reason why the box is disabled, or nothing.
/** @param {unknown} disabled */
function checkbox(label, checked, onChange, disabled = nothing) {
  return html`<label class="log-check" title=${disabled}>
    <input type="checkbox" .checked=${checked} ?disabled=${disabled !== nothing} @change=${({ target }) => onChange(target.checked)}>${label}
  </label>`;
}
