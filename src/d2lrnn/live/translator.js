// A translator with attention that reads and writes in the page, as in chapters 14 and 15: an encoder in both
// directions, a decoder whose state asks the encoder's states, and beam search. The recurrent steps are the engine's.
// A number in brackets is the book's equation: (15.2) is in chapter 15.
//
// T source words, B hypotheses side by side, V target words. H (T, d) holds the encoder's states and S (B, h) those of
// the decoder. A hypothesis is the Node of its last word; its first words are those of its parents.

const NAMES = ["W_x", "W_h", "b_x", "b_h"];
const RESERVED = { unknown: 0, pad: 1, bos: 2, eos: 3 };
export const EOS = RESERVED.eos;
const SEEN = 20; // candidates of a step, the likeliest: what is drawn, and more

// A GRU that reads ids. One-hot vectors times the embeddings times W_x: that product is made once, here.
function reader(V, E, h, take) {
  const embedding = take(V * E), [W_x, W_h, b_x, b_h] = [E * 3 * h, h * 3 * h, 3 * h, 3 * h].map(take);
  return { embedding, net: network(V, h, [engine.product(embedding, W_x, 3 * h), W_h, b_x, b_h]) };
}

// It has no outputs of its own: q is 0.
function network(V, h, arrays) {
  const params = Object.fromEntries(NAMES.map((name, i) => [name, arrays[i]]));
  return { cell: "gru", D: V, h, q: 0, params: { ...params, W_hq: new Float64Array(0), b_q: new Float64Array(0) } };
}

// What d2lrnn.live.translator.saved wrote, ready to read.
export function load({ source, target, longest, E, h, d, weights }) {
  const bytes = new DataView(Uint8Array.from(atob(weights), (c) => c.charCodeAt(0)).buffer);
  let place = 0;
  const take = (size) => Float64Array.from({ length: size }, () => engine.float16(bytes.getUint16(2 * place++, true)));
  const forwards = reader(source.length, E, h, take), [W_x, ...others] = [E * 3 * h, h * 3 * h, 3 * h, 3 * h].map(take);
  const backwards = network(source.length, h, [engine.product(forwards.embedding, W_x, 3 * h), ...others]);
  const decoder = reader(target.length, E, h, take).net, V = target.length;
  const sizes = { W_s: d * h, b_s: h, W_q: h * d, W_c: (h + d) * h, b_c: h, W_hq: h * V, b_q: V };
  const params = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, take(size)]));
  const number = new Map(source.map((word, id) => [word, id]));
  return { source, target, longest, h, d, V, forwards: forwards.net, backwards, decoder, number, ...params };
}

function linear(A, W, b) {
  const Y = engine.product(A, W, b.length);
  engine.addToRows(Y, b);
  return Y;
}

// The rows of A and of B side by side.
function beside(A, m, B, n) {
  const rows = A.length / m, both = new Float64Array(rows * (m + n));
  for (let i = 0; i < rows; i++) {
    both.set(A.subarray(i * m, (i + 1) * m), i * (m + n));
    both.set(B.subarray(i * n, (i + 1) * n), i * (m + n) + m);
  }
  return both;
}

// The encoder: all its states H, and the decoder's first state, made of what each direction has read at its end.
export function encode(model, ids) {
  const { h, d, W_s, b_s } = model, T = ids.length;
  const there = engine.forward(model.forwards, Int32Array.from(ids)).H.subarray(h);
  const back = engine.forward(model.backwards, Int32Array.from(ids).reverse()).H.subarray(h);
  const turned = new Float64Array(T * h);
  for (let t = 0; t < T; t++) turned.set(back.subarray((T - 1 - t) * h, (T - t) * h), t * h);
  const c = beside(there.subarray((T - 1) * h), h, back.subarray((T - 1) * h), h);
  const H = beside(there, h, turned, h);
  return { H, HT: engine.transpose(H, d), S: linear(c, W_s, b_s).map(Math.tanh) };
}

// Attention: the scaled dot product (15.4) of each query with the encoder's states, the weights alpha (B, T) and the
// contexts (B, d) of (15.2).
function attend({ W_q, d }, { H, HT }, S) {
  const query = engine.product(S, W_q, d), T = H.length / d;
  const e = engine.product(query, HT, T).map((dot) => dot / Math.sqrt(d));
  const alpha = engine.logSoftmax(e, T).map(Math.exp);
  return { alpha, context: engine.product(alpha, H, d) };
}

// The decoder reads one word of each hypothesis, and scores the next one: log P (B, V) by (15.1).
export function step(model, read, words, S) {
  const { h, d, V, W_c, b_c, W_hq, b_q } = model;
  S = engine.lastState(engine.forward(model.decoder, Int32Array.from(words), { H: S }, words.length)).H;
  const { alpha, context } = attend(model, read, S);
  const features = linear(beside(S, h, context, d), W_c, b_c).map(Math.tanh);
  return { logP: engine.logSoftmax(linear(features, W_hq, b_q), V), alpha, S };
}

// Beam search of width k, as d2lrnn.decoding has it. Returns the tree, for each step the candidates, the likeliest
// first, and the outputs, the best score first. A finished or cut off output of L words is ranked by log P / L^α (14.4).
// log P is negative, so the larger α is, the higher stand the longer ones.
export function beamSearch(model, ids, { k, exponent, most = model.longest + 1 }) {
  const read = encode(model, ids), T = ids.length, { h, V } = model, tree = [];
  let live = [{ word: RESERVED.bos, logP: 0 }], S = read.S, outputs = [];
  for (let t = 1; t <= most; t++) {
    const now = step(model, read, live.map(({ word }) => word), S);
    const nodes = continued(live, now, { t, T, V, exponent });
    nodes.slice(0, k).forEach((node) => {
      node.kept = true;
      node.ended = node.word === EOS || t === most;
    });
    tree.push(nodes);
    outputs = [...outputs, ...nodes.filter(({ ended }) => ended)].sort((a, b) => b.score - a.score).slice(0, k);
    const before = live;
    live = nodes.filter(({ kept, ended }) => kept && !ended);
    // What becomes of a live one never scores above log P / T'^α.
    const worst = outputs.length < k ? -Infinity : outputs.at(-1).score;
    if (!live.some(({ logP }) => logP / most ** exponent > worst)) break;
    S = new Float64Array(live.length * h);
    live.forEach(({ parent }, i) => { // the state of a candidate is that of its parent
      const row = before.indexOf(parent ?? before[0]);
      S.set(now.S.subarray(row * h, (row + 1) * h), i * h);
    });
  }
  return { tree, outputs };
}

// The continuations of the live hypotheses, the likeliest first: there are B V, and the first SEEN are looked at. The
// reserved words but <eos> are never written.
function continued(live, { logP, alpha }, { t, T, V, exponent }) {
  const total = logP.map((value, place) => (place % V < EOS ? -Infinity : live[Math.floor(place / V)].logP + value));
  const least = total.slice().sort().at(-SEEN), places = [];
  total.forEach((value, place) => { if (value >= least) places.push(place); });
  return places.sort((a, b) => total[b] - total[a]).slice(0, SEEN).map((place) => {
    const row = Math.floor(place / V);
    return {
      word: place % V, parent: t > 1 ? live[row] : null, step: t, logP: total[place], own: logP[place],
      score: total[place] / t ** exponent, alpha: alpha.subarray(row * T, (row + 1) * T), kept: false, ended: false,
    };
  });
}

// The nodes from the first word to this one.
export const path = (node) => (node ? [...path(node.parent), node] : []);

// French closes up after an apostrophe and before a full stop, as d2lrnn.text.Tokenizer.join does.
export const written = (words) => words.join(" ").replace(/' /g, "'").replace(/ ([.,])/g, "$1").replace(/ - /g, "-");

// The words and signs of a typed sentence, as d2lrnn.text.Tokenizer finds those of the grammar.
export function split(typed) {
  const plain = typed.normalize("NFC").toLowerCase().replace(/[‘’‚‛‹›ʼ]/g, "'");
  return plain.match(/[\p{L}\p{M}\p{N}_]+(?:'[\p{L}\p{M}\p{N}_]+)*|\p{Extended_Pictographic}[\p{M}\u200d\p{Extended_Pictographic}]*|[^\s\p{C}]/gu) ?? [];
}

// How many letters must be put in, left out, replaced or swapped to make one word from the other.
function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] !== b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

// The known words that a typed one may have meant, the nearest first.
export function near({ source }, word, most = 2) {
  if (word.length > 20 || word.length < 2) return [];
  const plain = words.plain(word), limit = plain.length < 5 ? 1 : 2;
  return source.slice(EOS + 1).map((known) => [distance(plain, known), known])
    .filter(([far]) => far <= limit).sort((a, b) => a[0] - b[0]).slice(0, most).map(([, known]) => known);
}
