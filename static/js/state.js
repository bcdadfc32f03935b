// The browser's half of the dashboard's core diff: `patch(old, diff(old, new))` equals `new`.
// Both halves are held to the same cases, tests/cases/patches.json.

// A change that does not fit the state: a patch was missed, and only a snapshot helps.
export class PatchError extends Error {}

// The state after `changes`. Nothing of the old state is altered, and whatever no change touched is the same object as
// before, so that a view may skip what is identical.
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

// The container at `keys`, with everything on the way to it copied once for this patch.
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

// Where `key` is: an object's own key, or the index of the element with that identity.
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

// Not an assignment: a document may hold a key named __proto__, which must stay a key.
function define(container, place, value) {
  Object.defineProperty(container, place, { value, writable: true, enumerable: true, configurable: true });
}
