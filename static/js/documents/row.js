// A document's row, and below it the whole document while the row is open.

import { guard, html, nothing } from "../lib/vendor.js";
import { copy } from "../lib/copy.js";
import { bytes, count, duration, jsonLine, secondsSince, shortId, timeOfDay, wholeDuration } from "../text/format.js";
import { icon } from "../lib/icons.js";
import { indent } from "../text/json.js";
import { formatRoute } from "../text/route.js";
import { isObjectId, keyOf } from "./openRows.js";

const LINE_LENGTH = 400; // characters; no screen fits more on a line
const MOST_SHOWN = 200_000; // characters; a copy has all of them

// `isNew` and `isOwn` highlight the row; `isKept` marks a row that stays only because it is open.
export function documentRow(row, now, openRows, { isNew = false, isOwn = false, isKept = false } = {}) {
  const entry = openRows.get(row);
  const inserted = age(row.inserted, now);
  const detailId = `document ${keyOf(row)}`.replaceAll(/\W/g, "-");
  return guard([row, inserted, entry, entry?.text, entry?.problem, isNew, isOwn, isKept], () => html`<tr
      data-document=${row.id}
      data-arrived=${isNew ? "" : nothing}
      data-own=${isOwn ? "" : nothing}
      data-open=${entry ? "" : nothing}
      @click=${(event) => event.target.closest("button") ?? openRows.toggle(row)}
    >
      <td><time datetime=${row.inserted ?? nothing} title=${timeOfDay(row.inserted)}>${inserted}</time></td>
      <td class="mono" title=${row.id.slice(0, LINE_LENGTH)}>${shortId(row.id)}</td>
      <td>
        <div class="document-line">
          <span class="mono">${jsonLine(row).slice(0, LINE_LENGTH)}</span>
          ${row.truncated ? html`<span class="tag">cut</span>` : nothing} ${isOwn ? html`<span class="tag">yours</span>` : nothing}
          ${isKept ? html`<span class="tag">kept open</span>` : nothing}
          <button
            type="button"
            class="toggle"
            aria-expanded=${Boolean(entry)}
            aria-controls=${entry ? detailId : nothing}
            aria-label="Full JSON of ${shortId(row.id)}"
            @click=${() => openRows.toggle(row)}
          >
            ${icon("chevron")}
          </button>
        </div>
      </td>
    </tr>
    ${entry ? html`<tr class="document-detail" id=${detailId}><td colspan="3">${detail(entry, openRows)}</td></tr>` : nothing}`);
}

function detail(entry, openRows) {
  const { row, text, problem } = entry;
  if (problem !== null) {
    return html`<p class="problem" role="alert">${problem}</p>
      <button type="button" class="button" @click=${() => openRows.retry(entry)}>Try again</button>`;
  }
  if (text === null) return html`<p class="text-muted" role="status">Fetching the whole document…</p>`;
  entry.indented ??= indent(text, MOST_SHOWN);
  entry.size ??= new Blob([text]).size;
  const isCut = entry.indented.length >= MOST_SHOWN;
  const cutNote = isCut ? `; the first ${count(MOST_SHOWN)} characters are shown, a copy has all` : "";
  return html`<div class="document-tools">
      <p class="text-muted">${bytes(entry.size)}${entry.readAt ? `, read at ${timeOfDay(entry.readAt)}` : ""}${cutNote}</p>
      <button type="button" class="button button-small" @click=${({ currentTarget }) => copy(currentTarget, isCut ? text : entry.indented)}>Copy JSON</button>
      <span class="text-muted" role="status"></span>
      ${openRows.onChange && isObjectId(row.id) ? changeButtons(row.id, openRows.onChange) : nothing}
      <a class="link" href=${formatRoute("documents", [row.id])} aria-label="Link to ${shortId(row.id)}">Link</a>
    </div>
    <pre tabindex="0" aria-label="JSON of ${shortId(row.id)}">${entry.indented}</pre>`;
}

function changeButtons(id, onChange) {
  return html`<button type="button" class="button button-small" data-operator aria-haspopup="dialog" @click=${() => onChange("replace", id)}>Edit…</button>
    <button type="button" class="button button-small" data-kind="danger" data-operator aria-haspopup="dialog" @click=${() => onChange("delete", id)}>Delete…</button>`;
}

function age(inserted, now) {
  const seconds = secondsSince(inserted, now);
  if (seconds === null) return "—";
  return `${seconds < 9.95 ? duration(seconds) : wholeDuration(seconds)} ago`;
}
