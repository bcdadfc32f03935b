// Deployment: Service → its pods → Mongo → volume, as tiles in that order.

import { guard, html, nothing, repeat } from "./vendor.js";
import { binary, count, cpu, plural, rate, secondsSince, share, tail, wholeDuration } from "./format.js";
import { icon, status } from "./icons.js";
import { absent, panel } from "./panel.js";
import { sparkline } from "./sparkline.js";
import { claimStatus, podStatus, serviceStatus } from "./status.js";

const NEARLY_FULL = 0.9; // of a limit: from here on a bar warns
const SPARK_SECONDS = 900;
const MOST_PLACES = 100; // of pods that may still come: a max beyond says nothing about the page
const CROWDED = 40; // pods: from here on tiles are small and scroll in a frame of their own
export const CPU = { name: "CPU", word: "CPU", format: cpu, against: "request" }; // what the autoscaler counts by
export const MEMORY = { name: html`mem<span class="usage-name-end">ory</span>`, word: "memory", format: binary, against: "limit" }; // what a container is killed at

// `names` are those of the Deployment and the StatefulSet that are watched; `history` has the pods' sparklines; `open(uid, from)`
// opens a pod's drawer, from the element that the focus goes back to.
export function deployment(names, history, open) {
  return (state, at) => view({ names, history, open }, state, at);
}

// The identities of all tiles in order: when these change, tiles enter, leave or move.
export function lineup(state) {
  return [...state.pods, ...state.claims].map(({ uid }) => uid).join(" ");
}

function view(page, state, at) {
  const { names } = page;
  const { members, database, others } = groups(names, state);
  return panel({
    id: "deployment",
    title: "Deployment",
    aside: summary(state),
    state,
    kinds: ["pods", "deployments", "statefulsets", "endpointslices", "persistentvolumeclaims"],
    body: html`<div class="flow">
        ${stage("service", "Service", service(state))} ${arrow()}
        ${stage("pods", `Pods of ${names.deployment}`, pods(page, state, members, at))} ${arrow()}
        ${stage("database", "Database", databaseTiles(page, state, database, at))} ${arrow()}
        ${stage("volumes", state.claims.length === 1 ? "Volume" : "Volumes", claims(state))}
      </div>
      ${others.length ? companions(page, others, at) : nothing}`,
  });
}

function groups(names, { pods: all }) {
  const groupOf = ({ app }) => (app === names.deployment ? "members" : app === names.statefulset ? "database" : "others");
  const found = { members: [], database: [], others: [] };
  for (const pod of all) found[groupOf(pod)].push(pod);
  return found;
}

function summary({ deployment: ours, statefulset }) {
  const part = (kind, owner) => owner && `${kind} ${owner.name} ${owner.ready} of ${owner.desired} ready`;
  return [part("Deployment", ours), part("StatefulSet", statefulset)].filter(Boolean).join(" · ");
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

function service(state) {
  const { service: found, traffic } = state;
  if (!found) return absent(state, "endpointslices", "No Service", "Nothing leads to the pods.", "cross");
  return html`<article class="tile">
    <header class="tile-head"><h3 title=${found.name}>${found.name}</h3></header>
    <div class="tile-line">${status(serviceStatus(found))}</div>
    <dl class="facts">
      ${fact("requests", rate(traffic?.requests_per_second))}
      ${fact("p50", milliseconds(traffic?.p50_ms))} ${fact("p99", milliseconds(traffic?.p99_ms))}
      ${fact("errors", traffic?.errors_per_second ? html`<strong data-tone="bad">${rate(traffic.errors_per_second)}</strong>` : traffic ? "none" : "—")}
    </dl>
  </article>`;
}

// One tile a pod, and up to the autoscaler's max a faint place for each that may still come.
function pods(page, state, members, at) {
  if (members.length === 0) return absent(state, "pods", "No pods", "Nothing answers behind the Service.");
  const places = Math.max(members.length, Math.min(state.autoscaler?.max ?? 0, MOST_PLACES));
  const crowded = places > CROWDED;
  return html`<div class="pods" .style=${`--places: ${places}`} data-crowded=${crowded ? "" : nothing} tabindex=${crowded ? 0 : nothing}>
    ${repeat(members, ({ uid }) => uid, (pod) => podTile(page, pod, at, { owner: page.names.deployment, spark: !crowded }))}
    ${repeat(
      Array.from({ length: places - members.length }, (_, index) => index),
      (index) => index,
      () => html`<div class="pod-placeholder" aria-hidden="true"></div>`,
    )}
  </div>`;
}

function databaseTiles(page, state, database, at) {
  if (database.length === 0) {
    return absent(state, "pods", "No database pod", state.statefulset?.desired ? "Its successor is on the way." : "None is wanted.", "warning");
  }
  const { mongo } = state;
  return html`<div class="stack">
    ${repeat(database, ({ uid }) => uid, (pod) => podTile(page, pod, at, { owner: page.names.statefulset, spark: true, mongo }))}
  </div>`;
}

// A tile opens its pod's drawer: by its name, which is a button, or anywhere.
function podTile({ history, open }, pod, at, { owner, spark, mongo }) {
  const seconds = secondsSince(pod.created, at);
  const age = wholeDuration(seconds);
  const state = podStatus(pod, seconds);
  const points = spark ? history.pod(pod.uid) : undefined;
  return guard([pod, age, state.word, points?.at.at(-1), mongo?.state, mongo?.version, mongo?.ops_per_second], () => html`<article
    class="tile"
    data-moves
    data-pod=${pod.name}
    data-phase=${pod.phase}
    data-tone=${state.tone}
    @click=${({ currentTarget }) => open(pod.uid, currentTarget.querySelector(".tile-open"))}
  >
    <header class="tile-head">
      <h3 title=${pod.name}>${opener(tail(pod.name, owner), pod.name)}</h3>
      <span class="tile-side" title="age">${age}</span>
    </header>
    <div class="tile-line">
      ${status({ ...state, title: pod.reason })}
      <span class="tile-side restarts" data-any=${pod.restarts > 0 ? "" : nothing} title=${plural(pod.restarts, "restart")}>
        ${icon("restart")}<span>${count(pod.restarts)}</span><span class="visually-hidden">${pod.restarts === 1 ? "restart" : "restarts"}</span>
      </span>
    </div>
    ${usage(CPU, pod.cpu_millicores, pod.cpu_request_millicores, pod.cpu_limit_millicores, points && sparkline(points, { at, seconds: SPARK_SECONDS }))}
    ${usage(MEMORY, pod.memory_bytes, pod.memory_request_bytes, pod.memory_limit_bytes)}
    ${mongo ? databaseFacts(mongo) : traffic(pod)}
  </article>`);
}

function opener(words, name) {
  return html`<button type="button" class="tile-open" aria-haspopup="dialog" aria-label="Details of ${name}">${words}</button>`;
}

function traffic({ requests_per_second: requests }) {
  return html`<dl class="facts">${fact("requests", rate(requests))}</dl>`;
}

function databaseFacts(mongo) {
  return html`<dl class="facts">
    ${mongo.state === "down" ? fact("mongod", "no answer") : fact(`v${mongo.version ?? "?"}`, rate(mongo.ops_per_second, "ops"))}
  </dl>`;
}

function claims(state) {
  if (state.claims.length === 0) {
    return absent(state, "persistentvolumeclaims", "No volume claim", "What Mongo stores goes with its pod.", "warning");
  }
  return html`<div class="stack">
    ${repeat(state.claims, ({ uid }) => uid, (claim) => html`<article class="tile" data-moves>
      <header class="tile-head"><h3 title=${claim.name}>${claim.name}</h3></header>
      <div class="tile-line">${status(claimStatus(claim))}</div>
      <dl class="facts">
        ${fact("capacity", binary(claim.capacity_bytes))}
        <div class="fact-wide"><dt>volume</dt><dd title=${claim.volume ?? ""}>${claim.volume || "—"}</dd></div>
        ${state.mongo?.volume ? disk(state.mongo.volume) : nothing}
      </dl>
      ${state.mongo?.volume ? diskMeter(state.mongo.volume) : nothing}
    </article>`)}
  </div>`;
}

// How full the file system under the database is: a claim's capacity bounds nothing on many a storage class.
function disk({ used_bytes: used, total_bytes: total }) {
  return html`<div><dt>disk</dt><dd title="${binary(used)} of ${binary(total)} in the file system">${share(used, total, binary)}</dd></div>`;
}

function diskMeter({ used_bytes: used, total_bytes: total }) {
  return html`<span class="meter" data-full=${used >= total * NEARLY_FULL ? "" : nothing} .style=${meterStyle(used, null, total)}></span>`;
}

// What else runs in the namespace, the dashboard itself among it: a line each.
function companions({ open }, others, at) {
  return html`<ul class="companions" aria-label="Also in the namespace">
    <li class="text-muted" aria-hidden="true">also here</li>
    ${repeat(others, ({ uid }) => uid, (pod) => html`<li data-moves data-pod=${pod.name} data-phase=${pod.phase}>
      <span class="companion-name" title=${pod.name} @click=${({ target }) => open(pod.uid, target)}>${opener(pod.name, pod.name)}</span>
      ${status(podStatus(pod, secondsSince(pod.created, at)))}
      <span class="text-muted">${cpu(pod.cpu_millicores)} · ${binary(pod.memory_bytes)}</span>
    </li>`)}
  </ul>`;
}

// A bar against the limit, with the request marked on it; the figure against what counts.
export function usage({ name, word, format, against }, used, request, limit, spark = nothing) {
  const whole = limit ?? request ?? null;
  const measure = against === "request" ? (request ?? limit) : (limit ?? request);
  const title = `${word}: ${format(used)} used, ${format(request)} requested, limit ${format(limit)}`;
  return html`<div class="usage" title=${title}>
    <span class="usage-name">${name}</span>${spark}
    <span class="usage-figure">${used === null ? html`<span class="text-muted">no sample</span>` : share(used, measure, format)}</span>
    <span class="meter" data-full=${whole && used >= whole * NEARLY_FULL ? "" : nothing} .style=${meterStyle(used, request, whole)}></span>
  </div>`;
}

function meterStyle(used, request, whole) {
  const part = (n) => (whole && n !== null ? Math.min(1, n / whole) : 0);
  const mark = request !== null && request < whole ? part(request) : -1; // a mark at the bar's end would say nothing
  return `--part: ${part(used).toFixed(4)}; --mark: ${mark.toFixed(4)}`;
}

function milliseconds(ms) {
  if (ms === null || ms === undefined) return "—";
  return `${ms < 9.95 ? ms.toFixed(1) : count(Math.round(ms))} ms`;
}

function fact(name, value) {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}
