// One version of a document: the commands that change it, and what differs between two of them. Pure.

import { data, quote } from "./draft.js";

const CONTEXT = 3; // unchanged lines around a change
const MOST_COMPARED = 4_000_000; // pairs of lines; beyond, all lines between the first and the last change count as changed

// Returns the command that replaces the version with this ETag, for a POSIX shell. `url` is the document's.
export function replaceCommand(text, url, etag) {
  return `curl -X PUT -H ${quote(`If-Match: ${etag}`)} ${data(text)} ${url}`;
}

export function deleteCommand(url, etag) {
  return `curl -X DELETE -H ${quote(`If-Match: ${etag}`)} ${url}`;
}

// Returns what differs between two texts, line by line: [{mark, text}]. The mark is "-" for a line of the first text only, "+" for one of
// the second only, " " for one of both, and "…" for lines that are left out, whose number is the text.
export function difference(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const middle = changes(old.slice(start, old.length - end), now.slice(start, now.length - end));
  return shorten([...marked(" ", old.slice(0, start)), ...middle, ...marked(" ", old.slice(old.length - end))]);
}

function marked(mark, lines) {
  return lines.map((text) => ({ mark, text }));
}

// The longest common subsequence of lines stays, the others are removed or added.
function changes(old, now) {
  if (old.length * now.length > MOST_COMPARED) return [...marked("-", old), ...marked("+", now)];
  const common = lengths(old, now);
  const found = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      found.push({ mark: " ", text: old[i] });
      i += 1;
      j += 1;
    } else if (j === now.length || (i < old.length && common[i + 1][j] >= common[i][j + 1])) {
      found.push({ mark: "-", text: old[i] });
      i += 1;
    } else {
      found.push({ mark: "+", text: now[j] });
      j += 1;
    }
  }
  return found;
}

// The length of the longest common subsequence of the lines from `i` and from `j` on, at [i][j].
function lengths(old, now) {
  const rows = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      rows[i][j] = old[i] === now[j] ? rows[i + 1][j + 1] + 1 : Math.max(rows[i + 1][j], rows[i][j + 1]);
    }
  }
  return rows;
}

// Leaves out unchanged lines that are far from a change.
function shorten(lines) {
  const isNear = new Uint8Array(lines.length);
  lines.forEach(({ mark }, at) => mark === " " || isNear.fill(1, Math.max(0, at - CONTEXT), at + CONTEXT + 1));
  const shown = [];
  lines.forEach((line, at) => {
    if (isNear[at]) shown.push(line);
    else if (shown.at(-1)?.mark === "…") shown.at(-1).text += 1;
    else shown.push({ mark: "…", text: 1 });
  });
  return shown;
}
