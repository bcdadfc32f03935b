// One chart, drawn by uPlot. Colours, widths and dashes come from the style sheet, by way of the legend's swatches.

import { range, splits, tick } from "./scales.js";

const AXIS_HEIGHT_REM = 1.35;
const LABELS_REM = 2.3; // above the time axis, for the marks' labels
const TIME_STEPS_S = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400];
const LEAST_TICK_SPACE_REM = 5;
const RECENT_PART = 0.15; // of the range: a line that ended earlier has no name at the edge
const LEAST_SPIKE_PX = 5; // a single error among thousands of requests stays visible
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const TIME_WITH_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// Only data and size change in place; a chart with another layout or other styles is a new one.
export class Chart {
  #plot;
  #element;
  #layout;
  #styles;
  #uplot;
  #view; // {from, to, extents: {scale: {low, most}}}

  // `swatches` are the legend's elements to take the lines' styles from. `layout`: rem; left, right; ticks (an axis' width); names
  // (whether the lines' names are at their ends); time (whether the chart has the time axis). All but the flags are in CSS pixels.
  constructor(UPlot, plot, element, swatches, layout) {
    const scales = [...new Set(plot.figures.map(({ scale }) => scale))];
    this.#plot = plot;
    this.#element = element;
    this.#layout = layout;
    this.#styles = readStyles(element, swatches);
    this.#view = { from: 0, to: 1, extents: Object.fromEntries(scales.map((scale) => [scale, { low: 1, most: 10 }])) };
    this.#uplot = new UPlot(this.#options(UPlot, scales), [[0, 1], ...plot.figures.map(() => [null, null])], element);
  }

  // Draws aligned `data` in a `view` {from, to, extents: {scale: {low, most}}}.
  draw(data, view) {
    this.#view = view;
    this.#uplot.batch(() => {
      this.#uplot.setData(data, false);
      this.#uplot.setScale("x", { min: view.from, max: view.to });
    });
  }

  // Takes the element's size.
  fit() {
    const size = sizeOf(this.#element);
    if (size.width !== this.#uplot.width || size.height !== this.#uplot.height) this.#uplot.setSize(size);
  }

  // Returns a point's position [x, y] in CSS pixels from the plot's left edge and the chart's top.
  place(figure, value, time) {
    const { top } = this.#uplot.bbox;
    return [this.#uplot.valToPos(time, "x"), top / devicePixelRatio + this.#uplot.valToPos(value, figure.scale)];
  }

  destroy() {
    this.#uplot.destroy();
  }

  #options(UPlot, scales) {
    const { rem, right, time, names } = this.#layout;
    const styles = this.#styles;
    const rangeOf = (scale) => this.#rangeOf(scale);
    return {
      ...sizeOf(this.#element),
      padding: [rem * 0.45, right, time ? 0 : rem * 0.45, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: true, range: () => [this.#view.from, this.#view.to] },
        ...Object.fromEntries(scales.map((scale) => [scale, { distr: scale === "ms" ? 3 : 1, range: () => rangeOf(scale) }])),
      },
      axes: [timeAxis(styles, this.#layout), ...scales.map((scale, order) => valueAxis(scale, order, scales.length, styles, this.#layout, rangeOf))],
      series: [{}, ...this.#plot.figures.map((figure) => series(UPlot, figure, styles[figure.id], styles))],
      hooks: { drawClear: [(uplot) => drawFrame(uplot, styles)], draw: names ? [(uplot) => this.#drawNames(uplot)] : [] },
    };
  }

  #rangeOf(scale) {
    return range(scale, this.#view.extents[scale]);
  }

  #drawNames({ ctx, bbox, data, scales, valToPos }) {
    const ratio = devicePixelRatio;
    const { rem } = this.#layout;
    const ends = lineEnds(this.#plot.figures, data, this.#view).map(({ figure: { id, name, scale }, value }) => ({
      name,
      color: this.#styles[id].name,
      y: valToPos(Math.min(value, scales[scale].max), scale, true),
    }));
    ctx.save();
    ctx.font = `${rem * 0.68 * ratio}px ${this.#styles.family}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    for (const { name, color, y } of spread(ends, { top: bbox.top, bottom: bbox.top + bbox.height, height: rem * 0.72 * ratio })) {
      ctx.fillStyle = color;
      ctx.fillText(name, bbox.left + bbox.width + 5 * ratio, y);
    }
    ctx.restore();
  }
}

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

function timeAxis(styles, { rem, time }) {
  return {
    show: true,
    side: 2,
    size: time ? rem * (AXIS_HEIGHT_REM + LABELS_REM) : 0,
    gap: time ? rem * LABELS_REM + 4 : 0,
    font: styles.font,
    stroke: styles.text,
    space: rem * LEAST_TICK_SPACE_REM,
    incrs: TIME_STEPS_S,
    grid: { show: true, stroke: styles.line, width: 1 },
    ticks: { show: false },
    values: (_, times, __, ___, step) =>
      time ? times.map((each) => (step < 60 ? TIME_WITH_SECONDS : TIME).format(each * 1_000)) : times.map(() => null),
  };
}

// All charts share one time axis: a single value axis is as wide as two.
function valueAxis(scale, order, count, styles, { left, ticks }, rangeOf) {
  return {
    scale,
    side: 3,
    size: order === count - 1 ? left - ticks * order : ticks,
    gap: 5,
    font: styles.font,
    stroke: scale === "ms" ? styles.p99.stroke : styles.text,
    grid: { show: order === 0, stroke: styles.line, width: 1 },
    ticks: { show: false },
    filter: (_, values) => values, // uPlot's default leaves out some values of a logarithmic scale
    splits: () => splits(scale, rangeOf(scale)),
    values: (_, values) => values.map((value) => tick(scale, value)),
  };
}

function series(UPlot, { id, scale, steps, points }, style, { surface }) {
  return {
    scale,
    auto: false,
    stroke: style.stroke,
    width: style.width,
    dash: style.dash,
    fill: style.fill,
    paths: id === "errors" ? spikes : steps ? UPlot.paths.stepped({ align: 1 }) : undefined,
    points: points ? sampleMarks(style, surface) : { show: false },
  };
}

function drawFrame({ ctx, bbox }, { line }) {
  ctx.save();
  ctx.setLineDash([]);
  ctx.strokeStyle = line;
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeRect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.restore();
}

// The mark of each sample: a ring where there is space, else a dot, and none where they would touch.
function sampleMarks({ stroke }, surface) {
  const ring = { size: 7, width: 1.75, fill: surface };
  const dot = { size: 3.5, width: 0, fill: stroke };
  return {
    stroke,
    ...ring,
    fill: (uplot, index) => (sampleSpace(uplot, index) > 9 ? ring.fill : dot.fill),
    show(uplot, index) {
      const space = sampleSpace(uplot, index);
      const { size, width } = space > 9 ? ring : dot;
      Object.assign(uplot.series[index].points, { size, width });
      return space > 3.5;
    },
  };
}

// The CSS pixels between two samples.
function sampleSpace({ data, bbox }, index) {
  const count = data[index].reduce((sum, value) => sum + (typeof value === "number" ? 1 : 0), 0);
  return bbox.width / devicePixelRatio / Math.max(1, count);
}

// Draws a vertical line for each figure above zero: errors are single events that no line joins.
function spikes(uplot, index, first, last) {
  const stroke = new Path2D();
  const [times] = uplot.data;
  const values = uplot.data[index];
  const { scale } = uplot.series[index];
  const zero = uplot.valToPos(0, scale, true);
  for (let row = first; row <= last; row += 1) {
    if (!values[row]) continue;
    const x = Math.round(uplot.valToPos(times[row], "x", true));
    stroke.moveTo(x, zero);
    stroke.lineTo(x, Math.min(uplot.valToPos(values[row], scale, true), zero - LEAST_SPIKE_PX * devicePixelRatio));
  }
  return { stroke, fill: null, clip: null, band: null, gaps: null, flags: 0 };
}

function sizeOf(element) {
  return { width: Math.max(80, element.clientWidth), height: Math.max(40, element.clientHeight) };
}

// A canvas does not resolve CSS variables: the colours, light or dark, are read from elements that use them.
function readStyles(element, swatches) {
  const style = getComputedStyle(element);
  const styles = {
    text: style.color,
    line: style.borderTopColor,
    surface: style.backgroundColor,
    family: style.fontFamily,
    font: `${Math.round(Number.parseFloat(style.fontSize))}px ${style.fontFamily}`, // uPlot scales only whole pixels
  };
  for (const swatch of swatches) {
    const { stroke, strokeWidth, strokeDasharray, fill, color } = getComputedStyle(swatch);
    styles[swatch.dataset.figure] = {
      stroke,
      width: Number.parseFloat(strokeWidth),
      dash: strokeDasharray === "none" ? undefined : strokeDasharray.split(/[\s,]+/).map(Number.parseFloat),
      fill: fill === "none" ? undefined : fill,
      name: color,
    };
  }
  return styles;
}
