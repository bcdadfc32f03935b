// The log's lines on the page. They are made without templates, since thousands of them come and go, and always as text: nothing in
// a log is read as markup. The pane is no live region, because a screen reader would announce every line.

import { timeOfDay } from "../lib/format.js";
import { matches } from "./log.js";

const NEAR_END_PX = 24; // a reader who has scrolled this close to the end follows the log

export class LogPane {
  element = create("div", "log-lines");
  following = true; // whether the pane scrolls to new lines
  #drawn = 0; // the number of the newest line that was drawn

  // `onFollow()` is called when scrolling changes `following`.
  constructor(onFollow) {
    const { element } = this;
    element.tabIndex = 0;
    element.setAttribute("role", "region");
    element.addEventListener("scroll", () => {
      const isNearEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
      if (isNearEnd === this.following) return;
      this.following = isNearEnd;
      onFollow();
    });
  }

  // The number of lines on the page.
  get shown() {
    return this.element.childElementCount;
  }

  // The number of the buffer's lines after the last one that was drawn.
  pending(lines) {
    return lines.last - this.#drawn;
  }

  // Removes all lines, for another log.
  reset(label) {
    this.clear();
    this.following = true;
    this.element.setAttribute("aria-label", label);
  }

  clear() {
    this.#drawn = 0;
    this.element.replaceChildren();
  }

  // Removes the lines that have left the buffer and adds the new ones that match the filter.
  draw(lines, filter) {
    const { element } = this;
    const heightBefore = this.following ? 0 : element.scrollHeight;
    while (element.firstChild && Number(element.firstChild.dataset.number) < lines.first) element.firstChild.remove();
    if (!this.following) element.scrollTop -= heightBefore - element.scrollHeight; // the visible lines stay where they are
    const fresh = lines.after(this.#drawn).filter((line) => matches(line, filter));
    this.#drawn = lines.last;
    element.append(...fresh.map(lineElement));
    if (this.following) this.scrollToEnd();
  }

  scrollToEnd() {
    this.following = true;
    this.element.scrollTop = this.element.scrollHeight;
  }
}

function lineElement({ number, at, text, mark }) {
  const element = create("div", "log-line");
  element.dataset.number = number;
  if (at === null) element.dataset.kind = mark ? "mark" : "message";
  if (at) element.append(timeElement(at));
  const content = create("span", "log-text");
  content.textContent = text;
  element.append(content);
  return element;
}

function timeElement(at) {
  const element = create("time", "log-time");
  element.dateTime = at;
  element.title = at;
  element.textContent = timeOfDay(at);
  return element;
}

function create(name, className) {
  const element = document.createElement(name);
  element.className = className;
  return element;
}
