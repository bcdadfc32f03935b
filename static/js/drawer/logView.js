// The log in the drawer: its controls, and its lines, which are put on the page by hand, since thousands of them come and go. Each
// is text: nothing of a log is ever read as markup. The lines are no live region: a log that is read out would drown all else.

import { html, nothing } from "../vendor.js";
import { clock, plural } from "../format.js";
import { icon, status } from "../icons.js";
import { keeper, matches, read } from "./log.js";
import { empty } from "../panel.js";
import { ask } from "../request.js";

const NEAR_END = 24; // pixels: whoever is this close to the end follows it

const STATES = {
  opening: { icon: "half", word: "opening", tone: "busy" },
  live: { icon: "full", word: "live", tone: "good" },
  ended: { icon: "check", word: "ended", tone: "off" },
  waiting: { icon: "ring", word: "waiting for the container", tone: "busy" },
  away: { icon: "half", word: "interrupted, trying again", tone: "warn" },
  refused: { icon: "cross", word: "not to be had", tone: "bad" },
};
const PAUSED = { icon: "minus", word: "paused", tone: "warn" };

// `redraw()` is called when the controls have something new to show. `show(uid, details)` opens the log of that pod if it is not
// open yet, `hide()` closes it.
export function logView(redraw) {
  const pane = element("div", "log-lines");
  pane.tabIndex = 0;
  pane.setAttribute("role", "region");
  const choice = { container: null, previous: false, filter: "", wrap: true, times: true };
  let shown = null; // {uid, containers}
  let opened = null; // what is being read: "uid container previous"
  let reading = null; // the AbortController of that
  let resume = null; // goes on with a log whose container had ended
  let lines = keeper();
  let drawn = 0; // the number of the newest line on the page
  let state = { word: "opening" };
  let paused = false;
  let following = true; // whether the newest line is kept in sight
  let scheduled = false;

  pane.addEventListener("scroll", () => {
    const now = pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR_END;
    if (now === following) return;
    following = now;
    redraw();
  });

  function show(uid, containers) {
    if (shown?.uid !== uid) Object.assign(choice, { container: null, previous: false, filter: "" });
    shown = { uid, containers };
    const mains = containers.filter(({ kind }) => kind === "main");
    if (!current()) choice.container = (mains[0] ?? containers[0])?.name ?? null;
    if (!hasPrevious()) choice.previous = false;
    if (current()) open();
    if (!choice.previous && runs()) resume?.(true);
  }

  function hide() {
    reading?.abort();
    reading = opened = resume = null;
  }

  // Opens what is chosen, unless it is open.
  function open() {
    const { uid } = shown;
    const { container, previous } = choice;
    if (opened === [uid, container, previous].join(" ")) return;
    hide();
    opened = [uid, container, previous].join(" ");
    const controller = (reading = new AbortController());
    const query = (tail) => new URLSearchParams({ container, previous, tail, follow: !previous, timestamps: true });
    lines = keeper();
    drawn = 0;
    paused = false;
    following = true;
    pane.replaceChildren();
    pane.setAttribute("aria-label", `Log of ${container}`);
    read({
      open: (tail) => ask(`/api/pods/${encodeURIComponent(uid)}/log?${query(tail)}`, { signal: controller.signal }),
      onLines: (fresh) => reading === controller && take(fresh),
      onState: (told) => {
        if (reading !== controller) return;
        state = told;
        redraw();
      },
      goesOn: () => !previous && runs(),
      resumed: () => new Promise((resolve) => (resume = resolve)),
      wait: (ms) => waiting(ms, controller.signal),
      now: () => performance.now(),
      signal: controller.signal,
    }).catch((error) => controller.signal.aborted || reportError(error));
  }

  function current() {
    return shown?.containers.find(({ name }) => name === choice.container);
  }

  function hasPrevious() {
    return Boolean(current() && (current().restarts > 0 || current().last_state));
  }

  function runs() {
    const word = current()?.state?.word;
    return word === "running" || word === "waiting";
  }

  function take(fresh) {
    for (const line of fresh) lines.add(line);
    schedule();
  }

  // One change of the page a frame, however many lines came. A hidden tab has no frames: what is kept is bounded all the same.
  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      if (!paused) flush();
      redraw();
    });
  }

  function flush() {
    const before = following ? 0 : pane.scrollHeight;
    while (pane.firstChild && Number(pane.firstChild.dataset.number) < lines.first()) pane.firstChild.remove();
    if (!following) pane.scrollTop -= before - pane.scrollHeight; // what one reads stays where it is
    const fresh = lines.after(drawn).filter((line) => matches(line, choice.filter));
    drawn = lines.last();
    pane.append(...fresh.map(row));
    if (following) toEnd();
  }

  function again() {
    drawn = 0;
    pane.replaceChildren();
    flush();
  }

  function toEnd() {
    following = true;
    pane.scrollTop = pane.scrollHeight;
  }

  function row({ number, at, text, mark }) {
    const made = element("div", "log-line");
    made.dataset.number = number;
    if (at === null) made.dataset.kind = mark ? "mark" : "word";
    if (at) made.append(time(at));
    const words = element("span", "log-text");
    words.textContent = text;
    made.append(words);
    return made;
  }

  function time(at) {
    const made = element("time", "log-time");
    made.dateTime = at;
    made.title = at;
    made.textContent = clock(at);
    return made;
  }

  function choose(change) {
    Object.assign(choice, change);
    if (!hasPrevious()) choice.previous = false;
    open();
    redraw();
  }

  function view() {
    if (!current()) return empty("No containers", "The pod has none.");
    pane.toggleAttribute("data-wrap", choice.wrap);
    pane.toggleAttribute("data-times", choice.times);
    const count = lines.last() - lines.first() + 1;
    return html`<div class="log">
      <div class="log-controls">
        <label class="log-field"><span>Container</span>
          <select @change=${({ target }) => choose({ container: target.value })}>
            ${shown.containers.map(({ name }) => html`<option value=${name} .selected=${name === choice.container}>${name}</option>`)}
          </select>
        </label>
        <label class="log-field log-filter"><span>Filter</span>
          <input type="search" placeholder="text to find" autocomplete="off" spellcheck="false" .value=${choice.filter} @input=${filter}>
        </label>
        ${check("Previous", choice.previous, (previous) => choose({ previous }), hasPrevious() ? nothing : "It was not restarted: there is no container before it")}
        ${check("Wrap", choice.wrap, (wrap) => set({ wrap }))} ${check("Times", choice.times, (times) => set({ times }))}
      </div>
      <div class="log-frame">
        ${pane} ${pane.childElementCount === 0 ? html`<div class="log-empty">${absence(count)}</div>` : nothing}
        ${following ? nothing : html`<button type="button" class="button log-jump" data-kind="primary" @click=${jump}>Jump to newest</button>`}
      </div>
      <div class="log-state">
        <span role="status">${status(paused && state.word === "live" ? PAUSED : STATES[state.word])}</span>
        <span class="text-muted">${summary(count)}</span>
        ${choice.previous ? nothing : html`<button type="button" class="button" aria-pressed=${paused} @click=${pause}>Pause</button>`}
      </div>
    </div>`;
  }

  function summary(count) {
    if (count === 0) return "";
    const found = choice.filter ? `${pane.childElementCount} of ${plural(count, "line")}` : plural(count, "line");
    const left = lines.first() > 1 ? ", older ones left out" : "";
    const held = paused && lines.last() > drawn ? `, ${plural(Math.min(count, lines.last() - drawn), "line")} held back` : "";
    const why = state.problem && state.word !== "live" ? ` · ${state.problem.message}` : "";
    return `${found}${left}${held}${why}`;
  }

  // What stands in the place of lines.
  function absence(count) {
    if (count > 0) return choice.filter ? empty("Not found", `None of ${plural(count, "line")} has that text.`) : nothing;
    const words = state.problem?.message ?? "";
    if (state.word === "opening") return empty("Opening the log", "The pod's node is asked for it.", "half");
    if (state.word === "live") return empty("No lines yet", "The container has written nothing so far.");
    if (state.word === "ended") return empty("An empty log", "The container has written nothing.");
    if (state.word === "waiting") return empty("No log yet", words, "ring");
    if (state.word === "away") return empty("The log can't be read", `${words || "It broke off."} It is tried again every few seconds.`, "warning");
    if (state.problem.status === 403) return empty("Not allowed to look", words, "cross");
    return html`${empty("There is no such log", words, "cross")}
      <button type="button" class="button" @click=${retry}>Try again</button>`;
  }

  function retry() {
    opened = null;
    open();
    redraw();
  }

  function filter({ target }) {
    choice.filter = target.value;
    again();
    redraw();
  }

  function set(change) {
    Object.assign(choice, change);
    redraw();
    if (following) requestAnimationFrame(toEnd); // the lines have other heights now
  }

  function pause() {
    paused = !paused;
    if (!paused) flush();
    redraw();
  }

  function jump() {
    paused = false;
    flush();
    toEnd();
    pane.focus(); // the button that had it goes
    redraw();
  }

  return { show, hide, view };
}

function check(words, checked, change, why = nothing) {
  return html`<label class="log-check" title=${why}>
    <input type="checkbox" .checked=${checked} ?disabled=${why !== nothing} @change=${({ target }) => change(target.checked)}>${words}
  </label>`;
}

function waiting(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

function element(name, className) {
  const made = document.createElement(name);
  made.className = className;
  return made;
}
