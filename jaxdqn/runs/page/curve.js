// The curve of a run: median and quantiles, single seeds, zoom by dragging, values under the cursor.
"use strict";

function showCurve(section, curve) {
  const plot = element("div", "plot");
  const state = { seeds: curve.num_seeds > 1 && curve.num_seeds <= 8, training: true, uplot: null };
  const many = curve.num_seeds > 1;
  const switches = element("div", "chips");
  const toggle = (name, text) => {
    const chip = button(text, () => {
      state[name] = !state[name];
      chip.setAttribute("aria-pressed", state[name]);
      build();
    });
    chip.setAttribute("aria-pressed", state[name]);
    switches.append(chip);
  };
  if (many) toggle("seeds", curve.num_seeds > 32 ? "first 32 seeds" : `${curve.num_seeds} seeds`);
  toggle("training", "training");
  const build = () => {
    state.uplot?.destroy();
    state.uplot = makePlot(plot, curve, state);
  };
  section.append(switches, plot);
  const zoom = "Drag to zoom, double-click to reset; click a name in the legend to hide its line.";
  section.append(element("p", "hint", `Mean return of an evaluation against environment steps. ${zoom}`));
  build();
  new ResizeObserver(() => state.uplot.setSize({ width: plot.clientWidth, height: 300 })).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  return state;
}

function makePlot(root, curve, { seeds, training }) {
  const many = curve.num_seeds > 1;
  const columns = [curve.steps];
  const series = [{ label: "steps", value: (_, x) => (x === null ? "–" : x.toLocaleString("en")) }];
  const bands = [];
  const add = (values, label, stroke, width, more = {}) => {
    columns.push(values);
    const points = { show: curve.steps.length === 1 };
    series.push({ label, stroke, width, points, spanGaps: true, value: (_, y) => format(y), ...more });
  };
  const group = (lines, name, ink) => {
    if (many) {
      const hidden = { class: "hidden" };
      add(lines.high, `${name}, 90 %`, "transparent", 0, hidden);
      add(lines.low, `${name}, 10 %`, "transparent", 0, hidden);
      bands.push({ series: [columns.length - 2, columns.length - 1], fill: `${ink}2e` });
      // A legend of a few seeds shows their values and hides them one by one.
      const listed = name === "evaluation" && curve.num_seeds <= 8;
      const label = (k) => `seed ${curve.first_seed + k}`;
      if (seeds) lines.seeds.forEach((line, k) => add(line, label(k), `${ink}80`, 1, listed ? {} : hidden));
    }
    add(lines.median, many ? `${name}, median` : name, ink, name === "evaluation" ? 2.5 : 1.2);
  };
  if (training) group(curve.training, "training", color("--faint"));
  group(curve.evaluation, "evaluation", color("--strong"));
  if (curve.solved_at !== null) {
    const line = curve.steps.map(() => curve.solved_at);
    add(line, "solved", color("--good"), 1.5, { dash: [6, 5] });
  }
  const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const thousands = (_, values) => values.map((x) => (x >= 1e6 ? `${x / 1e6}M` : x >= 1e3 ? `${x / 1e3}k` : x));
  const options = {
    width: root.clientWidth,
    height: 300,
    series,
    bands,
    scales: { x: { time: false } },
    axes: [
      { ...axis, values: thousands },
      { ...axis, size: 56, values: (_, values) => values.map(format) },
    ],
    cursor: { y: false },
  };
  const plot = new uPlot(options, columns, root);
  root.querySelectorAll(".u-legend .hidden").forEach((row) => (row.style.display = "none"));
  return plot;
}
