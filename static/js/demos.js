// The two demos: what each proves and how, in one sentence, and how to see it by hand.

import { html } from "./vendor.js";

const DEMOS = [
  {
    id: "persistence",
    title: "Persistence",
    question: "does a restart lose anything?",
    sentence: "Eight writers post through the service while the database's pod is killed; every acknowledged document is read back.",
    command: ({ statefulset }, { namespace }) => `kubectl -n ${namespace} delete pod ${statefulset}-0`,
    watch: "Post documents meanwhile: each is answered 201, a little late, and arrives below.",
  },
  {
    id: "autoscale",
    title: "Autoscale",
    question: "do pods follow the load?",
    sentence: "A load over the CPU target makes the autoscaler add pods; when it stops, they go again.",
    command: () => "ab -t 90 -n 1000000 -c 100 http://localhost:5000/",
    watch: "The first sample over the target takes some 20 seconds; the clock above shows it, and the autoscaler says what follows.",
  },
];

export function demos(names) {
  return ({ about }) => html`${DEMOS.map((demo) => card(demo, names, about))}`;
}

function card({ id, title, question, sentence, command, watch }, names, about) {
  return html`<article class="panel demo" data-demo=${id} data-verdict="" aria-labelledby="demo-${id}">
    <header class="panel-head">
      <h2 id="demo-${id}">${title}</h2>
      <p class="panel-aside">${question}</p>
    </header>
    <p>${sentence}</p>
    <p class="quiet">By hand:</p>
    <pre class="example" tabindex="0" aria-label="Command for ${title}"><code>${command(names, about)}</code></pre>
    <p class="quiet">${watch}</p>
  </article>`;
}
