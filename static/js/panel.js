// A panel: its title, a line beside it, and a mark when what feeds it is not live.

import { html, nothing } from "./vendor.js";
import { clock, kindName } from "./format.js";
import { icon } from "./icons.js";
import { sourceStatus } from "./status.js";

// `kinds` are the sources that feed the panel, by their names in state.sources.
export function panel({ id, title, aside, state, kinds = [], body }) {
  return html`<header class="panel-head">
      <h2 id="${id}-title">${title}</h2>
      <p class="panel-aside">${aside}</p>
      ${mark(state.sources, kinds)}
    </header>
    ${body}`;
}

// Words in the place of a part that has nothing to show.
export function empty(title, words, name = "ring") {
  return html`<div class="empty">${icon(name)}<p><strong>${title}</strong><span>${words}</span></p></div>`;
}

// The same for what a source has not shown: that it may not be read, or was not yet, is not that there is none.
export function absent({ sources }, kind, title, words, name) {
  if (sources[kind]?.state === "forbidden") return empty("Not allowed to look", `The dashboard's Role does not let it read ${kindName(kind)}.`, "cross");
  if (sources[kind] && sources[kind].as_of === null) return empty("Not known yet", `Waiting for the first list of ${kindName(kind)}.`, "half");
  return empty(title, words, name);
}

function mark(sources, kinds) {
  const kind = kinds.find((name) => sources[name] && sources[name].state !== "live");
  if (!kind) return nothing;
  const { word, tone, icon: name } = sourceStatus(sources[kind]);
  return html`<p class="panel-mark" data-tone=${tone} title=${sources[kind].error ?? nothing}>
    ${icon(name)}${kindName(kind)} ${word} since ${clock(sources[kind].since)}
  </p>`;
}
