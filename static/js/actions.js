// What changes the deployment, as the commands that do it.

import { html } from "./vendor.js";
import { panel } from "./panel.js";

export function actions(names) {
  return (state) => panel({ id: "actions", title: "Actions", aside: "by kubectl and curl", state, body: list(names, state) });
}

function list({ deployment, statefulset }, { about }) {
  const commands = [
    ["Restart Mongo", "its successor takes the same volume", `kubectl -n ${about.namespace} delete pod ${statefulset}-0`],
    ["Replace the service's pods", "no request is dropped", `kubectl -n ${about.namespace} rollout restart deployment/${deployment}`],
    ["Post a document", "it appears below at once", `curl -H "Content-Type: application/json" -d '{"key":"value"}' http://localhost:5000/data`],
  ];
  return html`<ul class="actions">
    ${commands.map(([name, effect, command]) => html`<li>
      <p><strong>${name}</strong> <span class="quiet">${effect}</span></p>
      <pre class="example" tabindex="0" aria-label="Command: ${name}"><code>${command}</code></pre>
    </li>`)}
  </ul>`;
}
