"""What the explorables draw, read back from the page: the saved numbers, and what the package's functions compute."""

import json
import math
import re
from collections import Counter

import pytest
import torch
from test_site import contrast

from conftest import ROOT
from d2lrnn import dynamics, forecasting, gradients, ngrams
from d2lrnn.corpora import load_text
from d2lrnn.explore import Control, Explorable, Line, Nodes, Panel, Text, TextPanel, TreePanel
from d2lrnn.plotting import COLORS
from d2lrnn.text import Vocab, keep_letters, tokenize

pytestmark = pytest.mark.site


def saved_explorables():
    """The page and the saved numbers of every explorable, by its name."""
    found = {}
    for path in sorted(ROOT.glob("book/**/*.ipynb")):
        widgets = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("widgets", {})
        for saved in widgets.get("application/vnd.jupyter.widget-state+json", {"state": {}})["state"].values():
            if saved["state"].get("_anywidget_id") == "d2lrnn.explore.Explorable":
                data = saved["state"]["data"]
                assert data["name"] not in found, f"two explorables are called {data['name']!r}"
                name = str(path.relative_to(ROOT).with_suffix(""))
                found[data["name"]] = "index" if name == "book/index" else name, data
    return found


EXPLORABLES = saved_explorables()


# From a drawing back to its numbers


def read(figure):
    """Each panel's scales, the texts along its x axis, and its marks: label and points in pixels, in drawing order."""
    return figure.evaluate(
        """figure => [...figure.querySelectorAll("[role=img]")].map(panel => ({
            x: JSON.parse(panel.dataset.x ?? "null"),
            y: JSON.parse(panel.dataset.y),
            categories: [...panel.querySelectorAll(".tick[text-anchor=middle]")].map(tick => tick.textContent),
            marks: [...panel.querySelectorAll(".mark, .explorable-tokens")].map(mark => {
                const path = mark.querySelector("path")?.getAttribute("d");
                const all = (tag) => [...mark.querySelectorAll(tag)];
                return {
                    label: mark.dataset.label,
                    kind: mark.dataset.kind
                        ?? (path ? "line" : all("circle").length ? "dots" : all("rect").length ? "bars" : "text"),
                    points: path ? path.slice(1).split(/[ML]/).map(point => point.split(" ").map(Number))
                        : all("circle").length ? all("circle").map(c => [+c.getAttribute("cx"), +c.getAttribute("cy")])
                        : all("rect").map(r => ["x", "width", "y", "height"].map(name => +r.getAttribute(name))),
                    tokens: all("[data-token]").map(t => [t.dataset.token, t.dataset.value]),
                    nodes: all("[data-node]").map(n => [+n.dataset.node, +n.dataset.value]),
                };
            }),
        }))"""
    )


def pixel(value, scale):
    low, high, start, end, kind = scale
    if kind == "log":
        low, high, value = math.log10(low), math.log10(high), math.log10(value)
    return start + (value - low) / (high - low) * (end - start)


def value_at(pixel, scale):
    low, high, start, end, kind = scale
    share = (pixel - start) / (end - start)
    return low * (high / low) ** share if kind == "log" else low + share * (high - low)


def values(panel, mark):
    """One mark's x and y, from its pixels."""
    if mark["kind"] == "text":
        return [token for token, _ in mark["tokens"]], [float(v) if v else None for _, v in mark["tokens"]]
    if mark["kind"] == "nodes":
        return [node for node, _ in mark["nodes"]], [value for _, value in mark["nodes"]]
    if mark["kind"] == "bars":
        zero = pixel(panel["y"][0] if panel["y"][4] == "log" else 0, panel["y"])  # where bars begin
        middles = [value_at(x + width / 2, panel["x"]) for x, width, _, _ in mark["points"]]
        ends = [y if abs(y + height - zero) < 1e-6 else y + height for _, _, y, height in mark["points"]]
        return [panel["categories"][round(x)] for x in middles], [value_at(y, panel["y"]) for y in ends]
    return [value_at(x, panel["x"]) for x, _ in mark["points"]], [value_at(y, panel["y"]) for _, y in mark["points"]]


def drawn(figure, label, panel=0):
    """What the mark with this label shows, read back from the drawing.

    Args:
        figure: locator of the figure.
        label: the mark's label, drawn once in this panel.
        panel: which panel, from 0.

    Returns:
        x, y: lists. A curve that leaves its panel has y at the panel's edge; what is not drawn is left out.
    """
    there = read(figure)[panel]
    [mark] = [mark for mark in there["marks"] if mark["label"] == label]
    return values(there, mark)


def can_be_drawn(x, y, panel):
    """The points without gaps and without what a log axis cannot show. A text shows every token."""

    def on_axis(v, scale):
        return isinstance(v, str) or (v is not None and math.isfinite(v) and (scale[4] != "log" or v > 0))

    if panel["x"] is None:
        return x, [*y, *[0] * (len(x) - len(y))]
    kept = [(a, b) for a, b in zip(x, y, strict=True) if on_axis(a, panel["x"]) and on_axis(b, panel["y"])]
    return [a for a, _ in kept], [b for _, b in kept]


def assert_drawn(got, x, y, panel, rounding=0.0):
    """The drawing agrees with the numbers to 1/50 of a pixel, and the relative `rounding` of the saved numbers."""
    x, y = can_be_drawn(list(x), list(y), panel)
    assert [len(part) for part in got] == [len(x), len(y)]
    for axis, pairs in (("x", zip(got[0], x, strict=True)), ("y", zip(got[1], y, strict=True))):
        for was, wanted in pairs:
            if panel["x"] is None or isinstance(wanted, str):  # a token, its value, or a category
                same = was == wanted or (rounding > 0 and was == pytest.approx(wanted, rel=rounding))
            else:
                ends = panel[axis][2:4] if axis == "y" else (-math.inf, math.inf)
                places = [pixel(v, panel[axis]) for v in (was, wanted * (1 - rounding), wanted * (1 + rounding))]
                place, *bounds = [min(max(place, min(ends)), max(ends)) for place in places]
                same = min(bounds) - 0.02 <= place <= max(bounds) + 0.02
            assert same, f"{axis} is drawn at {was}, not {wanted}"


def settings_of(data):
    """Places of the controls' values: all first, all at the start, all last, and mixed."""
    lengths = [len(control["values"]) for control in data["controls"]]
    chosen = [[0] * len(lengths), [control["start"] for control in data["controls"]], [n - 1 for n in lengths]]
    chosen.append([0 if i % 2 == 0 else n - 1 for i, n in enumerate(lengths)])
    return list(dict.fromkeys(map(tuple, chosen)))


def set_controls(figure, places):
    figure.evaluate(
        """(figure, places) => {
            const form = figure.querySelector("form");
            places.forEach((place, i) => { form.elements[`control-${i}`].value = place; });
            form.dispatchEvent(new Event("input"));
            form.dispatchEvent(new Event("change"));
        }""",
        places,
    )


@pytest.mark.parametrize("name", EXPLORABLES)
def test_the_drawing_shows_the_saved_numbers(name, addresses, visit):
    page_name, data = EXPLORABLES[name]
    lengths = [len(control["values"]) for control in data["controls"]]
    with visit(f"{addresses['file']}/{page_name}.html") as page:
        figure = page.locator(f'figure.explorable[data-name="{name}"]')
        for places in settings_of(data):
            set_controls(figure, places)
            index = 0
            for place, length in zip(places, lengths, strict=True):
                index = index * length + place
            frame = data["frames"][index]
            assert figure.locator(".explorable-text").text_content() == frame["text"]
            for panel, marks in zip(read(figure), frame["panels"], strict=True):
                wanted = [(data["styles"][s], data["arrays"][x], data["arrays"][y]) for s, x, y in marks]
                wanted = [(style, x, y) for style, x, y in wanted if can_be_drawn(x, y, panel)[0]]
                kinds = [(mark["kind"], mark["label"]) for mark in panel["marks"]]
                assert kinds == [(style["kind"], style["label"]) for style, _, _ in wanted]
                for mark, (_, x, y) in zip(panel["marks"], wanted, strict=True):
                    assert_drawn(values(panel, mark), x, y, panel)


# The same numbers from Python. A function takes the controls' values in order (numbers, or texts from a menu) and
# returns for each panel a dict from a mark's label to its (x, y). Marks that need a trained model, and those without a
# label, are compared with the saved numbers only.


def one_unit(w, activation):
    """The front page: h_t and dh_t/dx_0 of one unit, the gradient by autograd."""
    f = torch.tanh if activation == "tanh" else torch.clone
    steps = range(31)

    def states(x_0):
        h = [f(x_0)]
        for _ in steps[1:]:
            h.append(f(w * h[-1]))
        return h

    x_0 = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    high = states(x_0)
    gradient = [torch.autograd.grad(h, x_0, retain_graph=True)[0].item() for h in high]
    low = states(torch.tensor(-1.0, dtype=torch.float64))
    heard = {"heard +1": (steps, [h.item() for h in high]), "heard −1": (steps, [h.item() for h in low])}
    return [heard, {"1": (steps, [1] * 31), "∂hₜ/∂x₀": (steps, gradient)}]


def forecast_horizon(k, tau, noise):
    """Chapter 1: three forecasts of the last 400 of 1000 values."""
    x = forecasting.noisy_sine(1000, noise, 50, torch.Generator().manual_seed(0))
    past, future = x[:600], x[600:]
    one_step = forecasting.LinearModel(*forecasting.windows(past, tau))
    steps = [1, 2, 4, 8, 16, 32, 64]
    errors = {"mean": [], "last value": [], "fed back": []}
    for k in steps:
        X, y = forecasting.windows(future, 64, k)
        errors["mean"].append(forecasting.rmse(past.mean().expand(len(y)), y))
        errors["last value"].append(forecasting.rmse(X[:, -1], y))
        errors["fed back"].append(forecasting.rmse(forecasting.k_step_ahead(one_step, X[:, -tau:], k), y))
    return [{}, {label: (steps, error) for label, error in errors.items()}]


def ar1_spread(a):
    """Chapter 1: the standard deviation of an AR(1) process that starts at 0, as a geometric series."""
    times = range(2, 121, 2)
    return [{}, {"(1.4)": (times, [math.sqrt(sum(a ** (2 * j) for j in range(t))) for t in times])}]


def cut(level, min_freq):
    """Chapter 2: the share of tokens seen fewer than min_freq times in the training text."""
    text = load_text("chinese" if level.startswith("Chinese") else "story")
    text = text.lower() if level.startswith("lower") else text
    end = text.rfind("\n", 0, int(0.8 * len(text)))
    parts = [list(part) if "characters" in level else tokenize(part) for part in (text[:end], text[end:])]
    counts, cuts = Counter(parts[0]), [1, 2, 3, 5, 10, 20]
    rare = [[100 * sum(counts[token] < m for token in part) / len(part) for m in cuts] for part in parts]
    return [{"training": (cuts, rare[0]), "held-out": (cuts, rare[1])}, {}]


def ngram_order_and_smoothing(order, eps):
    """Chapter 3: perplexities of smoothed n-grams over n at this ε, and over ε at this n."""
    letters = list(keep_letters(load_text("story")))
    a, b = round(0.8 * len(letters)), round(0.9 * len(letters))
    vocab = Vocab(letters[:a])
    train, validation = (torch.tensor(vocab.to_ids(part)) for part in (letters[:a], letters[a:b]))
    orders, epsilons = list(range(1, 8)), [0.01, 0.3, 1, 3, 10, 30, 100, 300]
    panels = []
    for x, settings in ((orders, [(n, eps) for n in orders]), (epsilons, [(order, e) for e in epsilons])):
        models = [ngrams.LaplaceModel(train, n, len(vocab), e) for n, e in settings]
        lines = {"uniform": (x, [len(vocab)] * len(x))}
        lines["training"] = x, [model.perplexity(train) for model in models]
        lines["validation"] = x, [model.perplexity(validation) for model in models]
        panels.append(lines)
    return panels


def window_as_warm_up(w, moment):
    """Chapter 5: the held-out values, and the linear model fed with its own forecasts."""
    series = forecasting.noisy_sine(1000, 0.2, 50, torch.Generator().manual_seed(0))
    train, held_out = series[:600], series[600:]
    X, future = held_out[:-64].unfold(0, 64, 1), held_out[64:].unfold(0, 64, 1)
    model, ahead = forecasting.LinearModel(*forecasting.windows(train, w)), range(1, 65)
    linear = [forecasting.k_step_ahead(model, X[:, -w:], k) for k in ahead]
    linear_errors = [forecasting.rmse(linear[k - 1], future[:, k - 1]) for k in ahead]
    mean_errors = [forecasting.rmse(train.mean().expand(len(X)), future[:, k - 1]) for k in ahead]
    forecast = {"the series": (ahead, future[moment].tolist()), "linear": (ahead, [y[moment].item() for y in linear])}
    return [forecast, {"mean": (ahead, mean_errors), "linear": (ahead, linear_errors)}]


def one_factor(factor):
    """Chapter 7: the powers of one number."""
    lags = range(0, 41, 2)
    return [{"gradient": (lags, [factor**k for k in lags]), "20 steps": ([20], [factor**20])}]


def cliff(lr, theta):
    """Chapter 7: the loss of gradient descent at a cliff. The path is cut where it leaves the map."""
    path, losses, _ = dynamics.descend((5.0, -3.0), lr, None if theta == "none" else float(theta), 40)
    points = {"start": path[:1].T.tolist()}
    if theta != "none":
        points["path"] = path.T.tolist()
    return [points, {"loss": (range(41), losses.tolist())}]


def depth(layers, connection, gain):
    """Chapter 7: the gradient's norm in a new deep network, from the top down."""
    runs = [dynamics.depth_norms(connection, layers, 16, gain, torch.Generator().manual_seed(s)) for s in range(3)]
    norms, step = torch.stack(runs).log().mean(0).exp().flip(0), layers // 10
    return [{connection: (range(0, layers + 1, step), norms[::step].tolist())}]


def truncation(T, tau, pi):
    """Chapter 6: the terms of the gradient by one weight, and the errors of two ways to cut their sum."""
    x = 0.03 + 0.03 * torch.randn(40, generator=torch.Generator().manual_seed(0)).double()
    h, b, c = torch.zeros((), dtype=torch.float64), [], []
    for x_t in x:
        before, h = h, torch.tanh(h + x_t)
        b.append((1 - h**2) * before)
        c.append(1 - h**2)
    b, c, lengths, biases, spreads = torch.stack(b), torch.stack(c), range(2, 41), [], []
    for length in lengths:
        terms = gradients.recursion_terms(b[:length], c[:length])
        total, spread = gradients.randomised_sum(terms, pi)
        biases.append(abs(gradients.truncated_sum(terms, tau)[0] - total) / total)
        spreads.append(spread / total)
    terms = gradients.recursion_terms(b[:T], c[:T])
    size = (terms / terms.max()).flip(0).tolist()
    by_lag = {"τ keeps": (range(tau)[::-1], size[:tau][::-1]), "chance πᵏ": (range(T), [pi**k for k in range(T)])}
    if tau < T:
        by_lag["τ drops"] = range(tau, T), size[tau:]
    return [by_lag, {"bias of τ": (lengths, biases), "spread of π": (lengths, spreads)}]


def bracket_memory(kept, written):
    """Chapter 8: what a memory of one number holds after each character, as a sum over all characters read."""
    line = "f(x, g(y, h(z)), u(v"
    changes = [(c == "(") - (c == ")") for c in line]
    written_down = [d or written * math.sin(3 * i) for i, d in enumerate(changes)]
    steps = range(len(line) + 1)
    count = [sum(changes[:n]) for n in steps]
    memory = [sum(w * kept ** (n - 1 - i) for i, w in enumerate(written_down[:n])) for n in steps]
    return [{"true count": (steps, count), "memory": (steps, memory)}]


def cell_gradient(forget_bias, input_scale, lag):
    """Chapter 8: the four terms of an untrained LSTM at one step, and their product over the lags."""
    gains = gradients.random_lstm_gains(forget_bias, input_scale)
    one_step = {"gain": (["forget", "direct", "input", "candidate"], gains["terms"][:, lag - 1].tolist())}
    products = {"direct only": gains["forget"][::2].tolist(), "all four": gains["product"][::2].tolist()}
    return [one_step, {label: (range(0, 41, 2), values) for label, values in products.items()}]


def gru_by_hand(z, r, lag):
    """Chapter 9: powers of the factor that one step of a unit with constant gates leaves; w = 0.9."""
    factor = z + (1 - z) * r * 0.9
    left = [factor**k for k in range(41)]
    return [{"left": (range(41), left), f"{lag} steps": ([lag], [left[lag]])}, {}]


def beam(k, alpha):
    """Chapter 14: which paths a beam keeps, drops and finishes, with plain probabilities; the tree in reading order."""
    rows = {
        "<bos>": {"il": 0.42, "c'": 0.38, "on": 0.20},
        "il": {"fait": 0.40, "gèle": 0.25, "neige": 0.20, "a": 0.15},
        "c'": {"est": 0.55, "était": 0.45},
        "on": {"gèle": 0.80, "a": 0.20},
        "fait": {"froid": 0.65, "très": 0.35},
        "est": {"froid": 0.27, "gelé": 0.26, "glacé": 0.24, "frais": 0.23},
        "était": {"gelé": 0.28, "froid": 0.26, "glacé": 0.24, "frais": 0.22},
        "très": {"froid": 1},
        "a": {"froid": 1},
        ".": {},
    }
    places = {}

    def number(path):
        for word in rows.get(path[-1], {".": 1}):
            places[(*path, word)] = len(places)
            number((*path, word))

    number(("<bos>",))
    live, marks = {("<bos>",): 1.0}, {"kept": {}, "dropped": {}, "finished": {}}
    while live:
        paths = {(*path, w): p * q for path, p in live.items() for w, q in rows.get(path[-1], {".": 1}).items()}
        ranked = sorted(paths, key=lambda path: -paths[path])
        for rank, path in enumerate(ranked):
            kind = "dropped" if rank >= k else "finished" if path[-1] == "." else "kept"
            marks[kind][places[path]] = math.log(paths[path]) / (len(path) - 1) ** (alpha * (kind == "finished"))
        live = {path: paths[path] for path in ranked[:k] if path[-1] != "."}
    marks["finished"] = dict(sorted(marks["finished"].items(), key=lambda item: -item[1]))
    return [{label: (list(nodes), list(nodes.values())) for label, nodes in marks.items() if nodes}]


FUNCTIONS = {
    "one_unit": one_unit,
    "forecast_horizon": forecast_horizon,
    "ar1_spread": ar1_spread,
    "02_cut": cut,
    "ngram_order_and_smoothing": ngram_order_and_smoothing,
    "window_as_warm_up": window_as_warm_up,
    "one_factor": one_factor,
    "cliff": cliff,
    "depth": depth,
    "truncation": truncation,
    "bracket_memory": bracket_memory,
    "cell_gradient": cell_gradient,
    "gru_by_hand": gru_by_hand,
    "beam": beam,
}


def number(text):
    value = float(text)
    return int(value) if value.is_integer() else value


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_drawing_shows_what_the_function_computes(name, addresses, visit):
    page_name, data = EXPLORABLES[name]
    with visit(f"{addresses['file']}/{page_name}.html") as page:
        figure = page.locator(f'figure.explorable[data-name="{name}"]')
        for places in settings_of(data)[:3]:
            set_controls(figure, places)
            chosen = zip(data["controls"], places, strict=True)
            setting = [c["values"][i] if c["menu"] else number(c["values"][i]) for c, i in chosen]
            compared = 0
            for i, (panel, marks) in enumerate(zip(read(figure), FUNCTIONS[name](*setting), strict=True)):
                for label, (x, y) in marks.items():
                    assert_drawn(drawn(figure, label, i), x, y, panel, rounding=0.00501)
                    compared += 1
            assert compared > 0


# A panel of text


SENTENCE = "the lamp was lit, and the old keeper of the harbour wrote down the ships at noon"


def under_the_cursor(t):
    norms = [0.8 ** (t - i) if i <= t else 0 for i in range(len(SENTENCE))]
    line = Line("", range(t + 2), range(t + 2), COLORS["data"])
    return f"After {t}.", [[Text("norm", SENTENCE, norms, COLORS["rnn"])], [line]]


def cursor_figure():
    position = {"t": Control("position", list(range(len(SENTENCE))), start=40)}
    return Explorable("cursor", under_the_cursor, position, [TextPanel("Norms", control="t"), Panel("x", "y")])


def show(page, explorable):
    """Put an explorable of this test at the top of a page of the site."""
    page.evaluate(
        """async ([script, data]) => {
            const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
            const model = { get: (name) => ({ data })[name], set() {}, on() {} };
            const el = document.createElement("div");
            document.querySelector("article").prepend(el);
            (await import(url)).default.render({ model, el });
        }""",
        [explorable._esm, explorable.data],
    )
    return page.locator("figure.explorable").first


def background(token):
    """Red, green, blue (0 to 1) and opacity behind a token."""
    colour = token.evaluate("token => getComputedStyle(token).backgroundColor")
    parts = [float(part) for part in re.findall(r"[\d.]+(?:e-?\d+)?", colour.removeprefix("color(srgb"))]
    return parts if len(parts) == 4 else [*parts, 1.0]


def current(figure):
    return figure.locator(".current").evaluate_all("tokens => tokens.map(token => Number(token.dataset.index))")


def norms_at(t):
    return [float(f"{0.8 ** (t - i):.3g}") if i <= t else 0 for i in range(len(SENTENCE))]


def test_a_token_under_the_mouse_sets_its_control(addresses, visit):
    with visit(f"{addresses['file']}/book/references.html") as page:
        figure = show(page, cursor_figure())
        assert current(figure) == [40]
        for i in (0, 3, 79, 55):
            figure.locator(f'[data-index="{i}"]').hover()
            assert current(figure) == [i]
            assert figure.locator("input").input_value() == str(i)
            assert drawn(figure, "norm") == (list(SENTENCE), norms_at(i))
            assert figure.locator(".explorable-text").inner_text() == f"After {i}."
            shown = SENTENCE[i].replace(" ", "␣")
            about = figure.locator("[role=img]").first.get_attribute("aria-label")
            assert about == f"Norms. After {i}. norm 1 at “{shown}”."
            scale = figure.locator(".explorable-scale").inner_text().split("\n")
            assert scale == ["norm", "0", "1", f"1 at “{shown}”"]


def test_the_keyboard_moves_along_the_text(addresses, visit):
    with visit(f"{addresses['file']}/book/references.html") as page:
        figure = show(page, cursor_figure())
        figure.locator("input").focus()
        page.keyboard.press("ArrowRight")
        assert current(figure) == [41]
        assert drawn(figure, "norm")[1] == norms_at(41)


def test_a_finger_moves_along_the_text_on_a_phone(addresses, visit):
    with visit(f"{addresses['file']}/book/references.html", 390) as page:
        figure = show(page, cursor_figure())
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        boxes = [token.bounding_box() for token in figure.locator("[data-index]").all()]
        lines = sorted({box["y"] for box in boxes})
        assert len(lines) >= 3 and min(b - a for a, b in zip(lines, lines[1:], strict=False)) >= 22
        assert min(box["height"] for box in boxes) >= 22 and min(box["width"] for box in boxes) > 8
        phone = page.context.new_cdp_session(page)
        phone.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

        def touch(kind, *tokens):
            at = [{"x": boxes[i]["x"] + boxes[i]["width"] / 2, "y": boxes[i]["y"] + 12} for i in tokens]
            phone.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

        # The browser hands on a finger's moves with the next picture: wait for it.
        touch("touchStart", 2)
        figure.locator('.current[data-index="2"]').wait_for()
        for i in range(3, 15):
            touch("touchMove", i)
        figure.locator('.current[data-index="14"]').wait_for()
        touch("touchEnd")
        touch("touchStart", 60)
        touch("touchEnd")
        figure.locator('.current[data-index="60"]').wait_for()
        assert drawn(figure, "norm")[1] == norms_at(60)


def test_the_text_stands_still_under_the_finger(addresses, visit):
    words = ["a", "lamp", "lighthouse-keeper's", "of", "the", "incomprehensibilities"]

    def frame(t):
        return f"At {t}.", [[Text("gate", words, [-0.123] * 6, COLORS["gru"])]]

    with visit(f"{addresses['file']}/book/references.html", 390) as page:
        controls = {"t": Control("t", list(range(6)))}
        figure = show(page, Explorable("words", frame, controls, [TextPanel(control="t", ylim=(-0.999, 0.999))]))
        places = []
        for i in range(6):
            figure.locator(f'[data-index="{i}"]').hover()
            assert current(figure) == [i]
            places.append([token.bounding_box()["y"] for token in figure.locator("[data-index]").all()])
        assert all(place == places[0] for place in places)


def test_shades_grow_with_the_value(addresses, visit):
    def frame(k):
        linear = [Text("both signs", ["a", "b", "c", "d"], [-4, 0, 2, k], "#2b7fd4")]
        return "", [linear, [Text("log", ["a", "b", "c", "d"], [0, 0.1, 1, 10], "#2b7fd4")]]

    panels = [TextPanel(), TextPanel(yscale="log", ylim=(0.1, 10))]
    with visit(f"{addresses['file']}/book/references.html") as page:
        figure = show(page, Explorable("shades", frame, {"k": Control("k", [4])}, panels))
        linear, log = (line.locator("[data-token]").all() for line in figure.locator(".explorable-tokens").all())
        assert [background(token)[3] for token in linear] == pytest.approx([0.55, 0, 0.275, 0.55], abs=0.001)
        assert [background(token)[3] for token in log] == pytest.approx([0, 0, 0.275, 0.55], abs=0.001)
        negative, positive = background(linear[0])[:3], background(linear[3])[:3]
        assert negative[0] > negative[2] and positive[0] < positive[2]  # red, and blue as asked for
        scales = [scale.split() for scale in figure.locator(".explorable-scale").all_inner_texts()]
        assert scales == [["both", "signs", "−4", "4"], ["log", "≤", "0.1", "10"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_on_every_shade(scheme, addresses, visit):
    def frame(k):
        return "", [[Text(name, "ab c", [1, 0.5, -1, 0], color) for name, color in COLORS.items()]]

    with visit(f"{addresses['file']}/book/references.html", scheme=scheme) as page:
        figure = show(page, Explorable("colours", frame, {"k": Control("k", [1])}, [TextPanel(ylim=(-1, 1))]))
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        behind = [int(part) / 255 for part in re.findall(r"\d+", ground)[:3]]
        for token in figure.locator("[data-token]:not([data-token=' '])").all():
            *shade, opacity = background(token)
            mixed = [opacity * part + (1 - opacity) * under for part, under in zip(shade, behind, strict=True)]
            text = token.evaluate("token => getComputedStyle(token).color")
            assert contrast(text, f"rgb({', '.join(str(round(255 * part)) for part in mixed)})") >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nodes_of_a_tree_are_legible(scheme, addresses, visit):
    def frame(k):
        looks = {"kept": {}, "dropped": {"dashed": True}, "finished": {"ranked": True}}
        nodes = zip(looks.items(), ([0], [1], [3, 2]), COLORS.values(), strict=False)
        return "", [[Nodes(name, x, [-1] * len(x), color, **look) for (name, look), x, color in nodes]]

    with visit(f"{addresses['file']}/book/references.html", scheme=scheme) as page:
        tree = TreePanel(["a", "b", "c", "d"], [None, 0, 0, 0])
        figure = show(page, Explorable("tree", frame, {"k": Control("k", [1])}, [tree]))
        plain = figure.evaluate("figure => getComputedStyle(figure).color")
        texts = figure.locator("[data-node] text:not([style*=fill])").all()
        assert len(texts) == 5  # four words and the second rank; the first rank has its mark's colour
        assert all(text.evaluate("text => getComputedStyle(text).fill") == plain for text in texts)
