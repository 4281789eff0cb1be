// Your sentence: three trained networks read what the reader types. The prediction under the cursor, which earlier
// letters it listens to, and what the states and gates do.

export const LONGEST = 200; // letters: what can be read, and traced back, within 50 ms
const HEARD = 100; // a gradient counts as heard, and is shaded, while it is above a hundredth of its largest value
const STRONGEST = 55; // per cent of a colour that leaves the text a contrast of 4.5, light and dark
const NEGATIVE = [200, 85, 61];
const NAMES = { rnn: "RNN", gru: "GRU", lstm: "LSTM" };

// The first two are from the end of the story, which the networks did not see in training.
const EXAMPLES = {
  "a sentence": "The cook was called Barnaby Tull. He was very fat and very deaf.",
  "a long passage": "If they counted those, they would be finished before they had started. The captain looked round, and his eye " +
    "fell on the cook. The cook was called Barnaby Tull. He was very fat and very deaf.",
  "two words, again and again": "the lamp ".repeat(9),
};

const STYLE = `
.sentence-note { margin: 0 0 .6rem !important; font-size: 13px; }
.explorable-panels.sentence-room { row-gap: 1.2rem; margin-bottom: .6rem; }
.sentence-network { flex: 1 1 200px; min-width: 0; }
.sentence-network .explorable-tokens { cursor: pointer; touch-action: pan-y; user-select: none; -webkit-user-select: none;
  min-height: 30px; line-height: 27px; margin-bottom: .5rem; }
.sentence-network .unread { color: color-mix(in srgb, currentColor 65%, transparent); }
.sentence-network .caption { font-size: 13px; margin: .2rem 0 .3rem; }
.sentence-heat { position: relative; height: 96px; touch-action: pan-y; cursor: pointer;
  outline: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
.sentence-heat canvas { display: block; width: 100%; height: 100%; image-rendering: pixelated; }
.sentence-heat i { position: absolute; top: -2px; bottom: -2px; min-width: 1px; outline: 1.5px solid currentColor; pointer-events: none; }
.sentence-heat[hidden] { display: none; }
`;

// The letters a–z and the space, as in the networks' training: without accents, in lower case, and with one space for
// every run of anything else. Only the last LONGEST are read.
export function letters(typed) {
  const text = words.letters(typed).trimStart();
  return {
    text: text.slice(-LONGEST),
    left: Math.max(0, text.length - LONGEST),
    replaced: [...new Intl.Segmenter().segment(typed)].filter(({ segment }) => !/[a-z\s]/.test(words.plain(segment))).length,
    accents: /\p{M}/u.test(typed.normalize("NFD")),
  };
}

// Which numbers of a pass a heat map shows, from the first letter to the last, and what they lie between. The blocks
// of A are those of the engine.
const block = (which) => ({ h }, { A, T }) => {
  const wide = A.length / T;
  return Float64Array.from({ length: T * h }, (_, i) => A[Math.floor(i / h) * wide + which * h + (i % h)]);
};
export const VIEWS = {
  state: {
    rnn: ["state", ({ h }, { H }) => H.slice(h)],
    gru: ["state", ({ h }, { H }) => H.slice(h)],
    lstm: ["hidden state", ({ h }, { H }) => H.slice(h)],
  },
  memory: { lstm: ["memory", ({ h }, { C }) => C.slice(h)] },
  "forget or update gate": { gru: ["update gate", block(1)], lstm: ["forget gate", block(1)] },
  "input or reset gate": { gru: ["reset gate", block(0)], lstm: ["input gate", block(0)] },
  "output gate": { lstm: ["output gate", block(3)] },
};

const short = (v) => drawing.tickText(+v.toPrecision(2));
const visible = (letter) => (letter === " " ? "␣" : letter);
const quoted = (letter) => `“${visible(letter)}”`;

const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

const missing = (cell, view) =>
  view === "memory" ? "Its state is its memory." : `${cell === "rnn" ? "An RNN" : "A GRU"} has no ${view}.`;

// What one network makes of the letter `t` (from 0; −1 if there is none): the probabilities of what comes next, and how
// strongly the prediction listens to each letter so far. It is asked for the letter that does come, or, after the
// last one, for the one that it finds likeliest.
export function study(net, vocabulary, text, pass, t) {
  // Nothing read: the state is zero, and only the bias speaks.
  const scores = t < 0 ? net.params.b_q : pass.O.subarray(t * net.q, (t + 1) * net.q);
  const probability = engine.logSoftmax(scores, net.q).map(Math.exp);
  const order = Array.from(probability.keys()).sort((a, b) => probability[b] - probability[a]);
  const asked = t + 1 < text.length ? vocabulary.indexOf(text[t + 1]) : order[0];
  const norms = t < 0 ? [] : engine.listening(net, pass, t, asked).X;
  const largest = Math.max(0, ...norms);
  const reach = Math.max(0, norms.findLastIndex((norm) => norm > largest / HEARD));
  return { probability, order, asked, norms, largest, reach };
}

// One network's column: its letters, its bars, and its heat map.
class Column {
  constructor(room, network, vocabulary, color, moveTo) {
    const { element } = drawing;
    this.vocabulary = vocabulary;
    this.spans = [];
    this.net = engine.load(network);
    this.name = NAMES[network.cell];
    this.color = color;
    this.node = room.appendChild(element("div", { class: "sentence-network" }));
    const head = this.node.appendChild(element("div", { class: "explorable-scale" }));
    head.append(element("b", { style: `color: ${drawing.ink(color)}` }, this.name));
    this.weakest = head.appendChild(element("span"));
    head.append(element("i", { style: `background: linear-gradient(to right, transparent, ${this.shade(1)})` }));
    this.strongest = head.appendChild(element("span"));
    this.lines = this.node.appendChild(element("div", { role: "img" }));
    this.tokens = this.lines.appendChild(element("div", { class: "explorable-tokens characters chosen", "data-label": this.name }));
    this.bars = this.node.appendChild(element("svg", { role: "img" }));
    this.caption = this.node.appendChild(element("div", { class: "caption" }));
    this.heat = this.node.appendChild(element("div", { class: "sentence-heat" }));
    this.canvas = this.heat.appendChild(element("canvas", { role: "img", "data-y": "null" }));
    this.marker = this.heat.appendChild(element("i"));

    const touched = (find) => (event) => {
      const t = find(event);
      if (t >= 0) moveTo(t);
    };
    this.tokens.onpointermove = this.tokens.onpointerdown = touched(({ clientX, clientY }) =>
      Number(this.tokens.getRootNode().elementFromPoint(clientX, clientY)?.closest("[data-index]")?.dataset.index ?? -1));
    this.heat.onpointermove = this.heat.onpointerdown = touched(({ clientX }) => {
      const { left, width } = this.heat.getBoundingClientRect();
      return Math.min(this.spans.length - 1, Math.floor(((clientX - left) / width) * this.spans.length));
    });
  }

  shade(share) {
    return `color-mix(in srgb, ${this.color} ${(STRONGEST * share).toFixed(2)}%, transparent)`;
  }

  read(text) {
    const { element } = drawing;
    this.text = text;
    this.pass = engine.forward(this.net, Int32Array.from(text, (letter) => this.vocabulary.indexOf(letter)));
    // Letters that stay keep their place, because the browser takes longer to place new ones than we do to read.
    const changed = this.spans.findIndex((span, i) => span.dataset.token !== text[i]);
    if (changed >= 0) {
      const nodes = [...this.tokens.childNodes], [first] = this.spans.splice(changed);
      nodes.slice(nodes.indexOf(first)).forEach((node) => node.remove());
    }
    for (let i = this.spans.length; i < text.length; i++) {
      this.spans.push(this.tokens.appendChild(element("span", { "data-index": i, "data-token": text[i] }, visible(text[i]))));
      if (text[i] === " ") this.tokens.append(element("wbr"));
    }
  }

  // The states or gates as a picture: a column for each letter, a row for each unit.
  paint(view) {
    const [name, values] = VIEWS[view][this.net.cell] ?? [], T = this.spans.length, { h } = this.net;
    this.heat.hidden = !name || !T;
    this.shown = name && { name, numbers: values(this.net, this.pass) };
    if (this.heat.hidden) return;
    const { numbers } = this.shown;
    const most = name === "memory" ? numbers.reduce((most, v) => Math.max(most, Math.abs(v)), 0) : 1;
    // The units that change least from letter to letter are on top.
    const change = Array.from({ length: h }, (_, j) => {
      let sum = 0;
      for (let i = j + h; i < numbers.length; i += h) sum += Math.abs(numbers[i] - numbers[i - h]);
      return sum;
    });
    const rows = Array.from(change.keys()).sort((a, b) => change[a] - change[b]);
    Object.assign(this.canvas, { width: T, height: h });
    const picture = new ImageData(T, h), positive = [1, 3, 5].map((i) => parseInt(this.color.slice(i, i + 2), 16));
    rows.forEach((unit, row) => {
      for (let t = 0; t < T; t++) {
        const value = numbers[t * h + unit] / most, color = value < 0 ? NEGATIVE : positive, place = 4 * (row * T + t);
        for (let i = 0; i < 3; i++) picture.data[place + i] = color[i];
        picture.data[place + 3] = 255 * Math.abs(value);
      }
    });
    this.canvas.getContext("2d").putImageData(picture, 0, 0);
    this.heat.style.width = `min(100%, ${T * 16}px)`;
  }

  // Everything that depends on the cursor.
  draw(t, view, width) {
    const found = study(this.net, this.vocabulary, this.text, this.pass, t), { norms, largest } = found;
    const faintest = largest / HEARD;
    this.spans.forEach((span, i) => {
      const norm = i <= t ? norms[t - i] : 0;
      const share = norm > faintest ? 1 + Math.log(norm / largest) / Math.log(HEARD) : 0;
      span.className = i === t ? "current" : i > t ? "unread" : "";
      span.dataset.value = norm;
      span.title = i > t ? "not read yet" : `${drawing.tickText(+norm.toPrecision(3))} at ${quoted(this.text[i])}`;
      span.style.background = share ? this.shade(share) : "";
    });
    this.lines.dataset.y = JSON.stringify([faintest, largest, 0, STRONGEST, "log"]);
    this.weakest.textContent = largest ? `≤ ${short(faintest)}` : "";
    this.strongest.textContent = largest ? short(largest) : "";
    const lag = norms.indexOf(largest);
    const heard = t < 0 ? "" : ` It listens most to ${quoted(this.text[t - lag])}, ${count(lag, "letter")} back.`;
    this.lines.setAttribute("aria-label", `${this.name}: how strongly the prediction listens to each letter.${heard}`);

    const likeliest = found.order.slice(0, 6), chances = likeliest.map((id) => found.probability[id]);
    const names = likeliest.map((id) => visible(this.vocabulary[id]));
    const panel = { title: "", xlabel: "next letter", ylabel: "probability", yscale: "linear", ylim: [0, 1], height: 140 };
    drawing.drawPanel(this.bars, panel, [{ kind: "bars", label: "next", x: names, y: chances, color: this.color }], width);
    const list = names.map((name, i) => `“${name}” ${chances[i].toFixed(2)}`).join(", ");
    this.bars.setAttribute("aria-label", `${this.name}, the likeliest next letters: ${list}.`);
    this.describe(t, view);
    return found;
  }

  describe(t, view) {
    const T = this.spans.length, { h } = this.net;
    if (!this.shown) this.caption.textContent = missing(this.net.cell, view);
    else if (!T) this.caption.textContent = `${this.shown.name} before the first letter: all zero`;
    else {
      const now = Array.from(this.shown.numbers.subarray(t * h, (t + 1) * h), Math.abs);
      const signed = !this.shown.name.endsWith("gate");
      const mean = now.reduce((sum, v) => sum + v, 0) / h;
      this.caption.textContent = `${this.shown.name}, ${signed ? "mean size" : "mean"} ${mean.toFixed(2)}`;
      this.caption.dataset.value = mean;
      Object.assign(this.marker.style, { left: `${(100 * t) / T}%`, width: `${100 / T}%` });
    }
    this.canvas.setAttribute("aria-label", `${this.name}, ${this.caption.textContent}, of ${h} units at ${T} letters.`);
  }
}

function sentence(text, t, columns, found) {
  const each = (say) => words.listed(columns.map(({ name }, i) => say(name, found[i])));
  if (t < 0) {
    return "Nothing is read yet, so the states are all zero and the bars are the same for every text. Type a sentence.";
  }
  const where = `${quoted(text[t])} is letter ${t + 1} of ${text.length}.`;
  const chance = ({ probability, asked }) => probability[asked].toFixed(2);
  const next = t + 1 < text.length
    ? `The next one, ${quoted(text[t + 1])}, gets the probability ${each((name, f) => `${chance(f)} (${name})`)}.`
    : `The likeliest next one is ${each((name, f) => `${quoted(columns[0].vocabulary[f.asked])} with ${chance(f)} (${name})`)}.`;
  if (t === 0) return `${where} ${next} There is no earlier letter to listen to.`;
  const far = each((name, { reach, norms }) => `${reach}${reach === norms.length - 1 ? ", the first letter," : ""} in the ${name}`);
  return `${where} ${next} Counting back in letters, the shades above a hundredth of the darkest reach ${far}.`;
}

function noteOn({ text, left, replaced, accents }, typed) {
  const notes = [];
  if (!text && typed.trim()) notes.push("No letter from a to z: the networks know no others.");
  else if (replaced) notes.push(`${count(replaced, "character")} that the networks do not know became spaces.`);
  if (accents && text) notes.push("Accents were left out.");
  if (left) notes.push(`Only the last ${LONGEST} letters are read, not the ${left} before.`);
  return [...notes, "What you type stays in this page: nothing is sent."].join(" ");
}

export function show(figure, { colors, networks: { vocabulary, networks } }) {
  const { element } = drawing;
  figure.node.prepend(element("style", {}, STYLE));
  figure.room.classList.add("sentence-room");
  const examples = figure.buttons("example", Object.keys(EXAMPLES), (name) => { input.value = EXAMPLES[name]; read(true); });
  const input = figure.area("Your sentence", () => { examples.clear(); read(); }).field;
  Object.assign(input, { rows: 2, placeholder: "Type or paste any text" });
  const note = figure.top.appendChild(element("p", { class: "sentence-note", role: "status" }));

  let text = "", t = -1, view = "state", width = 200;
  const position = figure.slider("letter", [1, 1, 1], 1, (value) => (text ? `${value} ${quoted(text[value - 1])}` : "none"),
    (value) => { t = value - 1; draw(); });
  figure.menu("picture", Object.keys(VIEWS), view, (name) => { view = name; columns.forEach((one) => one.paint(view)); draw(); });
  const moveTo = (letter) => { if (letter !== t) position.enter(letter + 1); };
  const columns = networks.map((one) => new Column(figure.room, one, vocabulary, colors[one.cell], moveTo));

  // Reads what is in the input, and puts the cursor on the last letter, or before the last word of an example.
  function read(isExample = false) {
    const found = letters(input.value);
    text = found.text;
    t = isExample ? text.trim().lastIndexOf(" ") : text.length - 1;
    note.textContent = noteOn(isExample ? { text } : found, input.value);
    columns.forEach((one) => { one.read(text); one.paint(view); });
    position.range(Math.min(1, text.length), text.length);
    position.set(t + 1);
    draw();
  }
  function draw() {
    const found = columns.map((one) => one.draw(t, view, width));
    figure.text.textContent = sentence(text, t, columns, found);
  }
  figure.node.append(element("p", { class: "sentence-note" },
    `In the pictures each row is one of ${networks[0].h} units, those that change least on top; negative numbers are red.`));
  input.value = Object.values(EXAMPLES)[0];
  read(true);
  // Asked here alone, because the browser would have to place everything anew each time.
  figure.onResize(() => { width = columns[0].node.clientWidth || 200; draw(); });
}
