// What a pod is made of: its facts, containers and conditions, and its events. Pure templates.

import { html, nothing, repeat } from "../vendor.js";
import { clock, count, plural, rate, secondsSince, wholeDuration } from "../format.js";
import { status } from "../icons.js";
import { empty } from "../panel.js";
import { CPU, MEMORY, usage } from "../pods.js";
import { containerStatus, podConditionStatus } from "../status.js";

const KINDS = { init: "initialiser", sidecar: "sidecar", debug: "debugging" };

// `pod` is the view in the state, or how it was last seen; `details` the API's answer.
export function overview(pod, details, at) {
  return html`<section class="drawer-part" aria-label="Usage">
      <div class="drawer-usage">
        ${usage(CPU, pod.cpu_millicores, pod.cpu_request_millicores, pod.cpu_limit_millicores)}
      </div>
      <div class="drawer-usage">
        ${usage(MEMORY, pod.memory_bytes, pod.memory_request_bytes, pod.memory_limit_bytes)}
      </div>
    </section>
    <dl class="drawer-facts">
      ${pod.requests_per_second === null ? nothing : fact("Requests", rate(pod.requests_per_second))} ${fact("Address", details.ip)} ${fact("Node", details.node)}
      ${fact("Owner", details.owner)} ${fact("Service account", details.service_account)} ${fact("Quality of service", details.qos)}
      ${fact("Age", since(details.created, at))}
    </dl>
    <section class="drawer-part" aria-labelledby="drawer-containers">
      <h3 id="drawer-containers">Containers</h3>
      ${repeat(details.containers, ({ name }) => name, (one) => container(one, at))}
    </section>
    <section class="drawer-part" aria-labelledby="drawer-conditions">
      <h3 id="drawer-conditions">Conditions</h3>
      ${details.conditions.length ? conditions(details.conditions, at) : empty("No conditions yet", "Kubernetes has not looked at the pod.")}
    </section>`;
}

export function events({ events: told }, at) {
  if (told.length === 0) return empty("No events", "Kubernetes forgets them after an hour.");
  return html`<ol class="drawer-events">
    ${repeat(told, ({ id }) => id, (event) => html`<li>
      ${status({ icon: event.type === "Normal" ? "check" : "warning", word: event.reason, tone: event.type === "Normal" ? "off" : "warn" })}
      <span class="text-muted">${since(event.at, at)} ago${circumstances(event)}</span>
      <p>${event.message}</p>
    </li>`)}
  </ol>`;
}

function circumstances({ count: times, container: name, from }) {
  return [times > 1 ? `${count(times)} times` : "", name, from].filter(Boolean).map((words) => ` · ${words}`).join("");
}

function container(one, at) {
  const state = containerStatus(one);
  return html`<article class="drawer-container" data-tone=${state.tone}>
    <header>
      <h4>${one.name}</h4>
      ${KINDS[one.kind] ? html`<span class="tag">${KINDS[one.kind]}</span>` : nothing}
      ${status(state)}
      <span class="text-muted">${one.state?.since ? html`${since(one.state.since, at)}${one.state.word === "terminated" ? " ago" : ""}` : nothing}</span>
      <span class="drawer-restarts">${plural(one.restarts, "restart")}</span>
    </header>
    ${one.state?.message ? html`<p class="drawer-message">${one.state.message}</p>` : nothing}
    ${one.last_state ? html`<p class="drawer-message">Before: ${ended(one.last_state)}, ${since(one.last_state.since, at)} ago. ${one.last_state.message ?? ""}</p>` : nothing}
    <dl class="drawer-facts">
      ${fact("Image", one.image, "wide")} ${fact("CPU", share(one, "cpu"))} ${fact("Memory", share(one, "memory"))}
      ${one.ports.length ? fact("Ports", one.ports.join(", ")) : nothing}
      ${one.probes.length ? fact("Probes", html`${one.probes.map((probe) => html`<span class="drawer-line">${probe}</span>`)}`, "wide") : nothing}
    </dl>
  </article>`;
}

function conditions(all, at) {
  return html`<table class="drawer-conditions">
    <caption class="visually-hidden">The pod's conditions</caption>
    <thead class="visually-hidden">
      <tr><th scope="col">Condition</th><th scope="col">Since</th><th scope="col">Why</th></tr>
    </thead>
    <tbody>
      ${repeat(all, ({ type }) => type, (one) => html`<tr>
        <td>${status(podConditionStatus(one))}</td>
        <td class="text-muted">${since(one.since, at)}</td>
        <td>${[one.reason, one.message].filter(Boolean).join(": ")}</td>
      </tr>`)}
    </tbody>
  </table>`;
}

function ended({ reason, exit_code: code }) {
  return [reason ?? "ended", code == null ? null : `exit code ${code}`].filter(Boolean).join(", ");
}

// "100m, limit 400m": what is requested and the limit, in Kubernetes' own quantities.
function share({ requests, limits }, resource) {
  const [request, limit] = [requests[resource], limits[resource]];
  return `${request ?? "none requested"}, ${limit ? `limit ${limit}` : "no limit"}`;
}

function since(time, at) {
  return time ? html`<time datetime=${time} title=${clock(time)}>${wholeDuration(secondsSince(time, at))}</time>` : "—";
}

function fact(name, value, width) {
  return html`<div data-width=${width ?? nothing}><dt>${name}</dt><dd>${value ?? "—"}</dd></div>`;
}
