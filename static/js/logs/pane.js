// The log's lines on the page. They are made without templates, since thousands of them come and go, and always as text: nothing in
// a log is read as markup. The pane is no live region, because a screen reader would announce every line.

import { podSuffix, timeOfDay } from "../text/format.js";
import { matches } from "./fields.js";

const NEAR_END_PX = 24; // a reader who has scrolled this close to the end follows the log

export class LogPane {
  element = create("div", "log-lines");
  following = true; // whether the pane scrolls to new lines
  #elements = new Map(); // line number → element, of the lines that are drawn; null for one that the filter hides
  #top = 0; // where the pane was scrolled to, by itself or by the reader

  // `onFollow()` is called when scrolling changes `following`, `onSelect(line)` when the reader chooses a line.
  constructor({ onFollow, onSelect }) {
    const { element } = this;
    element.tabIndex = 0;
    element.setAttribute("role", "region");
    element.addEventListener("scroll", () => {
      const down = element.scrollTop - this.#top;
      this.#top = element.scrollTop;
      const isNearEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
      // Only a reader scrolls down to the end or up from it: what the pane does itself is 0 here, and a pane that has become higher is
      // scrolled up by the browser, to the end.
      if (down === 0 || isNearEnd === this.following || isNearEnd !== down > 0) return;
      this.following = isNearEnd;
      onFollow();
    });
    element.addEventListener("click", ({ target }) => {
      const chosen = target.closest(".log-time")?.closest(".log-line");
      if (chosen) onSelect(this.#numberOf(chosen));
    });
    element.addEventListener("keydown", (event) => this.#pressKey(event, onSelect));
  }

  // The number of lines on the page.
  get shown() {
    return this.element.childElementCount;
  }

  // Whether all lines are in view, without scrolling.
  get isWhole() {
    return this.element.scrollHeight <= this.element.clientHeight;
  }

  // Removes all lines, for another log.
  reset(label) {
    this.clear();
    this.following = true;
    this.element.setAttribute("aria-label", label);
  }

  clear() {
    this.#elements.clear();
    this.element.replaceChildren();
  }

  // How many of the buffer's lines have not been drawn.
  pending({ lines }) {
    return lines.reduce((sum, { number }) => sum + (this.#elements.has(number) ? 0 : 1), 0);
  }

  // Removes the lines that have left the buffer and puts the new ones that match the choice in their places. Unless it follows the
  // log, the pane shows the same lines as before, at the same height.
  draw({ lines }, choice, showsPod) {
    const { element } = this;
    const kept = new Set(lines.map(({ number }) => number));
    const anchor = this.following ? null : this.#anchor(kept);
    const topBefore = anchor?.getBoundingClientRect().top;
    for (const [number, drawn] of this.#elements) {
      if (kept.has(number)) continue;
      drawn?.remove();
      this.#elements.delete(number);
    }
    this.#insert(lines, choice, showsPod);
    if (this.following) this.scrollToEnd();
    const moved = anchor ? anchor.getBoundingClientRect().top - topBefore : 0;
    if (moved === 0) return;
    element.scrollTop += moved;
    this.#top = element.scrollTop;
  }

  scrollToEnd() {
    this.following = true;
    this.element.scrollTop = this.element.scrollHeight;
    this.#top = this.element.scrollTop;
  }

  // Marks the line with this number, or none. Returns whether it is on the page.
  select(number) {
    this.element.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const chosen = this.#elements.get(number);
    if (!chosen) return false;
    chosen.setAttribute("aria-current", "true");
    return true;
  }

  // Brings the marked line into view.
  scrollToSelected() {
    this.following = false;
    this.element.querySelector("[aria-current]").scrollIntoView({ block: "center" });
    this.#top = this.element.scrollTop;
  }

  // The line that stays where it is: the chosen one if it is in view, or the first one in view that is kept.
  #anchor(kept) {
    const { top, bottom } = this.element.getBoundingClientRect();
    const chosen = this.element.querySelector("[aria-current]");
    const box = chosen?.getBoundingClientRect();
    if (box && box.bottom > top && box.top < bottom && kept.has(this.#numberOf(chosen))) return chosen;
    const { children } = this.element;
    let [first, end] = [0, children.length];
    while (first < end) {
      const middle = (first + end) >> 1;
      if (children[middle].getBoundingClientRect().bottom > top) end = middle;
      else first = middle + 1;
    }
    let line = children[first] ?? null;
    while (line && !kept.has(this.#numberOf(line))) line = line.nextElementSibling;
    return line;
  }

  // New lines are near the end, so this walks back from there until all are placed.
  #insert(lines, choice, showsPod) {
    let fresh = lines.length - this.#elements.size;
    let next = null;
    for (let index = lines.length - 1; index >= 0 && fresh > 0; index -= 1) {
      const line = lines[index];
      let drawn = this.#elements.get(line.number);
      if (drawn === undefined) {
        fresh -= 1;
        drawn = matches(line, choice) ? lineElement(line, showsPod) : null;
        this.#elements.set(line.number, drawn);
        if (drawn) this.element.insertBefore(drawn, next);
      }
      next = drawn ?? next;
    }
  }

  #pressKey(event, onSelect) {
    const down = { ArrowDown: true, ArrowUp: false }[event.key];
    if (down === undefined || !event.shiftKey) return;
    event.preventDefault();
    const chosen = this.element.querySelector("[aria-current]");
    const to = chosen ? (down ? chosen.nextElementSibling : chosen.previousElementSibling) : this.element.lastElementChild;
    if (!to) return;
    to.scrollIntoView({ block: "nearest" });
    onSelect(this.#numberOf(to));
  }

  #numberOf(element) {
    return Number(element.dataset.number);
  }
}

function lineElement(line, showsPod) {
  const { number, at, mark, source, level } = line;
  const element = create("div", "log-line");
  element.dataset.number = number;
  if (mark) element.dataset.kind = source ? "mark" : "message";
  if (level === "error" || level === "warning") element.dataset.level = level;
  if (at) element.append(timeElement(at));
  if (showsPod && source) element.append(podElement(source));
  element.append(content(line));
  return element;
}

// A line of JSON: its level as a word, its message and its fields; any other line as it is.
function content({ text, message, fields = null, level = null }) {
  const element = create("span", "log-text");
  if (fields === null) {
    element.textContent = text;
    return element;
  }
  if (level !== "info") element.append(textElement("span", "log-level", level), " ");
  element.append(textElement("b", "", message));
  for (const [name, value] of fields) element.append(" ", textElement("span", "log-name", `${name}=`), value);
  return element;
}

function podElement({ pod, app, container, tone }) {
  const suffix = podSuffix(pod, app);
  const element = textElement("span", "log-pod", `${app && !suffix.startsWith(app) ? `${app} ` : ""}${suffix}${container === app ? "" : ` ${container}`}`);
  element.dataset.podTone = tone;
  element.title = `${pod}, container ${container}`;
  return element;
}

function timeElement(at) {
  const element = textElement("time", "log-time", timeOfDay(at));
  element.setAttribute("datetime", at);
  element.title = `${at} — click for a link to this line`;
  return element;
}

function textElement(name, className, text) {
  const element = create(name, className);
  element.textContent = text;
  return element;
}

function create(name, className) {
  const element = document.createElement(name);
  if (className) element.className = className;
  return element;
}
