// Icons, distinguishable by shape as well as by colour. All are decorative: a word is always beside them.

import { html, nothing, svg } from "./vendor.js";

const SHAPES = {
  full: svg`<circle cx="8" cy="8" r="6" fill="currentColor" />`,
  half: svg`<circle cx="8" cy="8" r="5" /><path d="M8 3a5 5 0 0 0 0 10z" fill="currentColor" />`,
  ring: svg`<circle cx="8" cy="8" r="5" stroke-dasharray="3 2.2" />`,
  leaving: svg`<circle cx="8" cy="8" r="5.5" /><path d="M5.3 8h5.4" />`,
  cross: svg`<path d="m4 4 8 8M12 4l-8 8" stroke-width="2" />`,
  warning: svg`<path d="M8 2.2 14.6 13.6H1.4z" fill="currentColor" />`,
  check: svg`<path d="m2.8 8.6 3.4 3.4 7-7.6" stroke-width="2" />`,
  minus: svg`<path d="M3.5 8h9" stroke-width="2" />`,
  restart: svg`<path d="M12.8 8.6A4.9 4.9 0 1 1 11.4 4.4M11.7 1.6v3.1H8.6" />`,
  arrow: svg`<path d="M2 8h11M9.4 4.4 13 8l-3.6 3.6" />`,
  chevron: svg`<path d="m5.5 3 5 5-5 5" stroke-width="1.8" />`,
};

export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true">
    ${SHAPES[name]}
  </svg>`;
}

// A state as an icon, a word and a colour. `tone` is good, busy, warn, bad or off.
export function status({ icon: name, word, tone, title = null }) {
  return html`<span class="status" data-tone=${tone} title=${title ?? nothing}>${icon(name)}<span>${word}</span></span>`;
}
