// Animates tiles that enter, leave and move. The DOM changes at once: a tile that has left is inert and no longer a pod while it
// fades out.

const DURATION_MS = 180;
const EASING = "cubic-bezier(0.2, 0.8, 0.2, 1)";
const reduced = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)");

// Runs `change()`, which adds, removes or moves elements with data-moves in `container`, and animates the difference.
export function move(container, change) {
  if (document.hidden || reduced.matches) return change();
  const before = places(container);
  change();
  const after = places(container);
  for (const [element, place] of after) {
    if (before.has(element)) slide(element, before.get(element), place);
    else enter(element);
  }
  for (const [element, place] of before) {
    if (!after.has(element)) leave(container, element, place);
  }
}

function places(container) {
  const elements = container.querySelectorAll("[data-moves]");
  return new Map(Array.from(elements, (element) => [element, element.getBoundingClientRect()]));
}

function slide(element, from, to) {
  const x = from.left - to.left;
  const y = from.top - to.top;
  if (x || y) animate(element, [{ translate: `${x}px ${y}px` }, { translate: "0 0" }]);
}

function enter(element) {
  animate(element, [{ opacity: 0, scale: 0.92 }, { opacity: 1, scale: 1 }]);
}

// Puts the removed element back at its last place, inert and without the attributes of a pod, and fades it out.
function leave(container, element, place) {
  const origin = container.getBoundingClientRect();
  for (const name of ["data-pod", "data-phase", "data-moves"]) element.removeAttribute(name);
  element.inert = true;
  element.setAttribute("aria-hidden", "true");
  Object.assign(element.style, {
    position: "absolute",
    left: `${place.left - origin.left}px`,
    top: `${place.top - origin.top}px`,
    width: `${place.width}px`,
    height: `${place.height}px`,
  });
  container.append(element);
  const gone = animate(element, [{ opacity: 1, scale: 1 }, { opacity: 0, scale: 0.92 }]);
  gone.onfinish = gone.oncancel = () => element.remove();
}

function animate(element, frames) {
  return element.animate(frames, { duration: DURATION_MS, easing: EASING, fill: "backwards" });
}
