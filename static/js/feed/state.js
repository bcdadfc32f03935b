// Applies the patches that the dashboard's core/state/diff makes: `patch(old, diff(old, new))` equals `new`. Both are tested
// with the cases in tests/cases/patches.json.

// A change that does not fit the state: a patch was lost, and a new snapshot is needed.
export class PatchError extends Error {}

// Returns the state after `changes`. The old state is not modified, and unchanged parts are the same objects as before, so that
// views can skip them.
export function patch(state, changes) {
  const box = { state };
  const copied = new Set([box]);
  for (const [operation, path, ...rest] of changes) {
    const keys = ["state", ...path];
    if (operation === "insert") {
      insert(reach(box, keys, copied), ...rest);
      continue;
    }
    const last = keys.pop();
    const container = reach(box, keys, copied);
    if (operation === "set") set(container, last, rest[0]);
    else if (operation === "remove") remove(container, last);
    else throw new PatchError(`unknown operation ${operation}`);
  }
  return box.state;
}

// Returns the container at `keys`. Every container on the path is copied once for each patch.
function reach(box, keys, copied) {
  let container = box;
  for (const key of keys) {
    const place = placeOf(container, key);
    let next = container[place];
    if (next === null || typeof next !== "object") throw new PatchError(`nothing inside ${key}`);
    if (!copied.has(next)) {
      next = Array.isArray(next) ? [...next] : { ...next };
      copied.add(next);
      define(container, place, next);
    }
    container = next;
  }
  return container;
}

function set(container, key, value) {
  define(container, Array.isArray(container) ? placeOf(container, key) : key, value);
}

function remove(container, key) {
  const place = placeOf(container, key);
  if (Array.isArray(container)) container.splice(place, 1);
  else delete container[place];
}

function insert(list, index, value) {
  if (!Array.isArray(list) || index > list.length) throw new PatchError(`no place ${index} to insert at`);
  list.splice(index, 0, value);
}

// Returns an object's own key, or the index of the list element whose uid or id is `key`.
function placeOf(container, key) {
  if (!Array.isArray(container)) {
    if (!Object.hasOwn(container, key)) throw new PatchError(`no key ${key}`);
    return key;
  }
  const identity = container.every((element) => typeof element?.uid === "string") ? "uid" : "id";
  const index = container.findIndex((element) => element?.[identity] === key);
  if (index < 0) throw new PatchError(`no element ${key}`);
  return index;
}

// Not an assignment: a document may have a key named __proto__, which must stay a key.
function define(container, place, value) {
  Object.defineProperty(container, place, { value, writable: true, enumerable: true, configurable: true });
}
