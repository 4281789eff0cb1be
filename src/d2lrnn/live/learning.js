// A network that learns in one worker while another one judges it. So the page itself only draws.

export const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

// Where a tenth of a rate stands.
export const tenth = (rate) => Math.max(0, rate - 2);

// A function that draws. A sentence is read aloud whenever it changes, so it is announced only while nothing is learning.
export const telling = (figure, draw, going) => () => {
  figure.text.setAttribute("aria-live", going() ? "off" : "polite");
  draw();
};

// Whether training can go on, and whether there is a way back. When one of the two buttons goes, the other gets its focus.
export function offer(go, back, { canGo, canGoBack }) {
  const at = go.getRootNode().activeElement;
  go.disabled = !canGo;
  back.hidden = !canGoBack;
  if (at === go && !canGo && canGoBack) back.focus();
  if (at === back && !canGoBack) go.focus();
}

// None learns while nobody can see it, and none that is more than a message ahead of the slowest.
export function keepStep(learners, seen) {
  const slowest = Math.min(...learners.filter((one) => !one.diverged).map((one) => one.updates));
  for (const one of learners) one.rest(!seen || one.updates > slowest);
}

// Every second point goes when there are too many to draw.
export const thinned = (points) => (points.length <= 400 ? points : points.filter((_, i) => (points.length - i) % 2));

// The next of 1, 2, 5, 10, 20, …
export function round(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 5, 10].find((m) => m * power >= v) * power;
}

// A question to the judge at most so often, in milliseconds.
const EVERY = 250;

export class Learner {
  // `judge(engine, question)` runs in its worker, so it may use nothing around it. `question()` says what it is asked
  // beside the network. A mean loss above `hopeless`, 1 more than that of a guess, counts as divergence, because a softmax
  // seldom overflows.
  constructor({ net, batches, settings, judge, question, hopeless }, { heard, judged }) {
    Object.assign(this, { net, batches, settings, judge, question, hopeless, heard, judged });
    this.updates = 0;
    this.since = { sum: 0, updates: 0 }; // the losses since the judge's last answer
    this.good = { params: structuredClone(net.params), updates: 0 };
    this.lowest = hopeless - 1; // so that a first step which makes it worse is no good
    this.going = this.resting = this.diverged = false;
    this.speeds = [];
    this.askJudge();
  }

  start() {
    this.going = true;
    this.speeds = [];
    if (this.trainer) return this.trainer.postMessage({ go: !this.resting });
    this.trainer = engine.startWorker(`(${make_engine})()`);
    this.trainer.onmessage = ({ data }) => this.hear(data);
    this.trainer.postMessage({ start: [this.net, this.batches, this.settings], go: !this.resting });
  }

  // Who rests goes on in name, but its worker waits.
  rest(resting) {
    if (resting === this.resting) return;
    this.resting = resting;
    this.speeds = [];
    if (this.going) this.trainer.postMessage({ go: !resting });
  }

  stop() {
    this.going = false;
    this.trainer?.postMessage({ go: false });
  }

  set(settings) {
    Object.assign(this.settings, settings);
    this.trainer?.postMessage({ settings });
  }

  // Both workers end at once. Training can go on from the parameters of the last message.
  close() {
    this.going = false;
    this.trainer?.terminate();
    this.judging?.terminate();
    clearTimeout(this.waiting);
    this.trainer = this.judging = this.waiting = null;
  }

  // From the last parameters that were good, with other settings. Returns after how many updates that was.
  goBack(settings) {
    this.close();
    this.net = { ...this.net, params: structuredClone(this.good.params) };
    this.updates = this.good.updates;
    this.since = { sum: 0, updates: 0 };
    Object.assign(this.settings, settings);
    this.diverged = false;
    this.start();
    return this.updates;
  }

  hear({ updates, params }) {
    const finite = updates.filter((update) => !update.diverged);
    const sum = finite.reduce((total, update) => total + update.loss, 0), loss = sum / finite.length;
    // A loss is measured before its update, so a low one speaks for the parameters from which these updates began.
    if (loss < 1.05 * this.lowest) this.good = { params: this.net.params, updates: this.updates };
    this.net.params = params;
    this.updates += finite.length;
    this.since.sum += sum;
    this.since.updates += finite.length;
    this.lowest = Math.min(this.lowest, finite.length ? loss : Infinity);
    this.measure(finite.length);
    if (finite.length < updates.length || loss > this.hopeless) {
      this.stop();
      this.diverged = true;
    }
    this.askJudge();
    this.heard();
  }

  // Updates per second over the last two seconds.
  measure(updates) {
    const now = performance.now();
    this.speeds.push([now, updates]);
    this.speeds = this.speeds.filter(([time]) => now - time < 2000);
    const counted = this.speeds.slice(1).reduce((sum, [, number]) => sum + number, 0);
    if (this.speeds.length > 1) this.speed = (1000 * counted) / (now - this.speeds[0][0]);
  }

  // One question at a time, and none more than every 250 ms; what is due later is asked later.
  askJudge() {
    if (this.waiting) return;
    if (!this.judging) {
      const answering = `const engine = (${make_engine})(), judge = ${this.judge};
        self.onmessage = ({ data }) => self.postMessage(judge(engine, data));`;
      this.judging = engine.startWorker(answering);
    }
    const asked = performance.now(), { updates, since } = this;
    this.since = { sum: 0, updates: 0 };
    this.waiting = true;
    this.again = false;
    this.judging.onmessage = ({ data }) => {
      this.judged({ ...data, updates, loss: since.sum / since.updates });
      this.waiting = setTimeout(() => {
        this.waiting = null;
        if (this.again || this.updates > updates) this.askJudge();
      }, Math.max(0, EVERY - (performance.now() - asked)));
    };
    this.judging.postMessage({ ...this.question(), net: this.net });
  }

  // The judge is asked once more although nothing was learned: the question has changed.
  askAgain() {
    this.again = true;
    this.askJudge();
  }
}
