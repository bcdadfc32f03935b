// Keeps the address and what the page shows alike: back and forward, and links from elsewhere. No DOM but the address itself.

import { formatRoute, parseRoute } from "../text/route.js";

export class Navigation {
  #places;
  #onMissing;
  #window;

  // `places` are by name {show({parts, query}), close?()}. `show` returns a sentence if what it should show is gone, or null; it may
  // be asynchronous. `onMissing(sentence or null)` is called after each change of the address.
  constructor(places, onMissing, browser = window) {
    this.#places = places;
    this.#onMissing = onMissing;
    this.#window = browser;
  }

  // Shows what the address names, now and after each change of it.
  start() {
    this.#window.addEventListener("hashchange", () => this.#apply());
    if (this.#route()) this.#apply();
  }

  // To be called when the reader has opened something. With `replace` it is no step that "back" returns from.
  set(place, parts = [], query = {}, { replace = false } = {}) {
    const hash = formatRoute(place, parts, query);
    if (hash === this.#window.location.hash) return;
    this.#onMissing(null);
    if (replace) this.#window.history.replaceState(null, "", hash);
    else this.#window.history.pushState(null, "", hash);
  }

  // To be called when the reader has closed a place.
  clear(place) {
    if (this.#route()?.place !== place) return;
    const { pathname, search } = this.#window.location;
    this.#window.history.pushState(null, "", `${pathname}${search}`);
  }

  async #apply() {
    const { hash } = this.#window.location;
    const route = this.#route();
    for (const [name, place] of Object.entries(this.#places)) if (name !== route?.place) place.close?.();
    this.#onMissing(null);
    if (!route) return;
    const place = Object.hasOwn(this.#places, route.place) ? this.#places[route.place] : null;
    const sentence = place ? await place.show(route) : "This link leads to nothing on this page.";
    if (sentence && hash === this.#window.location.hash) this.#onMissing(sentence);
  }

  #route() {
    return parseRoute(this.#window.location.hash);
  }
}
