// The deployment as tiles: Service → pods → database → volume.

import { guard, html, nothing, repeat } from "../lib/vendor.js";
import { binary, count, cpu, milliseconds, plural, podSuffix, rate, secondsSince, share, wholeDuration } from "../text/format.js";
import { icon, status } from "../lib/icons.js";
import { objectHash } from "../text/objects.js";
import { absent, panel } from "../lib/panel.js";
import { Crowd } from "./crowd.js";
import { sparkline } from "./sparkline.js";
import { claimStatus, podStatus, serviceStatus } from "../text/status.js";

const NEARLY_FULL = 0.9; // of a limit: a meter at or above it warns
const SPARKLINE_SECONDS = 900;
const MOST_PLACEHOLDERS = 100; // an autoscaler's max may be any number
const CROWDED = 40; // pods: with more, the tiles are small and scroll in a frame of their own
const UNANSWERED = { state: "unknown", version: null, ops_per_second: null };
export const CPU = { name: "CPU", word: "CPU", format: cpu, against: "request" }; // the autoscaler relates CPU to the request
export const MEMORY = { name: html`mem<span class="usage-name-end">ory</span>`, word: "memory", format: binary, against: "limit" }; // a container is killed at its memory limit

// `names` are the names of the Deployment and the StatefulSet; `history` has the pods' sparklines; `open(uid, from)` opens a pod's
// drawer, where `from` is the element that gets the focus back; `redraw()` asks for another drawing.
export function deployment(names, history, open, redraw) {
  const crowd = new Crowd(redraw);
  return (state, now) => view({ names, history, open, crowd }, state, now);
}

// The identities of all tiles in order. When they change, tiles enter, leave or move.
export function tileOrder(state) {
  return [...state.pods, ...state.claims].map(({ uid }) => uid).join(" ");
}

function view(page, state, now) {
  const { names } = page;
  const { members, database, others } = groupPods(names, state);
  return panel({
    id: "deployment",
    title: "Deployment",
    aside: summary(state),
    state,
    kinds: ["pods", "deployments", "statefulsets", "endpointslices", "persistentvolumeclaims"],
    body: html`<div class="flow">
        ${stage("service", "Service", service(state))} ${arrow()}
        ${stage("pods", `Pods of ${names.deployment}`, pods(page, state, members, now))}
        ${names.statefulset ? databaseStages(page, state, database, now) : nothing}
      </div>
      ${others.length ? otherPods(page, others, now) : nothing}`,
  });
}

function databaseStages(page, state, database, now) {
  return html`${arrow()} ${stage("database", "Database", databaseTiles(page, state, database, now))} ${arrow()}
    ${stage("volumes", ours(state).length === 1 ? "Volume" : "Volumes", claims(state))}`;
}

function groupPods(names, { pods: all }) {
  // Of a pod that nothing has made, `app` is empty, and so is the name of a StatefulSet that is not there.
  const groupOf = ({ app }) => (app === "" ? "others" : app === names.deployment ? "members" : app === names.statefulset ? "database" : "others");
  const groups = { members: [], database: [], others: [] };
  for (const pod of all) groups[groupOf(pod)].push(pod);
  return groups;
}

function summary({ deployment: ours, statefulset }) {
  const part = (kind, owner) => owner && html`${kind} ${objectLink(kind, owner.name)} ${owner.ready} of ${owner.desired} ready`;
  return [part("Deployment", ours), part("StatefulSet", statefulset)].filter(Boolean).map((text, index) => (index ? [" · ", text] : text));
}

function objectLink(kind, name) {
  return html`<a class="object-link" href=${objectHash(kind, name)} aria-label="${kind} ${name}">${name}</a>`;
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

function service(/** @type {wire.State} */ state) {
  const { service: found } = state;
  if (!found) return absent(state, "endpointslices", "No Service", "Nothing routes requests to the pods.", "cross");
  return html`<article class="tile">
    <header class="tile-head"><h3 title=${found.name}>${objectLink("Service", found.name)}</h3></header>
    <div class="tile-line">${status(serviceStatus(found))}</div>
    ${isCounted(state) ? serviceTraffic(state) : nothing}
  </article>`;
}

// Whether the pods' requests are counted: another application may have no such counters.
function isCounted(/** @type {wire.State} */ { sources }) {
  return sources.traffic !== undefined;
}

function serviceTraffic(/** @type {wire.State} */ { traffic }) {
  return html`<dl class="facts">
    ${fact("requests", rate(traffic?.requests_per_second))}
    ${fact("p50", milliseconds(traffic?.p50_ms))} ${fact("p99", milliseconds(traffic?.p99_ms))}
    ${fact("errors", traffic?.errors_per_second ? html`<strong data-tone="bad">${rate(traffic.errors_per_second)}</strong>` : traffic ? "none" : "—")}
  </dl>`;
}

// A tile for each pod, and a placeholder for each pod that the autoscaler may still add.
function pods(page, /** @type {wire.State} */ state, /** @type {wire.PodView[]} */ members, now) {
  if (members.length === 0) return absent(state, "pods", "No pods", "The Service has no pods behind it.");
  const places = Math.max(members.length, Math.min(state.autoscaler?.max ?? 0, MOST_PLACEHOLDERS));
  const crowded = places > CROWDED;
  return html`<div class="pods" .style=${`--places: ${places}`} data-crowded=${crowded ? "" : nothing} tabindex=${crowded ? 0 : nothing}>
    ${repeat(crowded ? page.crowd.next(members) : members, ({ uid }) => uid, (pod) => podTile(page, pod, now, { owner: page.names.deployment, hasSparkline: !crowded, isCounted: isCounted(state) }))}
    ${repeat(
      Array.from({ length: places - members.length }, (_, index) => index),
      (index) => index,
      () => html`<div class="pod-placeholder" aria-hidden="true"></div>`,
    )}
  </div>`;
}

function databaseTiles(page, /** @type {wire.State} */ state, /** @type {wire.PodView[]} */ database, now) {
  if (database.length === 0) {
    return absent(state, "pods", "No database pod", state.statefulset?.desired ? "The next one is starting." : "The StatefulSet is scaled to zero.", "warning");
  }
  const mongo = state.sources.mongo ? (state.mongo ?? UNANSWERED) : null; // another application's database is not asked
  return html`<div class="stack">
    ${repeat(database, ({ uid }) => uid, (pod) => podTile(page, pod, now, { owner: page.names.statefulset, hasSparkline: true, mongo }))}
  </div>`;
}

// A click anywhere on the tile opens the pod's drawer; for the keyboard, its name is a button.
function podTile({ history, open }, /** @type {wire.PodView} */ pod, now, { owner, hasSparkline, isCounted = false, mongo = null }) {
  const seconds = secondsSince(pod.created, now);
  const age = wholeDuration(seconds);
  const state = podStatus(pod, seconds);
  const points = hasSparkline ? history.pod(pod.uid) : undefined;
  return guard([pod, age, state.word, points?.at.at(-1), mongo?.state, mongo?.version, mongo?.ops_per_second], () => html`<article
    class="tile"
    data-moves
    data-pod=${pod.name}
    data-phase=${pod.phase}
    data-tone=${state.tone}
    @click=${({ currentTarget }) => open(pod.uid, currentTarget.querySelector(".tile-open"))}
  >
    <header class="tile-head">
      <h3 title=${pod.name}>${openButton(podSuffix(pod.name, owner), pod.name)}</h3>
      <span class="tile-side" title="age">${age}</span>
    </header>
    <div class="tile-line">
      ${status({ ...state, title: pod.reason ?? pod.unready })}
      <span class="tile-side restarts" data-any=${pod.restarts > 0 ? "" : nothing} title=${plural(pod.restarts, "restart")}>
        ${icon("restart")}<span>${count(pod.restarts)}</span><span class="visually-hidden">${pod.restarts === 1 ? "restart" : "restarts"}</span>
      </span>
    </div>
    ${usage(CPU, pod.cpu_millicores, pod.cpu_request_millicores, pod.cpu_limit_millicores, points && sparkline(points, { now, seconds: SPARKLINE_SECONDS }))}
    ${usage(MEMORY, pod.memory_bytes, pod.memory_request_bytes, pod.memory_limit_bytes)}
    ${mongo ? databaseFacts(mongo) : nothing} ${isCounted ? traffic(pod) : nothing}
  </article>`);
}

function openButton(text, name) {
  return html`<button type="button" class="tile-open" aria-haspopup="dialog" aria-label="Details of ${name}">${text}</button>`;
}

function traffic(/** @type {wire.PodView} */ { requests_per_second: requests }) {
  return html`<dl class="facts">${fact("requests", rate(requests))}</dl>`;
}

function databaseFacts(/** @type {Pick<wire.MongoView, "state" | "version" | "ops_per_second">} */ mongo) {
  return html`<dl class="facts">
    ${mongo.state === "down" ? fact("mongod", "no answer") : fact(`v${mongo.version ?? "?"}`, rate(mongo.ops_per_second, "ops"))}
  </dl>`;
}

// The volume claims of the database; others' are found by their names.
function ours(/** @type {wire.State} */ { claims }) {
  return claims.filter((claim) => claim.of_database);
}

function claims(/** @type {wire.State} */ state) {
  if (ours(state).length === 0) {
    return absent(state, "persistentvolumeclaims", "No volume claim", "The database's data is lost with its pod.", "warning");
  }
  return html`<div class="stack">
    ${repeat(ours(state), ({ uid }) => uid, (claim) => html`<article class="tile" data-moves>
      <header class="tile-head"><h3 title=${claim.name}>${objectLink("PersistentVolumeClaim", claim.name)}</h3></header>
      <div class="tile-line">${status(claimStatus(claim))}</div>
      <dl class="facts">
        ${fact("capacity", binary(claim.capacity_bytes))}
        <div><dt>volume</dt><dd title=${claim.volume ?? ""}>${claim.volume || "—"}</dd></div>
        ${state.mongo?.volume ? disk(state.mongo.volume) : nothing}
      </dl>
      ${state.mongo?.volume ? diskMeter(state.mongo.volume) : nothing}
    </article>`)}
  </div>`;
}

// The use of the file system under the database. Many storage classes do not enforce a claim's capacity.
function disk(/** @type {wire.VolumeView} */ { used_bytes: used, total_bytes: total }) {
  return html`<div><dt>disk</dt><dd title="${binary(used)} of ${binary(total)} in the file system">${share(used, total, binary)}</dd></div>`;
}

function diskMeter(/** @type {wire.VolumeView} */ { used_bytes: used, total_bytes: total }) {
  return html`<span class="meter" data-full=${used >= total * NEARLY_FULL ? "" : nothing} .style=${meterStyle(used, null, total)}></span>`;
}

// The namespace's other pods, among them the dashboard's own, one line each.
function otherPods({ open }, /** @type {wire.PodView[]} */ others, now) {
  return html`<ul class="other-pods" aria-label="Also in the namespace">
    <li class="text-muted" aria-hidden="true">also here</li>
    ${repeat(others, ({ uid }) => uid, (pod) => html`<li data-moves data-pod=${pod.name} data-phase=${pod.phase}>
      <span class="other-pod-name" title=${pod.name} @click=${({ target }) => open(pod.uid, target)}>${openButton(pod.name, pod.name)}</span>
      ${status(podStatus(pod, secondsSince(pod.created, now)))}
      <span class="text-muted">CPU ${cpu(pod.cpu_millicores)} · mem ${binary(pod.memory_bytes)}</span>
    </li>`)}
  </ul>`;
}

// A meter up to the limit, with the request marked on it. The figure relates the use to the request or the limit (`against`).
export function usage({ name, word, format, against }, used, request, limit, /** @type {unknown} */ spark = nothing) {
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
  const mark = request !== null && request < whole ? part(request) : -1; // no mark where the request is the limit
  return `--part: ${part(used).toFixed(4)}; --mark: ${mark.toFixed(4)}`;
}

function fact(name, value) {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}
