// One clock: load, CPU and pods on one time axis, with marks for what happened.

import { html, nothing, render, uPlot } from "../vendor.js";
import { chart } from "./chart.js";
import { step } from "./cursor.js";
import { figures } from "./table.js";
import { clock as timeOfDay } from "../format.js";
import { frame } from "./legend.js";
import { notes, recordedSince } from "./notes.js";
import { lines, markLabels, pointer, shades } from "./overlay.js";
import { panel } from "../panel.js";
import { PLOTS } from "./plots.js";
import { RANGES, remember, remembered } from "./ranges.js";
import { viewOf } from "./viewModel.js";

const DRAW_EVERY_MS = 1_000;
const LOAD_AGAIN_MS = 10_000;
const WIDE_REM = 36; // from here on lines have their names at their ends
const TICKS_REM = 2.9;
const NAMES_REM = 4.1;
const EDGE_REM = 0.9;

// Draws into `container` what `history` has. `redraw()` asks for a call of draw.
export function clock(container, history, redraw) {
  let range = remembered();
  let state = null;
  let told = { at: 0, by: 0 }; // the server's time in milliseconds, and ours when it was told
  let heard = 0; // seconds: the last moment of which it is known that nothing is missing
  let drawn = { what: [], at: -Infinity };
  let pods = null; // whose history is kept
  let cursor = null; // {x} under the pointer, in pixels; {moment} when chosen
  let spoken = "now"; // what a screen reader says of the cursor: changes only when the reader moves it
  let asTable = false;
  let UPlot = null;
  let failed = false;
  let charts = null;
  let layout = null; // null until the painter is there
  let view = null; // what was drawn last
  let visible = true;
  let queued = false;
  let painting = 0; // the frame that draws the next chart

  const ruler = document.createElement("canvas").getContext("2d");
  const sizes = new ResizeObserver(() => requestAnimationFrame(fit));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", remake);
  document.addEventListener("visibilitychange", draw);
  setInterval(() => performance.now() - drawn.at >= DRAW_EVERY_MS && draw(), DRAW_EVERY_MS);
  new IntersectionObserver((changes) => {
    visible = changes.at(-1).isIntersecting;
    draw();
  }).observe(container);
  loadPainter();

  async function loadPainter() {
    try {
      UPlot = await uPlot();
      failed = false;
    } catch {
      failed = true; // the words and the table need no painter
      setTimeout(loadPainter, LOAD_AGAIN_MS);
    }
    redraw();
  }

  // Takes what is new; it is drawn when it makes a difference, and once a second.
  function take(next, at) {
    state = next;
    told = { at, by: performance.now() };
    if (!isOld()) heard = at / 1_000;
    if (pods !== next.pods) history.prune(next.pods.map(({ uid }) => uid));
    pods = next.pods;
    const isNew = content().some((each, index) => each !== drawn.what[index]);
    if (isNew || performance.now() - drawn.at >= DRAW_EVERY_MS) draw();
  }

  function content() {
    return [history.revision, state.timeline, state.autoscaler?.target_of_requests, state.autoscaler?.max, UPlot];
  }

  // Nothing is drawn that nobody sees.
  function draw() {
    if (state === null || document.hidden || !visible) return;
    if (view === null) first();
    measure();
    drawn = { what: content(), at: performance.now() };
    show();
    if (UPlot && !charts) make();
    paint(0);
  }

  // A chart a frame: all at once, and in the frame that draws the tiles, would hold up what the reader does meanwhile.
  function paint(turn) {
    cancelAnimationFrame(painting);
    painting = requestAnimationFrame(() => {
      if (!charts || turn >= charts.length) return;
      charts[turn].draw(view.all[turn].data, { ...view.span, extents: view.extents });
      paint(turn + 1);
    });
  }

  // The first drawing replaces what the server put there, and has places for the charts.
  function first() {
    container.replaceChildren();
    measure();
    show();
    for (const element of container.querySelectorAll(".charts-stack, .chart-place")) sizes.observe(element);
  }

  function measure() {
    const now = (told.at + performance.now() - told.by) / 1_000;
    const width = layout ? layout.width - layout.left - layout.right : container.clientWidth || 1;
    view = viewOf({ history, state, range, width, now, heard: isOld() ? heard : now });
  }

  function make() {
    layout = layoutOf();
    measure(); // now it is known where the plots are
    const places = container.querySelectorAll(".chart-place");
    const swatches = container.querySelectorAll(".swatch-line");
    charts = PLOTS.map((plot, index) => chart(UPlot, plot, places[index], swatches, { ...layout, time: index === PLOTS.length - 1 }));
    show();
  }

  function remake() {
    charts?.forEach((each) => each.destroy());
    charts = null;
    draw();
  }

  function fit() {
    const next = layoutOf();
    const isNew = layout && ["rem", "names"].some((name) => next[name] !== layout[name]);
    layout = next;
    if (isNew) remake();
    charts?.forEach((each) => each.fit());
    draw();
  }

  function layoutOf() {
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const width = container.querySelector(".charts-stack").clientWidth;
    const names = width >= WIDE_REM * rem;
    const ticks = Math.round(TICKS_REM * rem); // whole pixels, as uPlot would make them
    const right = Math.round((names ? NAMES_REM : EDGE_REM) * rem);
    const tops = [...container.querySelectorAll(".chart-place")].map((element) => element.offsetTop + element.parentElement.offsetTop);
    return { rem, width, names, ticks, left: 2 * ticks, right, tops, family: getComputedStyle(container).fontFamily };
  }

  // Everything but the canvases.
  function show() {
    render(page(), container);
  }

  function page() {
    return panel({
      id: "charts",
      title: "Metrics",
      aside: `the last ${range.words}`,
      state,
      kinds: ["traffic", "metrics"],
      body: html`${tools()} ${stack()} ${asTable ? figures(view) : nothing}`,
    });
  }

  function tools() {
    return html`<div class="charts-toolbar">
      <div class="segments" role="group" aria-label="Range">
        ${RANGES.map((each) => html`<button type="button" aria-pressed=${each === range} @click=${() => choose(each)}>${each.name}</button>`)}
      </div>
      <p class="charts-readout">${momentWords()}</p>
      <button type="button" class="segment" aria-expanded=${asTable} aria-controls=${asTable ? "charts-table" : nothing} @click=${toggleTable}>
        ${asTable ? "Hide table" : "Show as table"}
      </button>
    </div>`;
  }

  function momentWords() {
    const moment = cursorMoment();
    if (moment === null) return html`<b>${isOld() ? "as of" : "now"}</b> ${timeOfDay(view.known.to * 1_000)}`;
    const happened = view.near(moment).map(({ tone, text }) => html`<span class="charts-event" data-tone=${tone}>${text}</span>`);
    return html`<b>${timeOfDay(moment * 1_000)}</b> ${happened}`;
  }

  function stack() {
    const moment = cursorMoment();
    const values = view.values(moment);
    const words = notes(history, state, view, range.words, failed);
    return html`<div class="charts-stack" .style=${layout ? `--left: ${layout.left}px; --right: ${layout.right}px` : ""}>
      ${PLOTS.map((plot, index) => frame(plot, values[index], view.sentences[index], words[index]))}
      <div
        class="charts-overlay"
        role="slider"
        tabindex="0"
        aria-label="Moment under the cursor; arrow keys move it"
        aria-orientation="horizontal"
        aria-valuemin=${-range.seconds}
        aria-valuemax="0"
        aria-valuenow=${moment === null ? 0 : Math.round(moment - view.span.to)}
        aria-valuetext=${spoken}
        @pointermove=${follow}
        @pointerdown=${follow}
        @pointerleave=${({ pointerType }) => pointerType === "mouse" && look(null)}
        @pointercancel=${() => look(null)}
        @keydown=${press}
        @blur=${() => look(null)}
      >
        ${layout ? shades(view, layout, recordedSince(history)) : nothing} ${layout ? lines(view) : nothing}
        ${layout && moment !== null ? pointer(view, layout, charts, moment, values) : nothing}
      </div>
      <div class="charts-labels">${layout ? markLabels(view, layout, ruler, lookAt) : nothing}</div>
    </div>`;
  }

  function choose(next) {
    range = next;
    cursor = null;
    remember(next);
    draw();
  }

  function toggleTable() {
    asTable = !asTable;
    show();
  }

  function follow(event) {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    look(event.pointerType === "mouse" ? { x } : { moment: view.momentAt(x) });
  }

  function lookAt(moment) {
    look(moment === null ? null : { moment });
  }

  function press(event) {
    const next = step(event.key, event.shiftKey, cursorMoment(), view.span);
    if (next === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    cursor = next === null ? null : { moment: next };
    spoken = inWords(next);
    show();
  }

  function look(next) {
    if (cursor === null && next === null) return;
    cursor = next;
    if (next === null) spoken = "now";
    showSoon();
  }

  function showSoon() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      show();
    });
  }

  function inWords(moment) {
    const values = view.values(moment);
    const said = PLOTS.flatMap((plot, place) =>
      plot.figures.flatMap(({ name, format }, index) => (values[place][index] ? [`${name} ${format(values[place][index].value)}`] : [])),
    );
    if (moment === null) return ["now", ...said].join(", ");
    return [timeOfDay(moment * 1_000), ...view.near(moment).map(({ text }) => text), ...said].join(", ");
  }

  function cursorMoment() {
    if (cursor === null) return null;
    const moment = cursor.moment ?? view.momentAt(cursor.x);
    return moment >= view.span.from && moment <= view.span.to ? moment : null;
  }

  return { draw: take };
}

// The connection's state, as the page's bar tells it: nothing newer is known than what was last drawn while it was live.
function isOld() {
  return document.documentElement.classList.contains("is-stale");
}
