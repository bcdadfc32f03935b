// Numbers, durations and times as text. Pure: the current time is an argument, and a missing number becomes an em dash.

const NONE = "—";
const COUNT = new Intl.NumberFormat("en");
const TIME_OF_DAY = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// A duration in seconds, in its two largest units at most: "0.4 s", "12 s", "4 min", "2 h 05", "3 d".
export function duration(seconds) {
  if (seconds === null || Number.isNaN(seconds)) return NONE;
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  return wholeDuration(s);
}

// The same without tenths, which would flicker in a figure that is drawn each second.
export function wholeDuration(seconds) {
  if (seconds === null || Number.isNaN(seconds)) return NONE;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${String(Math.floor((s % 3_600) / 60)).padStart(2, "0")}`;
  return `${Math.floor(s / 86_400)} d`;
}

// A latency: "0.4 ms", "412 ms", "1.2 s".
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms >= 999.5) return duration(ms / 1_000);
  return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

// "4.2 s", "41 s", "2:05 min", with a no-break space. `whole` leaves out the tenths, which would flicker while something runs.
export function formatElapsed(s, whole = false) {
  if (s === null) return "";
  if (s < 9.95 && !whole) return `${s.toFixed(1)}\u00a0s`;
  const all = whole ? Math.floor(s) : Math.round(s);
  return all < 100 ? `${all}\u00a0s` : `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}\u00a0min`;
}

// Seconds from an RFC 3339 time to `now` (milliseconds since 1970).
export function secondsSince(time, now) {
  return time ? (now - Date.parse(time)) / 1_000 : null;
}

// The age of a time in its largest unit: "just now", "12 min ago", "3 h ago".
export function ago(time, now) {
  const s = secondsSince(time, now);
  return s < 60 ? "just now" : `${wholeDuration(s).replace(/(h) .*/, "$1")} ago`;
}

// The time of day in the reader's time zone, "14:02:11". Of a text that is no time there is none: one such text must not stop the page.
export function timeOfDay(time) {
  const date = new Date(time ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? NONE : TIME_OF_DAY.format(date);
}

export function count(n) {
  return n === null || n === undefined ? NONE : COUNT.format(n);
}

// "1 pod", "3 pods".
export function plural(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

// Thousandths of a core, as Kubernetes writes them: "88m", "1.2" cores.
export function cpu(millicores) {
  if (millicores === null || millicores === undefined) return NONE;
  return millicores < 1_000 ? `${Math.round(millicores)}m` : trim(millicores / 1_000, 1);
}

// Memory and volumes, in the binary units that Kubernetes uses: "52 Mi".
export function binary(bytes) {
  if (bytes === null || bytes === undefined) return NONE;
  return scaled(bytes, 1_024, ["B", "Ki", "Mi", "Gi", "Ti"]);
}

// Data, in decimal units: "3.1 MB".
export function bytes(n) {
  if (n === null || n === undefined) return NONE;
  return scaled(n, 1_000, ["B", "kB", "MB", "GB", "TB"]);
}

// "52 / 256 Mi": the unit is written once where both have the same.
export function share(used, whole, format) {
  if (whole === null || whole === undefined) return format(used);
  const [figure, unit] = format(used).split(" ");
  const wholeText = format(whole);
  return unit && unit === wholeText.split(" ")[1] ? `${figure} / ${wholeText}` : `${format(used)} / ${wholeText}`;
}

// Events a second: "0.4 /s", "176 inserts/s".
export function rate(perSecond, noun = "") {
  if (perSecond === null || perSecond === undefined) return NONE;
  return `${perSecond < 10 ? trim(perSecond, 1) : count(Math.round(perSecond))} ${noun}/s`;
}

// "84 %", never broken over two lines.
export function percent(n) {
  return n === null || n === undefined ? NONE : `${Math.round(n)}\u00a0%`;
}

// A pod's name without the part that all pods of its Deployment share: "flask-7c87d5-kt769" of "flask" is "kt769". The name of a
// StatefulSet's pod, which ends with an ordinal, stays whole.
export function podSuffix(name, owner) {
  const suffix = name.startsWith(`${owner}-`) ? name.slice(owner.length + 1) : "";
  return suffix.includes("-") ? suffix.slice(suffix.lastIndexOf("-") + 1) : name;
}

// A source's kind as the page names it: Kubernetes' plural, or a shorter name.
export function kindName(kind) {
  const names = { horizontalpodautoscalers: "autoscalers", persistentvolumeclaims: "volume claims", endpointslices: "endpoints" };
  return names[kind] ?? kind;
}

// "67439b2e…a1f0": an ObjectId's timestamp and the end of its counter, which together are unique enough to read.
export function shortId(id) {
  return id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id;
}

// A document's row as one line of JSON. `text` is set where parsing would change the document's numbers.
export function jsonLine(row) {
  return row.text ?? JSON.stringify(row.document);
}

function scaled(n, base, units) {
  let size = n;
  let unit = 0;
  while (size >= base && unit < units.length - 1) {
    size /= base;
    unit += 1;
  }
  return `${unit > 0 && size < 10 ? trim(size, 1) : Math.round(size)} ${units[unit]}`;
}

function trim(n, digits) {
  return String(Number(n.toFixed(digits)));
}
