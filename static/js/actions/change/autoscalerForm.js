// The fields of an autoscaler's settings. They write into the draft.

import { html, nothing } from "../../lib/vendor.js";

const DIRECTIONS = [
  ["scaleUp", "Up"],
  ["scaleDown", "Down"],
];
const SELECTIONS = ["Max", "Min", "Disabled"];

// `draft` is {min, max, target, unit, behavior}; `onInput()` is called after each change of it.
export function settingsForm(draft, onInput) {
  const field = (label, name, most) => number(label, draft, name, 1, most, onInput);
  return html`<div class="change-fields">
      ${field("min pods", "min", 1_000)} ${field("max pods", "max", 1_000)}
      ${draft.target === null ? nothing : field(`CPU target, ${draft.unit === "%" ? "% of requests" : "millicores a pod"}`, "target", 1_000_000)}
    </div>
    <details class="change-behavior">
      <summary>Behavior</summary>
      ${DIRECTIONS.map(([name, word]) => direction(draft, name, word, onInput))}
    </details>`;
}

function direction({ behavior }, name, word, onInput) {
  const rules = behavior[name] ?? {};
  const onRules = () => {
    behavior[name] = rules; // it may have had none
    onInput();
  };
  return html`<fieldset class="change-fields">
    <legend>${word}</legend>
    ${number("window, s", rules, "stabilizationWindowSeconds", 0, 3_600, onRules)}
    ${choice("of the policies", rules, "selectPolicy", SELECTIONS, onRules)}
    ${(rules.policies ?? []).map((policy, index) => html`<div class="change-fields">
      ${number(`policy ${index + 1}, at most`, policy, "value", 1, 1_000_000, onRules)}
      ${choice(`policy ${index + 1}, unit`, policy, "type", ["Pods", "Percent"], onRules)}
      ${number(`policy ${index + 1}, per seconds`, policy, "periodSeconds", 1, 1_800, onRules)}
    </div>`)}
  </fieldset>`;
}

function number(label, holder, name, least, most, onInput) {
  const input = ({ target }) => {
    holder[name] = target.value === "" ? undefined : target.valueAsNumber;
    onInput();
  };
  return html`<label class="change-field">${label}
    <input class="document-field" type="number" inputmode="numeric" min=${least} max=${most} .value=${String(holder[name] ?? "")} @input=${input} />
  </label>`;
}

function choice(label, holder, name, choices, onInput) {
  const change = ({ target }) => {
    holder[name] = target.value;
    onInput();
  };
  return html`<label class="change-field">${label}
    <select class="document-field" @change=${change}>
      ${choices.map((value) => html`<option ?selected=${(holder[name] ?? choices[0]) === value}>${value}</option>`)}
    </select>
  </label>`;
}
