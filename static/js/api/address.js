// Addresses of the dashboard. A proxy may serve it under a path of its own, which is part of this file's address.

const ROOT = new URL("../../..", import.meta.url).pathname;

// Returns the address of a path such as "/api/state".
export function address(path) {
  return ROOT + path.slice(1);
}
