// A document that a reader writes: whether it can be stored, in words, and the command that would store it. Pure.

import { bytes } from "../format.js";

export const LARGEST_BYTES = 1_048_576; // the service takes no larger body
const SHOWN_IN_COMMAND = 2_000; // characters; a longer document goes into a file of its own

const ENCODER = new TextEncoder();

// {fits, words}: what the service would say of the text, as far as that can be known here.
export function check(text) {
  if (text.trim() === "") return no('A JSON object is wanted, such as {"key": "value"}.');
  const size = ENCODER.encode(text).length;
  if (size > LARGEST_BYTES) return no(`${bytes(size)} are more than the service takes: at most 1 MiB.`);
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return no(`Not JSON yet: ${reason(error, text)}.`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return no(`A document is a JSON object, not ${kind(value)}.`);
  if (Object.hasOwn(value, "_id") && !(typeof value._id === "string" && /^[0-9a-f]{24}$/i.test(value._id))) {
    return no("_id must be a string of 24 hexadecimal digits; without one, the document gets a new one.");
  }
  const fields = Object.keys(value).length;
  return { fits: true, words: `A JSON object of ${fields} ${fields === 1 ? "field" : "fields"}, ${bytes(size)}.` };
}

// The command that stores the text at this address, for a POSIX shell.
export function command(text, address) {
  const trimmed = text.trim();
  const data = trimmed.length > SHOWN_IN_COMMAND ? "@document.json" : quote(trimmed);
  return `curl -X POST -H "Content-Type: application/json" -d ${data} ${address}`;
}

// One word of a POSIX shell, whatever the text holds.
export function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function no(words) {
  return { fits: false, words };
}

// The browser's own words, without what only its own parser means by them; and the line, where it is told one way or the other.
function reason({ message }, text) {
  const offset = /at position (\d+)/.exec(message);
  const line = /line (\d+)/.exec(message)?.[1] ?? (offset && text.slice(0, Number(offset[1])).split("\n").length);
  const words = message
    .replace(/^JSON\.parse: |^JSON Parse error: /, "")
    .replace(/, (?:\.\.\.)?"[^]*"(?:\.\.\.)? is not valid JSON$/, "")
    .replace(/ (?:in JSON )?at (?:position|line) [^]*$/, "")
    .trim();
  const lowered = words.charAt(0).toLowerCase() + words.slice(1);
  return line ? `${lowered} (line ${line})` : lowered;
}

function kind(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
