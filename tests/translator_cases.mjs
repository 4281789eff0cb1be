// Asks the translator of the page what Python has computed too. Each line of the input is a question in JSON,
// { ask, … }, and gets a line with the answer. { source } is the module to ask from now on, and { saved } the weights.

import { createInterface } from "node:readline";

let module, model;

const questions = {
  encode({ translator }, model, { ids }) {
    const { H, S } = translator.encode(model, ids);
    return { H, S };
  },
  // Teacher forcing: the words before, and what each step gives.
  force({ translator }, model, { ids, words }) {
    const read = translator.encode(model, ids), steps = [];
    let { S } = read;
    for (const word of words) {
      const now = translator.step(model, read, [word], S);
      S = now.S;
      steps.push({ logP: now.logP, alpha: now.alpha });
    }
    return { logP: steps.map(({ logP }) => logP), alpha: steps.map(({ alpha }) => alpha) };
  },
  search({ translator }, model, { ids, settings }) {
    const { tree, outputs } = translator.beamSearch(model, ids, settings), plain = (node, before) => ({
      word: node.word, logP: node.logP, score: node.score, kept: node.kept, ended: node.ended,
      parent: node.parent && before.indexOf(node.parent),
    });
    return {
      tree: tree.map((nodes, t) => nodes.map((node) => plain(node, tree[t - 1]?.filter(({ kept }) => kept)))),
      outputs: outputs.map((node) => {
        const path = translator.path(node);
        return { words: path.map(({ word }) => word), alpha: path.map(({ alpha }) => alpha), logP: node.logP, score: node.score };
      }),
    };
  },
  // Of each text of a list.
  split: ({ translator }, model, { typed }) => typed.map((text) => translator.split(text)),
  near: ({ translator }, model, { word }) => translator.near(model, word),
  written: ({ translator }, model, { words }) => words.map((sentence) => translator.written(sentence)),
  read: ({ translate }, model, { typed }) => typed.map((text) => translate.read(model, text)),
  // Milliseconds, the median of some searches.
  time({ translator }, model, { ids, settings }) {
    const times = Array.from({ length: 30 }, () => {
      const start = performance.now();
      translator.beamSearch(model, ids, settings);
      return performance.now() - start;
    });
    return times.sort((a, b) => a - b)[15];
  },
};

async function answer({ source, saved, ask, ...question }) {
  try {
    if (source) module = await import("data:text/javascript," + encodeURIComponent(source));
    if (saved) model = module.translator.load(saved);
    return JSON.stringify(questions[ask](module, model, question), (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value));
  } catch (error) {
    return JSON.stringify({ error: String(error) });
  }
}

for await (const line of createInterface({ input: process.stdin })) console.log(await answer(JSON.parse(line)));
