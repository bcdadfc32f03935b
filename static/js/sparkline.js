// A pod's CPU over the last minutes, as small as a word.

import { nothing } from "./vendor.js";

export function sparkline() {
  return nothing;
}
