// The deployment as it stands: Service → its pods → Mongo → volume, as tiles in that order.

import { guard, html, nothing, repeat } from "./vendor.js";
import { binary, count, cpu, plural, rate, secondsSince, share, tail, wholeDuration } from "./format.js";
import { icon, status } from "./icons.js";
import { empty, forbidden, panel } from "./panel.js";
import { claimStatus, podStatus, serviceStatus } from "./status.js";

const NEARLY_FULL = 0.9; // of a limit: from here on a bar warns
const CPU = { name: "CPU", word: "CPU", format: cpu, against: "request" }; // what the autoscaler counts by
const MEMORY = { name: html`mem<span class="usage-name-end">ory</span>`, word: "memory", format: binary, against: "limit" }; // what a container is killed at

export function deployment(state, at) {
  const { members, database, others } = groups(state);
  return panel({
    id: "deployment",
    title: "The deployment as it stands",
    aside: summary(state),
    state,
    kinds: ["pods", "deployments", "statefulsets", "endpointslices", "claims"],
    body: html`<div class="flow">
        ${stage("service", "Service", service(state))} ${arrow()}
        ${stage("pods", memberCaption(state, members), pods(state, members, at))} ${arrow()}
        ${stage("database", "Database", databaseTiles(state, database, at))} ${arrow()}
        ${stage("volumes", state.claims.length === 1 ? "Volume" : "Volumes", claims(state))}
      </div>
      ${others.length ? companions(others, at) : nothing}`,
  });
}

// The identities of all tiles in order: when these change, tiles enter, leave or move.
export function lineup(state) {
  return [...state.pods, ...state.claims].map(({ uid }) => uid).join(" ");
}

function groups({ pods: all, deployment: ours, statefulset }) {
  const belongs = (owner, fallback) => (pod) => pod.app === (owner?.name ?? fallback);
  const member = belongs(ours, "flask");
  const ofDatabase = belongs(statefulset, "mongodb");
  return {
    members: all.filter(member),
    database: all.filter(ofDatabase),
    others: all.filter((pod) => !member(pod) && !ofDatabase(pod)),
  };
}

function summary({ deployment: ours, statefulset }) {
  const part = (kind, owner) => owner && `${kind} ${owner.name} ${owner.ready} of ${owner.desired} ready`;
  return [part("Deployment", ours), part("StatefulSet", statefulset)].filter(Boolean).join(" · ");
}

function memberCaption({ deployment: ours }, members) {
  return `Pods of ${ours?.name ?? members[0]?.app ?? "the Deployment"}`;
}

function stage(name, caption, content) {
  return html`<section class="stage stage-${name}" aria-label=${caption}>
    <p class="stage-caption" aria-hidden="true">${caption}</p>
    ${content}
  </section>`;
}

function arrow() {
  return html`<span class="flow-arrow">${icon("arrow")}</span>`;
}

function service({ service: found, deployment: ours }) {
  return html`<article class="tile">
    <header class="tile-head"><h3 title=${found?.name ?? ""}>${found?.name ?? "none"}</h3></header>
    <div class="tile-line">${status(serviceStatus(found))}</div>
    <dl class="facts">
      ${ours ? html`${fact("desired", count(ours.desired))} ${fact("ready", count(ours.ready))} ${fact("updated", count(ours.updated))}` : nothing}
    </dl>
  </article>`;
}

// One tile a pod, and up to the autoscaler's max a faint place for each that may still come.
function pods(state, members, at) {
  if (members.length === 0 && forbidden(state, "pods")) {
    return empty("Pods may not be read", "The dashboard's Role does not allow it.", "cross");
  }
  const places = Math.max(members.length, state.autoscaler?.max ?? 0, 1);
  const owner = state.deployment?.name;
  return html`<div class="pods" .style=${`--places: ${places}`} data-crowded=${members.length > 40 ? "" : nothing}>
    ${members.length === 0 ? empty("No pods", "Nothing answers behind the Service.") : nothing}
    ${repeat(members, ({ uid }) => uid, (pod) => podTile(pod, at, { owner }))}
    ${repeat(
      Array.from({ length: places - Math.max(members.length, 1) }, (_, index) => index),
      (index) => index,
      () => html`<div class="vacancy" aria-hidden="true"></div>`,
    )}
  </div>`;
}

function databaseTiles(state, database, at) {
  if (database.length === 0) {
    return empty("No database pod", state.mongo ? "Its successor is on the way." : "Nothing was found.", "warning");
  }
  const { mongo } = state;
  return html`<div class="stack">
    ${repeat(database, ({ uid }) => uid, (pod) => podTile(pod, at, { owner: state.statefulset?.name, mongo }))}
  </div>`;
}

function podTile(pod, at, { owner, mongo }) {
  const seconds = secondsSince(pod.created, at);
  const age = wholeDuration(seconds);
  const state = podStatus(pod, seconds);
  return guard([pod, age, state.word, mongo?.state, mongo?.version, mongo?.ops_per_second], () => html`<article
    class="tile"
    data-moves
    data-pod=${pod.name}
    data-phase=${pod.phase}
    data-tone=${state.tone}
  >
    <header class="tile-head">
      <h3 title=${pod.name}>${tail(pod.name, owner)}</h3>
      <span class="tile-side" title="age">${age}</span>
    </header>
    <div class="tile-line">
      ${status({ ...state, title: pod.reason })}
      <span class="tile-side restarts" data-any=${pod.restarts > 0 ? "" : nothing} title=${plural(pod.restarts, "restart")}>
        ${icon("restart")}<span>${count(pod.restarts)}</span><span class="unseen">${pod.restarts === 1 ? "restart" : "restarts"}</span>
      </span>
    </div>
    ${usage(CPU, pod.cpu_millicores, pod.cpu_request_millicores, pod.cpu_limit_millicores)}
    ${usage(MEMORY, pod.memory_bytes, pod.memory_request_bytes, pod.memory_limit_bytes)}
    ${mongo ? databaseFacts(mongo) : nothing}
  </article>`);
}

function databaseFacts(mongo) {
  return html`<dl class="facts">
    ${mongo.state === "down" ? fact("mongod", "no answer") : fact(`v${mongo.version ?? "?"}`, rate(mongo.ops_per_second, "ops"))}
  </dl>`;
}

function claims(state) {
  if (state.claims.length === 0) {
    return forbidden(state, "claims")
      ? empty("Claims may not be read", "The dashboard's Role does not allow it.", "cross")
      : empty("No volume claim", "What Mongo stores goes with its pod.", "warning");
  }
  return html`<div class="stack">
    ${repeat(state.claims, ({ uid }) => uid, (claim) => html`<article class="tile" data-moves>
      <header class="tile-head"><h3 title=${claim.name}>${claim.name}</h3></header>
      <div class="tile-line">${status(claimStatus(claim))}</div>
      <dl class="facts">
        ${fact("capacity", binary(claim.capacity_bytes))}
        <div class="fact-wide"><dt>volume</dt><dd title=${claim.volume ?? ""}>${claim.volume || "—"}</dd></div>
      </dl>
    </article>`)}
  </div>`;
}

// What else runs in the namespace, the dashboard itself among it: a line each.
function companions(others, at) {
  return html`<ul class="companions" aria-label="Also in the namespace">
    <li class="quiet" aria-hidden="true">also here</li>
    ${repeat(others, ({ uid }) => uid, (pod) => html`<li data-moves data-pod=${pod.name} data-phase=${pod.phase}>
      <span class="companion-name" title=${pod.name}>${pod.name}</span>
      ${status(podStatus(pod, secondsSince(pod.created, at)))}
      <span class="quiet">${cpu(pod.cpu_millicores)} · ${binary(pod.memory_bytes)}</span>
    </li>`)}
  </ul>`;
}

// A bar against the limit, with the request marked on it; the figure against what counts.
function usage({ name, word, format, against }, used, request, limit) {
  const whole = limit ?? request ?? null;
  const measure = against === "request" ? (request ?? limit) : (limit ?? request);
  const title = `${word}: ${format(used)} used, ${format(request)} requested, limit ${format(limit)}`;
  return html`<div class="usage" title=${title}>
    <span class="usage-name">${name}</span>
    <span class="usage-figure">${used === null ? html`<span class="quiet">no sample</span>` : share(used, measure, format)}</span>
    <span class="meter" data-full=${whole && used >= whole * NEARLY_FULL ? "" : nothing} .style=${meterStyle(used, request, whole)}></span>
  </div>`;
}

function meterStyle(used, request, whole) {
  const part = (n) => (whole && n !== null ? Math.min(1, n / whole) : 0);
  const mark = request !== null && request < whole ? part(request) : -1; // a mark at the bar's end would say nothing
  return `--part: ${part(used).toFixed(4)}; --mark: ${mark.toFixed(4)}`;
}

function fact(name, value) {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}
