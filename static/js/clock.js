// One clock: load, CPU and pods on one time axis, with marks for what happened.

export function clock(container, history, redraw) {
  return {
    draw(state, at) {},
  };
}
