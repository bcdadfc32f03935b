// Notices that a run has ended, for the tab's title and the browser's notification. No DOM.

const WORDS = { pass: "PASS", fail: "FAIL", inconclusive: "INCONCLUSIVE" };

export class RunEnd {
  #running = null; // the id of the run that was active
  #ended = null; // the run whose end the reader has not seen yet

  // Takes a new state. Returns the run that has just ended, or null.
  update(/** @type {Pick<wire.State, "run">} */ { run }) {
    const ended = run !== null && run.id === this.#running && run.verdict !== "running" ? run : null;
    this.#running = run?.verdict === "running" ? run.id : null;
    if (ended) this.#ended = ended;
    if (this.#running) this.#ended = null;
    return ended;
  }

  // To be called once the reader has seen the page.
  seen() {
    this.#ended = null;
  }

  // What the tab's title begins with, or null.
  get title() {
    return this.#ended && endText(this.#ended);
  }
}

// "PASS: persistence".
export function endText({ verdict, demo }) {
  return `${WORDS[verdict] ?? WORDS.inconclusive}: ${demo}`;
}
