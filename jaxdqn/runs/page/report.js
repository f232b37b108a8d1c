// The page: headings, facts, commands and the ranking of a sweep, from the data of a report.
"use strict";

function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

function button(text, onClick) {
  const node = element("button", "", text);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A number with the digits that a reader needs; a dash for none. */
function format(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return Math.abs(value) >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** Horizontal bars; `show(values, taken)` marks one of them. Lengths are relative to the largest magnitude so far. */
function makeBars(names) {
  const root = element("div", "bars");
  const rows = names.map((name) => {
    const row = element("div", "bar");
    row.append(element("span", "", name), element("i"), element("span"));
    return row;
  });
  root.append(...rows);
  let largest = 1e-9;
  const show = (values, taken) => {
    largest = Math.max(largest * 0.995, ...values.map(Math.abs));
    rows.forEach((row, k) => {
      row.className = k === taken ? "bar taken" : "bar";
      row.children[1].style.width = `${(100 * Math.abs(values[k])) / largest}%`;
      row.children[2].textContent = format(values[k]);
    });
  };
  return { root, show };
}

/** A slider for `target[name]`. */
function makeSlider(target, name, text, min, max, step, unit) {
  const [root, output, input] = [element("label"), element("span", "value"), element("input")];
  Object.assign(input, { type: "range", min, max, step, name });
  const set = (value) => {
    target[name] = Number(value);
    input.value = value;
    output.textContent = `${format(target[name])} ${unit}`;
  };
  input.addEventListener("input", () => set(input.value));
  root.append(text, output, input);
  set(target[name]);
  return { root, name, set };
}

function addSection(page, title) {
  const section = element("section");
  section.append(element("h2", "", title));
  page.append(section);
  return section;
}

function showFacts(section, facts) {
  const grid = element("div", "facts");
  for (const [heading, values] of Object.entries(facts)) {
    const [part, list] = [element("div"), element("dl")];
    for (const [name, value] of Object.entries(values)) {
      list.append(element("dt", "", name), element("dd", "", value));
    }
    part.append(element("h3", "", heading), list);
    grid.append(part);
  }
  section.append(grid);
}

function showCommands(section, commands) {
  for (const [heading, text] of Object.entries(commands)) {
    const block = element("pre");
    // A browser would break a line after the hyphens of an option.
    block.append(...text.split(/(\s+)/).map((part) => (part.trim() ? element("span", "", part) : part)));
    section.append(element("h3", "", heading), block);
  }
}

/** The returns of all seeds of a configuration as dots on a common axis. */
function makeDots(returns, low, high) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const [width, height] = [150, 18];
  const add = (tag, attributes) => {
    const node = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    svg.append(node);
  };
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  add("line", { x1: 5, x2: width - 5, y1: height / 2, y2: height / 2 });
  for (const value of returns.filter((x) => x !== null)) {
    add("circle", { cx: 5 + ((width - 10) * (value - low)) / (high - low || 1), cy: height / 2, r: 4 });
  }
  return svg;
}

function showRanking(section, { names, rows, solved_at }) {
  const all = rows.flatMap((row) => row.returns).filter((x) => x !== null);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const columns = [
    ...names.map((name, k) => [name.replaceAll("_", " "), (row) => sortable(row.values[k])]),
    ...(solved_at === null ? [] : [[`≥ ${format(solved_at)}`, (row) => row.solved]]),
    ["mean", (row) => row.mean],
    ["median", (row) => row.median],
    ["worst", (row) => row.worst],
    ["diverged", (row) => row.diverged],
  ];
  const [table, head, body] = [element("table"), element("thead"), element("tbody")];
  const headings = element("tr");
  const fill = (sorted) =>
    body.replaceChildren(
      ...sorted.map((row) => {
        const line = element("tr");
        line.append(...columns.map(([, value]) => element("td", "", shown(value(row)))));
        const dots = element("td");
        dots.append(makeDots(row.returns, low, high));
        line.append(dots);
        return line;
      }),
    );
  columns.forEach(([name, value]) => {
    const heading = element("th");
    const sort = button(name, () => {
      const down = heading.getAttribute("aria-sort") !== "descending";
      for (const other of headings.children) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      fill([...rows].sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b))));
    });
    heading.append(sort);
    headings.append(heading);
  });
  headings.append(element("th", "", `${format(low)} to ${format(high)}`));
  head.append(headings);
  table.append(head, body);
  const scroll = element("div", "scroll");
  scroll.append(table);
  section.append(scroll);
  fill(rows);
}

function sortable(text) {
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function shown(value) {
  return typeof value === "string" ? value : format(value);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""));
}

function showReport(data) {
  const page = document.getElementById("page");
  page.append(element("h1", "", data.title), element("p", "lead", data.sentence));
  if (data.missing.length) {
    const box = element("div", "missing");
    box.append(...data.missing.map((line) => element("p", "", line)));
    page.append(box);
  }
  const report = {};
  if (data.cartpole) {
    const section = addSection(page, `The policy of seed ${data.cartpole.seed}, alive`);
    report.cart = showCartPole(section, data.cartpole);
  }
  if (data.episode) {
    const section = addSection(page, `An episode of the policy of seed ${data.episode.seed}`);
    report.episode = showEpisode(section, data.episode);
  }
  if (data.curve) report.curve = showCurve(addSection(page, "Learning"), data.curve);
  if (data.ranking) showRanking(addSection(page, "Configurations"), data.ranking);
  showFacts(addSection(page, "What was trained"), data.facts);
  showCommands(addSection(page, "Use it"), data.commands);
  return report;
}

const report = showReport(JSON.parse(document.getElementById("data").textContent));
