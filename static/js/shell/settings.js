// The settings and the list of keyboard shortcuts, in a dialog that loads when it opens.

import { html, nothing, render } from "../lib/vendor.js";
import { icon } from "../lib/icons.js";
import { remember, remembered } from "../lib/storage.js";
import { LOCAL_SHORTCUTS, SHORTCUTS, SHORTCUTS_KEY } from "./shortcuts.js";

export const NOTIFY_KEY = "notify"; // in localStorage: "on"

const THEMES = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function openSettings(dialog) {
  let problem = null;

  const draw = () => render(template({ dialog, problem, onTheme: chooseTheme, onNotify: chooseNotify, onShortcuts: chooseShortcuts }), dialog);

  function chooseTheme(theme) {
    remember("theme", theme === "system" ? null : theme);
    showTheme(theme);
    draw();
  }

  async function chooseNotify(wanted) {
    problem = wanted ? await askPermission() : null;
    remember(NOTIFY_KEY, wanted && !problem ? "on" : null);
    draw();
  }

  function chooseShortcuts(wanted) {
    remember(SHORTCUTS_KEY, wanted ? null : "off");
    draw();
  }

  draw();
  dialog.showModal();
}

function template({ dialog, problem, onTheme, onNotify, onShortcuts }) {
  const theme = document.documentElement.dataset.theme ?? "system";
  return html`<header class="shell-head">
      <h2 id="settings-title">Settings and shortcuts</h2>
      <button type="button" class="drawer-close" aria-label="Close" @click=${() => dialog.close()}>${icon("cross")}</button>
    </header>
    <fieldset class="shell-group">
      <legend>Colours</legend>
      ${THEMES.map(([name, text]) => html`<label class="shell-choice"><input type="radio" name="theme" value=${name} .checked=${name === theme} @change=${() => onTheme(name)}> ${text}</label>`)}
    </fieldset>
    <fieldset class="shell-group">
      <legend>When a run ends</legend>
      <label class="shell-choice"><input type="checkbox" .checked=${remembered(NOTIFY_KEY) === "on"} @change=${({ target }) => onNotify(target.checked)}> Notify me, while this page is open in the background</label>
      <p class="problem" role="alert">${problem ?? nothing}</p>
    </fieldset>
    <section class="shell-group" aria-labelledby="shortcuts-title">
      <h3 id="shortcuts-title">Keyboard shortcuts</h3>
      <label class="shell-choice"><input type="checkbox" .checked=${remembered(SHORTCUTS_KEY) !== "off"} @change=${({ target }) => onShortcuts(target.checked)}> Single keys open things</label>
      <dl class="shell-keys">${[...SHORTCUTS, ...LOCAL_SHORTCUTS].map(({ key, text }) => html`<div><dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}</dl>
    </section>`;
}

// The colours change at once. What draws on a canvas listens to the event.
function showTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.querySelector('meta[name="color-scheme"]').setAttribute("content", theme === "system" ? "light dark" : theme);
  document.dispatchEvent(new Event("themechange"));
}

// Asks the browser whether it may notify. Returns why not, or null.
async function askPermission() {
  if (!("Notification" in globalThis)) return "This browser offers notifications only to pages over HTTPS or on localhost.";
  const answer = await Notification.requestPermission();
  return answer === "granted" ? null : "The browser does not allow it: change that in its settings for this page.";
}
