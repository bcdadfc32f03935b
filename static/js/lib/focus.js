// Keeps the keyboard focus where a focused button disappears.

// To be called before a part is drawn: if drawing removes the focused element, its ancestor that matches `selector` gets the focus.
export function keepFocus(selector) {
  const holder = document.activeElement?.closest(selector);
  if (!holder || holder === document.activeElement) return;
  queueMicrotask(() => {
    if (document.activeElement === document.body && holder.isConnected) holder.focus({ preventScroll: true });
  });
}
