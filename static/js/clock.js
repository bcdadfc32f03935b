// One clock: load, CPU and pods on one time axis, with marks for what happened.

import { guard, html, nothing, render, repeat, svg, uPlot } from "./vendor.js";
import { extent } from "./align.js";
import { chart } from "./chart.js";
import { step } from "./cursor.js";
import { clock as timeOfDay } from "./format.js";
import { labels, marksIn, marksNear } from "./marks.js";
import { notes, recordedSince } from "./notes.js";
import { panel } from "./panel.js";
import { PLOTS } from "./plots.js";
import { sentence, table, valuesAt } from "./words.js";

const RANGES = [
  { seconds: 300, name: "5 min", words: "5 minutes" },
  { seconds: 900, name: "15 min", words: "15 minutes" },
  { seconds: 3_600, name: "1 h", words: "hour" },
  { seconds: 43_200, name: "12 h", words: "12 hours" },
];
const REMEMBERED = "clock.range";
const DRAW_EVERY_MS = 1_000;
const LOAD_AGAIN_MS = 10_000;
const NEAR_PX = 6; // a cursor this near to a mark tells it
const GRAIN_PX = 2;
const LEAST_GRAIN_S = 2;
const WIDE_REM = 36; // from here on lines have their names at their ends
const LABEL_ROWS = 2;
const LABEL_ROW_REM = 1.15;
const RECORDED_REM = 10; // of room for the words that say since when
const TICKS_REM = 2.9;
const NAMES_REM = 4.1;

// Draws into `container` what `history` has. `redraw()` asks for a call of draw.
export function clock(container, history, redraw) {
  let range = remembered();
  let state = null;
  let told = { at: 0, by: 0 }; // the server's time in milliseconds, and ours when it was told
  let heard = 0; // seconds: the last moment of which it is known that nothing is missing
  let drawn = { revision: -1, timeline: null, autoscaler: null, at: -Infinity };
  let pods = null; // whose history is kept
  let cursor = null; // {x} under the pointer, in pixels; {moment} when chosen
  let spoken = "now"; // what a screen reader says of the cursor: changes only when the reader moves it
  let asTable = false;
  let UPlot = null;
  let failed = false;
  let charts = null;
  let layout = null;
  let view = null; // what was drawn last: {span, all, marks, placed, sentences}
  let visible = true;
  let queued = false;

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const ruler = document.createElement("canvas").getContext("2d");
  dark.addEventListener("change", remake);
  document.addEventListener("visibilitychange", draw);
  setInterval(() => performance.now() - drawn.at >= DRAW_EVERY_MS && draw(), DRAW_EVERY_MS);
  new IntersectionObserver((changes) => {
    visible = changes.at(-1).isIntersecting;
    draw();
  }).observe(container);
  const sizes = new ResizeObserver(later(fit));
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
    const isNew = drawn.revision !== history.revision || drawn.timeline !== next.timeline || drawn.autoscaler !== next.autoscaler;
    if (isNew || (UPlot && !charts) || performance.now() - drawn.at >= DRAW_EVERY_MS) draw();
  }

  function draw() {
    if (state === null || document.hidden || !visible) return;
    if (view === null) first();
    const now = (told.at + performance.now() - told.by) / 1_000;
    view = reckon(now);
    drawn = { revision: history.revision, timeline: state.timeline, autoscaler: state.autoscaler, at: performance.now() };
    show();
    if (UPlot && !charts) make();
    charts?.forEach((each, index) => each.draw(view.all[index].data, { ...view.span, extents: view.extents }));
  }

  // The first drawing replaces what the server put there, and has places for the charts.
  function first() {
    container.replaceChildren();
    view = reckon(told.at / 1_000);
    show();
    for (const element of container.querySelectorAll(".clock-stack, .chart-place")) sizes.observe(element);
  }

  function reckon(now) {
    const span = { from: now - range.seconds, to: now };
    const known = { from: span.from, to: isOld() ? Math.min(heard, now) : now, now, grain: grain() };
    const all = PLOTS.map((plot) => ({ plot, data: plot.data(history, state, known) }));
    const marks = marksIn(state.timeline, span);
    return { span, known, all, marks, extents: extents(all, state, span), sentences: all.map(({ plot, data }) => sentence(plot, data, span, range.words)) };
  }

  function make() {
    layout = layoutOf();
    const places = container.querySelectorAll(".chart-place");
    const swatches = container.querySelectorAll(".swatch-line");
    charts = PLOTS.map((plot, index) => chart(UPlot, plot, places[index], swatches, { ...layout, time: index === PLOTS.length - 1 }));
    show(); // now it is known where the plots are
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
    const width = container.querySelector(".clock-stack").clientWidth;
    const names = width >= WIDE_REM * rem;
    const ticks = Math.round(TICKS_REM * rem); // whole pixels, as uPlot would make them
    const tops = [...container.querySelectorAll(".chart-place")].map((element) => element.offsetTop + element.parentElement.offsetTop);
    return { rem, width, tops, names, left: 2 * ticks, ticks, right: Math.round((names ? NAMES_REM : 0.9) * rem), gap: LABEL_ROWS * LABEL_ROW_REM };
  }

  // Everything but the canvases.
  function show() {
    render(page(), container);
  }

  function page() {
    return panel({
      id: "clock",
      title: "One clock",
      aside: `the last ${range.words}`,
      state,
      kinds: ["traffic", "metrics"],
      body: html`${tools()} ${stack()} ${asTable ? figures() : nothing}`,
    });
  }

  function tools() {
    return html`<div class="clock-tools">
      <div class="segments" role="group" aria-label="Range">
        ${RANGES.map((each) => html`<button type="button" aria-pressed=${each === range} @click=${() => choose(each)}>${each.name}</button>`)}
      </div>
      <p class="clock-moment">${momentWords()}</p>
      <button type="button" class="segment" aria-expanded=${asTable} aria-controls=${asTable ? "clock-table" : nothing} @click=${toggleTable}>
        ${asTable ? "Hide table" : "Show as table"}
      </button>
    </div>`;
  }

  function momentWords() {
    const moment = cursorMoment();
    if (moment === null) return html`<b>${isOld() ? "as of" : "now"}</b> ${timeOfDay(view.known.to * 1_000)}`;
    const near = marksNear(view.marks, moment, NEAR_PX * secondsPerPixel());
    return html`<b>${timeOfDay(moment * 1_000)}</b> ${near.map(({ tone, text }) => html`<span class="clock-happened" data-tone=${tone}>${text}</span>`)}`;
  }

  function stack() {
    const moment = cursorMoment();
    const values = view.all.map(({ plot, data }) => valuesAt(plot, data, moment ?? view.known.to, view.span.to));
    const words = notes(history, state, view, range.words, failed);
    const width = plotWidth();
    const placement = layout ? `--left: ${layout.left}px; --right: ${layout.right}px` : "";
    return html`<div class="clock-stack" .style=${placement}>
      ${PLOTS.map((plot, index) => figure(plot, values[index], view.sentences[index], words[index]))}
      <div
        class="clock-over"
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
        ${layout ? html`${shades(width)} ${view.marks.map(line)} ${moment === null ? nothing : pointer(moment, values)}` : nothing}
      </div>
      <div class="clock-labels">${layout ? repeat(labelled(width), ({ id }) => id, label) : nothing}</div>
    </div>`;
  }

  function figure(plot, values, words, note) {
    return html`<figure class="chart" data-plot=${plot.id}>
      <figcaption class="chart-key">
        <b>${plot.name}</b>
        ${plot.figures.map(({ id, name, format, run }, index) => html`<span class="key" data-figure=${id} data-run=${run ? "" : nothing} data-none=${values[index] ? nothing : ""}>
          ${swatch(id)}<span>${name}</span> <span class="key-value">${format(values[index]?.value ?? null)}</span>
        </span>`)}
      </figcaption>
      <div class="chart-place" role="img" aria-label=${words}></div>
      ${note ? html`<p class="chart-note"><span>${note}</span></p>` : nothing}
    </figure>`;
  }

  // Parts of the window that nothing is known of: before the record begins, and since the last word.
  function shades(width) {
    const since = recordedSince(history);
    const start = since > view.span.from ? xOf(Math.min(since, view.known.to)) : 0;
    const end = isOld() ? xOf(view.known.to) : width;
    return html`${start > 1 ? shade("before", 0, start, since === Infinity || start < RECORDED_REM * layout.rem ? "" : `recorded since ${timeOfDay(since * 1_000)}`) : nothing}
    ${end < width - 1 ? shade("after", end, width, `no word since ${timeOfDay(heard * 1_000)}`) : nothing}`;
  }

  function shade(kind, start, end, words) {
    return html`<p class="shade" data-kind=${kind} .style=${`--x: ${start.toFixed(1)}px; --width: ${(end - start).toFixed(1)}px`}>${words ? html`<span>${words}</span>` : nothing}</p>`;
  }

  function line({ at, tone }) {
    return html`<i class="mark-line" data-tone=${tone} .style=${`--x: ${xOf(at).toFixed(1)}px`}></i>`;
  }

  function label({ at, tone, label: words, text, row, side }) {
    return html`<button
      type="button"
      class="mark"
      data-tone=${tone}
      data-side=${side}
      title="${timeOfDay(at * 1_000)} ${text}"
      aria-label="${words}: ${timeOfDay(at * 1_000)} ${text}"
      .style=${`--x: ${xOf(at).toFixed(1)}px; --row: ${row}`}
      @pointerenter=${() => look({ moment: at })}
      @pointerleave=${() => look(null)}
      @focus=${() => look({ moment: at })}
      @blur=${() => look(null)}
    >
      ${words}
    </button>`;
  }

  function labelled(width) {
    ruler.font = `${layout.rem * 0.72}px ${getComputedStyle(container).fontFamily}`;
    const measure = (words) => ruler.measureText(words).width;
    return labels(view.marks, { x: xOf, measure, width: width + layout.right, rows: LABEL_ROWS, gap: layout.rem * 0.6 });
  }

  // The cursor's line through all charts, and a dot on each of their lines.
  function pointer(moment, values) {
    const dots = [];
    view.all.forEach(({ plot }, place) =>
      plot.figures.forEach((each, index) => {
        const found = values[place][index];
        if (found && charts && !each.fixed) dots.push({ id: each.id, place, at: charts[place].place(each, found.value, found.at) });
      }),
    );
    return html`<i class="cursor-line" .style=${`--x: ${xOf(moment).toFixed(1)}px`}></i>
      ${dots.map(({ id, place, at: [x, y] }) => html`<i class="dot" data-figure=${id} .style=${`--x: ${x.toFixed(1)}px; --y: ${(layout.tops[place] + y).toFixed(1)}px`}></i>`)}`;
  }

  function figures() {
    const { rows, step: seconds } = table(view.all, view.marks, view.span);
    const key = JSON.stringify([rows[0]?.at, rows.length, view.marks.length, seconds]);
    return html`<div id="clock-table" class="clock-table" role="region" aria-label="Figures of the charts" tabindex="0">
      ${guard([key], () => html`<table>
        <caption>Each row covers ${seconds < 60 ? `${seconds} s` : `${seconds / 60} min`}: means, of p99 the highest, of pods the last. Newest first.</caption>
        <thead>
          <tr>
            <th scope="col">from</th>
            ${PLOTS.map((plot) => plot.figures.filter(({ fixed }) => !fixed).map(({ name, id }) => html`<th scope="col">${id === "cpu" ? "CPU" : name}</th>`))}
            <th scope="col">what happened</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map(({ at, values, marks }) => html`<tr>
            <th scope="row">${timeOfDay(at * 1_000)}</th>
            ${PLOTS.map((plot, place) => plot.figures.map(({ fixed, format }, index) => (fixed ? nothing : html`<td>${format(values[place][index])}</td>`)))}
            <td>${marks.map(({ tone, text, at: when }) => html`<span class="clock-happened" data-tone=${tone}>${timeOfDay(when * 1_000)} ${text}</span>`)}</td>
          </tr>`)}
        </tbody>
      </table>`)}
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
    if (event.pointerType === "mouse") look({ x });
    else look({ moment: view.span.from + x * secondsPerPixel() });
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
    const time = moment ?? view.known.to;
    const said = view.all.flatMap(({ plot, data }) => {
      const values = valuesAt(plot, data, time, view.span.to);
      return plot.figures.flatMap(({ name, format }, index) => (values[index] ? [`${name} ${format(values[index].value)}`] : []));
    });
    const near = marksNear(view.marks, time, NEAR_PX * secondsPerPixel()).map(({ text }) => text);
    return [moment === null ? "now" : timeOfDay(time * 1_000), ...near, ...said].join(", ");
  }

  function cursorMoment() {
    if (cursor === null || view === null) return null;
    const moment = cursor.moment ?? view.span.from + cursor.x * secondsPerPixel();
    return moment >= view.span.from && moment <= view.span.to ? moment : null;
  }

  function plotWidth() {
    return layout ? layout.width - layout.left - layout.right : 1;
  }

  // Seconds of points that are drawn as one: none while they are further apart than that.
  function grain() {
    const seconds = layout ? Math.ceil(GRAIN_PX * secondsPerPixel()) : 0;
    return seconds >= LEAST_GRAIN_S ? seconds : 0;
  }

  function secondsPerPixel() {
    return range.seconds / plotWidth();
  }

  function xOf(moment) {
    return (moment - view.span.from) / secondsPerPixel();
  }

  return { draw: take };
}

// What each scale has to hold: its figures in the window, and at least what its plot says.
function extents(all, state, span) {
  const found = {};
  for (const { plot, data } of all) {
    const least = plot.least(state);
    plot.figures.forEach(({ scale }, index) => {
      const { least: low = Infinity, most = 0 } = extent(data, index + 1, span) ?? {};
      const { low: lowest, most: highest } = found[scale] ?? { low: Infinity, most: least[scale] };
      found[scale] = { low: Math.min(low, lowest), most: Math.max(most, highest) };
    });
  }
  return found;
}

function swatch(id) {
  const d = id === "errors" ? "M4 10V3M9 10V6M14 10V1" : "M0 5H20";
  return html`<svg class="swatch" viewBox="0 0 20 10" aria-hidden="true">${svg`<path class="swatch-line" data-figure=${id} d=${d} />`}</svg>`;
}

// The connection's state, as the page's bar tells it: nothing newer is known than what was last drawn while it was live.
function isOld() {
  return document.documentElement.classList.contains("is-old");
}

function later(action) {
  return () => requestAnimationFrame(action);
}

function remembered() {
  try {
    return RANGES.find(({ seconds }) => String(seconds) === localStorage.getItem(REMEMBERED)) ?? RANGES[0];
  } catch {
    return RANGES[0]; // a browser that keeps nothing
  }
}

function remember({ seconds }) {
  try {
    localStorage.setItem(REMEMBERED, String(seconds));
  } catch {
    // a browser that keeps nothing
  }
}
