// Requests and limits that fit what the containers used in the last hour, with the reason.

import { html } from "../lib/vendor.js";
import { binary, cpu } from "../text/format.js";
import { request } from "../api/request.js";
import { unbroken } from "./autoscaler.js";

const MEBI = 2 ** 20;

export class Sizing {
  #redraw;
  #rows = /** @type {wire.SizingView[] | null} */ (null);
  #problem = null;

  constructor(redraw) {
    this.#redraw = redraw;
  }

  async open() {
    try {
      this.#rows = await request("GET", "/api/sizing");
      this.#problem = null;
    } catch (error) {
      this.#problem = error.message;
    }
    this.#redraw();
  }

  template(/** @type {wire.State} */ { about, deployment }) {
    if (this.#problem) return html`<p class="problem" role="alert">${this.#problem}</p>`;
    if (this.#rows === null) return html`<p class="text-muted">Loading…</p>`;
    const kind = ({ app }) => (app === deployment?.name ? "deployment" : "statefulset");
    return this.#rows.map((row) => container(row, `kubectl -n ${about.namespace} set resources ${kind(row)}/${row.app} -c ${row.container}`));
  }
}

function container(/** @type {wire.SizingView} */ row, command) {
  const title = html`<strong>${row.container}</strong> <span class="text-muted">of ${row.app}</span>`;
  if (!row.cpu || !row.memory) return html`<p class="size">${title}<br />${unbroken(row.absent)}</p>`;
  return html`<div class="size">
    <table>
      <caption>${title}</caption>
      <thead><tr><td></td><th scope="col">request</th><th scope="col">fits</th><th scope="col">limit</th><th scope="col">fits</th></tr></thead>
      <tbody>${amounts("CPU", row.cpu, cpu)} ${amounts("memory", row.memory, binary)}</tbody>
    </table>
    <p class="note">CPU: ${unbroken(row.cpu.reason)}</p>
    <p class="note">Memory: ${unbroken(row.memory.reason)}</p>
    <pre class="example" tabindex="0" aria-label="Command: resources of ${row.container}"><code>${command} --requests=${pair(row, "fit_request")} --limits=${pair(row, "fit_limit")}</code></pre>
  </div>`;
}

function amounts(name, /** @type {wire.AmountView} */ { request: asks, limit, fit_request: fits, fit_limit: fitsAtMost }, format) {
  const shown = (amount) => (amount === null ? "none" : format(amount));
  return html`<tr>
    <th scope="row">${name}</th>
    <td>${shown(asks)}</td>
    <td><strong>${shown(fits)}</strong></td>
    <td>${shown(limit)}</td>
    <td><strong>${shown(fitsAtMost)}</strong></td>
  </tr>`;
}

function pair(/** @type {wire.SizingView} */ { cpu: ofCpu, memory }, name) {
  return `cpu=${ofCpu[name]}m,memory=${memory[name] / MEBI}Mi`;
}
