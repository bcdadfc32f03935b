// The charts' points in memory: one table for each source, and each pod's CPU samples. Adding a point twice changes nothing.

import { append, columnsOf, downsample, indexAfter, lastTime, merge, trim } from "./columns.js";

const TABLES = {
  traffic: ["requests", "errors", "p50_ms", "p99_ms"],
  load: ["offered", "achieved", "errors", "p50_ms", "p99_ms"],
  cpu: ["percent"],
  replicas: ["desired", "ready"],
};
const STEPS = new Set(["replicas"]); // tables whose figures hold until the next point

const MOST_POINTS = 5_000; // in a table: an hour of seconds, half a day of minutes, and a margin so that it is seldom cut
const SPARKLINE_POINTS = 60;
const INSTANT_SECONDS = 0.001;

export class PointStore {
  #tables = Object.fromEntries(Object.entries(TABLES).map(([name, columns]) => [name, columnsOf(columns)]));
  #pods = new Map(); // uid → columns
  #previousEnds = null; // table → time of the previous dashboard's last point, until the new dashboard's history is there

  table(name) {
    return this.#tables[name];
  }

  pod(uid) {
    return this.#pods.get(uid);
  }

  podUids() {
    return [...this.#pods.keys()];
  }

  dropPods(uids) {
    for (const uid of uids) this.#pods.delete(uid);
  }

  // The time of the newest point, in seconds since 1970.
  newest() {
    return Math.max(...Object.values(this.#tables).map(lastTime));
  }

  // Adds points {tables, pods} that are newer than what is there.
  append(points) {
    this.#add(points, append);
  }

  // Adds points {tables, pods} of any time.
  merge(points) {
    this.#add(points, merge);
  }

  // Marks the end of one dashboard's points. A restarted dashboard may not know the time before: its points stay here, and a null
  // after them keeps the charts from drawing a line across the gap.
  markRestart() {
    const end = this.newest();
    for (const [name, columns] of Object.entries(this.#tables)) {
      if (columns.at.length === 0) continue;
      append(columns, { at: [(STEPS.has(name) ? end : lastTime(columns)) + INSTANT_SECONDS] });
    }
    this.#previousEnds = Object.fromEntries(Object.entries(this.#tables).map(([name, columns]) => [name, lastTime(columns)]));
  }

  // Drops the previous dashboard's points of the time that the new one's `history` covers: two series must not be mixed.
  dropOverlap(history) {
    if (this.#previousEnds === null) return;
    for (const [name, columns] of Object.entries(this.#tables)) {
      const from = history.tables[name]?.at[0] ?? Infinity;
      const first = columns.at.findIndex((time) => time >= from);
      const excess = indexAfter(columns.at, this.#previousEnds[name]) - first;
      if (first >= 0 && excess > 0) for (const column of Object.values(columns)) column.splice(first, excess);
    }
    this.#previousEnds = null;
  }

  #add({ tables = {}, pods = {} }, put) {
    for (const [name, columns] of Object.entries(tables)) {
      if (!Object.hasOwn(this.#tables, name)) continue;
      put(this.#tables[name], columns);
      downsample(this.#tables[name], MOST_POINTS, { steps: STEPS.has(name) });
    }
    for (const [uid, columns] of Object.entries(pods)) {
      if (!this.#pods.has(uid)) this.#pods.set(uid, columnsOf(["cpu_millicores"]));
      put(this.#pods.get(uid), columns);
      trim(this.#pods.get(uid), SPARKLINE_POINTS);
    }
  }
}
