// The autoscaler's own arithmetic, in figures and in words. Pure.
// Source: the HorizontalPodAutoscaler's algorithm, ceil(current × value / target), unless the ratio is within the tolerance.

import { percent, plural } from "./format.js";

const TOLERANCE = 0.1; // the controller's default, which autoscaling/v2 objects inherit

// {formula, sentence, low, high}: `formula` is null without a CPU figure; from `low` to `high` percent nothing changes.
export function explain({ current, desired, min, max, cpu_percent: cpu, target_percent: target }) {
  const low = Math.ceil(target * (1 - TOLERANCE) - 1e-9);
  const high = Math.floor(target * (1 + TOLERANCE) + 1e-9);
  const margin = percent(TOLERANCE * 100);
  const told = (formula, sentence) => ({ formula, sentence, low, high });
  if (target === null) return told(null, "This autoscaler has no CPU target: it scales on something else.");
  if (!current) return told(null, "No pods to measure: the autoscaler leaves a Deployment of zero alone.");
  if (cpu === null || cpu === undefined) {
    return told(null, "No CPU figure yet. A new pod is first measured after about half a minute; until then nothing changes.");
  }
  const use = `${plural(current, "pod")} ${current === 1 ? "uses" : "use"} ${percent(cpu)} of what ${current === 1 ? "it requests" : "they request"}`;
  if (cpu >= low && cpu <= high) {
    return told(
      `|${cpu} / ${target} − 1| = ${distance(cpu, target)} ≤ ${TOLERANCE}`,
      `${use}: within the ${margin} tolerance of the ${percent(target)} target (${low} to ${percent(high)}), so nothing changes.`,
    );
  }
  const wanted = Math.ceil((current * cpu) / target);
  const allowed = Math.min(max, Math.max(min, wanted));
  const words = cpu > high
    ? `${use}: over the ${percent(target)} target and past the ${margin} tolerance (${low} to ${percent(high)} changes nothing).`
    : `${use}: under the ${percent(target)} target and its ${margin} tolerance (${low} to ${percent(high)}).`;
  const next = consequence({ current, desired, min, max, cpu, wanted, allowed });
  return told(formula(current, cpu, target, wanted, allowed, min), `${words} ${next}`);
}

function formula(current, cpu, target, wanted, allowed, min) {
  const exact = (current * cpu) / target;
  const middle = Number.isInteger(exact) ? "" : ` = ceil(${exact.toFixed(1)})`;
  const clamp = allowed === wanted ? "" : ` → ${allowed === min && wanted < min ? "min" : "max"} ${allowed}`;
  return `ceil(${current} × ${cpu} / ${target})${middle} = ${wanted}${clamp}`;
}

// What follows from the figures, less what the scaling policies and windows say about when.
function consequence({ current, desired, min, max, cpu, wanted, allowed }) {
  if (wanted > max && current >= max) return `It would take ${plural(wanted, "pod")}; ${max} is the most allowed.`;
  if (wanted < min && current <= min) return `${wanted <= 1 ? "One pod" : plural(wanted, "pod")} would do; ${min} is the least allowed.`;
  if (allowed === current) return "One pod fewer would put the rest over the target, so nothing changes.";
  const expected = Math.round((current * cpu) / allowed);
  if (allowed > current) {
    const more = allowed - current === 1 ? "One more pod brings" : `${allowed - current} more pods bring`;
    return `${more} it to about ${percent(expected)}.`;
  }
  if (desired >= current) return `${plural(allowed, "pod")} would do, once the load has stayed this low for the stabilization window.`;
  return `It goes down to ${plural(desired, "pod")}.`;
}

function distance(cpu, target) {
  return Number(Math.abs(cpu / target - 1).toFixed(2));
}
