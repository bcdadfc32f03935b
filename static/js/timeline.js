// What happened: Kubernetes' events and the deployment's changes, newest first.

import { empty, panel } from "./panel.js";

export function timeline(redraw) {
  return (state) => panel({ id: "timeline", title: "What happened", aside: "", state, kinds: ["events"], body: empty("Nothing yet", "") });
}
