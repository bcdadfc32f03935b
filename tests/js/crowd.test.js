import assert from "node:assert/strict";
import test from "node:test";

import { Crowd } from "../../static/js/deployment/crowd.js";

const pods = (count, revision) => Array.from({ length: count }, (_, uid) => ({ uid, revision }));
const changed = (shown, revision) => shown.filter((pod) => pod.revision === revision).length;

test("a drawing changes ten tiles, and asks for the next until all have changed", () => {
  let asked = 0;
  const crowd = new Crowd(() => (asked += 1));
  assert.equal(changed(crowd.next(pods(50, 1)), 1), 50);
  const newest = pods(50, 2);
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(() => [changed(crowd.next(newest), 2), asked]), [[10, 1], [20, 2], [30, 3], [40, 4], [50, 4], [50, 4]]);
});

test("a pod that came is shown at once, and one that went is not", () => {
  const crowd = new Crowd(() => {});
  crowd.next(pods(50, 1));
  const shown = crowd.next([...pods(49, 2), { uid: "new", revision: 2 }]);
  assert.deepEqual([shown.length, changed(shown, 2), shown.at(-1).uid], [50, 11, "new"]);
});
