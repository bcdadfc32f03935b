// The names at the ends of a chart's lines. Pure.

const RECENT_PART = 0.15; // of the range: a line that ended earlier has no name at the edge

// Returns the figures that have a name at the chart's edge, {figure, value}. `data` are aligned columns, `from` and `to` the range.
export function lineEnds(figures, data, { from, to }) {
  return figures.flatMap((figure, index) => {
    const column = data[index + 1];
    const row = column.findLastIndex((value) => value !== undefined && value !== null);
    if (row < 0 || data[0][row] < to - RECENT_PART * (to - from)) return [];
    const value = column[row];
    return figure.id === "errors" && value === 0 ? [] : [{ figure, value }];
  });
}

// Moves labels {y} apart so that they are at least `height` from each other, between `top` and `bottom`. Returns them sorted by y.
export function spread(labels, { top, bottom, height }) {
  const sorted = labels.map((label) => ({ ...label })).sort((a, b) => a.y - b.y);
  sorted.forEach((label, index) => (label.y = Math.max(label.y, index > 0 ? sorted[index - 1].y + height : top + height / 2)));
  for (let index = sorted.length - 1, floor = bottom; index >= 0; index -= 1, floor -= height) {
    sorted[index].y = Math.min(sorted[index].y, floor);
  }
  return sorted;
}
