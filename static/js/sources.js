// The sources of the page's data, each with its state and age.

import { html, nothing, repeat } from "./lib/vendor.js";
import { kindName, secondsSince, timeOfDay, wholeDuration } from "./text/format.js";
import { status } from "./lib/icons.js";
import { panel } from "./lib/panel.js";
import { sourceStatus } from "./text/status.js";

export function sources(/** @type {wire.State} */ state, now) {
  const all = Object.entries(state.sources);
  const live = all.filter(([, source]) => source.state === "live").length;
  return panel({
    id: "sources",
    title: "Sources",
    aside: live === all.length ? `all ${all.length} live` : `${live} of ${all.length} live`,
    state,
    body: html`<ul class="sources">
      ${repeat(all, ([kind]) => kind, ([kind, source]) => row(kind, source, now))}
    </ul>`,
  });
}

function row(kind, /** @type {wire.SourceView} */ source, now) {
  return html`<li data-source=${kind} data-tone=${sourceStatus(source).tone}>
    <span class="source-kind" title=${kind}>${kindName(kind)}</span>
    ${status(sourceStatus(source))}
    <span class="source-age" title="last update at ${timeOfDay(source.as_of)}, ${source.state} since ${timeOfDay(source.since)}">
      ${source.state === "live" ? wholeDuration(secondsSince(source.as_of, now)) : `since ${timeOfDay(source.since)}`}
    </span>
    ${source.error ? html`<span class="source-error">${source.error}</span>` : nothing}
  </li>`;
}
