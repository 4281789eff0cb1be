// Train it yourself: the copy task of chapter 7, and what becomes of the gradient while a network learns it.

const B = 32, BATCHES = 200, TESTED = 200, SYMBOLS = 4, HIDDEN = 32;
const LAGS = ["5", "10", "20", "40"];
const { RATES, tenth } = learning, { whole } = words;

// One symbol, and `lag` symbols of noise. Only the last step has a target, the first symbol.
function sequences(number, lag, uniform) {
  const inputs = Int32Array.from({ length: (lag + 1) * number }, () => Math.floor(SYMBOLS * uniform()));
  const targets = new Int32Array(inputs.length).fill(-1);
  targets.set(inputs.subarray(0, number), lag * number);
  return { inputs, targets, B: number };
}

function task(lag) {
  const uniform = engine.random(1);
  const batches = Array.from({ length: BATCHES }, () => sequences(B, lag, uniform));
  return { batches, test: sequences(TESTED, lag, uniform) };
}

// ‖Wⁿ‖^(1/n) tends to the spectral radius. Squaring W twelve times makes n = 4096.
export function spectralRadius(W, h) {
  const times = (A, C) => A.map((_, i) => {
    let sum = 0;
    for (let k = 0; k < h; k++) sum += A[i - (i % h) + k] * C[k * h + (i % h)];
    return sum;
  });
  let logRadius = 0, power = Float64Array.from(W);
  for (let n = 1; n <= 4096; n *= 2) {
    const size = Math.hypot(...power); // taken out, so that no power overflows
    logRadius += Math.log(size) / n;
    power = power.map((w) => w / size);
    power = times(power, power);
  }
  return Math.exp(logRadius);
}

function untrained({ radius, bias }, cell) {
  const sizes = { cell: cell.toLowerCase(), D: SYMBOLS, h: HIDDEN, q: SYMBOLS };
  const net = engine.network(sizes, { scale: 0.1, forgetBias: bias });
  if (cell !== "RNN") return net;
  const factor = radius / spectralRadius(net.params.W_hh, HIDDEN);
  net.params.W_hh = net.params.W_hh.map((w) => factor * w);
  return net;
}

// In the judge's worker. At k of a list is the gradient of the loss k steps before the answer.
function judge(engine, { net, test }) {
  const { inputs, targets, B } = test, { loss, pass, dH, dC } = engine.bptt(net, inputs, targets, null, B);
  const first = inputs.length - B, { q } = net;
  let right = 0;
  for (let row = first; row < inputs.length; row++) {
    const scores = pass.O.subarray(row * q, (row + 1) * q);
    right += scores.indexOf(Math.max(...scores)) === targets[row];
  }
  const byLag = (V) => Array.from({ length: pass.T }, (_, k) => {
    const size = B * net.h, end = V.length - k * size;
    return Math.sqrt(V.subarray(end - size, end).reduce((sum, v) => sum + v * v, 0));
  });
  return { accuracy: right / B, tested: loss, gradient: byLag(dH), memory: net.cell === "lstm" ? byLag(dC) : null };
}

// Drawing

const short = (v) => drawing.tickText(+v.toPrecision(2));

function pictures(lag, courses, colors) {
  const most = learning.round(Math.max(100, ...courses.map(({ points }) => points.at(-1)?.updates ?? 0)));
  const line = (label, x, y, color, dashed = false) => ({ kind: "line", label, x, y, color, dashed });
  const course = (name) => courses.map(({ cell, points }) =>
    line(cell, points.map(({ updates }) => updates), points.map((point) => point[name]), colors[cell.toLowerCase()]));
  const level = (label, y) => line(label, [0, most], [y, y], colors.uniform, true);
  const k = Array.from({ length: lag + 1 }, (_, k) => k);
  const gradients = courses.flatMap(({ cell, points }) => {
    const now = points.at(-1), color = colors[cell.toLowerCase()];
    return [now && line(cell, k, now.gradient, color), now?.memory && line("its memory", k, now.memory, color, true)].filter(Boolean);
  });
  const linear = { xlabel: "updates", xscale: "linear", yscale: "linear", xlim: [0, most], height: 200 };
  return [
    [{ ...linear, title: "Right answers", ylabel: "accuracy", ylim: [0, 1] }, [level("chance", 1 / SYMBOLS), ...course("accuracy")]],
    [{ ...linear, title: "Loss on other sequences", ylabel: "nats", ylim: [0, 2] }, [level("chance", Math.log(SYMBOLS)), ...course("tested")]],
    [{ xlabel: "lag k (steps back from the answer)", ylabel: "‖∂L/∂h‖, and ‖∂L/∂c‖ of an LSTM (log scale)", title: "The gradient by lag, now", xscale: "linear",
      yscale: "log", xlim: [0, lag], ylim: [1e-12, 10], wide: true, height: 230 }, gradients],
  ];
}

export function show(figure, { colors, cell }) {
  const setting = { cell, lag: 20, radius: 0.6, bias: 1, rate: 3, clipping: "at 1" };
  let both = false, courses = [], copying, seen = true;

  figure.buttons("what learns", ["one network", "RNN and LSTM side by side"], (name) => {
    both = name !== "one network";
    renew(both);
  });
  const cells = () => (both ? ["RNN", "LSTM"] : [setting.cell]);
  const anew = (name) => (value) => { setting[name] = value; renew(); };
  const menu = figure.menu("cell", ["RNN", "GRU", "LSTM"], cell, anew("cell"));
  figure.menu("lag", LAGS, setting.lag, (lag) => { setting.lag = Number(lag); renew(); });
  const radius = figure.slider("spectral radius", [0.1, 1.6, 0.1], setting.radius, (v) => v.toFixed(1), anew("radius"));
  const bias = figure.slider("forget bias", [-1, 5, 0.5], setting.bias, (v) => v.toFixed(1).replace("-", "−"), anew("bias"));
  const rate = figure.slider("learning rate", [0, RATES.length - 1, 1], setting.rate, (i) => RATES[i], (i) => {
    setting.rate = i;
    change({ lr: RATES[i] });
  });
  figure.menu("clipping", ["at 1", "off"], setting.clipping, (clipping) => {
    setting.clipping = clipping;
    change({ theta: theta() });
  });
  figure.controls.classList.add("live-pairs");
  const theta = () => (setting.clipping === "off" ? Infinity : 1);
  const learners = () => courses.map(({ learner }) => learner), going = () => learners().some((one) => one.going);
  const diverged = () => courses.filter(({ learner }) => learner.diverged);

  const [go, , back] = figure.actions({
    Start: () => {
      const stopping = going();
      for (const one of learners()) if (!one.diverged) stopping ? one.stop() : one.start();
      say();
    },
    "Start again": () => renew(true),
    "Go back": () => {
      rate.set((setting.rate = tenth(setting.rate)));
      const settings = { lr: RATES[setting.rate] };
      for (const course of courses) {
        const { learner } = course;
        if (!learner.diverged) learner.set(settings);
        else {
          const good = learner.goBack(settings);
          course.points = course.points.filter(({ updates }) => updates <= good);
        }
      }
      paced();
    },
  });
  const panels = figure.panels(3), page = figure.lines();

  function change(settings) {
    for (const one of learners()) one.set(settings);
    say();
  }

  // New networks. If the old ones were learning, the new ones learn.
  function renew(goes = going()) {
    for (const one of learners()) one.close();
    if (copying?.lag !== setting.lag) copying = { lag: setting.lag, ...task(setting.lag) };
    courses = cells().map(begin);
    if (goes) for (const one of learners()) one.start();
    paced();
    menu.show(!both);
    radius.show(cells().includes("RNN"));
    bias.show(cells().includes("LSTM"));
    say();
  }

  function begin(cell) {
    const course = { cell, points: [] }, { batches, test } = copying;
    const settings = { optimizer: "adam", lr: RATES[setting.rate], theta: theta() }, net = untrained(setting, cell);
    function judged(answer) {
      const isNew = answer.updates > (course.points.at(-1)?.updates ?? -1) && Number.isFinite(answer.tested);
      if (isNew) course.points = learning.thinned([...course.points, answer]);
      later();
    }
    const hopeless = Math.log(SYMBOLS) + 1, question = () => ({ test });
    course.learner = new learning.Learner({ net, batches, settings, judge, question, hopeless }, { heard: paced, judged });
    return course;
  }

  // Side by side the two have made as many updates.
  function paced() {
    learning.keepStep(learners(), seen);
    later();
  }

  function about({ cell, points }) {
    const start = { RNN: `, spectral radius ${setting.radius.toFixed(1)} at the start`, LSTM: `, forget bias ${setting.bias} at the start`, GRU: "" }[cell];
    const now = points.at(-1);
    if (!now) return `${cell}${start}.`;
    const gradient = now.memory ?? now.gradient, left = gradient.at(-1) / gradient[0];
    const learned = now.accuracy >= 0.95 ? " It has learned the task." : now.accuracy <= 0.35 ? " That is hardly better than guessing." : "";
    return `${cell}${start}: after ${whole(now.updates)} updates ${Math.round(100 * now.accuracy)} % of ${TESTED} other sequences are right.${learned} ` +
      `At lag ${setting.lag} the gradient by its ${now.memory ? "memory" : "state"} is ${short(left)} times that at lag 0.`;
  }

  function sentence() {
    const clipping = setting.clipping === "off" ? "no clipping" : "clipping at norm 1";
    const lost = diverged().map(({ cell }) => cell).join(" and ");
    const warning = lost && ` Training of the ${lost} diverged: at this learning rate the loss is above that of a guess. ` +
      `“Go back” returns to the last good network and a tenth of the rate.`;
    return `Lag ${setting.lag}, learning rate ${RATES[setting.rate]}, ${clipping}. ${courses.map(about).join(" ")}${warning}`;
  }

  function draw() {
    const drawn = pictures(setting.lag, courses, colors);
    panels.draw(drawn.map(([panel]) => panel), drawn.map(([, marks]) => marks), sentence());
    go.textContent = going() ? "Stop" : "Start";
    learning.offer(go, back, { canGo: diverged().length < courses.length, canGoBack: diverged().length > 0 });
    back.textContent = `Go back, with the rate ${RATES[tenth(setting.rate)]}`;
    page.write(courses.map(({ cell, learner, points }) => `${cell}: ${whole(learner.updates)} updates` +
      (points.length ? `, ${Math.round(100 * points.at(-1).accuracy)} % right` : "")).join(" · "), []);
  }

  const say = learning.telling(figure, draw, going), later = () => figure.later(say);
  renew();
  figure.onResize(say);
  figure.onLeave(() => {
    for (const one of learners()) one.close();
    say();
  });
  figure.onSight((sees) => { seen = sees; paced(); });
}
