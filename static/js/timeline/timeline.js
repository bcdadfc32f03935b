// The timeline: changes of the deployment, Kubernetes events and actions, newest first.

import { guard, html, nothing, repeat } from "../lib/vendor.js";
import { day, filters, fullTime, select, shortTime } from "./entries.js";
import { count } from "../text/format.js";
import { icon } from "../lib/icons.js";
import { absent, empty, panel } from "../lib/panel.js";

const SHOWN = 40; // rows, until the reader asks for all
const MUTED_MS = 1_000; // after a change of the filter, so that screen readers do not announce all rows that it brings into view
const FRESH_MS = 5_000; // a new row is highlighted, unless its entry is older
const ICONS = { good: "check", busy: "half", warn: "warning", bad: "cross", off: "minus" };
const TONE_TEXTS = { warn: "Warning: ", bad: "Problem: " }; // for screen readers, in place of icon and colour
const KINDS = { event: ["K8s", "Kubernetes event"], action: ["action", "An action of a reader or a script"] };

// The view keeps the reader's choice between drawings; `redraw()` is called when it changes.
export function timeline(redraw) {
  let choice = { filter: "all", text: "", all: false };
  let muted = null; // a timer while the log is not announced

  function choose(change) {
    choice = { ...choice, ...change };
    clearTimeout(muted);
    muted = setTimeout(() => {
      muted = null;
      redraw();
    }, MUTED_MS);
    redraw();
  }

  const selected = memoizeLast(select);

  return (state, now) => {
    const entries = state.timeline ?? [];
    const { filter, text, all } = choice;
    const found = selected(entries, filter, text);
    const { state: health, as_of: asOf } = state.sources.events ?? {};
    return panel({
      id: "timeline",
      title: "Timeline",
      aside: summary(found.length, entries.length),
      state,
      kinds: ["events"],
      // An idle list costs only this comparison: `entries` is the same object until an entry arrives.
      body: guard([entries, choice, muted, day(now), health, asOf === null], () =>
        entries.length === 0
          ? absent(state, "events", "Nothing yet", "New entries appear here.")
          : html`${controls(filters(entries, filter), choice, choose)}
              ${found.length ? log(found, all, muted !== null, now) : nothingFound(state, choice, choose)} ${more(found.length, all, choose)}`,
      ),
    });
  };
}

function summary(found, all) {
  if (all === 0) return "";
  return found === all ? "newest first" : `${count(found)} of ${count(all)}`;
}

function controls(offered, { filter, text }, choose) {
  return html`<div class="timeline-controls">
    <div class="filters" role="group" aria-label="Which entries">
      ${repeat(offered, ({ id }) => id, ({ id, word, count: n }) => html`<button
        type="button"
        class="filter"
        data-filter=${id}
        aria-pressed=${filter === id}
        @click=${() => choose({ filter: id })}
      >
        ${word} <span class="filter-count">${count(n)}</span>
      </button>`)}
    </div>
    <input
      type="search"
      class="filter-text"
      placeholder="Find a word or a name"
      aria-label="Find in the timeline"
      autocomplete="off"
      spellcheck="false"
      .value=${text}
      @input=${(event) => choose({ text: event.target.value })}
    />
  </div>`;
}

// Screen readers announce rows that are added to a log. They skip Kubernetes' normal events, of which each pod brings a dozen.
function log(found, all, isMuted, now) {
  const rows = all ? found : found.slice(0, SHOWN);
  return html`<div class="timeline-log" role="log" aria-labelledby="timeline-title" aria-live=${isMuted ? "off" : "polite"} tabindex="0">
    <ol>
      ${repeat(rows, ({ id }) => id, (entry) => row(entry, now))}
    </ol>
  </div>`;
}

function row(/** @type {wire.TimelineEntry} */ entry, now) {
  const { tone, kind, text, about } = entry;
  return guard([entry, day(now)], () => html`<li
    data-entry=${entry.id}
    data-kind=${kind}
    data-tone=${tone}
    data-fresh=${now - Date.parse(entry.at) < FRESH_MS ? "" : nothing}
    aria-live=${kind === "event" && tone === "off" ? "off" : nothing}
  >
    <time datetime=${entry.at} title=${fullTime(entry.at)}>${shortTime(entry.at, now)}</time>
    ${icon(ICONS[tone] ?? "minus")}
    <p title=${about ? `${about.kind} ${about.name}` : nothing}>
      ${kindTag(kind)}<span class="visually-hidden">${TONE_TEXTS[tone] ?? ""}</span><span class="entry-text">${text}</span>
    </p>
  </li>`);
}

// The entry's kind; a change of the deployment has none.
function kindTag(kind) {
  const [word, title] = KINDS[kind] ?? [];
  return word ? html`<abbr class="entry-kind" title=${title}>${word}</abbr> ` : nothing;
}

function nothingFound(/** @type {wire.State} */ state, { filter, text }, choose) {
  if (filter === "event" && !text) return absent(state, "events", "No Kubernetes events", "There were none in the last hour or so.");
  return html`${empty("No matching entries", "No entry matches the filter.")}
    <button type="button" class="link timeline-more" @click=${() => choose({ filter: "all", text: "" })}>Show everything</button>`;
}

function more(found, all, choose) {
  if (found <= SHOWN) return nothing;
  return html`<button type="button" class="link timeline-more" aria-expanded=${all} @click=${() => choose({ all: !all })}>
    ${all ? `Show the newest ${SHOWN}` : `Show all ${count(found)}`}
  </button>`;
}

// Returns the function with its last result cached.
function memoizeLast(compute) {
  let last = [];
  let result;
  return (...args) => {
    if (args.length !== last.length || args.some((arg, index) => arg !== last[index])) [last, result] = [args, compute(...args)];
    return result;
  };
}
