// Stacked bars as SVG, drawn for the width that there is. The table under it says the same to who cannot see it.

import { h, svg } from "../dom.js";

const MOST_TICKS = 5;
const HEIGHTS = [180, 420]; // px, least and most

export class Chart {
  #drawn = null;
  #width = 0;

  constructor() {
    this.plot = h("div", { class: "plot" });
    this.readout = h("p", { class: "hint", "aria-hidden": "true" });
    this.legend = h("ul", { class: "legend" });
    this.element = h("figure", { class: "chart card" }, this.plot, this.readout, this.legend);
    new ResizeObserver(() => {
      if (this.#drawn && this.plot.clientWidth !== this.#width) this.#draw();
    }).observe(this.plot);
  }

  // Show layers [{ label, values }] over buckets; `names` gives each one { short, long }, `measure` is one of MEASURES.
  show({ starts, layers, names, measure, summary }) {
    this.#drawn = { starts, layers, names, measure, summary };
    this.legend.replaceChildren(...layers.map(({ label }, at) => h("li", {}, h("span", { class: `key layer-${at}` }), label)));
    this.readout.textContent = "\u00a0";
    this.#draw();
  }

  #draw() {
    const { starts, layers, names, measure, summary } = this.#drawn;
    const width = (this.#width = this.plot.clientWidth);
    if (!width) return;
    const em = Number.parseFloat(getComputedStyle(this.plot).fontSize);
    const sums = starts.map((_, at) => layers.reduce((sum, layer) => sum + layer.values[at], 0));
    const ticks = planTicks(Math.max(...sums), measure.step);
    const texts = ticks.map(measure.tick);
    const left = Math.max(...texts.map((text) => text.length)) * 0.62 * em + 8;
    const [top, bottom, right] = [em * 0.7, em * 1.8, 4];
    const height = Math.min(Math.max(width * 0.35, HEIGHTS[0]), Math.max(HEIGHTS[1], em * 22));
    const y = (value) => height - bottom - (value / ticks.at(-1)) * (height - bottom - top);
    const band = (width - left - right) / starts.length;
    const gap = band > 6 ? band * 0.2 : band > 2 ? 0.5 : 0;
    const grid = ticks.map((tick, at) => [
      svg("line", { class: "rule", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: left - 6, y: y(tick) + em * 0.35, "text-anchor": "end" }, texts[at]),
    ]);
    const bars = starts.map((start, at) => {
      const x = left + at * band;
      let ground = 0;
      const parts = layers.map(({ values }, layer) => {
        const [low, high] = [y(ground), y((ground += values[at]))];
        return values[at] > 0 && svg("rect", { class: `layer-${layer}`, x: x + gap / 2, y: high, width: band - gap, height: tall(low - high) });
      });
      const lines = layers.filter(({ values }) => values[at]).map(({ label, values }) => `${label} ${measure.show(values[at])}`);
      const said = `${names.long(start)}: ${lines.join(", ") || "nothing"}`;
      const area = svg("rect", { class: "area", x, y: top, width: band, height: height - top - bottom });
      const bar = svg("g", { class: "bar" }, ...parts.filter(Boolean), area);
      for (const event of ["pointerenter", "pointerdown"]) bar.addEventListener(event, () => (this.readout.textContent = said));
      return bar;
    });
    const labels = placeLabels(starts.map(names.short), { left, band, width, em });
    const below = labels.map(([text, x]) => svg("text", { x, y: height - em * 0.4, "text-anchor": "middle" }, text));
    const chart = svg("svg", { role: "img", "aria-label": summary, width, height, viewBox: `0 0 ${width} ${height}` }, ...grid.flat(), ...bars, ...below);
    this.plot.replaceChildren(chart);
  }
}

const tall = (height) => (height > 4 ? height - 1 : Math.max(height, 0.5)); // a line between layers, where there is room

// Return round numbers from 0 to the first one that is not below `most`.
export function planTicks(most, leastStep = 0) {
  if (!(most > 0)) return [0, 1];
  const rough = most / MOST_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(leastStep, [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= rough * 0.999999));
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

// Return [text, x] of as many labels as have room.
function placeLabels(texts, { left, band, width, em }) {
  const room = Math.max(...texts.map((text) => text.length)) * 0.6 * em + em;
  const every = Math.max(1, Math.ceil(room / band));
  return texts
    .map((text, at) => [text, left + (at + 0.5) * band])
    .filter(([, x], at) => at % every === 0 && x - room / 2 + em / 2 >= 0 && x + room / 2 - em / 2 <= width);
}
