// The libraries, the only module that names their versions. Not an import map: an inline one would need 'unsafe-inline' or a nonce in
// the Content-Security-Policy, and browsers do not load an external one.
export { html, nothing, render, svg } from "../../vendor/lit-html-3.3.3/lit-html.js";
export { guard } from "../../vendor/lit-html-3.3.3/directives/guard.js";
export { repeat } from "../../vendor/lit-html-3.3.3/directives/repeat.js";
export { io } from "../../vendor/socket.io-client-4.8.4/dist/socket.io.esm.min.js";

// Loads uPlot. The script is half the size of uPlot's module, which is not minified, and loads after everything that the page shows
// without charts. It defines a global.
export function uPlot() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("../../vendor/uplot-1.6.32/dist/uPlot.iife.min.js", import.meta.url).href;
    script.onload = () => resolve(globalThis.uPlot);
    script.onerror = () => reject(new Error("uPlot did not load."));
    document.head.append(script);
  });
}
