// Recurrent networks that compute, differentiate and learn in the page, written out as in chapters
// 4 to 9. A number in brackets is the book's equation: (6.10) is in chapter 6.
//
// A matrix is a typed array that holds its rows one after the other. Time comes first, then the
// sequences of the batch: H is (T + 1, B, h), with H_0 first. T time steps, a batch of B sequences,
// D inputs, h hidden units, q outputs. The blocks of a gated cell stand side by side in one matrix
// that is `wide`: 3h for a GRU, 4h for an LSTM.
//
// A network is plain data, { cell, activation, D, h, q, params }, and can be sent to a worker. Its
// parameters have the names, the shapes and the order of blocks of d2lrnn.cells: see `shapes`.
// Float64Array parameters make all numbers 64 bits long, Float32Array ones 32.
//
// Inputs are an Int32Array of ids (T, B), each of which stands for a one-hot vector, or vectors
// (T, B, D). A state is { H, C } with (B, h) numbers each (C: LSTM only), or null for zeros.

// Matrices

const zeros = (like, size) => new like.constructor(size);

// The numbers of one time step, where V holds T of them.
const at = (V, t, T) => V.subarray((t * V.length) / T, ((t + 1) * V.length) / T);

// Y += A W, with Y (rows, n), A (rows, m) and W (m, n). All products of both passes are done here.
// Eight rows of W at a time, and two rows of Y where there are two: each number that is fetched is
// then used more than once.
function addProduct(Y, A, W, n) {
  const m = W.length / n, rest = m - (m % 8);
  let y = 0, a = 0;
  for (; y + n < Y.length; y += 2 * n, a += 2 * m)
    for (let i = 0; i < rest; i += 8) addEightToTwo(Y, y, A, a + i, W, i * n, n, m);
  if (y < Y.length) for (let i = 0; i < rest; i += 8) addEight(Y, y, A, a + i, W, i * n, n);
  for (let i = rest; i < m; i++)
    for (let y = 0, a = i; y < Y.length; y += n, a += m)
      for (let j = 0; j < n; j++) Y[y + j] += A[a] * W[i * n + j];
}

function addEight(Y, y, A, a, W, w0, n) {
  const a0 = A[a], a1 = A[a + 1], a2 = A[a + 2], a3 = A[a + 3];
  const a4 = A[a + 4], a5 = A[a + 5], a6 = A[a + 6], a7 = A[a + 7];
  const w1 = w0 + n, w2 = w1 + n, w3 = w2 + n, w4 = w3 + n, w5 = w4 + n, w6 = w5 + n, w7 = w6 + n;
  for (let j = 0; j < n; j++)
    Y[y + j] += a0 * W[w0 + j] + a1 * W[w1 + j] + a2 * W[w2 + j] + a3 * W[w3 + j]
      + (a4 * W[w4 + j] + a5 * W[w5 + j] + a6 * W[w6 + j] + a7 * W[w7 + j]);
}

function addEightToTwo(Y, y, A, a, W, w0, n, m) {
  const a0 = A[a], a1 = A[a + 1], a2 = A[a + 2], a3 = A[a + 3];
  const a4 = A[a + 4], a5 = A[a + 5], a6 = A[a + 6], a7 = A[a + 7];
  const z = y + n, b = a + m, b0 = A[b], b1 = A[b + 1], b2 = A[b + 2], b3 = A[b + 3];
  const b4 = A[b + 4], b5 = A[b + 5], b6 = A[b + 6], b7 = A[b + 7];
  const w1 = w0 + n, w2 = w1 + n, w3 = w2 + n, w4 = w3 + n, w5 = w4 + n, w6 = w5 + n, w7 = w6 + n;
  for (let j = 0; j < n; j++) {
    const x0 = W[w0 + j], x1 = W[w1 + j], x2 = W[w2 + j], x3 = W[w3 + j];
    const x4 = W[w4 + j], x5 = W[w5 + j], x6 = W[w6 + j], x7 = W[w7 + j];
    Y[y + j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3 + (a4 * x4 + a5 * x5 + a6 * x6 + a7 * x7);
    Y[z + j] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3 + (b4 * x4 + b5 * x5 + b6 * x6 + b7 * x7);
  }
}

// A W, where W has n columns.
export function product(A, W, n) {
  const m = W.length / n, Y = zeros(A, (A.length / m) * n);
  addProduct(Y, A, W, n);
  return Y;
}

// The transpose of W, where W has n columns.
export function transpose(W, n) {
  const m = W.length / n, WT = zeros(W, W.length);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) WT[j * m + i] = W[i * n + j];
  return WT;
}

// A bias is added to every row. So its gradient is the sum of all rows.
export function addToRows(Y, b) {
  for (let y = 0; y < Y.length; y += b.length) for (let j = 0; j < b.length; j++) Y[y + j] += b[j];
}

function sumOfRows(dY, n) {
  const db = zeros(dY, n);
  for (let y = 0; y < dY.length; y += n) for (let j = 0; j < n; j++) db[j] += dY[y + j];
  return db;
}

// Cells: what each step does number by number once A_t and U_t hold the products, and its way back

const sigmoid = (z) => 1 / (1 + Math.exp(-z));

// φ, and φ′ as a function of H = φ(Z): chapter 6, (6.11).
const ACTIVATIONS = {
  tanh: [Math.tanh, (H) => 1 - H * H],
  relu: [(Z) => Math.max(0, Z), (H) => (H > 0 ? 1 : 0)],
  sigmoid: [sigmoid, (H) => H * (1 - H)],
  linear: [(Z) => Z, () => 1],
};

// H_t = φ(Z_t): (6.7)
function rnnStep(net, { A, H, B }, t) {
  const phi = ACTIVATIONS[net.activation][0], size = B * net.h;
  for (let before = t * size; before < (t + 1) * size; before++) H[before + size] = phi(A[before]);
}

// ∂L/∂Z_t = ∂L/∂H_t ⊙ φ′(Z_t): (6.11), where it is called G_t
function rnnBack(net, { H, B }, { dA, dH }, t) {
  const slope = ACTIVATIONS[net.activation][1], size = B * net.h;
  for (let before = t * size; before < (t + 1) * size; before++)
    dA[before] = dH[before + size] * slope(H[before + size]);
}

function gruStep({ h }, { A, U, H, B }, t) {
  for (let row = t * B; row < (t + 1) * B; row++)
    for (let j = 0; j < h; j++) {
      const r = 3 * h * row + j, z = r + h, c = z + h, before = h * row + j, now = before + B * h;
      A[r] = sigmoid(A[r] + U[r]); // R_t (9.3)
      A[z] = sigmoid(A[z] + U[z]); // Z_t (9.2)
      A[c] = Math.tanh(A[c] + A[r] * U[c]); // H̃_t (9.4)
      H[now] = A[z] * H[before] + (1 - A[z]) * A[c]; // (9.1)
    }
}

function gruBack({ h }, { A, U, H, B }, { dA, dU, dH }, t) {
  for (let row = t * B; row < (t + 1) * B; row++)
    for (let j = 0; j < h; j++) {
      const r = 3 * h * row + j, z = r + h, c = z + h, before = h * row + j, now = before + B * h;
      dA[c] = dH[now] * (1 - A[z]) * (1 - A[c] * A[c]);
      dA[z] = dH[now] * (H[before] - A[c]) * A[z] * (1 - A[z]); // (9.8) and (9.9)
      dA[r] = dA[c] * U[c] * A[r] * (1 - A[r]); // (9.10)
      dU[r] = dA[r];
      dU[z] = dA[z];
      dU[c] = dA[c] * A[r]; // the reset gate stands between the hidden product and the candidate
      dH[before] += dH[now] * A[z];
    }
}

function lstmStep({ h }, { A, H, C, B }, t) {
  for (let row = t * B; row < (t + 1) * B; row++)
    for (let j = 0; j < h; j++) {
      const i = 4 * h * row + j, f = i + h, c = f + h, o = c + h;
      const before = h * row + j, now = before + B * h;
      A[i] = sigmoid(A[i]); // I_t (8.3)
      A[f] = sigmoid(A[f]); // F_t (8.1)
      A[c] = Math.tanh(A[c]); // C̃_t (8.2)
      A[o] = sigmoid(A[o]); // O_t (8.5)
      C[now] = A[f] * C[before] + A[i] * A[c]; // (8.4)
      H[now] = A[o] * Math.tanh(C[now]); // (8.6)
    }
}

// The formulas of d2lrnn.gradients.lstm_bptt.
function lstmBack({ h }, { A, C, B }, { dA, dH, dC }, t) {
  for (let row = t * B; row < (t + 1) * B; row++)
    for (let j = 0; j < h; j++) {
      const i = 4 * h * row + j, f = i + h, c = f + h, o = c + h;
      const before = h * row + j, now = before + B * h, tanhC = Math.tanh(C[now]);
      dC[now] += dH[now] * A[o] * (1 - tanhC * tanhC); // s_t (8.7)
      dA[i] = dC[now] * A[c] * A[i] * (1 - A[i]);
      dA[f] = dC[now] * C[before] * A[f] * (1 - A[f]); // (8.8)
      dA[c] = dC[now] * A[i] * (1 - A[c] * A[c]);
      dA[o] = dH[now] * tanhC * A[o] * (1 - A[o]);
      dC[before] = dC[now] * A[f]; // the direct path of (8.9)
    }
}

const CELLS = {
  rnn: { blocks: 1, names: ["W_xh", "W_hh", "b_h"], step: rnnStep, back: rnnBack },
  gru: { blocks: 3, names: ["W_x", "W_h", "b_x", "b_h"], step: gruStep, back: gruBack },
  lstm: { blocks: 4, names: ["W_x", "W_h", "b"], step: lstmStep, back: lstmBack },
};

// The names of a network's parameters and the shapes of each, in order.
export function shapes({ cell, D, h, q }) {
  const { blocks, names } = CELLS[cell], [W_x, W_h, ...biases] = names, wide = blocks * h;
  const bias = Object.fromEntries(biases.map((name) => [name, [wide]]));
  return { [W_x]: [D, wide], [W_h]: [h, wide], ...bias, W_hq: [h, q], b_q: [q] };
}

// The parameters by what they do in every cell.
function parts({ cell, h, params }) {
  const { blocks, names, step, back } = CELLS[cell];
  const [W_x, W_h, b, b_h] = names.map((name) => params[name]);
  return { W_x, W_h, b, b_h, W_hq: params.W_hq, b_q: params.b_q, wide: blocks * h, step, back };
}

// Forward

// Everything that a network computes, and what the way back needs:
//   A (T, B, wide)  what the steps made of X_t W_x + b: the gates and the candidate (an RNN's Z_t)
//   U (T, B, wide)  GRU: H_{t−1} W_h + b_h, which the reset gate acts on; otherwise A itself
//   H, C (T + 1, B, h) and the outputs O (T, B, q), the scores before the softmax
export function forward(net, inputs, state = null, B = 1) {
  const { D, h, q } = net, { W_x, W_h, b, b_h, W_hq, b_q, wide, step } = parts(net);
  const ids = inputs instanceof Int32Array, T = inputs.length / B / (ids ? 1 : D);

  const A = zeros(W_x, T * B * wide);
  addToRows(A, b);
  // A one-hot vector times W_x is a row of W_x.
  if (ids) inputs.forEach((id, row) => addToRows(at(A, row, T * B), at(W_x, id, D)));
  else addProduct(A, inputs, W_x, wide);
  const U = b_h ? zeros(A, A.length) : A;
  if (b_h) addToRows(U, b_h);

  const H = zeros(A, (T + 1) * B * h), C = zeros(A, H.length);
  if (state) H.set(state.H);
  if (state?.C) C.set(state.C);
  const pass = { T, B, inputs, A, U, H, C };
  for (let t = 0; t < T; t++) {
    addProduct(at(U, t, T), at(H, t, T + 1), W_h, wide); // t counts from 0: H[t] is H_{t−1}
    step(net, pass, t);
  }
  pass.O = product(H.subarray(B * h), W_hq, q); // (6.7)
  addToRows(pass.O, b_q);
  return pass;
}

// The state after the last step.
export const lastState = ({ H, C, T }) =>
  ({ H: at(H, T, T + 1).slice(), C: at(C, T, T + 1).slice() });

// log softmax of each row, where O has q columns. The largest score is subtracted, so that no exp
// overflows.
export function logSoftmax(O, q) {
  const logP = zeros(O, O.length);
  for (let row = 0; row < O.length; row += q) {
    let largest = -Infinity, sum = 0;
    for (let j = row; j < row + q; j++) largest = Math.max(largest, O[j]);
    for (let j = row; j < row + q; j++) sum += Math.exp(O[j] - largest);
    const logSum = largest + Math.log(sum);
    for (let j = row; j < row + q; j++) logP[j] = O[j] - logSum;
  }
  return logP;
}

// The mean cross-entropy in nats (4.4) and ∂L/∂O = (softmax(O) − Y) / (T B): (6.9). Steps whose
// target is −1 do not count.
export function crossEntropy(O, targets, q) {
  const logP = logSoftmax(O, q), dO = zeros(O, O.length);
  const count = targets.reduce((sum, target) => sum + (target >= 0), 0);
  let loss = 0;
  targets.forEach((target, row) => {
    if (target < 0) return;
    loss -= logP[row * q + target] / count;
    for (let j = row * q; j < (row + 1) * q; j++) dO[j] = Math.exp(logP[j]) / count;
    dO[row * q + target] -= 1 / count;
  });
  return { loss, dO };
}

// Backward

// From the last step to the first. dH (T + 1, B, h) holds what comes from the outputs; what comes
// from later steps is added to it: (6.10). Then dH, dC and dA are the gradients by H_t, by C_t and
// by what is in A before the step. Only the steps first … T − 1 are walked.
function backThroughTime(net, pass, dH, T = pass.T, first = 0) {
  const { W_h, wide, back } = parts(net), { A, U, H } = pass, W_hT = transpose(W_h, wide);
  const dA = zeros(A, A.length), dU = U === A ? dA : zeros(A, A.length), dC = zeros(H, H.length);
  const ways = { dA, dU, dH, dC };
  for (let t = T - 1; t >= first; t--) {
    back(net, pass, ways, t);
    addProduct(at(dH, t, pass.T + 1), at(dU, t, pass.T), W_hT, net.h);
  }
  return ways;
}

// ∂L/∂W_x = Σ X_tᵀ dA_t: (6.12). With ids, each row of dA goes to the row of W_x that was read.
function inputWeightGradient(inputs, dA, D, wide) {
  if (!(inputs instanceof Int32Array)) return product(transpose(inputs, D), dA, wide);
  const dW = zeros(dA, D * wide);
  inputs.forEach((id, row) => addToRows(at(dW, id, D), at(dA, row, inputs.length)));
  return dW;
}

// ∂L/∂X_t = dA_t W_xᵀ: (6.12); for ids it is the gradient by their one-hot vectors.
export function inputGradients(net, dA) {
  const { W_x, wide } = parts(net);
  return product(dA, transpose(W_x, wide), net.D);
}

// Backpropagation through time. Returns the loss, its gradient by every parameter (6.12), what
// `forward` and `backThroughTime` return, and so the gradient by the first state: dH[0] and dC[0].
export function bptt(net, inputs, targets, state = null, B = 1) {
  const { D, h, q } = net, { W_hq, b_h, wide } = parts(net);
  const pass = forward(net, inputs, state, B), { loss, dO } = crossEntropy(pass.O, targets, q);
  const before = pass.H.subarray(0, -B * h), now = pass.H.subarray(B * h); // all H_{t−1}, all H_t

  const dH = zeros(pass.H, pass.H.length);
  addProduct(dH.subarray(B * h), dO, transpose(W_hq, q), h);
  const ways = backThroughTime(net, pass, dH), { dA, dU } = ways;

  const found = [
    inputWeightGradient(inputs, dA, D, wide),
    product(transpose(before, h), dU, wide),
    sumOfRows(dA, wide),
    ...(b_h ? [sumOfRows(dU, wide)] : []),
    product(transpose(now, h), dO, q),
    sumOfRows(dO, q),
  ];
  const gradients = Object.fromEntries(Object.keys(shapes(net)).map((name, i) => [name, found[i]]));
  return { loss, gradients, pass, ...ways };
}

// How strongly the prediction of one id after step t (from 0) listens to what came before, for one
// sequence: the norms of the gradients of log P(id) by X_{t−k}, by H_{t−k} and, in an LSTM, by
// C_{t−k}, at k for the lag k (7.3). With fewer lags than t + 1 the way back stops earlier.
export function listening(net, pass, t, id, lags = t + 1) {
  const { D, h, q } = net, { W_hq, wide } = parts(net), first = Math.max(0, t + 1 - lags);
  const logP = logSoftmax(at(pass.O, t, pass.T), q);
  const dO = logP.map((value, j) => (j === id) - Math.exp(value));
  const dH = zeros(pass.H, pass.H.length);
  addProduct(at(dH, t + 1, pass.T + 1), dO, transpose(W_hq, q), h);
  const { dA, dC } = backThroughTime(net, pass, dH, t + 1, first);

  function norms(V, size) {
    const rows = V.length / size;
    return Array.from({ length: t + 1 - first }, (_, k) => norm(at(V, rows - 1 - k, rows)));
  }
  return {
    X: norms(inputGradients(net, dA.subarray(first * wide, (t + 1) * wide)), D),
    H: norms(dH.subarray(0, (t + 2) * h), h),
    C: norms(dC.subarray(0, (t + 2) * h), h),
  };
}

// Training

function norm(V) {
  let sum = 0;
  for (let i = 0; i < V.length; i++) sum += V[i] * V[i];
  return Math.sqrt(sum);
}

// Clip by the global norm, in place: (4.9). Returns the norm before.
export function clip(gradients, theta) {
  const all = Object.values(gradients), total = Math.hypot(...all.map(norm));
  if (theta < total && total < Infinity)
    for (const dW of all) for (let i = 0; i < dW.length; i++) dW[i] *= theta / total;
  return total;
}

// One parameter after the other, W ← W − η dW.
function sgd(W, dW, { lr }) {
  for (let i = 0; i < W.length; i++) W[i] -= lr * dW[i];
}

// Adam (Kingma and Ba, 2015): m and v are running means of dW and of its square.
function adam(W, dW, { lr }, { m, v }, step) {
  const beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  // Both means started from zero: they are divided by 1 − β^step.
  const rate = lr / (1 - beta1 ** step), shrink = 1 / Math.sqrt(1 - beta2 ** step);
  for (let i = 0; i < W.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * dW[i];
    v[i] = beta2 * v[i] + (1 - beta2) * dW[i] * dW[i];
    W[i] -= (rate * m[i]) / (shrink * Math.sqrt(v[i]) + epsilon);
  }
}

// Trains net.params in place and yields { loss, norm } after each update, without end. It walks
// through the batches { inputs, targets, B, goesOn } again and again; one that goes on takes the
// state that the one before ended with, its gradient cut. The settings { optimizer, lr, theta } are
// read anew for each update, so they may be changed between two.
// When the loss or the gradient is not finite, `diverged` is true and the parameters go back to
// those before the last update. With a lower learning rate training can go on from there.
export function* train(net, batches, settings) {
  const names = Object.keys(shapes(net)), optimizers = { sgd, adam };
  const last = names.map((name) => net.params[name].slice());
  const noMeans = () => last.map((W) => ({ m: zeros(W, W.length), v: zeros(W, W.length) }));
  let means = noMeans(), state = null;
  for (let i = 0, step = 1; ; i = (i + 1) % batches.length, step++) {
    const { inputs, targets, B, goesOn } = batches[i];
    const { loss, gradients, pass } = bptt(net, inputs, targets, goesOn ? state : null, B);
    const size = clip(gradients, settings.theta);
    const diverged = !(Number.isFinite(loss) && Number.isFinite(size));
    if (diverged) [means, step] = [noMeans(), 0];
    state = diverged ? null : lastState(pass);
    names.forEach((name, k) => {
      const W = net.params[name];
      if (diverged) return W.set(last[k]);
      last[k].set(W);
      optimizers[settings.optimizer](W, gradients[name], settings, means[k], step);
    });
    yield { loss, norm: size, diverged };
  }
}

// A text cut into B stretches that are walked side by side, T steps at a time.
export function textBatches(ids, B, T) {
  const length = Math.floor((ids.length - 1) / T / B), batches = [];
  for (let i = 0; i < length; i++) {
    const from = (shift) => Int32Array.from({ length: T * B }, (_, k) => {
      const t = Math.floor(k / B), b = k % B;
      return ids[(b * length + i) * T + t + shift];
    });
    batches.push({ inputs: from(0), targets: from(1), B, goesOn: i > 0 });
  }
  return batches;
}

// Sampling

// Draw an id from softmax(O / temperature), where O is one row of scores.
export function draw(O, temperature, uniform) {
  const logP = logSoftmax(O.map((o) => o / temperature), O.length);
  let rest = uniform();
  return Math.max(0, logP.findIndex((value) => (rest -= Math.exp(value)) < 0));
}

// Reads the ids, then writes new ones without end: each is drawn, yielded and fed back.
export function* generate(net, ids, temperature, uniform) {
  let read = Int32Array.from(ids), state = null;
  for (;;) {
    const pass = forward(net, read, state);
    const id = draw(at(pass.O, pass.T - 1, pass.T), temperature, uniform);
    yield id;
    [read, state] = [Int32Array.of(id), lastState(pass)];
  }
}

// Networks to start from

// Random numbers from 0 to 1 that are the same for the same seed everywhere (mulberry32).
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let x = Math.imul(seed ^ (seed >>> 15), seed | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A normal number from two uniform ones (Box and Muller, 1958).
const normal = (u, v) => Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);

// A network whose parameters are Float arrays filled by next(isWeight), number by number.
function filled(sizes, Float, next) {
  const params = Object.entries(shapes(sizes)).map(([name, [rows, columns]]) =>
    [name, Float.from({ length: rows * (columns ?? 1) }, () => next(columns !== undefined))]);
  return { activation: "tanh", ...sizes, params: Object.fromEntries(params) };
}

// An untrained network, as of d2lrnn.cells: weights normal with standard deviation `scale`, biases
// zero, but the one of the LSTM's forget gate is `forgetBias`. `sizes` is { cell, D, h, q } and,
// for an RNN, its activation.
export function network(sizes, settings = {}) {
  const { seed = 0, scale = sizes.h ** -0.5, forgetBias = 0, Float = Float64Array } = settings;
  const uniform = random(seed), weight = () => scale * normal(uniform(), uniform());
  const net = filled(sizes, Float, (isWeight) => (isWeight ? weight() : 0));
  if (net.cell === "lstm") net.params.b.fill(forgetBias, net.h, 2 * net.h);
  return net;
}

// A network that d2lrnn.live.saved wrote: `weights` are its parameters in the order of `shapes`, as
// 16-bit floats, lowest byte first, in base64.
export function load({ weights, ...sizes }, Float = Float64Array) {
  const bytes = new DataView(Uint8Array.from(atob(weights), (c) => c.charCodeAt(0)).buffer);
  let place = 0;
  return filled(sizes, Float, () => float16(bytes.getUint16(2 * place++, true)));
}

// A sign, 5 bits of exponent and 10 of fraction; exponent 0 is for the smallest numbers and zero.
export function float16(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

// In a worker

// Trains while answering messages. { start: [net, batches, settings] } begins anew, { settings }
// changes some of them, { go } runs (true) or stops (false). Every 50 ms of training sends
// { updates, params }: what `train` yielded since the last message. Divergence stops it.
export function serve(port) {
  let net, settings, training, going = false, timer;
  function turn() {
    const end = performance.now() + 50, updates = [];
    do updates.push(training.next().value);
    while (performance.now() < end && !updates.at(-1).diverged);
    going = !updates.at(-1).diverged;
    port.postMessage({ updates, params: net.params });
    if (going) timer = setTimeout(turn); // between two turns messages are read
  }
  port.onmessage = ({ data }) => {
    clearTimeout(timer);
    if (data.start) {
      [net, , settings] = data.start;
      training = train(...data.start);
    }
    Object.assign(settings, data.settings);
    going = data.go ?? going;
    if (going) timer = setTimeout(turn);
  };
}

if (typeof WorkerGlobalScope !== "undefined") serve(self);

// A worker that serves, from the text of this file. It must not be a module: a page that is opened
// as a file may not start a worker from one.
export function startWorker(source) {
  const script = new Blob([source.replace(/^export /gm, "")], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(script));
}
