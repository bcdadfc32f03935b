// The document in the form: whether the service would store it, and the command that stores it. Pure.

import { bytes } from "../text/format.js";

export const LARGEST_BYTES = 1_048_576; // the service's limit for a body
const SHOWN_IN_COMMAND = 2_000; // characters; the command reads a longer document from a file

const ENCODER = new TextEncoder();

// Returns {fits, message}: whether the service would accept the text, as far as the page can tell, and why not.
export function check(text) {
  if (text.trim() === "") return reject('Enter a JSON object, such as {"key": "value"}.');
  const size = ENCODER.encode(text).length;
  if (size > LARGEST_BYTES) return reject(`${bytes(size)} is too large: the service accepts at most 1 MiB.`);
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return reject(`Not JSON yet: ${reason(error, text)}.`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return reject(`A document is a JSON object, not ${kind(value)}.`);
  if (Object.hasOwn(value, "_id") && !(typeof value._id === "string" && /^[0-9a-f]{24}$/i.test(value._id))) {
    return reject("_id must be a string of 24 hexadecimal digits; without one, the document gets a new one.");
  }
  const fields = Object.keys(value).length;
  return { fits: true, message: `A JSON object of ${fields} ${fields === 1 ? "field" : "fields"}, ${bytes(size)}.` };
}

// Returns the command that stores the text at this address, for a POSIX shell.
export function command(text, address) {
  return `curl -X POST ${data(text)} ${address}`;
}

// Returns a command's options that send the text.
export function data(text) {
  const trimmed = text.trim();
  return `-H "Content-Type: application/json" -d ${trimmed.length > SHOWN_IN_COMMAND ? "@document.json" : quote(trimmed)}`;
}

// Quotes a text as one word of a POSIX shell.
export function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function reject(message) {
  return { fits: false, message };
}

// The browser's message without its parser's details, and the line, from a position or a line number in the message.
function reason({ message }, text) {
  const offset = /at position (\d+)/.exec(message);
  const line = /line (\d+)/.exec(message)?.[1] ?? (offset && text.slice(0, Number(offset[1])).split("\n").length);
  const plain = message
    .replace(/^JSON\.parse: |^JSON Parse error: /, "")
    .replace(/, (?:\.\.\.)?"[\s\S]*"(?:\.\.\.)? is not valid JSON$/, "")
    .replace(/ (?:in JSON )?at (?:position|line) [\s\S]*$/, "")
    .trim();
  const lowered = plain.charAt(0).toLowerCase() + plain.slice(1);
  return line ? `${lowered} (line ${line})` : lowered;
}

function kind(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
