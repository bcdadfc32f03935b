// One chart: uPlot as the painter of lines and axes. What they look like comes from the style sheet, by way of the chart's key.

import { range, splits, tick } from "./scales.js";

const AXIS_HEIGHT_REM = 1.35;
const LABELS_REM = 2.3; // above the time axis: room for the labels of marks
const TIME_STEPS_S = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400];
const LEAST_TICK_SPACE_REM = 5;
const NAMED_PART = 0.15; // of the window: a line that ended longer ago has no name at its edge
const LEAST_SPIKE_PX = 5; // one error among thousands of requests is seen too
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const TIME_WITH_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// A chart of `plot`'s figures in `element`, with the swatches of its key to take the lines' looks from. `layout`: {rem, left, ticks
// (an axis' width), right, names (whether the lines' names stand at their ends), time (whether it has the time axis)}.
// Made anew when the looks or the layout change; only data and size change in place.
export function chart(UPlot, plot, element, swatches, layout) {
  const looks = looksOf(element, swatches);
  const scales = [...new Set(plot.figures.map(({ scale }) => scale))];
  let shown = { from: 0, to: 1, extents: Object.fromEntries(scales.map((scale) => [scale, { low: 1, most: 10 }])) };
  const rangeOf = (scale) => range(scale, shown.extents[scale]);

  const painter = new UPlot(
    {
      ...sizeOf(element),
      padding: [layout.rem * 0.45, layout.right, layout.time ? 0 : layout.rem * 0.45, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: true, range: () => [shown.from, shown.to] },
        ...Object.fromEntries(scales.map((scale) => [scale, { distr: scale === "ms" ? 3 : 1, range: () => rangeOf(scale) }])),
      },
      axes: [timeAxis(looks, layout), ...scales.map((scale, order) => valueAxis(scale, order, scales.length))],
      series: [{}, ...plot.figures.map((figure) => series(UPlot, figure, looks[figure.id], looks))],
      hooks: { drawClear: [frame], draw: layout.names ? [nameLines] : [] },
    },
    [[0, 1], ...plot.figures.map(() => [null, null])],
    element,
  );

  // The first axis is as wide as the others', so that all charts share one time axis.
  function valueAxis(scale, order, count) {
    return {
      scale,
      side: 3,
      size: order === count - 1 ? layout.left - layout.ticks * order : layout.ticks,
      gap: 5,
      font: looks.font,
      stroke: scale === "ms" ? looks.p99.stroke : looks.text,
      grid: { show: order === 0, stroke: looks.line, width: 1 },
      ticks: { show: false },
      filter: (_, values) => values, // uPlot's own would leave some of a logarithmic scale out
      splits: () => splits(scale, rangeOf(scale)),
      values: (_, values) => values.map((value) => tick(scale, value)),
    };
  }

  function frame({ ctx, bbox }) {
    ctx.save();
    ctx.setLineDash([]);
    ctx.strokeStyle = looks.line;
    ctx.lineWidth = devicePixelRatio;
    ctx.strokeRect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.restore();
  }

  // Each line's name at its end, moved apart where ends are close.
  function nameLines({ ctx, bbox, data, scales: ranges, valToPos }) {
    const ratio = devicePixelRatio;
    const line = layout.rem * 0.72 * ratio;
    const ends = [];
    plot.figures.forEach(({ id, name, scale }, index) => {
      const row = data[index + 1].findLastIndex((each) => each !== undefined && each !== null);
      const value = data[index + 1][row];
      if (row < 0 || data[0][row] < shown.to - NAMED_PART * (shown.to - shown.from) || (id === "errors" && value === 0)) return;
      ends.push({ name, stroke: looks[id].name, y: valToPos(Math.min(value, ranges[scale].max), scale, true) });
    });
    ends.sort((a, b) => a.y - b.y);
    ends.forEach((end, index) => (end.y = Math.max(end.y, index > 0 ? ends[index - 1].y + line : bbox.top + line / 2)));
    for (let index = ends.length - 1, floor = bbox.top + bbox.height; index >= 0; index -= 1, floor -= line) {
      ends[index].y = Math.min(ends[index].y, floor);
    }
    ctx.save();
    ctx.font = `${layout.rem * 0.68 * ratio}px ${looks.family}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    for (const { name, stroke, y } of ends) {
      ctx.fillStyle = stroke;
      ctx.fillText(name, bbox.left + bbox.width + 5 * ratio, y);
    }
    ctx.restore();
  }

  return {
    // `view`: {from, to, extents: {scale: {low, most}}}.
    draw(data, view) {
      shown = view;
      painter.batch(() => {
        painter.setData(data, false);
        painter.setScale("x", { min: view.from, max: view.to });
      });
    },
    fit() {
      const size = sizeOf(element);
      if (size.width !== painter.width || size.height !== painter.height) painter.setSize(size);
    },
    // Where a figure is, in CSS pixels from the plot's left edge and the chart's top.
    place(figure, value, moment) {
      const { top } = painter.bbox;
      return [painter.valToPos(moment, "x"), top / devicePixelRatio + painter.valToPos(value, figure.scale)];
    },
    destroy: () => painter.destroy(),
  };
}

function timeAxis(looks, { rem, time }) {
  return {
    show: true,
    side: 2,
    size: time ? rem * (AXIS_HEIGHT_REM + LABELS_REM) : 0,
    gap: time ? rem * LABELS_REM + 4 : 0,
    font: looks.font,
    stroke: looks.text,
    space: rem * LEAST_TICK_SPACE_REM,
    incrs: TIME_STEPS_S,
    grid: { show: true, stroke: looks.line, width: 1 },
    ticks: { show: false },
    values: (_, moments, __, ___, step) =>
      time ? moments.map((moment) => (step < 60 ? TIME_WITH_SECONDS : TIME).format(moment * 1_000)) : moments.map(() => null),
  };
}

function series(UPlot, { id, scale, steps, points }, look, { surface }) {
  return {
    scale,
    auto: false,
    stroke: look.stroke,
    width: look.width,
    dash: look.dash,
    fill: look.fill,
    paths: id === "errors" ? spikes : steps ? UPlot.paths.stepped({ align: 1 }) : undefined,
    points: points ? samples(look, surface) : { show: false },
  };
}

// A mark for each sample: a ring while there is room for one, then a dot, and none where they would run together.
function samples({ stroke }, surface) {
  const ring = { size: 7, width: 1.75, fill: surface };
  const dot = { size: 3.5, width: 0, fill: stroke };
  return {
    stroke,
    ...ring,
    fill: (painter, index) => room(painter, index) > 9 ? ring.fill : dot.fill,
    show(painter, index) {
      const space = room(painter, index);
      const { size, width } = space > 9 ? ring : dot;
      Object.assign(painter.series[index].points, { size, width });
      return space > 3.5;
    },
  };
}

// CSS pixels between two samples.
function room({ data, bbox }, index) {
  const count = data[index].reduce((sum, value) => sum + (typeof value === "number" ? 1 : 0), 0);
  return bbox.width / devicePixelRatio / Math.max(1, count);
}

// A line up from zero for each figure over it: errors stand alone, and nothing leads from one to the next.
function spikes(painter, index, first, last) {
  const stroke = new Path2D();
  const [moments] = painter.data;
  const values = painter.data[index];
  const { scale } = painter.series[index];
  const zero = painter.valToPos(0, scale, true);
  for (let row = first; row <= last; row += 1) {
    if (!values[row]) continue;
    const x = Math.round(painter.valToPos(moments[row], "x", true));
    stroke.moveTo(x, zero);
    stroke.lineTo(x, Math.min(painter.valToPos(values[row], scale, true), zero - LEAST_SPIKE_PX * devicePixelRatio));
  }
  return { stroke, fill: null, clip: null, band: null, gaps: null, flags: 0 };
}

function sizeOf(element) {
  return { width: Math.max(80, element.clientWidth), height: Math.max(40, element.clientHeight) };
}

// The canvas takes no tokens: what they come to, light or dark, is read from elements that use them.
function looksOf(element, swatches) {
  const style = getComputedStyle(element);
  const looks = {
    text: style.color,
    line: style.borderTopColor,
    surface: style.backgroundColor,
    family: style.fontFamily,
    font: `${Math.round(Number.parseFloat(style.fontSize))}px ${style.fontFamily}`, // uPlot scales whole pixels only
  };
  for (const swatch of swatches) {
    const { stroke, strokeWidth, strokeDasharray, fill, color } = getComputedStyle(swatch);
    looks[swatch.dataset.figure] = {
      stroke,
      width: Number.parseFloat(strokeWidth),
      dash: strokeDasharray === "none" ? undefined : strokeDasharray.split(/[\s,]+/).map(Number.parseFloat),
      fill: fill === "none" ? undefined : fill,
      name: color,
    };
  }
  return looks;
}
