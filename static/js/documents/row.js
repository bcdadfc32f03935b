// A document's row, and below it, when a reader opens it, the whole of it.

import { guard, html, nothing } from "../vendor.js";
import { copy } from "../copy.js";
import { bytes, clock, count, duration, line, secondsSince, shortId, wholeDuration } from "../format.js";
import { keyOf } from "./openRows.js";
import { icon } from "../icons.js";
import { indent } from "../json.js";

const LINE_LENGTH = 400; // more of a document would not fit a line on any screen
const RENDERED = 200_000; // characters; the copy has the rest

// `held` are the open rows; `arrived` and `own` highlight a row, `kept` marks one that only a reader holds here.
export function documentRow(row, at, held, { arrived = false, own = false, kept = false } = {}) {
  const entry = held.get(row);
  const age = ago(row.inserted, at);
  const detail = `document ${keyOf(row)}`.replaceAll(/\W/g, "-");
  return guard([row, age, entry, entry?.text, entry?.problem, arrived, own, kept], () => html`<tr
      data-document=${row.id}
      data-arrived=${arrived ? "" : nothing}
      data-own=${own ? "" : nothing}
      data-open=${entry ? "" : nothing}
      @click=${(event) => event.target.closest("button") ?? held.toggle(row)}
    >
      <td><time datetime=${row.inserted ?? nothing} title=${clock(row.inserted)}>${age}</time></td>
      <td class="mono" title=${row.id.slice(0, LINE_LENGTH)}>${shortId(row.id)}</td>
      <td>
        <div class="document-line">
          <span class="mono">${line(row).slice(0, LINE_LENGTH)}</span>
          ${row.truncated ? html`<span class="tag">cut</span>` : nothing} ${own ? html`<span class="tag">yours</span>` : nothing}
          ${kept ? html`<span class="tag">kept open</span>` : nothing}
          <button
            type="button"
            class="toggle"
            aria-expanded=${Boolean(entry)}
            aria-controls=${entry ? detail : nothing}
            aria-label="Full JSON of ${shortId(row.id)}"
            @click=${() => held.toggle(row)}
          >
            ${icon("chevron")}
          </button>
        </div>
      </td>
    </tr>
    ${entry ? html`<tr class="document-detail" id=${detail}><td colspan="3">${detailOf(entry, held)}</td></tr>` : nothing}`);
}

function detailOf(entry, held) {
  const { row, text, problem } = entry;
  if (problem !== null) {
    return html`<p class="problem" role="alert">${problem}</p>
      <button type="button" class="button" @click=${() => held.again(entry)}>Try again</button>`;
  }
  if (text === null) return html`<p class="text-muted" role="status">Asking the service for all of it…</p>`;
  entry.shown ??= indent(text, RENDERED);
  entry.size ??= new Blob([text]).size;
  const cut = entry.shown.length >= RENDERED;
  return html`<div class="document-tools">
      <p class="text-muted">
        ${bytes(entry.size)}${entry.readAt ? `, read at ${clock(entry.readAt)}` : ""}${cut
          ? `; the first ${count(RENDERED)} characters are shown, the copy has all`
          : ""}
      </p>
      <button type="button" class="button button-small" @click=${({ currentTarget }) => copy(currentTarget, cut ? text : entry.shown)}>Copy JSON</button>
      <span class="text-muted" role="status"></span>
    </div>
    <pre tabindex="0" aria-label="JSON of ${shortId(row.id)}">${entry.shown}</pre>`;
}

function ago(inserted, at) {
  const seconds = secondsSince(inserted, at);
  if (seconds === null) return "—";
  return `${seconds < 9.95 ? duration(seconds) : wholeDuration(seconds)} ago`;
}
