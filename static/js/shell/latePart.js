// A part of the page that loads when it is first wanted.
export class LatePart {
  #load;
  #loading = null; // the promise of the part
  #wish = null; // identifies the newest wish; null once it was withdrawn
  part = null; // once it has loaded

  // `load()` returns a promise of the part.
  constructor(load) {
    this.#load = load;
  }

  // Returns the part, or null if it is no longer wanted or wanted for something else meanwhile. Throws if it does not load; the next
  // attempt loads it again.
  async want() {
    const wish = {};
    this.#wish = wish;
    this.#loading ??= this.#load();
    try {
      this.part = await this.#loading;
    } catch (error) {
      this.#loading = null;
      throw error;
    }
    return this.#wish === wish ? this.part : null;
  }

  withdraw() {
    this.#wish = null;
  }
}
