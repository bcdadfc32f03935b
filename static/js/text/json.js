// JSON as text, without parsing, which would round large numbers. Pure.

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const BRACKETS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;
const NAME = /^\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*/;

// Returns the elements of an array or the members of an object, each as its source text.
export function parts(json) {
  const found = [];
  let depth = 0;
  let start = 0;
  BRACKETS.lastIndex = 0;
  for (let match = BRACKETS.exec(json); match; match = BRACKETS.exec(json)) {
    const [token] = match;
    if (token === "{" || token === "[") {
      depth += 1;
      if (depth === 1) start = match.index + 1;
    } else if (token === "}" || token === "]") {
      depth -= 1;
      if (depth === 0) found.push(json.slice(start, match.index).trim());
    } else if (token === "," && depth === 1) {
      found.push(json.slice(start, match.index).trim());
      start = match.index + 1;
    }
  }
  return found.length === 1 && found[0] === "" ? [] : found;
}

// Splits a document into its _id and the rest, {id, text}. `id` is a string, the JSON of an _id of another type, or null.
export function takeId(json) {
  const rest = [];
  let id = null;
  for (const part of parts(json)) {
    const [prefix, name] = NAME.exec(part);
    if (JSON.parse(name) === "_id") id = part.slice(prefix.length);
    else rest.push(part);
  }
  return { id: id?.startsWith('"') ? JSON.parse(id) : id, text: `{${rest.join(",")}}` };
}

// Breaks JSON over indented lines. Every number stays as it was written. The result is cut after `most` characters.
export function indent(json, most = Infinity) {
  let out = "";
  let depth = 0;
  let opened = false; // whether the last token was an opening bracket: the line break after it is pending
  TOKENS.lastIndex = 0;
  for (let match = TOKENS.exec(json); match && out.length < most; match = TOKENS.exec(json)) {
    const [token] = match;
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (opened !== closes) out += newline(depth);
    opened = token === "{" || token === "[";
    if (opened) depth += 1;
    out += token === ":" ? ": " : token;
    if (token === ",") out += newline(depth);
  }
  return out.length < most ? out : out.slice(0, most);
}

function newline(depth) {
  return `\n${"  ".repeat(depth)}`;
}
