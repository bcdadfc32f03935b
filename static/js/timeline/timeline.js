// What happened: the deployment's changes, Kubernetes' events and the readers' actions, newest first.

import { guard, html, nothing, repeat } from "../vendor.js";
import { day, filters, fullMoment, moment, select } from "./entries.js";
import { count } from "../format.js";
import { icon } from "../icons.js";
import { absent, empty, panel } from "../panel.js";

const SHOWN = 40; // rows, until a reader asks for all
const HUSH_MS = 1_000; // after a reader's own choice, so that rows which only come into view are not read out
const FRESH_MS = 5_000; // a row is highlighted as it enters, unless its entry is older
const ICONS = { good: "check", busy: "half", warn: "warning", bad: "cross", off: "minus" };
const SPOKEN = { warn: "Warning: ", bad: "Problem: " }; // what sign and colour say, for who hears the page
const KINDS = { event: ["K8s", "Kubernetes event"], action: ["action", "somebody's action"] };

// The view keeps the reader's choice between renders; `redraw()` is called when it changes.
export function timeline(redraw) {
  let choice = { filter: "all", text: "", all: false };
  let hush = null; // a timer, while the log is not read out

  function choose(change) {
    choice = { ...choice, ...change };
    clearTimeout(hush);
    hush = setTimeout(() => {
      hush = null;
      redraw();
    }, HUSH_MS);
    redraw();
  }

  const selected = remembered(select);

  return (state, at) => {
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
      // An idle list costs this comparison: the entries are the same object until one comes.
      body: guard([entries, choice, hush, day(at), health, asOf === null], () =>
        entries.length === 0
          ? absent(state, "events", "Nothing yet", "What happens from now on is told here.")
          : html`${controls(filters(entries, filter), choice, choose)}
              ${found.length ? log(found, all, hush !== null, at) : nothingFound(state, choice, choose)} ${more(found.length, all, choose)}`,
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
      aria-label="Find in what happened"
      autocomplete="off"
      spellcheck="false"
      .value=${text}
      @input=${(event) => choose({ text: event.target.value })}
    />
  </div>`;
}

// A log is read out as rows are added to it. Kubernetes' everyday events are not: there are a dozen for each new pod.
function log(found, all, hushed, at) {
  const rows = all ? found : found.slice(0, SHOWN);
  return html`<div class="timeline-log" role="log" aria-labelledby="timeline-title" aria-live=${hushed ? "off" : "polite"} tabindex="0">
    <ol>
      ${repeat(rows, ({ id }) => id, (entry) => row(entry, at))}
    </ol>
  </div>`;
}

function row(entry, at) {
  const { tone, kind, text, about } = entry;
  return guard([entry, day(at)], () => html`<li
    data-entry=${entry.id}
    data-kind=${kind}
    data-tone=${tone}
    data-fresh=${at - Date.parse(entry.at) < FRESH_MS ? "" : nothing}
    aria-live=${kind === "event" && tone === "off" ? "off" : nothing}
  >
    <time datetime=${entry.at} title=${fullMoment(entry.at)}>${moment(entry.at, at)}</time>
    ${icon(ICONS[tone] ?? "minus")}
    <p title=${about ? `${about.kind} ${about.name}` : nothing}>
      ${origin(kind)}<span class="visually-hidden">${SPOKEN[tone] ?? ""}</span><span class="entry-text">${text}</span>
    </p>
  </li>`);
}

// Whose word it is; a change is the page's own.
function origin(kind) {
  const [word, title] = KINDS[kind] ?? [];
  return word ? html`<abbr class="entry-kind" title=${title}>${word}</abbr> ` : nothing;
}

function nothingFound(state, { filter, text }, choose) {
  if (filter === "event" && !text) return absent(state, "events", "No Kubernetes events", "There were none in the last hour or so.");
  return html`${empty("Nothing like that", "No entry fits the choice.")}
    <button type="button" class="link timeline-more" @click=${() => choose({ filter: "all", text: "" })}>Show everything</button>`;
}

function more(found, all, choose) {
  if (found <= SHOWN) return nothing;
  return html`<button type="button" class="link timeline-more" aria-expanded=${all} @click=${() => choose({ all: !all })}>
    ${all ? `Show the newest ${SHOWN}` : `Show all ${count(found)}`}
  </button>`;
}

// The function, which does not work again for the same arguments as the last time.
function remembered(work) {
  let last = [];
  let result;
  return (...given) => {
    if (given.length !== last.length || given.some((one, index) => one !== last[index])) [last, result] = [given, work(...given)];
    return result;
  };
}
