// The one place that names the libraries' versions. Plain relative imports stand in for an import map: an inline map would need
// 'unsafe-inline' or a nonce in the Content-Security-Policy, and browsers do not load an external one.
export { html, nothing, render, svg } from "../vendor/lit-html-3.3.3/lit-html.js";
export { guard } from "../vendor/lit-html-3.3.3/directives/guard.js";
export { repeat } from "../vendor/lit-html-3.3.3/directives/repeat.js";
export { io } from "../vendor/socket.io-client-4.8.4/dist/socket.io.esm.min.js";
