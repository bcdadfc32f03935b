// The demos' places: what each proves, in one sentence.

import { html } from "./vendor.js";

export function demos(names) {
  return () => html``;
}
