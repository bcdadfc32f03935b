// Copies text to the clipboard.

const MESSAGE_FOR_MS = 4_000;

// Reports the outcome in the element after the button, which is a live region.
export async function copy(button, text) {
  const message = button.nextElementSibling;
  message.textContent = (await write(button, text)) ? "Copied." : "The browser does not allow it: select the text instead.";
  setTimeout(() => (message.textContent = ""), MESSAGE_FOR_MS);
}

// Browsers offer navigator.clipboard to secure origins only; copying a selection works everywhere. The selected text is put beside
// the button, because elements outside of an open modal dialog cannot be selected.
async function write(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    button.after(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    button.focus();
    return done;
  }
}
