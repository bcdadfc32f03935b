// What a log line says about itself: its fields if it is JSON, its level and its HTTP status. Pure.

import { parts } from "../text/json.js";

export const LEVELS = ["debug", "info", "warning", "error"]; // in order
export const STATUSES = ["2xx", "3xx", "4xx", "5xx"];

const NAME = /^\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*/;
const TIMES = new Set(["time", "t", "ts", "timestamp"]); // left out: the line has Kubernetes' time
const MESSAGES = ["event", "msg", "message"];
const LEVEL_FIELDS = ["level", "severity", "lvl", "s"]; // `s` is mongod's
const WORD = /\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|PANIC)\b/;
const KLOG = /^([IWEF])\d{4} /; // Kubernetes' own programs
const WORD_WITHIN = 80; // characters: a level stands at a line's begin
const SERVER_ERROR = 500;

// Returns {message, fields: [[name, value]], level, status} of a line's text. `fields` is null for a line that is no JSON object, and
// `message` its whole text. A value is JSON's own text, so that no number is rounded; a string is without its quotes. Without a level,
// a request that failed by the server's fault is an error, and any other line of JSON is info.
export function describe(text) {
  const members = jsonMembers(text);
  if (members === null) return { message: text, fields: null, level: wordLevel(text), status: null };
  const status = httpStatus(members.get("status"));
  const named = LEVEL_FIELDS.map((name) => levelOf(members.get(name))).find(Boolean);
  const [first, ...more] = MESSAGES.filter((name) => typeof members.get(name) === "string");
  const fields = [...members].filter(([name]) => name !== first && !TIMES.has(name) && (more.includes(name) || !LEVEL_FIELDS.includes(name)));
  return {
    message: members.get(first) ?? "",
    fields,
    level: named ?? (status >= SERVER_ERROR ? "error" : "info"),
    status,
  };
}

// Whether a line passes the reader's choice: at least a level, a class of status ("5xx"), and a text in any case; "" lets all pass.
export function matches({ text, level = null, status = null, mark = false }, { filter = "", level: least = "", status: wanted = "" }) {
  if (mark) return true; // what the page says about the log
  if (least && (level === null || LEVELS.indexOf(level) < LEVELS.indexOf(least))) return false;
  if (wanted && (status === null || `${Math.floor(status / 100)}xx` !== wanted)) return false;
  return filter === "" || text.toLowerCase().includes(filter.toLowerCase());
}

// The object's members by name, or null for another text.
function jsonMembers(text) {
  if (!text.startsWith("{") || !text.endsWith("}")) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return new Map(
    parts(text).map((part) => {
      const [prefix, name] = NAME.exec(part);
      const value = part.slice(prefix.length);
      return [JSON.parse(name), value.startsWith('"') ? JSON.parse(value) : value];
    }),
  );
}

function httpStatus(value) {
  return /^[1-5]\d\d$/.test(value ?? "") ? Number(value) : null;
}

function wordLevel(text) {
  const head = text.slice(0, WORD_WITHIN);
  if (head.startsWith("Traceback ")) return "error";
  return levelOf(KLOG.exec(head)?.[1] ?? WORD.exec(head)?.[1]);
}

function levelOf(word) {
  if (typeof word !== "string") return undefined;
  if (/^(trace|debug|d[1-5]?)$/i.test(word)) return "debug";
  if (/^(info|notice|i)$/i.test(word)) return "info";
  if (/^(warn|warning|w)$/i.test(word)) return "warning";
  if (/^(err|error|critical|fatal|panic|e|f)$/i.test(word)) return "error";
  return undefined;
}
