// Eigenvalues by hand: drag the eigenvalues of W_hh, and see what becomes of an impulse and of its gradient.

export const STEPS = 40;
const DEGREE = Math.PI / 180;

// The largest slope γ of each activation, and its slope where it has the value h.
export const ACTIVATIONS = {
  tanh: { phi: Math.tanh, slope: (h) => 1 - h * h, gamma: 1 },
  ReLU: { phi: (z) => Math.max(0, z), slope: (h) => (h > 0 ? 1 : 0), gamma: 1 },
  sigmoid: { phi: (z) => 1 / (1 + Math.exp(-z)), slope: (h) => h * (1 - h), gamma: 0.25 },
  linear: { phi: (z) => z, slope: () => 1, gamma: 1 },
};

// W_hh with the eigenvalues size·e^(±i·angle) and real. The shear makes it non-normal and changes no eigenvalue,
// because the matrix stays block triangular.
export function matrix({ size, angle, real, shear }) {
  const a = size * Math.cos(angle), b = size * Math.sin(angle);
  return [[a, -b, shear], [b, a, shear], [0, 0, real]];
}

const times = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((sum, a, k) => sum + a * B[k][j], 0)));

// The root of the largest eigenvalue of AᵀA, which for three rows has a closed form (three real roots of a cubic).
export function largestSingularValue(A) {
  const largest = Math.max(...A.flat().map(Math.abs));
  if (largest === 0 || !isFinite(largest)) return largest;
  const M = A.map((row) => row.map((a) => a / largest)); // so that no square underflows
  const S = times(M[0].map((_, j) => M.map((row) => row[j])), M);
  const mean = (S[0][0] + S[1][1] + S[2][2]) / 3;
  const off = S.map((row, i) => row.map((s, j) => (i === j ? s - mean : s)));
  const spread = Math.sqrt(off.flat().reduce((sum, s) => sum + s * s, 0) / 6);
  if (spread === 0) return largest * Math.sqrt(mean);
  const [[a, b, c], [d, e, f], [g, h, i]] = off.map((row) => row.map((s) => s / spread));
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const third = Math.acos(Math.max(-1, Math.min(1, determinant / 2))) / 3;
  return largest * Math.sqrt(mean + 2 * spread * Math.cos(third));
}

// h_1 = φ(x_1), and then silence: h_t = φ(h_{t−1} W).
function states(W, phi, x_1) {
  const path = [[x_1, x_1, x_1].map(phi)];
  while (path.length <= STEPS) path.push(times([path.at(-1)], W)[0].map(phi));
  return path;
}

// ‖∂h_t/∂h_1‖ for t = 1, 2, …: each step multiplies by W diag(φ′).
function gradientNorms(W, slope, path) {
  let product = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  return path.map((h, t) => {
    if (t > 0) product = times(product, W).map((row) => row.map((a, j) => a * slope(h[j])));
    return largestSingularValue(product);
  });
}

export function study(setting) {
  const W = matrix(setting), { phi, slope, gamma } = ACTIVATIONS[setting.activation];
  const heard = states(W, phi, 1), opposite = states(W, phi, -1);
  const apart = heard.map((h, t) => Math.hypot(...h.map((a, j) => a - opposite[t][j])));
  return {
    W, heard, opposite, gamma,
    radius: Math.max(setting.size, Math.abs(setting.real)),
    sigma: largestSingularValue(W),
    gradient: gradientNorms(W, slope, heard),
    remembered: apart.map((a) => a / apart[0]),
  };
}

// The stories of the chapter.
const STORIES = {
  "it fades": { size: 0.8, angle: 34 * DEGREE, real: 0.5, shear: 0, activation: "tanh" },
  "it explodes": { size: 1.15, angle: 34 * DEGREE, real: 0.5, shear: 0, activation: "linear" },
  "it grows first": { size: 0.8, angle: 0, real: 0.8, shear: 3, activation: "linear" },
  "kept, but not learnable": { size: 0.6, angle: 34 * DEGREE, real: 1.4, shear: 0, activation: "tanh" },
  "a sigmoid": { size: 1.4, angle: 34 * DEGREE, real: 1.4, shear: 0, activation: "sigmoid" },
};

function verdict({ gradient, remembered }) {
  const left = gradient.at(-1), kept = remembered.at(-1), most = Math.max(...gradient);
  if (left > 10) return "The gradient explodes.";
  if (left > 0.1) return "The gradient neither vanishes nor explodes.";
  if (kept > 0.1) return "The state still tells which impulse came, but the gradient that would have to teach it vanishes.";
  if (most > 2) return "The gradient grows first and vanishes in the end.";
  return "The gradient vanishes, and the impulse is forgotten.";
}

const short = (v) => drawing.tickText(+v.toPrecision(3));

const degrees = (angle) => `${Math.round(angle / DEGREE)}°`;

function sentence(setting, found) {
  const pair = `a pair of size ${setting.size.toFixed(2)} at ±${degrees(setting.angle)}`;
  return `${setting.activation}, ${pair} and ${setting.real.toFixed(2)}: radius ρ = ${short(found.radius)}, σ_max = ${short(found.sigma)}. After ${STEPS} steps ` +
    `a gradient is at most ${short(found.gradient.at(-1))} times as large, and the states after the impulses +1 and −1 are ` +
    `${short(found.remembered.at(-1))} times as far apart as at first. ${verdict(found)}`;
}

const lags = Array.from({ length: STEPS + 1 }, (_, k) => k);
const circle = Array.from({ length: 61 }, (_, i) => (2 * Math.PI * i) / 60);
// The real one first: where all three meet, a hand takes one of the pair, which can go anywhere.
const dots = ({ size, angle, real }) =>
  [[real, 0], [size * Math.cos(angle), size * Math.sin(angle)], [size * Math.cos(angle), -size * Math.sin(angle)]];

function marks(setting, { heard, opposite, gradient, remembered, radius, sigma, gamma }, colors) {
  const line = (label, x, y, color, dashed = false) => ({ kind: "line", label, x, y, color, dashed });
  const [real, pair] = dots(setting);
  const plane = [
    line("", circle.map(Math.cos), circle.map(Math.sin), colors.data, true),
    { kind: "dots", label: "", x: [pair[0], pair[0]], y: [pair[1], -pair[1]], color: colors.rnn },
    { kind: "dots", label: "", x: [real[0]], y: [0], color: colors.trigram },
  ];
  const unit = (path, j) => path.map((h) => h[j]);
  const paths = ["h₁", "h₂", "h₃"].flatMap((label, j) => [
    line("", lags, unit(opposite, j), [colors.rnn, colors.linear, colors.trigram][j], true),
    line(label, lags, unit(heard, j), [colors.rnn, colors.linear, colors.trigram][j]),
  ]);
  const bounds = [
    line("ρᵏ", lags, lags.map((k) => radius ** k), colors.data, true),
    line("(γσ)ᵏ", lags, lags.map((k) => (gamma * sigma) ** k), colors.naive, true),
    line("memory", lags, remembered, colors.held_out),
    line("gradient", lags, gradient, colors.rnn),
  ];
  return [plane, bounds, paths];
}

const panelsFor = (largest) => [
  { xlabel: "real part", ylabel: "imaginary part", title: "Eigenvalues: drag them, or move the sliders", xscale: "linear", yscale: "linear",
    xlim: [-1.6, 1.6], ylim: [-1.6, 1.6], equal: true, height: 260 },
  { xlabel: "lag k (steps)", ylabel: "‖∂hₖ₊₁/∂h₁‖, and how far apart (log scale)", title: "What is left", xscale: "linear",
    yscale: "log", xlim: [0, STEPS], ylim: [1e-9, 1e6], height: 260 },
  { xlabel: "steps after the impulse", ylabel: "state", title: "The impulse +1 (dashed: −1)", xscale: "linear",
    yscale: "linear", xlim: [0, STEPS], ylim: [-largest, largest], wide: true, height: 190 },
];

// A round limit for the states, so that the axis seldom changes.
const limit = (paths) => {
  const most = Math.max(...paths.flat(2).map(Math.abs));
  return most <= 1.25 ? 1.25 : 5 * 10 ** Math.ceil(Math.log10(most / 5));
};

export function show(figure, { colors }) {
  const setting = { ...STORIES["it fades"] };
  const stories = figure.buttons("story", Object.keys(STORIES), (story) => {
    Object.assign(setting, STORIES[story]);
    for (const [name, control] of Object.entries(controls)) control.set(setting[name]);
    draw();
  });
  const changed = (name) => (value) => { setting[name] = value; stories.clear(); figure.later(draw); };
  const controls = {
    size: figure.slider("pair: size", [0, 1.5, 0.01], setting.size, (v) => v.toFixed(2), changed("size")),
    angle: figure.slider("pair: angle", [0, Math.PI, DEGREE], setting.angle, degrees, changed("angle")),
    real: figure.slider("the real one", [-1.5, 1.5, 0.01], setting.real, (v) => v.toFixed(2), changed("real")),
    shear: figure.slider("non-normal: shear", [0, 5, 0.1], setting.shear, (v) => v.toFixed(1), changed("shear")),
    activation: figure.menu("activation", Object.keys(ACTIVATIONS), setting.activation, changed("activation")),
  };
  figure.controls.classList.add("live-pairs");
  const panels = figure.panels(3);
  panels.handles(0, () => dots(setting), (which, [x, y]) => {
    const near = (v) => Math.round(v * 100) / 100;
    if (which === 0) controls.real.enter(near(x));
    else {
      controls.size.enter(near(Math.hypot(x, y)));
      controls.angle.enter(Math.atan2(Math.abs(y), x));
    }
  });
  function draw() {
    const found = study(setting);
    const limits = panelsFor(limit([found.heard, found.opposite]));
    panels.draw(limits, marks(setting, found, colors), sentence(setting, found));
  }
  figure.onResize(draw);
}
