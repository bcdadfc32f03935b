// The alerts that fire, across the page; nothing where none does.

import { html, nothing, repeat } from "./lib/vendor.js";
import { plural, secondsSince, timeOfDay, wholeDuration } from "./text/format.js";
import { icon } from "./lib/icons.js";

const MOST = 50; // that the dashboard gives

// The words for a screen reader: they change only when an alert begins or ends, and the list's ages each second.
export function announcement(/** @type {wire.State} */ { alerts }) {
  if (!alerts?.length) return nothing;
  return html`${count(alerts)}: ${[...new Set(alerts.map(({ name }) => name))].join(", ")}`;
}

export function pill(/** @type {wire.State} */ { alerts }) {
  if (!alerts?.length) return nothing;
  return html`<a class="pill" href="#alerts" data-tone=${alerts.some(isCritical) ? "bad" : "warn"}>${icon("warning")}<span>${count(alerts)}</span></a>`;
}

export function alerts(/** @type {wire.State} */ { alerts, sources }, now) {
  if (!alerts?.length) return nothing;
  return html`<ul class="alerts" aria-label="Alerts that fire">
    ${repeat(alerts, (alert) => alert.id, (alert) => row(alert, now))}
    ${sources.alerts?.state === "live" ? nothing : html`<li>Not up to date: these fired at ${timeOfDay(sources.alerts?.as_of)}.</li>`}
  </ul>`;
}

function row(/** @type {wire.AlertView} */ alert, now) {
  const { name, severity, summary, since } = alert;
  return html`<li data-alert=${name} data-tone=${isCritical(alert) ? "bad" : "warn"}>
    ${icon("warning")}
    <strong>${name}</strong>
    ${severity ? html`<span>${severity}</span>` : nothing}
    <span>${summary}</span>
    <span class="text-muted" title="since ${timeOfDay(since)}">for ${wholeDuration(secondsSince(since, now))}</span>
  </li>`;
}

function isCritical({ severity }) {
  return severity === "critical";
}

function count(alerts) {
  return alerts.length < MOST ? plural(alerts.length, "alert") : `${MOST} alerts or more`;
}
