// The drawer's tabs Overview and Events. Pure.

import { html, nothing, repeat } from "../lib/vendor.js";
import { count, plural, rate, secondsSince, timeOfDay, wholeDuration } from "../text/format.js";
import { status } from "../lib/icons.js";
import { objectHash } from "../text/objects.js";
import { empty } from "../lib/panel.js";
import { CPU, MEMORY, usage } from "../deployment/pods.js";
import { containerStatus, podConditionStatus } from "../text/status.js";

const KINDS = { init: "init", sidecar: "sidecar", debug: "debug" };

// `pod` is the pod in the state, or its last version; `details` is the API's response.
export function overview(pod, details, now) {
  return html`<section class="drawer-part" aria-label="Usage">
      <div class="drawer-usage">
        ${usage(CPU, pod.cpu_millicores, pod.cpu_request_millicores, pod.cpu_limit_millicores)}
      </div>
      <div class="drawer-usage">
        ${usage(MEMORY, pod.memory_bytes, pod.memory_request_bytes, pod.memory_limit_bytes)}
      </div>
    </section>
    <dl class="drawer-facts">
      ${pod.requests_per_second === null ? nothing : fact("Requests", rate(pod.requests_per_second))} ${fact("Address", details.ip)} ${fact("Node", details.node ? html`<a class="object-link" href=${objectHash("Node", details.node)}>${details.node}</a>` : null)}
      ${fact("Owner", details.owner)} ${fact("Service account", details.service_account)} ${fact("Quality of service", details.qos)}
      ${fact("Age", since(details.created, now))}
    </dl>
    <section class="drawer-part" aria-labelledby="drawer-containers">
      <h3 id="drawer-containers">Containers</h3>
      ${repeat(details.containers, ({ name }) => name, (one) => container(one, now))}
    </section>
    <section class="drawer-part" aria-labelledby="drawer-conditions">
      <h3 id="drawer-conditions">Conditions</h3>
      ${details.conditions.length ? conditions(details.conditions, now, podConditionStatus) : empty("No conditions yet", "Kubernetes has not set any.")}
    </section>`;
}

export function events({ events: list }, now) {
  if (list.length === 0) return empty("No events", "Kubernetes deletes events after an hour.");
  return html`<ol class="drawer-events">
    ${repeat(list, ({ id }) => id, (event) => html`<li>
      ${status({ icon: event.type === "Normal" ? "check" : "warning", word: event.reason, tone: event.type === "Normal" ? "off" : "warn" })}
      <span class="text-muted">${since(event.at, now)} ago${circumstances(event)}</span>
      <p>${event.message}</p>
    </li>`)}
  </ol>`;
}

function circumstances({ count: times, container: name, from }) {
  return [times > 1 ? `${count(times)} times` : "", name, from].filter(Boolean).map((text) => ` · ${text}`).join("");
}

function container(one, now) {
  const state = containerStatus(one);
  return html`<article class="drawer-container" data-tone=${state.tone}>
    <header>
      <h4>${one.name}</h4>
      ${KINDS[one.kind] ? html`<span class="tag">${KINDS[one.kind]}</span>` : nothing}
      ${status(state)}
      <span class="text-muted">${one.state?.since ? html`${since(one.state.since, now)}${one.state.word === "terminated" ? " ago" : ""}` : nothing}</span>
      <span class="drawer-restarts">${plural(one.restarts, "restart")}</span>
    </header>
    ${one.state?.message ? html`<p class="drawer-message">${one.state.message}</p>` : nothing}
    ${one.last_state ? html`<p class="drawer-message">Before: ${ended(one.last_state)}, ${since(one.last_state.since, now)} ago. ${one.last_state.message ?? ""}</p>` : nothing}
    <dl class="drawer-facts">
      ${fact("Image", one.image, "wide")} ${fact("CPU", share(one, "cpu"))} ${fact("Memory", share(one, "memory"))}
      ${one.ports.length ? fact("Ports", one.ports.join(", ")) : nothing}
      ${one.probes.length ? fact("Probes", html`${one.probes.map((probe) => html`<span class="drawer-line">${probe}</span>`)}`, "wide") : nothing}
    </dl>
  </article>`;
}

export function conditions(all, now, statusOf) {
  return html`<table class="drawer-conditions">
    <caption class="visually-hidden">Conditions</caption>
    <thead class="visually-hidden">
      <tr><th scope="col">Condition</th><th scope="col">Since</th><th scope="col">Reason</th></tr>
    </thead>
    <tbody>
      ${repeat(all, ({ type }) => type, (one) => html`<tr>
        <td>${status(statusOf(one))}</td>
        <td class="text-muted">${since(one.since, now)}</td>
        <td>${[one.reason, one.message].filter(Boolean).join(": ")}</td>
      </tr>`)}
    </tbody>
  </table>`;
}

function ended({ reason, exit_code: code }) {
  return [reason ?? "ended", code == null ? null : `exit code ${code}`].filter(Boolean).join(", ");
}

// "100m, limit 400m": the request and the limit as Kubernetes quantities.
function share({ requests, limits }, resource) {
  const [request, limit] = [requests[resource], limits[resource]];
  return `${request ?? "none requested"}, ${limit ? `limit ${limit}` : "no limit"}`;
}

export function since(time, now) {
  return time ? html`<time datetime=${time} title=${timeOfDay(time)}>${wholeDuration(secondsSince(time, now))}</time>` : "—";
}

export function fact(name, value, width) {
  return html`<div data-width=${width ?? nothing}><dt>${name}</dt><dd>${value ?? "—"}</dd></div>`;
}
