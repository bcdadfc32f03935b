// The metrics panel: load, CPU and pods on one time axis, with marks for timeline entries.

import { render } from "../lib/vendor.js";
import { Painter } from "./painter.js";
import { Selection } from "./selection.js";
import { chartsTemplate } from "./template.js";
import { viewModel } from "./model/viewModel.js";

const DRAW_EVERY_MS = 1_000;

export class ChartsPanel {
  #container;
  #history;
  #navigation;
  #painter;
  #selection = new Selection();
  #ruler = document.createElement("canvas").getContext("2d"); // measures texts
  #state = null;
  #serverTime = { ms: 0, at: 0 }; // the server's time, and `performance.now()` when it was taken
  #knownUntil = 0; // seconds since 1970: no data before this time are missing
  #drawn = { inputs: [], at: -Infinity };
  #pods = null; // the pods whose history is kept
  #view = null; // the view model of the last drawing
  #isVisible = true;
  #isScheduled = false;

  // `redraw()` requests a call of `draw`.
  constructor(container, history, redraw, navigation) {
    this.#container = container;
    this.#navigation = navigation;
    this.#history = history;
    this.#painter = new Painter(container, { onLoad: redraw, onChange: () => this.#draw() });
    document.addEventListener("visibilitychange", () => this.#draw());
    setInterval(() => this.#isDue() && this.#draw(), DRAW_EVERY_MS);
    new IntersectionObserver((changes) => {
      this.#isVisible = changes.at(-1).isIntersecting;
      this.#draw();
    }).observe(container);
  }

  // Takes a new state, and draws it when it changes the charts or when a second has passed. `now` is the server's time in
  // milliseconds since 1970.
  draw(state, now) {
    this.#state = state;
    this.#serverTime = { ms: now, at: performance.now() };
    if (!isStale()) this.#knownUntil = now / 1_000;
    if (this.#pods !== state.pods) this.#history.keepPods(state.pods.map(({ uid }) => uid));
    this.#pods = state.pods;
    const hasChanged = this.#inputs().some((input, index) => input !== this.#drawn.inputs[index]);
    if (hasChanged || this.#isDue()) this.#draw();
  }

  // Shows what an address names. Returns a sentence if it is gone, or null.
  show({ query }) {
    const sentence = this.#selection.restore(query, this.#serverTime.ms / 1_000);
    this.#container.scrollIntoView({ block: "nearest" });
    this.#draw();
    return sentence;
  }

  #inputs() {
    const { timeline, autoscaler } = this.#state;
    return [this.#history.revision, timeline, autoscaler?.target_of_requests, autoscaler?.max, this.#painter.isLoaded];
  }

  #isDue() {
    return performance.now() - this.#drawn.at >= DRAW_EVERY_MS;
  }

  // Draws everything, unless nobody sees it.
  #draw() {
    if (this.#state === null || document.hidden || !this.#isVisible) return;
    if (this.#view === null) this.#drawFirst();
    this.#updateView();
    this.#drawn = { inputs: this.#inputs(), at: performance.now() };
    this.#render();
    if (this.#painter.makeCharts()) {
      this.#updateView(); // with the charts' layout
      this.#render();
    }
    this.#painter.draw(() => this.#view);
  }

  // Replaces the server's placeholder.
  #drawFirst() {
    this.#container.replaceChildren();
    this.#updateView();
    this.#render();
    this.#painter.observeSize();
  }

  #updateView() {
    const { ms, at } = this.#serverTime;
    const now = (ms + performance.now() - at) / 1_000;
    const knownUntil = isStale() ? this.#knownUntil : now;
    this.#view = viewModel({
      history: this.#history,
      state: this.#state,
      range: this.#selection.range,
      width: this.#painter.width,
      now,
      knownUntil,
    });
  }

  // Draws everything but the canvases.
  #render() {
    const template = chartsTemplate({
      state: this.#state,
      history: this.#history,
      view: this.#view,
      selection: this.#selection,
      painter: this.#painter,
      ruler: this.#ruler,
      isStale: isStale(),
      onRange: (range) => this.#chooseRange(range),
      onTable: () => this.#toggleTable(),
      onPointer: (event) => this.#followPointer(event),
      onTime: (time) => this.#pointAtTime(time),
      onLeave: ({ pointerType }) => pointerType === "mouse" && this.#pointAtTime(null),
      onKey: (event) => this.#pressKey(event),
    });
    render(template, this.#container);
  }

  #renderSoon() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#render();
    });
  }

  #chooseRange(range) {
    this.#selection.chooseRange(range);
    this.#navigation.set("metrics", [], { range: range.seconds });
    this.#draw();
  }

  #toggleTable() {
    this.#selection.toggleTable();
    this.#render();
  }

  #followPointer(event) {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    if (event.pointerType === "mouse") this.#selection.pointAt(x);
    else this.#selection.pointAtTime(this.#view.timeAt(x));
    this.#renderSoon();
  }

  #pointAtTime(time) {
    if (time !== null) this.#selection.pointAtTime(time);
    else if (!this.#selection.clear()) return;
    this.#renderSoon();
  }

  #pressKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (!this.#selection.press(event.key, event.shiftKey, this.#view)) return;
    event.preventDefault();
    this.#address();
    this.#render();
  }

  // Puts the range and the cursor's time into the address.
  #address() {
    const time = this.#selection.time(this.#view);
    const at = time === null ? null : new Date(time * 1_000).toISOString();
    this.#navigation.set("metrics", [], { range: this.#selection.range.seconds, at }, { replace: true });
  }
}

// Whether the connection is not live. The header sets this class, so that no part of the page says otherwise.
function isStale() {
  return document.documentElement.classList.contains("is-stale");
}
