// Draws an explorable figure: native controls, SVG panels, and a sentence that says what is shown.
// The numbers come from explore.py; this file computes none.

export const STYLE = `
.explorable { margin: 1rem 0; padding: .9rem 1rem; border: 1px solid color-mix(in srgb, currentColor 22%, transparent);
  border-radius: 8px; color: var(--pst-color-text-base, var(--jp-content-font-color1, inherit)); font: 15px/1.4 system-ui, sans-serif; }
.explorable-controls { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; }
.explorable-controls label { flex: 1 1 12rem; max-width: 22rem; margin: 0; }
.explorable-controls b { float: right; font-variant-numeric: tabular-nums; font-weight: 600; }
.explorable-controls input, .explorable-controls select { display: block; width: 100%; margin: 0; accent-color: #2b7fd4;
  min-height: 44px; font: inherit; }
.explorable-controls fieldset { flex: 0 1 auto; min-width: 0; margin: 0; padding: 0; border: 0; }
.explorable-controls legend { float: none; width: auto; margin: 0; padding: 0; font: inherit; }
.explorable-choices { display: flex; flex-wrap: wrap; }
.explorable-controls .explorable-choices label { flex: 0 0 auto; position: relative; }
.explorable-choices input { position: absolute; inset: 0; width: 100%; height: 100%; opacity: 0; cursor: pointer; }
.explorable-choices span { display: block; min-width: 44px; line-height: 42px; padding: 0 .7rem; text-align: center; margin-left: -1px;
  border: 1px solid color-mix(in srgb, currentColor 40%, transparent); font-variant-numeric: tabular-nums; }
.explorable-choices :checked + span { background: color-mix(in srgb, #2b7fd4 22%, transparent); box-shadow: inset 0 -3px #2b7fd4; }
.explorable-choices :focus-visible + span { outline: 2px solid #2b7fd4; outline-offset: 2px; }
.explorable button { font: inherit; color: inherit; background: transparent; min-height: 44px; padding: .2rem .8rem; cursor: pointer;
  border: 1px solid color-mix(in srgb, currentColor 40%, transparent); border-radius: 22px; }
.explorable-ways { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; align-self: flex-end; }
.explorable-ways input { flex: 1 0 100%; min-width: 16rem; }
.explorable-cover { display: none; } .covered .explorable-cover { display: block; margin: .6rem 0; }
.covered .explorable-panels, .covered .explorable-text, .covered .explorable-reading { visibility: hidden; }
.explorable-controls select { color: inherit; background: transparent; border: 1px solid color-mix(in srgb, currentColor 40%, transparent);
  border-radius: 4px; padding: .1rem .3rem; }
.explorable-controls option { color: #222; background: #fff; }
.explorable :focus-visible { outline: 2px solid #2b7fd4; outline-offset: 2px; }
.explorable-panels { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .6rem; }
.explorable-panels svg { display: block; overflow: visible; touch-action: pan-y; } .explorable-panels svg.inside { overflow: hidden; }
.explorable text { fill: currentColor; font-size: 12px; }
.explorable .tick { opacity: .75; } .explorable .title { font-weight: 600; font-size: 13px; }
.explorable .grid { stroke: currentColor; opacity: .13; } .explorable .guide { stroke: currentColor; opacity: .4; }
.explorable-lines { flex: 0 0 100%; min-width: 0; touch-action: pan-y; user-select: none; -webkit-user-select: none; }
.explorable-lines > b { font-size: 13px; }
.explorable-scale { display: flex; align-items: center; gap: .5rem; white-space: nowrap; font-size: 13px; margin-top: .4rem;
  font-variant-numeric: tabular-nums; }
.explorable-scale i { flex: 0 0 3rem; height: .8rem; border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
.explorable-scale .now { padding-left: .5rem; min-width: 0; overflow: hidden; text-overflow: ellipsis; }
.explorable-tokens { line-height: 30px; overflow-wrap: anywhere; font-size: 16px; }
.explorable-tokens.chosen { line-height: 44px; } .explorable-tokens.chosen span { cursor: pointer; }
.explorable-tokens.characters { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.explorable-tokens span { padding: 4px 1px; border-radius: 3px; } .explorable-tokens.words span { padding: 4px; margin-right: 4px; }
.explorable-tokens [data-token=" "] { color: color-mix(in srgb, currentColor 70%, transparent); }
.explorable-tokens .current { outline: 2px solid currentColor; outline-offset: -1px; }
.explorable-panels [tabindex] { cursor: crosshair; } .explorable .ghost { opacity: .4; }
.explorable-reading { min-height: 1.4em; margin: .4rem 0 0 !important; font-size: 13px; opacity: .8; font-variant-numeric: tabular-nums; }
.explorable-text { min-height: 2.8em; margin: .5rem 0 0 !important; }
`;

export const element = (tag, attributes = {}, text = "") => {
  const svg = ["svg", "g", "line", "path", "circle", "rect", "text"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== "") node.textContent = text;
  if (/\p{Script=Han}/u.test(text)) node.setAttribute("lang", "zh");
  return node;
};

// A colour for words: a little nearer to the page's own, so that they stand out on white and on a dark page.
export const ink = (color) => `color-mix(in srgb, ${color} 70%, currentColor)`;

// A scale maps a value to a pixel; it remembers both ends so that a reader of the page can map back.
function scale(kind, [low, high], [from, to]) {
  const place = kind === "log" ? Math.log10 : (v) => v;
  const map = (v) => from + ((place(v) - place(low)) / (place(high) - place(low))) * (to - from);
  map.shows = (v) => v !== null && (kind !== "log" || v > 0);
  map.ticks = kind === "log" ? logTicks(low, high) : linearTicks(low, high, Math.abs(to - from));
  return map;
}

function linearTicks(low, high, pixels) {
  const rough = (high - low) / Math.max(3, Math.min(6, pixels / 45));
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
  if (last - first < 1) return linearTicks(low, high, 200).filter((v) => v > 0);
  const every = Math.ceil((last - first) / 6);
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, i) => 10 ** (first + i * every));
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
export function tickText(value) {
  if (value === null) return "no value";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [digits, power] = value.toExponential(2).split("e").map(Number);
    const exponent = [...String(power)].map((c) => SUPERSCRIPT[c]).join("");
    return (digits === 1 ? "" : `${String(digits).replace("-", "−")}·`) + `10${exponent}`;
  }
  return String(+value.toPrecision(4)).replace("-", "−");
}

// Moves labels apart where they would overlap, and keeps them inside the panel.
function spread(labels, low, high, gap = 14) {
  labels.sort((a, b) => a.y - b.y);
  labels.forEach((label, i) => { label.y = Math.max(label.y, i ? labels[i - 1].y + gap : low); });
  for (let i = labels.length - 1; i >= 0; i--)
    labels[i].y = Math.min(labels[i].y, i < labels.length - 1 ? labels[i + 1].y - gap : high);
}

const naturalHeight = (panel, width) => (panel.equal ? Math.min(width, 300) : Math.max(190, Math.min(300, width * 0.55)));

export function drawPanel(svg, panel, marks, width) {
  const height = panel.height ?? naturalHeight(panel, width);
  const longest = panel.longest ?? Math.max(0, ...marks.filter((m) => m.kind !== "bars").map((m) => m.label.length));
  const left = 52, right = width - (longest ? 12 + longest * 6.6 : 10), bottom = height - 40;
  const top = panel.title || panel.besideTitle ? 36 : 20;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  const add = (tag, attributes, text) => svg.appendChild(element(tag, attributes, text));

  const categories = marks.findLast((m) => m.kind === "bars" && m.x.length)?.x, xscale = categories ? "linear" : panel.xscale;
  let xlim = categories ? [-0.5, categories.length - 0.5] : panel.xlim, ylim = panel.ylim;
  if (panel.equal) {
    const unit = Math.min((right - left) / (xlim[1] - xlim[0]), (bottom - top) / (ylim[1] - ylim[0]));
    const around = ([low, high], pixels) => [(low + high - pixels / unit) / 2, (low + high + pixels / unit) / 2];
    [xlim, ylim] = [around(xlim, right - left), around(ylim, bottom - top)];
  }
  const x = scale(xscale, xlim, [left, right]);
  const y = scale(panel.yscale, ylim, [bottom, top]);
  svg.dataset.x = JSON.stringify([...xlim, left, right, xscale]);
  svg.dataset.y = JSON.stringify([...ylim, bottom, top, panel.yscale]);

  for (const v of y.ticks) {
    add("line", { class: "grid", x1: left, x2: right, y1: y(v), y2: y(v) });
    add("text", { class: "tick", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, tickText(v));
  }
  const xTicks = categories ? categories.map((text, i) => [i, text]) : x.ticks.map((v) => [v, tickText(v)]);
  for (const [v, text] of xTicks) {
    add("line", { class: "grid", x1: x(v), x2: x(v), y1: bottom, y2: bottom + 4 });
    add("text", { class: "tick", x: x(v), y: bottom + 17, "text-anchor": "middle" }, text);
  }
  add("text", { x: (left + right) / 2, y: height - 4, "text-anchor": "middle" }, panel.xlabel);
  add("text", { x: 4, y: top - 9 }, panel.ylabel);
  add("text", { class: "title", x: 4, y: 12 }, panel.title);

  const clip = (v) => Math.max(top, Math.min(bottom, v));
  // What a line does beyond the panel is cut off: drawn along its edge it would look like a fact.
  const near = (v) => Math.max(-1e5, Math.min(1e5, v)), room = { y: top - 2, width, height: bottom - top + 4 };
  const inside = add("svg", { class: "inside", x: 0, ...room, viewBox: `0 ${room.y} ${width} ${room.height}` });
  const labels = [];
  for (const mark of marks) {
    const places = mark.x.map((v, i) => [mark.kind === "bars" ? i : v, mark.y[i]])
      .map(([a, b]) => (x.shows(a) && y.shows(b) ? [x(a), (mark.kind === "line" ? near : clip)(y(b))] : null));
    const pixels = places.filter((place) => place);
    if (!pixels.length) continue;
    const group = inside.appendChild(element("g", { class: mark.ghost ? "ghost" : "mark", "data-label": mark.label }));
    if (mark.kind === "line") {
      const at = ([a, b]) => `${a.toFixed(2)} ${b.toFixed(2)}`;
      const d = places.map((place, i) => (place ? (places[i - 1] ? "L" : "M") + at(place) : "")).join("");
      group.append(element("path", { d, fill: "none", stroke: mark.color, "stroke-width": mark.dashed ? 1.5 : 2.5,
        "stroke-dasharray": mark.dashed ? "5 4" : "none", "stroke-linejoin": "round" }));
      for (const [a, edge] of mark.ghost ? [] : leaves(places, top, bottom))
        add("path", { class: "leaves", d: `M${a.toFixed(1)} ${edge}l-4 ${edge === top ? 7 : -7}h8z`, fill: mark.color });
      const alone = places.filter((place, i) => place && !places[i - 1] && !places[i + 1]);
      for (const [a, b] of alone) group.append(element("circle", { cx: a, cy: b, r: 2.5, fill: mark.color }));
    } else if (mark.kind === "dots") {
      for (const [a, b] of pixels) group.append(element("circle", { cx: a, cy: b, r: 4, fill: mark.color }));
    } else {
      const base = y(panel.yscale === "log" ? ylim[0] : 0), half = (x(1) - x(0)) * 0.4;
      for (const [a, b] of pixels)
        group.append(element("rect", { x: a - half, width: 2 * half, y: Math.min(b, base), height: Math.abs(base - b),
          fill: mark.ghost ? "none" : mark.color, stroke: mark.ghost ? "currentColor" : "none" }));
    }
    const [endX, endY] = pixels[pixels.length - 1];
    const atX = mark.kind === "dots" ? endX + 8 : Math.min(endX, right) + 6;
    if (mark.kind !== "bars" && mark.label && !mark.ghost) labels.push({ x: atX, y: clip(endY), mark });
  }
  spread(labels, top + 4, bottom);
  for (const { x: at, y: height, mark } of labels)
    add("text", { x: at, y: height + 4, style: `fill: ${ink(mark.color)}; font-weight: 600` }, mark.label);

  const series = marks.filter((m) => (m.kind !== "dots" || m.label) && !m.ghost && !panel.equal)
    .map((m) => (m.kind === "bars" ? { ...m, x: m.x.map((_, i) => i) } : m));
  const name = (v) => categories?.[v] ?? tickText(v);
  addReadout(svg, panel, series, name, x, { left, right, top, bottom });
}

// Where a line leaves the panel, or begins outside: there, at the upper or lower edge, it gets an arrow.
function leaves(places, top, bottom) {
  const beyond = (place) => place && (place[1] < top - 2 ? top : place[1] > bottom + 2 ? bottom : null);
  return places.flatMap((place, i) => {
    const edge = beyond(place), last = places[i - 1];
    if (edge === null || !place || (last && beyond(last) === edge)) return [];
    const share = last ? (edge - last[1]) / (place[1] - last[1]) : 1;
    return [[last ? last[0] + share * (place[0] - last[0]) : place[0], edge]];
  });
}

// A guide at one x, and each curve's value there: under the mouse, and to stay where the reader taps or moves it with the
// arrow keys. The line below the panels says the same.
function addReadout(svg, panel, series, name, x, box) {
  const stops = [...new Set(series.flatMap((m) => m.x))].filter(x.shows).sort((a, b) => a - b);
  for (const event of ["click", "pointermove", "pointerleave", "keydown"]) svg[`on${event}`] = null;
  if (!stops.length) return svg.removeAttribute("tabindex");
  svg.setAttribute("tabindex", 0); // never taken away in between, or it would lose the focus
  const guide = svg.appendChild(element("line", { class: "guide", y1: box.top, y2: box.bottom }));
  const readout = svg.appendChild(element("g"));
  const nearest = (at) => stops.reduce((best, v) => (Math.abs(x(v) - at) < Math.abs(x(best) - at) ? v : best));
  const under = (event) => {
    const { left, width } = svg.getBoundingClientRect();
    const at = (event.clientX - left) * (svg.viewBox.baseVal.width / width);
    return at < box.left - 4 || at > box.right + 4 ? undefined : nearest(at);
  };
  const show = (v) => {
    [guide, readout].forEach((node) => node.setAttribute("visibility", v === undefined ? "hidden" : "visible"));
    if (v === undefined) return;
    guide.setAttribute("x1", x(v));
    guide.setAttribute("x2", x(v));
    const rows = series.map((m) => [m, m.y[m.x.indexOf(v)]]).filter(([, value]) => value !== undefined && value !== null);
    const beyond = x(v) > (box.left + box.right) / 2;
    readout.replaceChildren(...[[null, `at ${name(v)}`], ...rows].map(([mark, value], i) =>
      element("text", { x: x(v) + (beyond ? -8 : 8), y: box.top + 12 + 15 * i, "text-anchor": beyond ? "end" : "start",
        style: `paint-order: stroke; stroke: var(--pst-color-background, var(--jp-layout-color0, Canvas)); stroke-width: 4px; ${mark ? `fill: ${ink(mark.color)}` : ""}` },
        mark ? `${mark.label || "value"} ${tickText(value)}` : value)));
    const line = svg.closest(".explorable")?.querySelector(".explorable-reading");
    const says = `${panel.xlabel} ${name(v)}: ${rows.map(([m, value]) => `${m.label || "value"} ${tickText(value)}`).join(", ") || "no value"}.`;
    if (line && line.textContent !== says) line.textContent = says;
  };
  const stay = (v) => { svg.stays = v; show(v); };
  svg.onclick = (event) => stay(under(event));
  svg.onpointermove = (event) => (event.pointerType === "mouse" ? show : stay)(under(event));
  svg.onpointerleave = () => show(svg.stays);
  svg.onkeydown = (event) => {
    const now = svg.stays === undefined ? -1 : stops.indexOf(nearest(x(svg.stays)));
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: stops.length - 1, Escape: NaN }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    stay(stops[Math.max(0, Math.min(stops.length - 1, next))]);
  };
  show(svg.stays === undefined ? undefined : nearest(x(svg.stays)));
}

const VISIBLE = { " ": "␣", "\n": "↵" };
const NEGATIVE = "#c8553d";
const STRONGEST = 55; // per cent of a colour that leaves the page's text a contrast of 4.5, light and dark

// Lines of text; behind each token a shade for its value. `current` is the token that the control stands at, or null.
function drawText(node, panel, marks, current, about) {
  const most = Math.max(...panel.ylim.map(Math.abs)), log = panel.yscale === "log";
  const ends = log ? panel.ylim : [0, most];
  const strength = scale(panel.yscale, ends, [0, STRONGEST]);
  const shade = (v, color) => {
    const percent = strength.shows(v) ? Math.max(0, Math.min(STRONGEST, strength(Math.abs(v)))) : 0;
    return `color-mix(in srgb, ${v < 0 ? NEGATIVE : color} ${percent.toFixed(2)}%, transparent)`;
  };
  const weakest = log ? `≤ ${tickText(ends[0])}` : panel.ylim[0] < 0 ? tickText(-most) : "0";
  node.dataset.y = JSON.stringify([...ends, 0, STRONGEST, panel.yscale]);
  node.replaceChildren();
  if (panel.title) node.append(element("b", {}, panel.title));
  for (const { label, color, x: tokens, y } of marks) {
    const values = tokens.map((_, i) => (i < y.length ? y[i] : 0));
    const says = (i) => `${tickText(values[i])} at “${VISIBLE[tokens[i]] ?? tokens[i]}”`;
    const head = node.appendChild(element("div", { class: "explorable-scale" }));
    if (label) head.append(element("b", { style: `color: ${ink(color)}` }, label));
    const stops = [panel.ylim[0] < 0 && !log ? shade(-most, color) : "transparent", "transparent", shade(most, color)];
    head.append(element("span", {}, weakest), element("i", { style: `background: linear-gradient(to right, ${[...new Set(stops)]})` }),
      element("span", {}, tickText(most)));
    const words = tokens.some((token) => [...token].length > 1);
    const line = node.appendChild(element("div", { class: `explorable-tokens ${words ? "words" : "characters"} ${panel.control === null ? "" : "chosen"}`, "data-label": label }));
    tokens.forEach((token, i) => {
      line.append(element("span", { class: i === current ? "current" : "", "data-index": i, "data-token": token,
        "data-value": values[i] ?? "", title: says(i), style: `background: ${shade(values[i], color)}` }, VISIBLE[token] ?? token));
      if (words || token === " ") line.append(element("wbr"));
    });
    if (current !== null) {
      head.append(element("span", { class: "now" }, says(current)));
      about += ` ${label} ${says(current)}.`;
    }
  }
  node.setAttribute("aria-label", about.replaceAll("  ", " "));
}

// A tree from left to right. Its nodes keep their places; the marks say what became of them.
function drawTree(svg, panel, marks, width, about) {
  const { tokens, parents } = panel;
  const depth = [], row = [], children = tokens.map(() => []);
  let rows = 0;
  parents.forEach((parent, i) => { depth[i] = parent === null ? 0 : depth[parent] + 1; children[parent]?.push(i); });
  const placeIn = (i) => {
    children[i].forEach(placeIn);
    row[i] = children[i].length ? (row[children[i][0]] + row[children[i].at(-1)]) / 2 : rows++;
  };
  parents.forEach((parent, i) => { if (parent === null) placeIn(i); });

  const steps = Math.max(...depth) + 1, left = 12, top = 58, line = 20, height = top + rows * line;
  const column = (width - left - 78) / steps, withValues = column >= 96;
  const x = (i) => left + depth[i] * column + 10, y = (i) => top + row[i] * line + 10;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.dataset.y = "null";
  const add = (tag, attributes, text) => svg.appendChild(element(tag, attributes, text));

  add("text", { class: "title", x: 4, y: 12 }, panel.title);
  let at = 4;
  for (const mark of marks) {
    add("rect", { x: at, y: 21, width: 12, height: 12, rx: 3, ...outline(mark) });
    add("text", { x: at + 17, y: 31 }, mark.label);
    at += 32 + 6.6 * mark.label.length;
  }
  for (let step = 0; step < steps; step++)
    add("text", { class: "tick", x: left + step * column + 14, y: 50 }, withValues || step === 0 ? `step ${step + 1}` : step + 1);
  add("text", { class: "tick", x: width - 4, y: 50, "text-anchor": "end" }, panel.ylabel);

  const marked = {};
  for (const mark of marks) mark.x.forEach((i, n) => { marked[i] = [mark, n]; });
  const words = (i) => (withValues && marked[i] && !marked[i][0].ranked ? `${tokens[i]} ${tickText(marked[i][0].y[marked[i][1]])}` : tokens[i]);
  const box = (i) => 8 + 6.7 * [...words(i)].length;
  parents.forEach((parent, i) => {
    const [startX, startY] = parent === null ? [4, top + (rows * line) / 2] : [x(parent) + box(parent), y(parent)];
    const mark = marked[i]?.[0];
    const d = `M${startX.toFixed(1)} ${startY.toFixed(1)}L${x(i).toFixed(1)} ${y(i).toFixed(1)}`;
    add("path", { d, stroke: mark ? mark.color : "currentColor", "stroke-width": mark && !mark.dashed ? 2 : 1,
      "stroke-opacity": mark ? 0.9 : 0.25, "stroke-dasharray": mark?.dashed ? "4 3" : "none" });
  });
  const drawNode = (group, i, mark) => {
    if (mark) group.append(element("rect", { x: x(i), y: y(i) - 8.5, width: box(i), height: 17, rx: 4, ...outline(mark) }));
    group.append(element("text", { x: x(i) + 4, y: y(i) + 4, opacity: mark ? 1 : 0.75 }, words(i)));
  };
  tokens.forEach((_, i) => { if (!marked[i]) drawNode(svg, i); });
  for (const mark of marks) {
    if (!mark.x.length) continue;
    const group = add("g", { class: "mark", "data-kind": "nodes", "data-label": mark.label });
    mark.x.forEach((i, n) => {
      const node = group.appendChild(element("g", { "data-node": i, "data-value": mark.y[n] ?? "" }));
      drawNode(node, i, mark);
      if (mark.ranked)
        node.append(element("text", { x: width - 4, y: y(i) + 4, "text-anchor": "end",
          style: n === 0 ? `fill: ${ink(mark.color)}; font-weight: 600` : "" }, `${n + 1}.  ${tickText(mark.y[n])}`));
    });
  }
  const sentence = (i) => (parents[i] === null ? tokens[i] : `${sentence(parents[i])} ${tokens[i]}`);
  const lists = marks.map((mark) => `${mark.label}: ${mark.x.map((i, n) => `“${sentence(i)}” ${tickText(mark.y[n])}`).join(", ") || "none"}.`);
  svg.setAttribute("aria-label", [about, ...lists].join(" "));
}

const outline = (mark) => ({ stroke: mark.color, "stroke-dasharray": mark.dashed ? "3 2" : "none",
  style: `fill: ${mark.dashed ? "transparent" : `color-mix(in srgb, ${mark.color} 28%, transparent)`}` });

// Few values are buttons side by side, more numbers a slider, more texts a menu. `name` is the control's in its form.
function addControl(form, name, { label, values, menu, start }) {
  const option = (tag, chosen) => values.map((value, i) => element(tag, { value: i, ...(i === start ? { [chosen]: "" } : {}) }));
  if (values.length <= 5 && values.join("").length <= 48) {
    const group = form.appendChild(element("fieldset")), row = element("div", { class: "explorable-choices" });
    group.append(element("legend", {}, label), row);
    option("input", "checked").forEach((input, i) => {
      const choice = row.appendChild(element("label"));
      Object.assign(input, { type: "radio", name });
      choice.append(input, element("span", {}, values[i]));
    });
    return () => {};
  }
  const input = menu ? element("select", { name, "aria-label": label })
    : element("input", { type: "range", name, "aria-label": label, min: 0, max: values.length - 1, value: start });
  if (menu) option("option", "selected").forEach((node, i) => { node.textContent = values[i]; input.append(node); });
  const node = form.appendChild(element("label")), shown = element("b");
  node.append(element("span", {}, label), shown, input);
  return (i) => {
    if (menu) return;
    shown.textContent = values[i];
    input.setAttribute("aria-valuetext", values[i]);
  };
}

// How a figure starts again and, in a page, how a reader sends what it shows. A notebook has no address for it.
export function ways(model, said, reset) {
  const row = element("div", { class: "explorable-ways" });
  row.appendChild(element("button", { type: "button" }, "Reset")).onclick = () => {
    reset();
    model.forget?.();
  };
  if (!model.address) return row;
  const copy = row.appendChild(element("button", { type: "button" }, "Copy link"));
  const note = row.appendChild(element("span", { role: "status" }));
  copy.onclick = async () => {
    const address = model.address(said());
    row.querySelector("input")?.remove();
    try {
      await navigator.clipboard.writeText(address);
      note.textContent = "copied";
    } catch { // some browsers refuse it to a page that is a file
      note.textContent = "Copy this address:";
      const field = row.appendChild(element("input", { readonly: "", value: address, "aria-label": "address of what the figure shows" }));
      field.select();
    }
  };
  row.onfocusout = () => { if (!row.querySelector("input")) note.textContent = ""; };
  return row;
}

export const HINT = "Tap or point at a chart, or use the arrow keys on it, to read its values.";

function render({ model, el }) {
  const data = model.get("data"), { controls } = data;
  const figure = element("figure", { class: "explorable", "data-name": data.name });
  const form = figure.appendChild(element("form", { class: "explorable-controls" }));
  const cover = figure.appendChild(element("button", { type: "button", class: "explorable-cover" }, "Predict first: what has changed? Then show it"));
  const panels = figure.appendChild(element("div", { class: "explorable-panels" }));
  const isText = (panel) => "control" in panel, isTree = (panel) => "parents" in panel;
  const isChart = (panel) => !isText(panel) && !isTree(panel), charts = data.panels.filter(isChart);
  const nodes = data.panels.map((panel) => panels.appendChild(
    isText(panel) ? element("div", { role: "img", class: "explorable-lines" }) : element("svg", { role: "img" })));
  const hints = [
    charts.some((panel) => !panel.equal) && HINT,
    data.panels.some((panel) => isText(panel) && panel.control !== null) && "Tap a letter or a word to choose it.",
    charts.length && "Pale: before the last change.",
  ];
  figure.append(element("p", { class: "explorable-reading", "aria-live": "polite" }, hints.filter(Boolean).join(" ")));
  const text = figure.appendChild(element("p", { class: "explorable-text", "aria-live": "polite" }));

  const shows = controls.map((control, c) => addControl(form, `control-${c}`, control));
  form.append(ways(model, () => said(), reset));
  const input = (c) => form.elements[`control-${c}`];
  const places = () => controls.map((_, c) => Number(input(c).value));
  const frameAt = (at) => data.frames[at.reduce((total, place, c) => total * controls[c].values.length + place, 0)];
  const whole = ([style, x, y]) => ({ ...data.styles[style], x: data.arrays[x], y: data.arrays[y] });

  // Room for the longest label of any setting, so that the axes stand still.
  const longest = data.panels.map((_, i) => {
    const styles = new Set(data.frames.flatMap((frame) => frame.panels[i].map(([style]) => data.styles[style])));
    return Math.max(0, ...[...styles].filter(({ kind }) => kind !== "bars").map(({ label }) => label.length));
  });

  let at = places(), before = null, moving = false; // before: the setting that the pale curves show

  function draw() {
    const frame = frameAt(at), last = before && frameAt(before);
    const gap = 8, room = panels.clientWidth || 640, columns = room < 560 ? 1 : charts.length;
    const width = Math.floor((room - gap * (columns - 1)) / columns);
    const inRow = columns > 1 && { height: Math.max(...charts.map((panel) => naturalHeight(panel, width))),
      besideTitle: charts.some((panel) => panel.title) };
    nodes.forEach((node, i) => {
      const panel = data.panels[i], marks = frame.panels[i].map(whole);
      const about = [panel.title || panel.ylabel, frame.text].filter(Boolean).join(". ");
      if (isText(panel)) return drawText(node, panel, marks, panel.control === null ? null : at[panel.control], about);
      if (isTree(panel)) return drawTree(node, panel, marks, room, about);
      const same = new Set(frame.panels[i].map(String));
      // A pale bar says something only above the word that it stood above before.
      const words = String(marks.find(({ kind }) => kind === "bars")?.x);
      const ghosts = (last?.panels[i] ?? []).filter((mark) => !same.has(String(mark))).map((mark) => ({ ...whole(mark), ghost: true }))
        .filter(({ kind, x }) => kind !== "dots" && (kind !== "bars" || String(x) === words));
      const ends = columns > 1 ? longest[i] : Math.max(...longest.filter((_, j) => isChart(data.panels[j])));
      drawPanel(node, { ...panel, ...inRow, longest: ends }, [...ghosts, ...marks], width);
      node.setAttribute("aria-label", about);
    });
    text.textContent = frame.text;
  }

  function read() {
    at = places();
    shows.forEach((show, c) => show(at[c]));
  }

  // What the controls say, in order, is the model's state: a page has it in its address.
  const said = () => controls.map(({ values }, c) => values[at[c]]);

  function follow() {
    (model.get("state") ?? []).forEach((value, c) => {
      const i = controls[c]?.values.indexOf(value) ?? -1;
      if (i >= 0) input(c).value = i;
    });
    read();
  }

  function change() {
    read();
    model.set("state", said());
    draw();
  }

  const predicts = el.closest(".tag_predict-first") !== null;
  let asked = false;
  form.oninput = () => {
    if (!moving) before = at;
    moving = true;
    figure.classList.toggle("covered", predicts && !asked);
    change();
  };
  form.onchange = () => { moving = false; };
  form.onsubmit = (event) => event.preventDefault();
  function reset() {
    form.reset();
    [before, moving, asked] = [null, false, false];
    figure.classList.remove("covered");
    change();
  }
  cover.onclick = () => {
    asked = true;
    figure.classList.remove("covered");
  };

  // A token under the mouse or a finger sets its control. The tokens are drawn anew, so ask what is there now.
  data.panels.forEach((panel, i) => {
    if (!isText(panel) || panel.control === null) return;
    nodes[i].onpointermove = nodes[i].onpointerdown = (event) => {
      const token = nodes[i].getRootNode().elementFromPoint(event.clientX, event.clientY)?.closest("[data-index]");
      if (!nodes[i].contains(token ?? null) || Number(token.dataset.index) === at[panel.control]) return;
      input(panel.control).value = token.dataset.index;
      moving = false;
      form.dispatchEvent(new Event("input"));
    };
  });

  el.append(element("style", {}, STYLE), figure);
  follow();
  model.on("change:state", () => {
    if (String(model.get("state")) === String(said())) return;
    follow();
    draw();
  });
  draw();
  let width = panels.clientWidth;
  const observer = new ResizeObserver(() => { if (panels.clientWidth !== width) { width = panels.clientWidth; draw(); } });
  observer.observe(panels);
  return () => observer.disconnect();
}

export default { render };
