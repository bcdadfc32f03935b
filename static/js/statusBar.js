// The page's first line: what is watched, and whether what one sees is now.

import { html, nothing } from "./vendor.js";
import { clock, duration, kindName, plural, secondsSince, wholeDuration } from "./format.js";
import { icon } from "./icons.js";
import { connection } from "./socket.js";

const SIGNS = { live: ["full", "good"], stale: ["warning", "warn"], reconnecting: ["half", "busy"] };

// Where it runs: "Deployment flask · embedded · Kubernetes 1.36.3".
export function where({ about, deployment }) {
  const version = about.kubernetes_version?.replace(/^v/, "");
  const parts = [deployment && `Deployment ${deployment.name}`, about.cluster, version && `Kubernetes ${version}`];
  return html`${parts.filter(Boolean).join(" · ")}`;
}

// The pills: connection, metrics, viewers.
export function pills(feed, now) {
  const { state: word, age } = connection(feed, now);
  const [sign, tone] = SIGNS[word];
  return html`<p class="pill" data-connection=${word} data-tone=${tone} title="The age of the last word from the server">
      ${icon(sign)}<span>${sentence(feed, word, age)}</span>
    </p>
    ${feed.state ? freshness(feed.state, feed.serverTime(now)) : nothing}
    ${feed.state?.about.viewers ? html`<p class="pill">${plural(feed.state.about.viewers, "viewer")}</p>` : nothing}`;
}

// What stands across the page while it cannot be trusted to be now; nothing while it is live.
export function banner(feed, now) {
  const { state: word } = connection(feed, now);
  if (feed.refusal) return html`The dashboard turned this page away: ${feed.refusal} It is tried again every few seconds.`;
  if (feed.state === null || word === "live") return nothing;
  const since = clock(feed.serverTime(feed.heard));
  return word === "stale"
    ? html`No word from the dashboard since ${since}. What you see is how it stood then.`
    : html`The connection was lost; reconnecting. What you see is how it stood at ${since}.`;
}

function sentence(feed, word, age) {
  if (word === "live") return `live · ${duration(age / 1_000)}`;
  if (word === "stale") return `stale since ${clock(feed.serverTime(feed.heard))}`;
  return feed.state === null ? "connecting" : "reconnecting";
}

// The source that is worst off, or else the age of the CPU figures, which are the slowest to come.
function freshness({ sources }, at) {
  const broken = Object.entries(sources).filter(([, source]) => source.state !== "live");
  if (broken.length > 0) {
    const [kind, source] = broken[0];
    const words = broken.length === 1 ? `${kindName(kind)} ${source.state}` : `${broken.length} sources not live`;
    return html`<a class="pill" href="#sources" data-tone="warn">${icon("warning")}<span>${words}</span></a>`;
  }
  if (!sources.metrics) return nothing;
  const age = secondsSince(sources.metrics.as_of, at);
  return html`<a class="pill" href="#sources">metrics · ${age === null ? "none yet" : `${wholeDuration(age)} old`}</a>`;
}
