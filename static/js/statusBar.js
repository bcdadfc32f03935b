// The page's header: the deployment's name and cluster, and whether the page is up to date.

import { html, nothing } from "./lib/vendor.js";
import { duration, kindName, plural, secondsSince, timeOfDay, wholeDuration } from "./text/format.js";
import { pill as alertPill } from "./alerts.js";
import { icon } from "./lib/icons.js";
import { connection } from "./feed/socket.js";

const SIGNS = { live: ["full", "good"], stale: ["warning", "warn"], reconnecting: ["half", "busy"] };

// "Deployment flask · embedded · Kubernetes 1.36.3".
export function where(/** @type {wire.State} */ { about, deployment }) {
  const version = about.kubernetes_version?.replace(/^v/, "");
  const parts = [deployment && `Deployment ${deployment.name}`, about.cluster, version && `Kubernetes ${version}`];
  return html`${parts.filter(Boolean).join(" · ")}`;
}

// The pills: connection, metrics, viewers.
export function pills(feed, now) {
  const { state: word, age } = connection(feed, now);
  const [sign, tone] = SIGNS[word];
  return html`<p class="pill" data-connection=${word} data-tone=${tone} title="The age of the server's last message">
      ${icon(sign)}<span>${connectionText(feed, word, age)}</span>
    </p>
    ${feed.state ? alertPill(feed.state) : nothing}
    ${feed.state ? sourcesPill(feed.state, feed.serverTime(now)) : nothing}
    ${feed.state?.about.viewers ? html`<p class="pill">${plural(feed.state.about.viewers, "viewer")}</p>` : nothing}`;
}

// The warning across the page while it is not up to date; nothing while it is live.
export function banner(feed, now) {
  const { state: word } = connection(feed, now);
  if (feed.connectError) return html`The dashboard refused the connection: ${feed.connectError} The page tries again every few seconds.`;
  if (feed.state === null || word === "live") return nothing;
  const since = timeOfDay(feed.serverTime(feed.lastMessageAt));
  return word === "stale"
    ? html`No message from the dashboard since ${since}. The page shows how it stood then.`
    : html`The connection was lost; reconnecting. The page shows how it stood at ${since}.`;
}

function connectionText(feed, word, age) {
  if (word === "live") return `live · ${duration(age / 1_000)}`;
  if (word === "stale") return `stale since ${timeOfDay(feed.serverTime(feed.lastMessageAt))}`;
  return feed.state === null ? "connecting" : "reconnecting";
}

// The first source that is not live, or the age of the CPU samples, which are the least frequent.
function sourcesPill(/** @type {wire.State} */ { sources }, now) {
  const broken = Object.entries(sources).filter(([, source]) => source.state !== "live");
  if (broken.length > 0) {
    const [kind, source] = broken[0];
    const text = broken.length === 1 ? `${kindName(kind)} ${source.state}` : `${broken.length} sources not live`;
    return html`<a class="pill" href="#sources" data-tone="warn">${icon("warning")}<span>${text}</span></a>`;
  }
  if (!sources.metrics) return nothing;
  const age = secondsSince(sources.metrics.as_of, now);
  return html`<a class="pill" href="#sources">metrics · ${age === null ? "none yet" : `${wholeDuration(age)} old`}</a>`;
}
