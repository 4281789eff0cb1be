// Asks an engine what Python has computed too. Under Node each line of the input is a question in
// JSON, { source, ask, … }, and gets a line with the answer. In a browser `answer` is called.

const engines = {};

async function engine(source) {
  return (engines[source] ??= await import("data:text/javascript," + encodeURIComponent(source)));
}

const floats = { 32: Float32Array, 64: Float64Array };

// A network whose parameters are lists becomes one whose parameters are typed arrays.
function typed({ params, bits = 64, ...sizes }) {
  const arrays = Object.entries(params).map(([name, list]) => [name, floats[bits].from(list)]);
  return { ...sizes, params: Object.fromEntries(arrays) };
}

const inputsOf = (net, list, ids) =>
  ids ? Int32Array.from(list) : Object.values(net.params)[0].constructor.from(list);

const batchesOf = (batches) => batches.map((batch) => ({
  ...batch, inputs: Int32Array.from(batch.inputs), targets: Int32Array.from(batch.targets),
}));

const take = (count, iterator) => Array.from({ length: count }, () => iterator.next().value);

const questions = {
  bptt(engine, { net, inputs, ids, targets, state, B, theta }) {
    net = typed(net);
    const found = engine.bptt(net, inputsOf(net, inputs, ids), Int32Array.from(targets), state, B);
    const dX = engine.inputGradients(net, found.dA), size = B * net.h;
    const norm = engine.clip(found.gradients, theta);
    return {
      loss: found.loss, O: found.pass.O, ...engine.lastState(found.pass), ...found.gradients, dX, norm,
      dH_0: found.dH.slice(0, size), dC_0: found.dC.slice(0, size),
    };
  },
  listening(engine, { net, inputs, ids, state, t, id, lags }) {
    net = typed(net);
    const pass = engine.forward(net, inputsOf(net, inputs, ids), state);
    return engine.listening(net, pass, t, id, lags);
  },
  train(engine, { net, batches, settings, updates }) {
    net = typed(net);
    const history = take(updates, engine.train(net, batchesOf(batches), settings));
    return { loss: history.map((row) => row.loss), norm: history.map((row) => row.norm), ...net.params };
  },
  // Divergence, and on with another learning rate.
  diverge(engine, { net, batches, settings, lr }) {
    net = typed(net);
    const training = engine.train(net, batchesOf(batches), settings), rows = [];
    do rows.push(training.next().value); while (!rows.at(-1).diverged);
    const kept = structuredClone(net.params);
    settings.lr = lr ?? settings.lr;
    return { rows, kept, after: take(5, training), params: net.params };
  },
  load: (engine, { saved }) => engine.load(saved),
  // The mean cross-entropy of a saved network that reads a text from a zero state.
  score(engine, { saved, ids }) {
    const net = engine.load(saved), inputs = Int32Array.from(ids.slice(0, -1));
    return engine.crossEntropy(engine.forward(net, inputs).O, Int32Array.from(ids.slice(1)), net.q).loss;
  },
  network: (engine, { sizes, settings }) => engine.network(sizes, settings),
  random: (engine, { seed, count }) => {
    const uniform = engine.random(seed);
    return Array.from({ length: count }, uniform);
  },
  generate: (engine, { net, ids, temperature, seed, count }) =>
    take(count, engine.generate(typed(net), ids, temperature, engine.random(seed))),
  textBatches: (engine, { ids, B, T }) => engine.textBatches(Int32Array.from(ids), B, T),
  // A worker's messages, without a worker: go, stop, change a setting, go on.
  async serve(engine, { net, batches, settings, lr }) {
    net = typed(net);
    const updates = [], port = {}, wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const news = new Promise((resolve) => {
      port.postMessage = (message) => { updates.push(...message.updates); resolve(); };
    });
    engine.serve(port);
    port.onmessage({ data: { start: [net, batchesOf(batches), settings] } });
    await wait(10);
    const untold = updates.length;
    port.onmessage({ data: { go: true } });
    await news;
    port.onmessage({ data: { go: false } });
    const stopped = updates.length;
    await wait(100);
    const still = updates.length;
    port.onmessage({ data: { settings: { lr } } });
    await wait(10);
    const unmoved = updates.length;
    port.onmessage({ data: { go: true } });
    while (updates.length === still) await wait(10);
    port.onmessage({ data: { go: false } });
    return { untold, stopped, still, unmoved, loss: updates.slice(0, stopped + 3).map((row) => row.loss) };
  },
};

export async function answer({ source, ask, ...question }) {
  try {
    return JSON.stringify(await questions[ask](await engine(source), question), (_, value) =>
      ArrayBuffer.isView(value) ? Array.from(value) : value);
  } catch (error) {
    return JSON.stringify({ error: String(error) });
  }
}

if (globalThis.process) {
  const { createInterface } = await import("node:readline");
  for await (const line of createInterface({ input: process.stdin }))
    console.log(await answer(JSON.parse(line)));
}
