// The pods of a crowded deployment, as their tiles show them: when very many change at once, some change in this drawing, and
// the others in the next ones. The layout of a tile takes longer than its script, and a long task makes the page stutter.

const MOST_CHANGED = 10; // tiles that a drawing changes

export class Crowd {
  #shown = new Map(); // uid → pod
  #redraw;

  // `redraw()` asks for another drawing.
  constructor(redraw) {
    this.#redraw = redraw;
  }

  // Returns what to show of the pods: each as it is, or as it was before.
  next(/** @type {wire.PodView[]} */ pods) {
    let left = MOST_CHANGED;
    const shown = pods.map((pod) => {
      const before = this.#shown.get(pod.uid);
      return before === undefined || before === pod || left-- > 0 ? pod : before;
    });
    if (left < 0) this.#redraw();
    this.#shown = new Map(shown.map((pod) => [pod.uid, pod]));
    return shown;
  }
}
