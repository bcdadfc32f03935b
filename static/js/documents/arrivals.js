// Which rows of the live table are new, and which one is the reader's own. Pure: the current time is an argument.

const NEW_FOR_MS = 4_000; // after a row was first seen
const OWN_FOR_MS = 30_000; // after the reader's change

export class Arrivals {
  #firstSeen = null; // id → time; null before the first list, whose rows are not new
  #own = null; // {id, at, word}: what the reader did last to a document

  // Takes the present rows and returns the ids of the new ones. Rows that have left are forgotten, so that memory stays bounded.
  update(rows, now) {
    const before = this.#firstSeen;
    this.#firstSeen = new Map(rows.map(({ id }) => [id, before === null ? -Infinity : (before.get(id) ?? now)]));
    return new Set(rows.filter(({ id }) => now - this.#firstSeen.get(id) < NEW_FOR_MS).map(({ id }) => id));
  }

  // `word` says what the reader did to the document.
  change(id, now, word) {
    this.#own = { id, at: now, word };
  }

  // The reader's last change while it is highlighted, {id, word}, else null.
  own(now) {
    return this.#own !== null && now - this.#own.at < OWN_FOR_MS ? this.#own : null;
  }
}
