// Translate and search: a small translator with attention, its beam as a tree, and where each word looks.

const ROW = 44; // pixels for a step: what a finger can hit
const TOP = 92; // pixels above the first step, in the tree and beside it
const SLOT = 58; // pixels for a node
const DROPPED = 3; // of the dropped candidates of a step the best are drawn
const STRONGEST = 55; // per cent of a colour that leaves the text a contrast of 4.5, light and dark
const KEYS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };

const EXAMPLES = {
  "greedy goes in circles": ["These actresses of the new boats love them.", 3, 0.75],
  "α changes the winner": ["His big strange letters that fall always burn.", 5, 0.75],
  "more probable, but wrong": ["The sisters that the heroines hear follow her.", 2, 0.75],
  "words that cross": ["The white birds follow the proud queen.", 2, 0.75],
};

const STYLE = `
.translate-about { margin: .5rem 0 0 !important; font-variant-numeric: tabular-nums; } .translate sup { line-height: 0; }
.translate-note { margin: 0 0 .6rem !important; font-size: 13px; }
.translate .live-area textarea { min-height: 2.8rem; } @media (max-width: 560px) { .translate .live-area textarea { min-height: 4.2rem; } }
.explorable-panels.translate-room { gap: 1rem; flex-wrap: nowrap; }
.translate-room.narrow { flex-wrap: wrap; }
.translate-tree [data-node] { cursor: pointer; outline: none; }
.translate-tree [data-node]:focus-visible .box { stroke: currentColor; stroke-width: 3; stroke-dasharray: none; }
.translate-tree .chosen .box { stroke: currentColor; stroke-width: 2.5; stroke-dasharray: none; }
.explorable .translate-room text.small { font-size: 10.5px; }
.translate-ranks { list-style: none; margin: .4rem 0 0 !important; padding: 0 !important; }
.translate-ranks li { margin: 0; } .translate-ranks button { font: inherit; color: inherit; text-align: left; background: transparent; width: 100%; min-height: 44px;
  border: 0; border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent); cursor: pointer; display: flex; flex-wrap: wrap; gap: 0 1rem;
  align-items: center; padding: .2rem .3rem; font-variant-numeric: tabular-nums; }
.translate-ranks button[aria-pressed=true] { background: color-mix(in srgb, #2b7fd4 14%, transparent); }
.translate-ranks button:focus-visible { outline: 2px solid #2b7fd4; outline-offset: -2px; }
.translate-ranks b { flex: 1 1 12rem; } .translate-ranks li:first-child b { font-weight: 700; } .translate-ranks b { font-weight: 400; }
.translate details { margin: .6rem 0 0; font-size: 13px; } .translate summary { min-height: 44px; line-height: 44px; cursor: pointer; }
`;

const fixed = (v, digits = 2) => v.toFixed(digits).replace(/^-(?=.*[1-9])/, "−").replace("-", "");
const quoted = (text) => `“${text}”`;
const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
const short = (word) => ([...word].length > 24 ? `${[...word].slice(0, 24).join("")}…` : word);

// What is typed, as ids of the source language: at most model.longest words and signs, <eos> after them. A sentence
// without an end gets a full stop.
export function read(model, typed) {
  const all = translator.split(typed), found = all.slice(0, model.longest);
  const known = found.filter((word) => model.number.has(word)), unknown = [...new Set(found.filter((word) => !model.number.has(word)))];
  const ended = !/[\p{L}\p{N}]/u.test(found.at(-1) ?? "") || found.length === model.longest;
  const tokens = ended ? found : [...found, "."];
  const some = known.some((word) => /\p{L}/u.test(word));
  return { tokens, unknown, some, added: !ended, left: all.length - found.length, all: all.length,
    ids: [...tokens.map((word) => model.number.get(word) ?? 0), translator.EOS] };
}

function noteOn(model, { unknown, some, added, left, all }) {
  const notes = [];
  if (!all) notes.push("Nothing is typed yet: choose an example, or type English words of the grammar.");
  else if (!some) notes.push("Nothing here can be translated.");
  if (unknown.length) {
    const named = unknown.slice(0, 5).map((word) => quoted(short(word)));
    if (unknown.length > 5) named.push(`${unknown.length - 5} more`);
    const one = unknown.length === 1;
    notes.push(`It does not know ${words.listed(named)}${some ? ` and reads ${one ? "it" : "them"} as <unk>, which it never met in training: do not trust what follows` : ""}.`);
  }
  if (left) notes.push(`Only the first ${model.longest} of ${words.whole(all)} words and signs are read: it learned from no longer sentences.`);
  if (added && some) notes.push("A full stop was added.");
  return [...notes, "What you type stays in this page: nothing is sent."].join(" ");
}

// The places of the nodes that are drawn: those kept, and as many of the best dropped ones as have room. The children
// of a node stand together and in the order of their parents, so that no two lines cross.
export function layout(tree, width) {
  const slots = Math.floor(width / SLOT), places = new Map();
  tree.forEach((nodes, t) => {
    const kept = nodes.filter((node) => node.kept), room = Math.max(0, Math.min(DROPPED, slots - kept.length));
    const shown = nodes.slice(0, kept.length + room);
    const from = (node) => places.get(node.parent)?.x ?? 0;
    shown.map((node, rank) => [node, rank]).sort(([a, i], [b, j]) => from(a) - from(b) || i - j).forEach(([node], i) => {
      const wide = Math.min(width / shown.length, 96);
      places.set(node, { x: width / 2 + (i + 0.5 - shown.length / 2) * wide, y: TOP + t * ROW + ROW / 2, wide, row: t, i });
    });
  });
  return places;
}

// The letters of a word that fit, and how large they are.
function fitted(word, wide) {
  const letters = [...word], size = Math.min(12, (wide - 8) / (0.56 * letters.length));
  return size >= 9 ? [word, size] : [`${letters.slice(0, Math.floor((wide - 8) / (0.56 * 9)) - 1).join("")}…`, 9];
}

const sheet = (svg, width, height) => {
  svg.replaceChildren();
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, width, height })) svg.setAttribute(name, value);
  return (tag, attributes, text) => svg.appendChild(drawing.element(tag, attributes, text));
};

export function show(figure, { colors, translator: saved }) {
  const { element } = drawing, model = translator.load(saved);
  const blue = colors.gru, red = colors.attention, grey = colors.data;
  figure.node.classList.add("translate");
  figure.node.prepend(element("style", {}, STYLE));
  figure.room.classList.add("translate-room");

  let found, search, greedy, chosen, places = new Map(), width = 640;
  const setting = { k: 3, exponent: 0.75 };
  const word = (node) => model.target[node.word];
  const sentence = (node) => translator.written(translator.path(node).filter((one) => one.word !== translator.EOS).map(word));
  const said = (node) => quoted(sentence(node) || "(empty)");

  const examples = figure.buttons("example", Object.keys(EXAMPLES), (name) => {
    const [text, k, exponent] = EXAMPLES[name];
    input.value = text;
    Object.assign(setting, { k, exponent });
    width_k.set(k);
    exponents.set(exponent);
    readAnew();
  });
  const input = figure.area("An English sentence of the grammar", () => { examples.clear(); readAnew(); }).field;
  Object.assign(input, { rows: 1, placeholder: "Type a sentence, such as: The old lamp burns." });
  const note = figure.top.appendChild(element("p", { class: "translate-note", role: "status" }));
  const offers = figure.top.appendChild(element("div", { class: "live-buttons", role: "group", "aria-label": "known words that are near" }));
  const width_k = figure.slider("beam width k", [1, 5, 1], setting.k, String, (k) => { setting.k = k; searchAnew(); });
  const exponents = figure.slider("length exponent α", [0, 1.5, 0.05], setting.exponent, (v) => v.toFixed(2),
    (exponent) => { setting.exponent = exponent; searchAnew(); });
  const tree = figure.room.appendChild(element("svg", { class: "translate-tree", role: "group" }));
  const weights = figure.room.appendChild(element("svg", { class: "translate-weights", role: "img" }));
  const about = element("p", { class: "translate-about" }), ranks = element("ol", { class: "translate-ranks" });
  figure.text.before(about);
  figure.text.after(ranks);
  const list = figure.node.appendChild(element("details"));
  const known = model.source.slice(translator.EOS + 1);
  list.append(element("summary", {}, `The ${known.length} English words and signs that it knows`),
    element("p", {}, known.toSorted().join(" ")));

  // Another sentence.
  function readAnew() {
    found = read(model, input.value);
    note.textContent = noteOn(model, found);
    offers.replaceChildren(...found.unknown.slice(0, 3).flatMap((typed) => translator.near(model, typed).map((meant) => {
      const button = element("button", { type: "button" }, `${short(typed)} → ${meant}`);
      button.onclick = () => {
        const place = input.value.toLowerCase().indexOf(typed);
        if (place >= 0) input.value = input.value.slice(0, place) + meant + input.value.slice(place + typed.length);
        examples.clear();
        readAnew();
        input.focus();
      };
      return button;
    })));
    greedy = found.some && translator.beamSearch(model, found.ids, { k: 1, exponent: 0 }).outputs[0];
    searchAnew();
  }

  // Another k or α.
  function searchAnew() {
    search = found.some ? translator.beamSearch(model, found.ids, setting) : { tree: [], outputs: [] };
    chosen = search.outputs[0];
    draw();
  }

  function choose(node, focus = false) {
    chosen = node;
    tree.querySelectorAll("[data-node]").forEach((group) => mark(group, group.node === node));
    if (focus) tree.querySelector(".chosen").focus();
    drawChosen();
  }

  function mark(group, isChosen) {
    group.classList.toggle("chosen", isChosen);
    group.setAttribute("aria-pressed", isChosen);
    group.setAttribute("tabindex", isChosen ? 0 : -1);
  }

  function draw() {
    const narrow = width < 560, most = search.tree.length;
    figure.room.classList.toggle("narrow", narrow);
    drawTree(narrow ? width : Math.floor(width * 0.53), TOP + most * ROW + 4);
    ranks.replaceChildren(...search.outputs.map((node, i) => {
      const button = element("button", { type: "button", "data-score": node.score });
      button.append(element("span", {}, `${i + 1}.`), sentence(node) ? element("b", { lang: "fr" }, sentence(node)) : element("b", {}, "(the empty sentence)"),
        divided(element("span"), node));
      button.onclick = () => choose(node);
      button.node = node;
      const item = element("li");
      item.append(button);
      return item;
    }));
    drawChosen();
    const now = sayNow();
    if (figure.text.textContent === now) return;
    const parts = now.split(/(“[^”]*”)/); // what it quotes is French
    figure.text.replaceChildren(...parts.map((part, i) => (i % 2 ? element("span", { lang: "fr" }, part) : part)));
  }

  function drawTree(wide, height) {
    const add = sheet(tree, wide, search.tree.length ? height : 0), best = new Set(translator.path(search.outputs[0]));
    const ranked = new Map(search.outputs.map((node, i) => [node, i + 1]));
    places = layout(search.tree, wide);
    if (!search.tree.length) return;
    add("text", { class: "title", x: 4, y: 12 }, "The beam: under each word its log P so far");
    let at = 4;
    for (const [name, color, dash] of [["kept", blue], ["finished", red], ["dropped, the best", grey, "3 2"]]) {
      add("rect", { x: at, y: 24, width: 12, height: 12, rx: 3, ...box(color, dash) });
      add("text", { x: at + 17, y: 34 }, name);
      at += 34 + 6.6 * name.length;
    }
    const root = { x: wide / 2, y: TOP - 14 };
    add("text", { class: "tick", x: root.x, y: root.y, "text-anchor": "middle" }, "<bos>");
    for (const [node, { x, y }] of places) {
      const start = places.get(node.parent) ?? { x: root.x, y: root.y - 12 }, color = best.has(node) ? red : node.kept ? blue : grey;
      add("path", { d: `M${start.x.toFixed(1)} ${(start.y + 16).toFixed(1)}L${x.toFixed(1)} ${(y - 16).toFixed(1)}`, stroke: color,
        "stroke-width": best.has(node) ? 4 : node.kept ? 1.6 : 1, "stroke-dasharray": node.kept ? "none" : "3 3" });
    }
    for (const [node, { x, y, wide }] of places) {
      const state = node.ended ? (node.word === translator.EOS ? "finished" : "cut off") : node.kept ? "kept" : "dropped", rank = ranked.get(node);
      const prefix = translator.path(node).map(word).join(" ");
      const group = add("g", { "data-node": prefix, "data-value": node.logP, "data-state": state, "data-step": node.step, role: "button",
        "aria-label": `${prefix}: ${state}${rank ? `, rank ${rank}, score ${fixed(node.score, 3)}` : ""}, log P ${fixed(node.logP)}` });
      group.node = node;
      const [text, size] = fitted(word(node), wide), color = node.ended ? red : node.kept ? blue : grey;
      group.append(element("rect", { x: x - wide / 2, y: y - ROW / 2, width: wide, height: ROW, fill: "transparent" }),
        element("rect", { class: "box", x: x - wide / 2 + 2, y: y - 16, width: wide - 4, height: 32, rx: 5, ...box(color, node.kept ? "none" : "3 2"),
          "stroke-width": best.has(node) ? 2.5 : 1 }),
        element("text", { lang: "fr", x, y: y - 2, "text-anchor": "middle", style: `font-size: ${size.toFixed(1)}px` }, text),
        element("text", { class: "small", x, y: y + 11, "text-anchor": "middle" }, rank ? `${rank}.  ${fixed(node.score)}` : fixed(node.logP)));
      group.onclick = () => choose(node, true);
      mark(group, node === chosen);
    }
    const outcome = search.outputs.map((node, i) => `${i + 1}. ${said(node)} ${fixed(node.score, 3)}`).join(", ");
    tree.setAttribute("aria-label", `The beam of width ${setting.k} as a tree of ${search.tree.length} steps. Arrow keys move in it. Finished: ${outcome}.`);
  }

  const box = (color, dash = "none") => ({ stroke: color, "stroke-dasharray": dash,
    style: `fill: ${dash === "none" ? `color-mix(in srgb, ${color} 22%, var(--pst-color-background, var(--jp-layout-color0, Canvas)))` : "var(--pst-color-background, var(--jp-layout-color0, Canvas))"}` });

  // What depends on the node that is chosen.
  function drawChosen() {
    ranks.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", button.node === chosen));
    const narrow = width < 560, wide = narrow ? width : Math.floor(width * 0.47) - 16, row = narrow ? 28 : ROW;
    const nodes = translator.path(chosen), source = [...(found?.tokens ?? []), "<eos>"];
    const add = sheet(weights, wide, nodes.length ? TOP + nodes.length * row + 4 : 0);
    about.replaceChildren();
    if (!nodes.length) return weights.setAttribute("aria-label", "Nothing is translated.");
    const left = 112, column = Math.min(40, (wide - left - 26) / source.length), high = row - (narrow ? 2 : 8);
    add("text", { class: "title", x: 4, y: 12 }, "Where each word looks");
    add("text", { class: "tick", x: left - 6, y: TOP - 8, "text-anchor": "end" }, "its P");
    source.forEach((token, t) => {
      const [x, y] = [left + (t + 0.6) * column, TOP - 6];
      add("text", { x, y, transform: `rotate(-52 ${x.toFixed(1)} ${y})` }, short(token).slice(0, 12));
    });
    const looks = nodes.map((node, i) => {
      const y = TOP + i * row + (row - high) / 2, last = node === chosen;
      const [text, size] = fitted(word(node), 84);
      add("text", { lang: "fr", x: left - 40, y: y + high / 2 + 4, "text-anchor": "end", style: `font-size: ${size.toFixed(1)}px; font-weight: ${last ? 700 : 400}` }, text);
      add("text", { class: "tick", x: left - 6, y: y + high / 2 + 4, "text-anchor": "end" }, Math.exp(node.own).toFixed(2));
      const group = add("g", { "data-label": word(node) });
      node.alpha.forEach((alpha, t) => {
        const cell = element("rect", { x: left + t * column, y, width: column - 1, height: high, "data-value": alpha, fill: red, "fill-opacity": alpha.toFixed(3) });
        cell.append(titled(`${fixed(alpha)} at “${source[t]}”`));
        group.append(cell);
      });
      group.append(element("rect", { x: left - 0.5, y: y - 0.5, width: source.length * column, height: high + 1, fill: "none",
        stroke: "currentColor", "stroke-opacity": last ? 0.9 : 0.18, "stroke-width": last ? 2 : 1, "pointer-events": "none" }));
      return `${quoted(word(node))} at ${looking(node, source)}`;
    });
    weights.setAttribute("aria-label", `Attention weights, where each word looks most: ${looks.join(", ")}.`);
    const sum = nodes.length > 1 ? ` = ${nodes.map(({ own }) => `−\u202f${Math.abs(own).toFixed(2)}`).join(" ")}` : "";
    about.append(element("b", { lang: "fr" }, nodes.map(word).join(" ")), `: log P = ${fixed(chosen.logP)}${sum}. Score `);
    divided(about, chosen).append(`. The last word, with probability ${Math.exp(chosen.own).toFixed(2)}, looks at ${looking(chosen, source)}.`);
  }

  // log P / L^α = score
  function divided(into, node) {
    into.append(`${fixed(node.logP)} / ${node.step}`, element("sup", {}, fixed(setting.exponent)), ` = ${fixed(node.score, 3)}`);
    return into;
  }

  // The two source words with the largest weights.
  const looking = ({ alpha }, source) => words.listed(Array.from(alpha.keys()).sort((a, b) => alpha[b] - alpha[a]).slice(0, 2)
    .map((t) => `${quoted(short(source[t]))} (${fixed(alpha[t])})`));

  const titled = (text) => {
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = text;
    return title;
  };

  function sayNow() {
    const [first] = search.outputs;
    if (!first) return "Nothing is translated: the tree is empty.";
    const plain = search.outputs.reduce((best, node) => (node.logP > best.logP ? node : best));
    const same = sentence(first) === sentence(greedy);
    return `k = ${setting.k}, α = ${fixed(setting.exponent)}: the best score, ${fixed(first.score, 3)}, has ${said(first)} ` +
      `with log P = ${fixed(first.logP)} and ${count(first.step, "token")}. ` +
      (same ? "Greedy search writes the same." : `Greedy search writes ${said(greedy)}, with log P = ${fixed(greedy.logP)}.`) +
      (plain === first ? "" : ` With α = 0, ${said(plain)} would be first: it is more probable, and shorter.`);
  }

  // The arrow keys walk in the tree.
  tree.onkeydown = (event) => {
    const node = event.target.node, way = KEYS[event.key];
    if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") choose(node, true);
    else if (way) {
      const all = [...places.keys()], here = places.get(node);
      const beside = (step) => all.find((one) => places.get(one).row === here.row && places.get(one).i === here.i + step);
      const next = { up: node.parent, down: all.find((one) => one.parent === node), left: beside(-1), right: beside(1) }[way];
      if (next) choose(next, true);
    } else return;
    event.preventDefault();
  };

  [input.value, setting.k, setting.exponent] = Object.values(EXAMPLES)[0];
  width_k.set(setting.k);
  exponents.set(setting.exponent);
  readAnew();
  figure.onResize(() => { width = figure.room.clientWidth || 640; draw(); });
}
