// The charts' points in memory: one table for each source, and each pod's CPU samples. Adding a point twice changes nothing. The
// tables and their resolution are the server's (dashboard/core/state/history.py), as tests/cases/history.json has them.

import { append, columnsOf, downsample, dropBetween, indexAfter, lastTime, merge, trim } from "./columns.js";

export const TABLES = {
  traffic: ["requests", "errors", "p50_ms", "p99_ms"],
  load: ["offered", "achieved", "errors", "p50_ms", "p99_ms"],
  cpu: ["percent"],
  replicas: ["desired", "ready"],
};
export const STEPS = new Set(["replicas"]); // tables whose figures hold until the next point

const MOST_POINTS = 5_000; // in a table: an hour of seconds, half a day of minutes, and a margin so that it is seldom cut
export const SPARKLINE_POINTS = 60;
const INSTANT_SECONDS = 0.001;

export class PointStore {
  #tables = Object.fromEntries(Object.entries(TABLES).map(([name, columns]) => [name, columnsOf(columns)]));
  #pods = new Map(); // uid → columns
  #previous = null; // table → {from, until, end} of the previous dashboard's points, until the new dashboard's history is there

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

  // Marks the end of one dashboard's points, of which none is missing before `completeUntil`. Nobody may know the time after them:
  // a null keeps the charts from drawing a line across the gap.
  markRestart(completeUntil) {
    const newest = this.newest();
    this.#previous = {};
    for (const [name, columns] of Object.entries(this.#tables)) {
      if (columns.at.length === 0) continue;
      const last = STEPS.has(name) ? newest : lastTime(columns);
      append(columns, { at: [last + INSTANT_SECONDS] });
      this.#previous[name] = { from: columns.at[0], until: Math.min(last, completeUntil), end: lastTime(columns) };
    }
  }

  // Joins the previous dashboard's points with a restarted one's `history`: its own from `history.began` on, and before that what
  // it was left. The former's are dropped from then on, what was left where the former's are here. Two series must not be mixed.
  dropOverlap(history) {
    if (this.#previous === null) return;
    for (const [name, { from, until, end }] of Object.entries(this.#previous)) {
      const columns = this.#tables[name];
      const first = indexAfter(columns.at, history.began);
      const excess = indexAfter(columns.at, end) - first;
      if (excess > 0) for (const column of Object.values(columns)) column.splice(first, excess);
      if (Object.hasOwn(history.tables, name)) dropBetween(history.tables[name], from, Math.min(until, history.began));
    }
    this.#previous = null;
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
