// Connects the parts of the page: one feed, and each part in its own element, drawn over one or more frames.

import { io, render } from "./lib/vendor.js";
import { alerts, announcement } from "./alerts.js";
import { actions } from "./actions/actions.js";
import { Changes } from "./actions/changes.js";
import { autoscaler } from "./deployment/autoscaler.js";
import { ChartsPanel } from "./charts/charts.js";
import { claims } from "./demos/claims.js";
import { connectErrorProbe } from "./feed/connectError.js";
import { demos } from "./demos/demos.js";
import { runById } from "./demos/runs.js";
import { DocumentsView } from "./documents/documents.js";
import { PodDrawer } from "./drawer/drawer.js";
import { MetricsHistory } from "./feed/history.js";
import { move } from "./lib/motion.js";
import { deployment as deploymentOf, tileOrder } from "./deployment/pods.js";
import { Feed, OPTIONS, connection } from "./feed/socket.js";
import { Navigation } from "./shell/navigation.js";
import { Shell } from "./shell/shell.js";
import { sources } from "./sources.js";
import { banner, pills, where } from "./statusBar.js";
import { timeline } from "./timeline/timeline.js";

const HEADER_EVERY_MS = 250; // between two updates of the last message's age
const FRAME_MS = 4; // of drawing: the layout and the paint behind it take longer, and a task of over 50 ms makes the page stutter
const MOST_ANIMATED_PODS = 60; // measuring the places of more tiles takes too long

const now = () => performance.now();
const byId = (id) => document.getElementById(id);

const names = /** @type {any} */ (byId("main")).dataset; // deployment, hpa, statefulset, collection, and the reader's role
const specs = JSON.parse(byId("demo-specs").textContent); // the demos of this deployment
const history = new MetricsHistory(schedule);
const feed = new Feed(io(OPTIONS), {
  now,
  onChange: () => {
    shell.update(feed.state); // also while the tab is hidden and draws nothing
    schedule();
  },
  onSnapshot: (epoch) => history.load(epoch),
  onPoints: (points) => history.append(points),
  connectError: connectErrorProbe(now),
});
byId("sign-out").addEventListener("submit", () => feed.close());
const changes = new Changes(names, schedule);
const navigation = new Navigation(
  {
    pods: { show: (route) => drawer.show(route), close: () => drawer.close() },
    logs: { show: (route) => shell.showLogs(route), close: () => shell.closeLogs() },
    objects: { show: (route) => shell.showObject(route), close: () => shell.closeObject() },
    metrics: { show: (route) => charts.show(route) },
    documents: { show: (route) => documents.show(route) },
    runs: { show: ({ parts: [id] }) => showRun(id), close: () => showRun(null) },
  },
  (sentence) => shell.notice(sentence),
);
const shell = new Shell(names, navigation, () => feed.state, () => feed.serverTime());
const drawer = new PodDrawer(byId("drawer"), navigation, {
  canDelete: (state, { app, phase }) => app === names.deployment && phase !== "Terminating" && changes.allows(state, "pods"),
  onDelete: (pod) => changes.open("pod", pod),
});
const deployment = deploymentOf(names, history, (uid, from) => drawer.open(uid, from), schedule);
const charts = new ChartsPanel(byId("charts"), history, schedule, navigation);
const documents = new DocumentsView(names, schedule, navigation);
const linkedRun = { id: null }; // the run that the address names
const views = {
  alerts,
  "alerts-announcement": announcement,
  claims: claims(specs, names, schedule),
  autoscaler: autoscaler(schedule, names.hpa),
  demos: demos(specs, names, schedule, linkedRun),
  actions: actions(names, schedule, changes),
  documents: (state, serverTime) => documents.draw(state, serverTime),
  timeline: timeline(schedule),
  sources,
};
const parts = [
  drawTiles,
  ...Object.entries(views).map(([id, view]) => (state, serverTime) => paint(byId(id), view(state, serverTime))),
  (state, serverTime) => charts.draw(state, serverTime),
  (state, serverTime) => drawer.draw(state, serverTime),
  (state) => shell.draw(state),
  startNavigation,
];
const drawn = new Set(); // the elements that have been drawn
let drawnTiles = "";
let hasStarted = false;
let isDue = false; // something has changed since the last drawing began
let undrawn = []; // the parts of this drawing that are left for the next frames
let isScheduled = false;

setInterval(() => {
  feed.check();
  if (!document.hidden) drawHeader();
}, HEADER_EVERY_MS);
drawHeader();

// However many messages arrive, there is one drawing at a time, and the next one has what came meanwhile. A hidden tab gets no
// frames: it draws once when it is shown again.
function schedule() {
  isDue = true;
  nextFrame();
}

function nextFrame() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    draw();
  });
}

function draw() {
  const end = now() + FRAME_MS;
  if (undrawn.length === 0) {
    isDue = false;
    drawHeader();
    undrawn = feed.state === null ? [] : [...parts];
  }
  while (undrawn.length > 0 && now() < end) {
    const drawPart = undrawn.shift();
    isolate(() => drawPart(feed.state, feed.serverTime()));
  }
  if (undrawn.length > 0 || isDue) nextFrame();
}

function startNavigation() {
  if (!hasStarted) navigation.start(); // what an address names is looked up in the state
  hasStarted = true;
}

// Shows a run on its demo's card, or the newest ones for null. Returns a sentence if the run is gone.
function showRun(id) {
  linkedRun.id = id;
  schedule();
  if (id === null) return null;
  const run = runById(feed.state, id);
  if (!run) return `There is no run ${id}: it is gone. The newest runs are kept.`;
  /** @type {HTMLElement} */ (byId(`demo-${run.demo}`)?.closest(".demo"))?.focus();
  return null;
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
