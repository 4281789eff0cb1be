"""The engine of the live figures in Chromium, on a page opened as a file: torch's numbers, and a worker that obeys.

Like a figure, the page has the engine as a text, and makes a Blob of it for itself and for its workers.
"""

import json

import pytest
from test_live import CASES, bptt_case, check, listening_case, training_case

from d2lrnn import live

pytestmark = pytest.mark.site

PAGE = """<!doctype html><meta charset="utf-8"><title>engine</title>
<script>
const ENGINE = %s, CASES = %s;
const asModule = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));

async function train({ net, batches, settings }) {
  const { startWorker } = await import(asModule(ENGINE)), worker = startWorker(ENGINE), losses = [];
  const typed = (list, Type) => Type.from(list);
  const params = Object.entries(net.params).map(([name, list]) => [name, typed(list, Float64Array)]);
  batches = batches.map((batch) =>
    ({ ...batch, inputs: typed(batch.inputs, Int32Array), targets: typed(batch.targets, Int32Array) }));
  worker.onmessage = ({ data }) => losses.push(...data.updates.map((update) => update.loss));
  worker.postMessage({ start: [{ ...net, params: Object.fromEntries(params) }, batches, settings] });
  window.tell = (message) => worker.postMessage(message);
  window.losses = losses;
}
</script>"""


@pytest.fixture
def page(visit, tmp_path):
    texts = (json.dumps(text).replace("</", "<\\/") for text in (live.ENGINE, CASES.read_text(encoding="utf-8")))
    (tmp_path / "page.html").write_text(PAGE % tuple(texts), encoding="utf-8")
    with visit((tmp_path / "page.html").as_uri()) as page:
        yield page


def ask(page, question):
    call = "async question => (await import(asModule(CASES))).answer({ source: ENGINE, ...question })"
    return json.loads(page.evaluate(call, question))


@pytest.mark.parametrize("kind", [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")])
def test_outputs_gradients_and_training_are_those_of_torch(page, kind):
    for ids in (False, True):
        question, expected = bptt_case(kind, 6, 3, 10, 13, 11, seed=4, ids=ids, theta=0.1)
        check(ask(page, question), expected)
    question, expected = listening_case(kind, 9, 10, 13, 11, seed=4, ids=True)
    check(ask(page, question), expected)
    question, expected = training_case(kind[0], "adam", 0.01, 0.3, 50, activation=kind[1])
    check(ask(page, question), expected, atol=1e-8)


def test_a_worker_trains_stops_takes_another_setting_and_goes_on(page):
    question, expected = training_case("lstm", "sgd", 0.1, 0.5, 50)
    page.evaluate("train", question)
    page.evaluate("tell({ go: true })")
    page.wait_for_function("losses.length >= 50")
    check({"loss": page.evaluate("losses.slice(0, 50)")}, {"loss": expected["loss"]}, atol=1e-8)

    page.evaluate("tell({ go: false })")
    before, stopped = None, page.evaluate("losses.length")
    for _ in range(100):  # it finishes its turn; if it never stops, the last two differ
        if before == stopped:
            break
        page.wait_for_timeout(300)
        before, stopped = stopped, page.evaluate("losses.length")
    assert before == stopped

    page.evaluate("tell({ settings: { lr: 0 }, go: true })")
    page.wait_for_function(f"losses.length >= {stopped + 9}")
    later = page.evaluate(f"losses.slice({stopped}, {stopped + 9})")
    assert later[3:6] == later[6:]  # nothing is learned any more; the first ones may go on from an older state
