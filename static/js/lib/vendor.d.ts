// The types of vendor.js, from the packages themselves (tests/js/package.json has the same versions).
export { html, nothing, render, svg, type TemplateResult } from "lit-html";
export { guard } from "lit-html/directives/guard.js";
export { repeat } from "lit-html/directives/repeat.js";
export { io, type Socket } from "socket.io-client";
export function uPlot(): Promise<typeof import("uplot")>;
