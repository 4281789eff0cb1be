// A language model learns to write: on the book's story, or on a text that the reader pastes.

const B = 16, T = 32; // sequences side by side, and steps
const MOST = 50000; // characters of a text that are used
const CHARACTERS = 100; // the largest alphabet but <unk>
const EPS = 10; // the smoothing of the book's n-grams
const { RATES, tenth } = learning, { listed, whole } = words;
const LETTERS = [..." abcdefghijklmnopqrstuvwxyz"];
const UNKNOWN = "□";

// Text

// The characters that the network reads, and its alphabet, whose first symbol is <unk>.
function read(text) {
  const signs = [...text.replace(/\s/g, "")].length, latin = words.letters(text).trim();
  if (latin.replaceAll(" ", "").length >= signs / 2) return { characters: [...latin], symbols: [UNKNOWN, ...LETTERS] };
  const characters = [...text.normalize("NFC").toLowerCase().replace(/\s+/g, " ").trim()], counts = new Map();
  for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + 1);
  const frequent = [...counts].sort((a, b) => b[1] - a[1]).slice(0, CHARACTERS).map(([character]) => character);
  return { characters, symbols: [UNKNOWN, ...frequent], own: true };
}

// The fewest characters whose first nine tenths fill one batch.
const FEWEST = Math.ceil((B * T + 1) / 0.9);

// What there is to learn, or only `characters` and `symbols` if the text is too short.
function lesson(text) {
  const found = read(text), characters = found.characters.slice(0, MOST), { symbols } = found;
  const cut = found.characters.length > MOST;
  if (characters.length < FEWEST) return { ...found, characters };
  const number = new Map(symbols.map((symbol, id) => [symbol, id]));
  const ids = Int32Array.from(characters, (character) => number.get(character) ?? 0);
  const end = Math.floor(0.9 * ids.length), train = ids.subarray(0, end), heldOut = ids.slice(end);
  const reference = { uniform: 0, unigram: 1, trigram: 3 };
  for (const name in reference) reference[name] = counted(train, heldOut, symbols.length, reference[name]);
  return { ...found, characters, cut, train, heldOut, reference, batches: engine.textBatches(train, B, T) };
}

// The held-out perplexity of an n-gram model: (N(c, w) + ε P(w | shorter c)) / (N(c) + ε), from the uniform P upwards.
function counted(train, heldOut, V, n) {
  const number = (ids, from, to) => ids.subarray(from, to).reduce((sum, id) => sum * V + id, 0);
  const count = (length, shift) => {
    const counts = new Map();
    for (let to = length + shift; to <= train.length; to++) {
      const key = number(train, to - shift - length, to - shift);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  };
  const orders = Array.from({ length: n }, (_, k) => ({ grams: count(k + 1, 0), contexts: count(k, 1) }));
  let sum = 0;
  heldOut.forEach((_, i) => {
    let P = 1 / V;
    orders.slice(0, i + 1).forEach(({ grams, contexts }, k) => {
      const seen = grams.get(number(heldOut, i - k, i + 1)) ?? 0, all = contexts.get(number(heldOut, i - k, i)) ?? 0;
      P = (seen + EPS * P) / (all + EPS);
    });
    sum -= Math.log(P);
  });
  return Math.exp(sum / heldOut.length);
}

// In the judge's worker

function judge(engine, { net, heldOut, before, temperature, length }) {
  const { O } = engine.forward(net, heldOut.subarray(0, -1));
  const { loss } = engine.crossEntropy(O, heldOut.subarray(1), net.q);
  const writer = engine.generate(net, before, temperature, Math.random);
  return { perplexity: Math.exp(loss), written: Array.from({ length }, () => writer.next().value) };
}

// Words

const short = (v) => (v >= 1000 ? v.toExponential(1) : String(+v.toPrecision(3)));

function compared(perplexity, reference) {
  const named = (names) => listed(names.map((name) => `${name === "uniform" ? "a uniform guess" : `the ${name}`} (${short(reference[name])})`));
  const names = Object.keys(reference), ahead = names.filter((name) => perplexity < reference[name]);
  const behind = names.filter((name) => perplexity >= reference[name]);
  return [ahead.length && `better than ${named(ahead)}`, behind.length && `no better than ${named(behind)}`].filter(Boolean).join(", ");
}

// Drawing

function picture({ reference }, points, colors) {
  const most = learning.round(Math.max(100, points.at(-1)?.updates ?? 0));
  const line = (label, x, y, color, dashed = false) => ({ kind: "line", label, x, y, color, dashed });
  const marks = Object.entries(reference ?? {}).map(([name, value]) => line(name, [0, most], [value, value], colors[name], true));
  const x = points.map((point) => point.updates);
  marks.push(line("training", x, points.map((point) => point.training), colors.train));
  marks.push(line("held-out", x, points.map((point) => point.heldOut), colors.held_out));
  const values = marks.flatMap((mark) => mark.y.filter(Number.isFinite));
  const ends = [Math.min(...values, 10) * 0.8, Math.min(Math.max(...values, 20) * 1.2, 1000)];
  const panel = { xlabel: "updates", ylabel: "perplexity (log scale)", title: "How many characters it hesitates between", xscale: "linear",
    yscale: "log", xlim: [0, most], ylim: ends, wide: true, height: 250 };
  return [panel, marks];
}

export function show(figure, { colors, text }) {
  const setting = { cell: "GRU", h: 64, rate: 4, temperature: 0.8 };
  let source = "the story", pasted = "", learned, learner, points, samples, writing, pause, seen = true;

  figure.buttons("text to learn from", ["the story", "your own text"], (name) => {
    source = name;
    area.node.hidden = name === "the story";
    learn();
  });
  const area = figure.area(`Type or paste a text: ${whole(FEWEST)} characters or more. It stays in this page and is sent nowhere.`,
    (value) => {
      clearTimeout(pause);
      pasted = value;
      pause = setTimeout(() => area.node.hidden || learn(), 300);
    });
  area.node.hidden = true;
  figure.menu("cell", ["RNN", "GRU", "LSTM"], setting.cell, (cell) => { setting.cell = cell; renew(); });
  figure.menu("hidden units", ["32", "64", "128"], setting.h, (h) => { setting.h = Number(h); renew(); });
  const rate = figure.slider("learning rate", [0, RATES.length - 1, 1], setting.rate, (i) => RATES[i], (i) => {
    setting.rate = i;
    learner?.set({ lr: RATES[i] });
    say();
  });
  figure.slider("temperature", [0.1, 2, 0.1], setting.temperature, (v) => v.toFixed(1), (temperature) => {
    setting.temperature = temperature;
    writing = 0;
    learner?.askAgain();
    say();
  });
  figure.controls.classList.add("live-four");
  const [go, , back] = figure.actions({
    Start: () => {
      learner.going ? learner.stop() : learner.start();
      say();
    },
    "Start again": () => renew(true),
    "Go back": () => {
      rate.set((setting.rate = tenth(setting.rate)));
      const good = learner.goBack({ lr: RATES[setting.rate] });
      [points, samples] = [points, samples].map((all) => all.filter(({ updates }) => updates <= good));
      say();
    },
  });
  const panels = figure.panels(1), page = figure.lines();

  // Another text.
  function learn() {
    learned = lesson(source === "the story" ? text : pasted.slice(0, 4 * MOST));
    renew();
  }

  // A new network. One that was learning is replaced by one that learns.
  function renew(going = learner?.going) {
    learner?.close();
    [learner, points, samples, writing] = [null, [], [], 0];
    if (learned.batches) {
      const V = learned.symbols.length, sizes = { cell: setting.cell.toLowerCase(), D: V, h: setting.h, q: V };
      learner = teach(engine.network(sizes, { forgetBias: 1, Float: Float32Array }));
      if (going) learner.start();
      learner.rest(!seen);
    }
    say();
  }

  function teach(net) {
    const { batches, train, heldOut, symbols } = learned;
    const settings = { optimizer: "adam", lr: RATES[setting.rate], theta: 1 };
    const question = () => {
      const due = performance.now() - writing > 1000; // a sample every second
      if (due) writing = performance.now();
      return { heldOut, before: train.slice(-30), temperature: setting.temperature, length: due ? 160 : 0 };
    };
    return new learning.Learner({ net, batches, settings, judge, question, hopeless: Math.log(symbols.length) + 1 },
      { heard: later, judged });
  }

  function judged({ perplexity, written, updates, loss }) {
    const first = points.length === 0;
    const isNew = updates > (points.at(-1)?.updates ?? -1) && Number.isFinite(perplexity);
    if (isNew) points.push({ updates, heldOut: perplexity, training: first ? null : Math.exp(loss) });
    points = learning.thinned(points);
    if (written.length) keep({ updates, text: written.map((id) => learned.symbols[id]).join("") });
    later();
  }

  // The newest sample, and before it those from about 0, 1, 2, 4, 8, … times 25 updates.
  function keep(sample) {
    const last = samples.at(-2)?.updates ?? -1;
    const stays = samples.length === 1 || samples.at(-1)?.updates >= Math.max(25, 2 * last);
    if (!stays) samples.pop();
    samples.push(sample);
  }

  function sentence() {
    const { characters, symbols, own, cut, reference } = learned;
    const rest = symbols.length > CHARACTERS ? ` most frequent characters, and ${UNKNOWN} stands for any other.` : " characters.";
    const alphabet = own ? ` Less than half of it is Latin letters, so its alphabet is its own ${symbols.length - 1}${rest}` : "";
    if (!learner) return `This text has ${whole(characters.length)} characters after cleaning. At least ${whole(FEWEST)} are needed, so that nine tenths of it fill one batch.`;
    const from = `${setting.cell}, ${setting.h} hidden units, learning rate ${RATES[setting.rate]}. It learns from the first nine tenths of ` +
      `${cut ? `the first ${whole(MOST)}` : whole(characters.length)} characters of ${source}, and the rest is held out.${alphabet} `;
    const point = points.at(-1);
    if (!point) return from;
    const so = `the held-out perplexity is ${short(point.heldOut)}, ${compared(point.heldOut, reference)}.`;
    if (learner.diverged) return `${from}Training diverged: at this learning rate the loss is above that of a guess. ` +
      `“Go back” returns to the last good network and a tenth of the rate.`;
    if (point.updates === 0) return `${from}Before training ${so}${learner.going ? "" : " Press Start."}`;
    const best = Math.min(...points.map(({ heldOut }) => heldOut));
    const worse = point.heldOut > 1.05 * best ? ` It was ${short(best)} at best.` : "";
    const times = (point.updates / learned.batches.length).toFixed(1);
    return `${from}After ${whole(point.updates)} updates, ${times} times through the text, ${so}${worse}`;
  }

  function draw() {
    const [panel, marks] = picture(learned, points, colors);
    panels.draw([panel], [marks], sentence());
    go.textContent = learner?.going ? "Stop" : "Start";
    learning.offer(go, back, { canGo: learner && !learner.diverged, canGoBack: learner?.diverged });
    back.textContent = `Go back, with the rate ${RATES[tenth(setting.rate)]}`;
    const now = points.at(-1);
    const state = now && [`${whole(learner.updates)} updates`, `held-out perplexity ${short(now.heldOut)}`,
      learner.going && learner.speed && `${whole(learner.speed * B * T)} characters a second`].filter(Boolean).join(" · ");
    page.write(state ?? "", samples.map(({ updates, text }) => [`${whole(updates)} updates`, text]));
  }

  const say = learning.telling(figure, draw, () => learner?.going), later = () => figure.later(say);
  learned = lesson(text);
  renew();
  figure.onResize(say);
  figure.onLeave(() => {
    learner?.close();
    say();
  });
  figure.onSight((sees) => { seen = sees; learner?.rest(!seen); });
}
