// A panel: its title, a line beside it, and a warning when one of its sources is not live, or has an object that can't be read.

import { html, nothing } from "./vendor.js";
import { kindName } from "../text/format.js";
import { icon } from "./icons.js";
import { sourceWarning } from "../text/status.js";

// `kinds` are the panel's sources, by their names in state.sources.
export function panel({ id, title, aside, state, kinds = [], body }) {
  return html`<header class="panel-head">
      <h2 id="${id}-title">${title}</h2>
      <p class="panel-aside">${aside}</p>
      ${mark(sourceWarning(state.sources, kinds))}
    </header>
    ${body}`;
}

// A message in place of content.
export function empty(title, text, name = "ring") {
  return html`<div class="empty">${icon(name)}<p><strong>${title}</strong><span>${text}</span></p></div>`;
}

// The message for objects that a source does not have: the dashboard may not read them, has not read them yet, or there are none.
export function absent(/** @type {wire.State} */ { sources }, kind, title, text, name) {
  if (sources[kind]?.state === "forbidden") return empty("Access denied", `The dashboard's Role does not let it read ${kindName(kind)}.`, "cross");
  if (sources[kind] && sources[kind].as_of === null) return empty("Not known yet", `Waiting for the first list of ${kindName(kind)}.`, "half");
  return empty(title, text, name);
}

function mark(warning) {
  if (!warning) return nothing;
  return html`<p class="panel-mark" data-tone=${warning.tone} title=${warning.title ?? nothing}>${icon(warning.icon)}${warning.text}</p>`;
}
