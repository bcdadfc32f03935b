// What the finder can find, and the search in it. Pure.

import { jsonLine, timeOfDay } from "../text/format.js";
import { objectHash, objectsOf } from "../text/objects.js";
import { formatRoute } from "../text/route.js";

const MOST_RESULTS = 50;
const TEXT_LENGTH = 200; // characters of a document or an entry that are searched and shown

const PARTS = [
  ["claims", "Claims, and what proves them"],
  ["deployment", "Deployment"],
  ["charts", "Metrics"],
  ["autoscaler", "Autoscaler"],
  ["actions", "Actions: trigger load, restart, undo a roll-out, change the autoscaler"],
  ["documents", "MongoDB contents"],
  ["timeline", "Timeline"],
  ["sources", "Sources"],
];

// Returns everything that can be found, {id, kind, text, go()}: the most specific last. `go(hash)` follows a link, `act(name)` opens
// something that has no address.
export function candidates(/** @type {wire.State} */ state, names, { go, act }) {
  const link = (kind, text, hash) => ({ id: `${kind} ${hash} ${text}`, kind, text, go: () => go(hash) });
  return [
    ...PARTS.filter(([id]) => isThere(id, state, names)).map(([id, title]) => link("part", title, `#${id}`)),
    link("logs", `Logs of all pods of ${names.deployment}`, formatRoute("logs", [names.deployment])),
    link("logs", "Logs of all pods", formatRoute("logs", ["all"])),
    { id: "settings", kind: "settings", text: "Settings: colours, notifications, keyboard shortcuts", go: () => act("settings") },
    ...objectsOf(state, names).map(([kind, name]) => link(kind, name, objectHash(kind, name))),
    ...state.pods.map(({ name, uid }) => link("pod", name, formatRoute("pods", [name, uid]))),
    ...(state.runs ?? []).map(({ id, demo, verdict, started }) => link("run", `${demo} ${verdict} ${timeOfDay(started)} ${id}`, formatRoute("runs", [id]))),
    ...(state.mongo?.newest ?? []).map((row) => link("document", `${row.id} ${jsonLine(row)}`.slice(0, TEXT_LENGTH), formatRoute("documents", [row.id]))),
    ...(state.timeline ?? []).map(({ text, at }) => link("timeline", `${timeOfDay(at)} ${text}`.slice(0, TEXT_LENGTH), formatRoute("metrics", [], { at }))),
  ];
}

// Another application may have no autoscaler, and a database whose contents are not shown.
function isThere(part, /** @type {wire.State} */ { sources }, names) {
  return part === "documents" ? sources.mongo !== undefined : part !== "autoscaler" || names.hpa !== "";
}

// Returns those that contain all words of a text, in any case.
export function search(all, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter((one) => words.every((word) => `${one.kind} ${one.text}`.toLowerCase().includes(word)));
  return found.slice(0, MOST_RESULTS);
}
