// The alerts that fire in the deployment's Prometheus, across the page; nothing where none does.

import { html, nothing, repeat } from "./lib/vendor.js";
import { secondsSince, timeOfDay, wholeDuration } from "./text/format.js";
import { icon } from "./lib/icons.js";

export function alerts(/** @type {contract.State} */ { alerts, sources }, now) {
  if (!alerts?.length) return nothing;
  return html`<ul class="alerts" aria-label="Alerts that fire">
    ${repeat(alerts, (alert) => alert.id, (alert) => row(alert, now))}
    ${sources.alerts?.state === "live" ? nothing : html`<li>Prometheus does not answer: these fired at ${timeOfDay(sources.alerts?.as_of)}.</li>`}
  </ul>`;
}

function row(/** @type {contract.AlertView} */ { name, severity, summary, since }, now) {
  return html`<li data-alert=${name} data-tone=${severity === "critical" ? "bad" : "warn"}>
    ${icon("warning")}
    <strong>${name}</strong>
    <span>${summary}</span>
    <span title="since ${timeOfDay(since)}">for ${wholeDuration(secondsSince(since, now))}</span>
  </li>`;
}
