// Connects the parts of the page: one feed, at most one drawing a frame, each part in its own element.

import { io, render } from "./lib/vendor.js";
import { actions } from "./actions/actions.js";
import { autoscaler } from "./deployment/autoscaler.js";
import { ChartsPanel } from "./charts/charts.js";
import { claims } from "./demos/claims.js";
import { connectErrorProbe } from "./feed/connectError.js";
import { demos } from "./demos/demos.js";
import { documents } from "./documents/documents.js";
import { PodDrawer } from "./drawer/drawer.js";
import { percent } from "./lib/format.js";
import { MetricsHistory } from "./feed/history.js";
import { move } from "./lib/motion.js";
import { deployment as deploymentOf, tileOrder } from "./deployment/pods.js";
import { Feed, OPTIONS, connection } from "./feed/socket.js";
import { sources } from "./sources.js";
import { banner, pills, where } from "./statusBar.js";
import { timeline } from "./timeline/timeline.js";

const HEADER_EVERY_MS = 250; // between two updates of the last message's age

const MOST_ANIMATED_PODS = 60; // measuring the places of more tiles takes too long

const now = () => performance.now();
const byId = (id) => document.getElementById(id);

const names = /** @type {any} */ (byId("main")).dataset; // deployment, statefulset, collection, and the reader's role
const specs = JSON.parse(byId("demo-specs").textContent); // the demos of this deployment
const history = new MetricsHistory(schedule);
const feed = new Feed(io(OPTIONS), {
  now,
  onChange: schedule,
  onSnapshot: (epoch) => history.load(epoch),
  onPoints: (points) => history.append(points),
  connectError: connectErrorProbe(now),
});
const drawer = new PodDrawer(byId("drawer"));
const deployment = deploymentOf(names, history, (uid, from) => drawer.open(uid, from));
const charts = new ChartsPanel(byId("charts"), history, schedule);
const views = {
  claims: claims(specs, names, schedule),
  autoscaler: autoscaler(schedule),
  demos: demos(specs, names, schedule),
  actions: actions(names, schedule),
  documents: documents(names, schedule),
  timeline: timeline(schedule),
  sources,
};
const drawn = new Set(); // the elements that have been drawn
let drawnTiles = "";
let scheduled = false;

setInterval(() => {
  feed.check();
  if (!document.hidden) drawHeader();
}, HEADER_EVERY_MS);
drawHeader();

// Draws at most once a frame, however many messages arrive. A hidden tab gets no frames: it draws once when it is shown again.
function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

function draw() {
  drawHeader();
  const { state } = feed;
  if (state === null) return;
  const serverTime = feed.serverTime();
  isolate(() => drawTiles(state, serverTime));
  for (const [id, view] of Object.entries(views)) isolate(() => paint(byId(id), view(state, serverTime)));
  isolate(() => charts.draw(state, serverTime));
  isolate(() => drawer.draw(state, serverTime));
  document.title = title(state);
}

function drawHeader() {
  paint(byId("pills"), pills(feed, now()));
  paint(byId("banner"), banner(feed, now()));
  document.documentElement.classList.toggle("is-stale", feed.state !== null && connection(feed, now()).state !== "live");
  if (feed.state) paint(byId("where"), where(feed.state));
}

function drawTiles(state, serverTime) {
  const container = byId("deployment");
  const paintTiles = () => paint(container, deployment(state, serverTime));
  const order = tileOrder(state);
  if (order === drawnTiles || !drawn.has(container) || state.pods.length > MOST_ANIMATED_PODS) paintTiles();
  else move(container, paintTiles);
  drawnTiles = order;
}

// A part that fails to draw does not stop the others. The error is reported as an uncaught one.
function isolate(drawPart) {
  try {
    drawPart();
  } catch (error) {
    reportError(error);
  }
}

// The first drawing replaces the server's placeholder.
function paint(container, content) {
  if (!drawn.has(container)) container.replaceChildren();
  drawn.add(container);
  render(content, container);
}

function title({ about, deployment: owner, autoscaler: hpa }) {
  const cpu = hpa?.cpu_percent == null ? null : percent(hpa.cpu_percent);
  return [owner && `${owner.ready}/${owner.desired}`, cpu, about.namespace].filter(Boolean).join(" · ");
}
