// What a reader may do to the deployment.

import { html } from "./vendor.js";

export function actions(names) {
  return () => html``;
}
