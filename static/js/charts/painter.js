// The canvases: loads uPlot, makes the charts, fits them to the page and draws one each frame.

import { uPlot } from "../lib/vendor.js";
import { Chart } from "./chart.js";
import { PLOTS } from "./model/plots.js";

const RELOAD_MS = 10_000; // after uPlot could not be loaded
const WIDE_REM = 36; // from this width on, the lines' names are at their ends
const TICKS_REM = 2.9;
const NAMES_REM = 4.1;
const EDGE_REM = 0.9;

export class Painter {
  charts = null; // null while there are none
  layout = null; // null before the first measurement
  failed = false; // whether uPlot could not be loaded
  #UPlot = null;
  #container;
  #onChange;
  #frame = 0; // the request of the frame that draws the next chart

  // `onLoad()` is called when uPlot was loaded or could not be; `onChange()` when everything has to be drawn again.
  constructor(container, { onLoad, onChange }) {
    this.#container = container;
    this.#onChange = onChange;
    const recolour = () => {
      this.#destroyCharts();
      onChange();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    document.addEventListener("themechange", recolour); // the reader's choice in the settings
    this.#load(onLoad);
  }

  get isLoaded() {
    return this.#UPlot !== null;
  }

  // The time axis' width in CSS pixels.
  get width() {
    const { layout } = this;
    return layout ? layout.width - layout.left - layout.right : this.#container.clientWidth || 1;
  }

  // To be called once, when the elements of the charts are on the page.
  observeSize() {
    const sizes = new ResizeObserver(() => requestAnimationFrame(() => this.#fit()));
    for (const element of this.#container.querySelectorAll(".charts-stack, .chart-canvas")) sizes.observe(element);
  }

  // Makes the charts if uPlot is loaded and there are none. Returns whether it made them.
  makeCharts() {
    if (!this.isLoaded || this.charts) return false;
    this.layout = this.#measure();
    const elements = this.#container.querySelectorAll(".chart-canvas");
    const swatches = this.#container.querySelectorAll(".swatch-line");
    this.charts = PLOTS.map((plot, index) => {
      const layout = { ...this.layout, time: index === PLOTS.length - 1 };
      return new Chart(this.#UPlot, plot, elements[index], swatches, layout);
    });
    return true;
  }

  // Draws the charts, one a frame: all in one frame, with the tiles, would delay the page's reaction to input. `getView()` returns the
  // view to draw.
  draw(getView, index = 0) {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      if (!this.charts || index >= this.charts.length) return;
      const { all, span, extents } = getView();
      this.charts[index].draw(all[index].data, { ...span, extents });
      this.draw(getView, index + 1);
    });
  }

  async #load(onLoad) {
    try {
      this.#UPlot = await uPlot();
      this.failed = false;
    } catch {
      this.failed = true; // the texts and the table work without uPlot
      setTimeout(() => this.#load(onLoad), RELOAD_MS);
    }
    onLoad();
  }

  #fit() {
    const layout = this.#measure();
    const isOther = this.layout && ["rem", "names"].some((name) => layout[name] !== this.layout[name]);
    this.layout = layout;
    if (isOther) this.#destroyCharts();
    this.charts?.forEach((chart) => chart.fit());
    this.#onChange();
  }

  #destroyCharts() {
    this.charts?.forEach((chart) => chart.destroy());
    this.charts = null;
  }

  #measure() {
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const width = this.#container.querySelector(".charts-stack").clientWidth;
    const names = width >= WIDE_REM * rem;
    const ticks = Math.round(TICKS_REM * rem); // whole pixels, as uPlot rounds it
    const right = Math.round((names ? NAMES_REM : EDGE_REM) * rem);
    const canvases = [...this.#container.querySelectorAll(".chart-canvas")];
    const tops = canvases.map((element) => element.offsetTop + element.parentElement.offsetTop);
    return { rem, width, names, ticks, left: 2 * ticks, right, tops, family: getComputedStyle(this.#container).fontFamily };
  }
}
