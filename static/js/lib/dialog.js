// The element of a dialog.

// Returns a closed dialog on the page, which the element with the id `<id>-title` names. `onClose` is called once it has been closed.
export function dialogElement(id, onClose, className = "document-form action-dialog") {
  const element = document.createElement("dialog");
  element.id = id;
  element.className = className;
  element.setAttribute("aria-labelledby", `${id}-title`);
  element.addEventListener("close", () => element.open || onClose()); // open: again, before the browser dispatched "close"
  document.body.append(element);
  return element;
}
