// The deployment's objects that have a drawer beside pods, and their addresses. Pure.

import { formatRoute } from "./route.js";

// The address of an object's drawer. `uid` is a pod's.
export function objectHash(kind, name, uid = null) {
  return kind === "Pod" ? formatRoute("pods", [name, uid]) : formatRoute("objects", [kind.toLowerCase(), name]);
}

// Returns [kind, name] of each object that the state has.
export function objectsOf(/** @type {wire.State} */ state, { hpa }) {
  const nodes = new Set(state.pods.map(({ node }) => node).filter(Boolean));
  return [
    ...(state.deployment ? [["Deployment", state.deployment.name]] : []),
    ...(state.statefulset ? [["StatefulSet", state.statefulset.name]] : []),
    ...(state.autoscaler ? [["HorizontalPodAutoscaler", hpa]] : []),
    ...(state.claims ?? []).map(({ name }) => ["PersistentVolumeClaim", name]),
    ...(state.service ? [["Service", state.service.name]] : []),
    ...[...nodes].sort().map((name) => ["Node", name]),
  ];
}
