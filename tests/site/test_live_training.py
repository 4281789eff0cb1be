"""Live figures that train: torch's losses, the n-grams' perplexities, and what readers do to them."""

import re

import pytest
import torch
from test_explorable_values import assert_drawn, drawn, read
from test_live import by_torch
from test_live_figures import hand_set
from torch.nn import functional as F

from conftest import wake
from d2lrnn import live
from d2lrnn.corpora import load_text
from d2lrnn.gradients import clip_
from d2lrnn.ngrams import LaplaceModel
from d2lrnn.text import keep_letters

pytestmark = pytest.mark.site
CHAPTER_4 = "book/04_rnn_from_scratch"
STORY = keep_letters(load_text("story"))[:20_000]
LETTERS = ["", *" abcdefghijklmnopqrstuvwxyz"]  # the first is <unk>

# Keeps what goes to the workers and what comes back, and which workers have ended.
LISTEN = """() => {
    window.workers = [];
    window.Worker = class extends Worker {
        constructor(url) {
            super(url);
            this.sent = []; this.got = []; this.ended = false;
            this.addEventListener("message", ({ data }) => this.got.push(data));
            workers.push(this);
        }
        postMessage(message) { this.sent.push(structuredClone(message)); super.postMessage(message); }
        terminate() { this.ended = true; super.terminate(); }
    };
    const lists = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
    window.trainers = () => workers.filter((one) => one.sent[0]?.start);
    window.updates = () => trainers().at(-1).got.flatMap((message) => message.updates);
    window.started = () => JSON.stringify(trainers().at(-1).sent[0].start, lists);
    window.judged = () => JSON.stringify(workers.filter((one) => !one.sent[0]?.start).map((one) => [one.sent, one.got]), lists);
}"""


@pytest.fixture
def writing(addresses, visit):
    with visit(f"{addresses['file']}/{CHAPTER_4}.html") as page:
        page.evaluate(LISTEN)
        wake(page)
        figure = page.locator('figure[data-name="learns_to_write"]')
        figure.scroll_into_view_if_needed()
        yield page, figure


def press(figure, name):
    figure.get_by_role("button", name=name, exact=True).click()


def says(figure):
    return figure.locator(".explorable-text").inner_text()


def wait_for_updates(page, number):
    page.wait_for_function(f"trainers().length && updates().length >= {number}", timeout=120_000)


def losses_of_torch(net, batches, settings, number):
    """The losses of the first updates of the same network by torch, in float64."""
    cell, h = net["cell"], net["h"]
    shapes = {"W_xh": (-1, h), "W_hh": (-1, h), "W_x": (net["D"], -1), "W_h": (h, -1), "W_hq": (h, -1)}
    params = {name: torch.tensor(net["params"][name], dtype=torch.float64) for name in live.NAMES[cell]}
    params = {name: p.view(shapes.get(name, (-1,))).requires_grad_() for name, p in params.items()}
    optimizer, losses = torch.optim.Adam(params.values(), lr=settings["lr"]), []
    for i in range(number):
        batch = batches[i % len(batches)]
        ids, targets = (torch.tensor(batch[name]).view(-1, batch["B"]) for name in ("inputs", "targets"))
        if not batch["goesOn"]:
            H, C = torch.zeros(2, batch["B"], h).double()
        X = F.one_hot(ids, net["D"]).double()
        outputs, H, C = by_torch(cell, "tanh", params, X, H.detach(), C.detach())
        loss = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        clip_(params.values(), settings["theta"])
        optimizer.step()
        losses.append(loss.item())
    return losses, {name: p.detach() for name, p in params.items()}


def parsed(page, call):
    return page.evaluate(f"JSON.parse({call})")


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_fifty_updates_give_the_losses_of_torch(cell, writing):
    page, figure = writing
    hand_set(figure, cell=cell)
    press(figure, "Start")
    wait_for_updates(page, 50)
    press(figure, "Stop")
    net, batches, settings = parsed(page, "started()")
    assert "".join(LETTERS[i] for i in batches[0]["inputs"][:: batches[0]["B"]]) == STORY[:32]
    expected, _ = losses_of_torch(net, batches, settings, 50)
    assert page.evaluate("updates().slice(0, 50).map(({ loss }) => loss)") == pytest.approx(expected, abs=1e-3)


def test_the_drawn_perplexities_are_those_of_the_ngrams_and_of_torch(writing):
    page, figure = writing
    ids = [LETTERS.index(c) for c in STORY]
    train, held_out = ids[:18_000], torch.tensor(ids[18_000:])
    page.wait_for_function("workers.length && workers[0].got.length")
    panel = read(figure)[0]
    for name, n in {"uniform": 0, "unigram": 1, "trigram": 3}.items():
        value = LaplaceModel(train, n, 28, eps=10).perplexity(held_out)
        assert_drawn(drawn(figure, name), [0, 100], [value, value], panel, rounding=1e-6)
        if n:
            assert f"{name} ({value:.3g})" in says(figure)
    [sent], [got] = parsed(page, "judged()")[0]
    net = sent["net"]
    shapes = {"W_x": (28, -1), "W_h": (64, -1), "W_hq": (64, -1)}
    params = {name: torch.tensor(p).double().view(shapes.get(name, (-1,))) for name, p in net["params"].items()}
    zeros = torch.zeros(1, 64).double()
    outputs, _, _ = by_torch("gru", "tanh", params, F.one_hot(held_out[:-1, None], 28).double(), zeros, zeros)
    value = F.cross_entropy(outputs[:, 0], held_out[1:]).exp().item()
    assert got["perplexity"] == pytest.approx(value, rel=1e-5)
    assert f"Before training the held-out perplexity is {value:.3g}" in says(figure)


def test_stop_go_and_a_setting_changed_while_it_trains(writing):
    page, figure = writing
    press(figure, "Start")
    wait_for_updates(page, 3)
    hand_set(figure, **{"learning rate": 3})
    assert page.evaluate("trainers()[0].sent.at(-1).settings.lr") == 0.003
    hand_set(figure, temperature=1.5)
    page.wait_for_function("workers[0].sent.some((question) => question.temperature === 1.5 && question.length)")
    press(figure, "Stop")
    page.wait_for_timeout(1000)
    stopped = page.evaluate("updates().length")
    page.wait_for_timeout(500)
    assert page.evaluate("updates().length") == stopped
    press(figure, "Start")
    wait_for_updates(page, stopped + 1)

    hand_set(figure, **{"hidden units": 32})  # another network learns in its place
    page.wait_for_function("trainers().length === 2")
    wait_for_updates(page, 1)
    assert page.evaluate("trainers().map((one) => one.ended)") == [True, False]
    net, _, settings = parsed(page, "started()")
    assert (net["h"], settings["lr"]) == (32, 0.003)
    press(figure, "Start again")
    page.wait_for_function("trainers().length === 3")


def test_while_it_trains_the_page_draws_and_a_sample_comes_every_second(writing):
    page, figure = writing
    press(figure, "Start")
    wait_for_updates(page, 1)
    seen = page.evaluate(
        """async () => {
            const figure = document.querySelector('figure[data-name="learns_to_write"]'), samples = new Set(), frames = [];
            const line = () => figure.querySelector(".live-lines q:last-child").textContent;
            for (let end = performance.now() + 5000, last = performance.now(); last < end; ) {
                const now = await new Promise(requestAnimationFrame);
                samples.add(line());
                frames.push(performance.now() - last);
                last = performance.now();
            }
            return [samples.size, frames.sort((a, b) => a - b)[Math.floor(frames.length / 2)]];
        }"""
    )
    assert seen[0] >= 3
    assert seen[1] < 100  # milliseconds; a few may be slower where other processes run


def test_divergence_is_said_and_there_is_a_way_back(writing):
    page, figure = writing
    hand_set(figure, cell="RNN", **{"hidden units": 128, "learning rate": 8})
    press(figure, "Start")
    back = figure.get_by_role("button", name="Go back, with the rate 0.1", exact=True)
    back.wait_for(timeout=120_000)
    assert "Training diverged" in says(figure)
    assert figure.get_by_role("button", name="Start", exact=True).is_disabled()
    back.click()
    page.wait_for_function("trainers().length === 2")
    wait_for_updates(page, 1)
    assert parsed(page, "started()")[2]["lr"] == 0.1
    assert figure.locator("label:has-text('learning rate') b").inner_text() == "0.1"


WEB_PAGE = "<!doctype html><title>Café &amp; thé</title><p style='color: red'>Où est l’été ?\n\t" * 40

HOSTILE = {
    "": "This text has 0 characters that count. At least 570 are needed",
    "a": "This text has 1 characters that count.",
    "  \n\t ": "This text has 0 characters that count.",
    "x" * 5000: "the first nine tenths of 5,000 characters",
    "春眠不觉晓处处闻啼鸟。" * 80: "its own 10 characters.",
    "".join(chr(0x4E00 + i % 300) for i in range(1200)): "its own 100 most frequent characters, and □",
    "🙂🎈 👩‍🚀\ud83d" * 200: "so its alphabet is its own",
    WEB_PAGE: "characters of your own text",
    "la la " * 40_000: "of the first 50,000 characters",
}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
def test_a_hostile_text(text, writing):
    page, figure = writing
    press(figure, "your own text")
    field = figure.locator("textarea")
    field.evaluate("(field, text) => { field.value = text; field.dispatchEvent(new Event('input')); }", text)
    page.wait_for_timeout(500)
    figure.locator(".explorable-text", has_text=HOSTILE[text]).wait_for()
    if "are needed" in says(figure):
        assert figure.get_by_role("button", name="Start", exact=True).is_disabled()
        return
    press(figure, "Start")
    wait_for_updates(page, 2)
    figure.locator(".explorable-text", has_text=re.compile("After .* times through the text")).wait_for()
    assert "NaN" not in figure.inner_text()


def test_a_paste_while_it_trains_begins_anew(writing):
    page, figure = writing
    press(figure, "Start")
    wait_for_updates(page, 2)
    press(figure, "your own text")
    assert page.evaluate("workers.every((one) => one.ended)")
    figure.locator("textarea").fill("Über allen Gipfeln ist Ruh, in allen Wipfeln. " * 30)
    figure.locator(".explorable-text", has_text="characters of your own text").wait_for()
    press(figure, "Start")
    page.wait_for_function("trainers().length === 2")
    wait_for_updates(page, 2)
    batches = parsed(page, "started()")[1]
    assert "".join(LETTERS[i] for i in batches[0]["inputs"][:: batches[0]["B"]]) == "uber allen gipfeln ist ruh in al"


def test_leaving_the_page_ends_the_workers(writing):
    page, figure = writing
    press(figure, "Start")
    wait_for_updates(page, 2)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert page.evaluate("workers.map((one) => one.ended)") == [True, True]
    press(figure, "Start")  # the reader comes back
    page.wait_for_function("trainers().length === 2")
    wait_for_updates(page, 1)
