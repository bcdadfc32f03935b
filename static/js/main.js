// Puts the parts together: one feed, one drawing a frame, each part in its own place on the page.

import { io, render } from "./vendor.js";
import { actions } from "./actions.js";
import { autoscaler } from "./autoscaler.js";
import { banner, pills, where } from "./statusBar.js";
import { claims } from "./claims.js";
import { clock as clockOf } from "./charts/charts.js";
import { demos } from "./demos.js";
import { documents } from "./documents/documents.js";
import { drawer as drawerOf } from "./drawer/drawer.js";
import { percent } from "./format.js";
import { history as historyOf } from "./history.js";
import { move } from "./motion.js";
import { deployment as deploymentOf, lineup } from "./pods.js";
import { asker } from "./connectError.js";
import { OPTIONS, connection, follow } from "./socket.js";
import { sources } from "./sources.js";
import { timeline } from "./timeline/timeline.js";

const BAR_EVERY_MS = 250; // how often the age of the last message is told

const MOVING_PODS = 60; // with more of them, measuring every tile's place costs more than the motion tells

const now = () => performance.now();
const place = (id) => document.getElementById(id);

const names = place("main").dataset; // what is watched: deployment, statefulset, collection; and the reader's role
const specs = JSON.parse(place("demo-specs").textContent); // what can be proved here
const history = historyOf(schedule);
const feed = follow(io(OPTIONS), { now, onChange: schedule, onSnapshot: history.load, onPoints: history.merge, why: asker(now) });
const drawer = drawerOf(place("drawer"), names, schedule);
const deployment = deploymentOf(names, history, drawer.open);
const clock = clockOf(place("charts"), history, schedule);
const views = {
  claims: claims(specs, names, schedule),
  autoscaler,
  demos: demos(specs, names, schedule),
  actions: actions(names, schedule),
  documents: documents(names, schedule),
  timeline: timeline(schedule),
  sources,
};
const drawn = new Set();
let tiles = "";
let scheduled = false;

setInterval(() => {
  feed.check();
  if (!document.hidden) drawBar();
}, BAR_EVERY_MS);
drawBar();

// One drawing a frame however many messages came. A hidden tab gets no frame: it draws once, when it is looked at again.
function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

function draw() {
  drawBar();
  if (feed.state === null) return;
  const at = feed.serverTime();
  guarded(() => drawTiles(feed.state, at));
  for (const [id, view] of Object.entries(views)) guarded(() => paint(place(id), view(feed.state, at)));
  guarded(() => clock.draw(feed.state, at));
  guarded(() => drawer.draw(feed.state, at));
  document.title = title(feed.state);
}

function drawBar() {
  paint(place("pills"), pills(feed, now()));
  const words = banner(feed, now());
  paint(place("banner"), words);
  document.documentElement.classList.toggle("is-stale", feed.state !== null && connection(feed, now()).state !== "live");
  if (feed.state) paint(place("where"), where(feed.state));
}

function drawTiles(state, at) {
  const container = place("deployment");
  const paintTiles = () => paint(container, deployment(state, at));
  const next = lineup(state);
  if (next === tiles || !drawn.has(container) || state.pods.length > MOVING_PODS) paintTiles();
  else move(container, paintTiles);
  tiles = next;
}

// A part that fails to draw leaves the others standing; the failure goes where uncaught errors go.
function guarded(drawPart) {
  try {
    drawPart();
  } catch (error) {
    reportError(error);
  }
}

// The first drawing replaces what the server put there for the time before.
function paint(container, content) {
  if (!drawn.has(container)) container.replaceChildren();
  drawn.add(container);
  render(content, container);
}

function title({ about, deployment: ours, autoscaler: scaler }) {
  const cpu = scaler?.cpu_percent == null ? null : percent(scaler.cpu_percent);
  return [ours && `${ours.ready}/${ours.desired}`, cpu, about.namespace].filter(Boolean).join(" · ");
}
