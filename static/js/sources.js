// Where the page's knowledge comes from, and how fresh each part of it is.

import { html, nothing, repeat } from "./vendor.js";
import { clock, kindName, secondsSince, wholeDuration } from "./format.js";
import { status } from "./icons.js";
import { panel } from "./panel.js";
import { sourceStatus } from "./status.js";

export function sources(state, at) {
  const all = Object.entries(state.sources);
  const live = all.filter(([, source]) => source.state === "live").length;
  return panel({
    id: "sources",
    title: "Sources",
    aside: live === all.length ? `all ${all.length} live` : `${live} of ${all.length} live`,
    state,
    body: html`<ul class="sources">
      ${repeat(all, ([kind]) => kind, ([kind, source]) => row(kind, source, at))}
    </ul>`,
  });
}

function row(kind, source, at) {
  return html`<li data-source=${kind} data-tone=${sourceStatus(source).tone}>
    <span class="source-kind" title=${kind}>${kindName(kind)}</span>
    ${status(sourceStatus(source))}
    <span class="source-age" title="last word at ${clock(source.as_of)}, ${source.state} since ${clock(source.since)}">
      ${source.state === "live" ? wholeDuration(secondsSince(source.as_of, at)) : `since ${clock(source.since)}`}
    </span>
    ${source.error ? html`<span class="source-error">${source.error}</span>` : nothing}
  </li>`;
}
