// A button that goes when its work begins must not take the focus with it.

// To be called before the part is drawn: where the focus falls out of one of the elements that match, that element gets it.
export function keepFocus(selector) {
  const holder = document.activeElement?.closest(selector);
  if (!holder || holder === document.activeElement) return;
  queueMicrotask(() => {
    if (document.activeElement === document.body && holder.isConnected) holder.focus({ preventScroll: true });
  });
}
