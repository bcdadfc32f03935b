// Puts text on the clipboard and says so beside the button that was pressed, in the element after it, which is a live region.

const SAID_FOR_MS = 4_000;

export async function copy(button, text) {
  const said = button.nextElementSibling;
  said.textContent = (await put(button, text)) ? "Copied." : "The browser does not allow it: select the text instead.";
  setTimeout(() => (said.textContent = ""), SAID_FOR_MS);
}

// Browsers offer the clipboard to pages of secure origins only, and by way of a selection to all. The text must be selected
// beside the button: under an open dialog, what is outside of it cannot be.
async function put(button, text) {
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
