"""The engine of the live figures, run by Node, beside torch: outputs, every gradient, training, storage.

`CASES` and `check_case` are also used in Chromium, by site/test_live_engine.py.
"""

import importlib.util
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from d2lrnn import cells, live
from d2lrnn.gradients import clip_

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests/live_cases.mjs"
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda Z: Z}
BLOCKS = {"rnn": 1, "gru": 3, "lstm": 4}

sizes = st.integers(1, 20)
kinds = st.sampled_from([("rnn", activation) for activation in ACTIVATIONS] + [("gru", "tanh"), ("lstm", "tanh")])
seeds = st.integers(0, 9999)


@pytest.fixture(scope="module")
def ask():
    """A function that asks the engine, in one Node process for all tests."""
    if not shutil.which("node"):
        pytest.skip("there is no Node: install it from your system's packages (nodejs) or from https://nodejs.org")
    node = subprocess.Popen(["node", CASES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(ask, source=live.ENGINE, **question):
        print(json.dumps({"source": source, "ask": ask, **question}), file=node.stdin, flush=True)
        return json.loads(node.stdout.readline())

    yield ask
    node.stdin.close()
    node.wait()


# Networks and torch's side


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def make_params(cell, D, h, q, generator, scale=0.5):
    """Random parameters, the biases too, which require gradients."""
    wide = BLOCKS[cell] * h
    W_x, W_h, *biases = live.NAMES[cell][:-2]
    shapes = {W_x: (D, wide), W_h: (h, wide), **{b: (wide,) for b in biases}, "W_hq": (h, q), "b_q": (q,)}
    return {name: (scale * normal(generator, *shape)).requires_grad_() for name, shape in shapes.items()}


def as_net(cell, activation, params, **settings):
    """A network as the cases read it."""
    W_x, W_hq = params[live.NAMES[cell][0]], params["W_hq"]
    sizes = {"D": len(W_x), "h": len(W_hq), "q": W_hq.shape[1]}
    lists = {name: p.flatten().tolist() for name, p in params.items()}
    return {"cell": cell, "activation": activation, **sizes, "params": lists, **settings}


def by_torch(cell, activation, params, X, H, C):
    """Outputs (T, B, q) and the last state of torch's own layers; of d2lrnn.cells for what torch does not have."""
    if activation in ("sigmoid", "linear"):
        outputs, H = cells.rnn(X, H, params, ACTIVATIONS[activation])
        return outputs, H, C
    W_x, W_h, b, *b_h = (params[name] for name in live.NAMES[cell][:-2])
    weights = [W_x.T, W_h.T, b, b_h[0] if b_h else torch.zeros_like(b)]
    settings = (weights, True, 1, 0.0, False, False, False)
    if cell == "lstm":
        H_all, H, C = torch.lstm(X, (H[None], C[None]), *settings)
        C = C[0]
    else:
        layer = torch.gru if cell == "gru" else {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}[activation]
        H_all, H = layer(X, H[None], *settings)
    return H_all @ params["W_hq"] + params["b_q"], H[0], C


def bptt_case(kind, T, B, D, h, q, seed, ids=False, from_zeros=False, some=False, theta=math.inf):
    """A question to the engine's bptt, and torch's answer."""
    cell, activation = kind
    g = torch.Generator().manual_seed(seed)
    params = make_params(cell, D, h, q, g)
    X_ids = torch.randint(D, (T, B), generator=g)
    X = (F.one_hot(X_ids, D).double() if ids else normal(g, T, B, D)).requires_grad_()
    targets = torch.randint(q, (T, B), generator=g)
    if some:  # only the last step is asked
        targets[:-1] = -1
    H, C = (torch.zeros(B, h).double() if from_zeros else normal(g, B, h) for _ in range(2))
    H.requires_grad_(), C.requires_grad_()

    outputs, H_T, C_T = by_torch(cell, activation, params, X, H, C)
    loss = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), ignore_index=-1)
    leaves = {**params, "dX": X, "dH_0": H, "dC_0": C}
    found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    for p, gradient in zip(params.values(), found, strict=False):
        p.grad = gradient
    norm = clip_(params.values(), theta)
    expected = dict(zip(leaves, found, strict=True))
    expected |= {"loss": loss, "O": outputs, "H": H_T, "norm": torch.tensor(norm, dtype=torch.float64)}
    if cell == "lstm":
        expected["C"] = C_T
    state = None if from_zeros else {"H": H.flatten().tolist(), "C": C.flatten().tolist()}
    question = {
        "net": as_net(cell, activation, params), "inputs": (X_ids if ids else X).flatten().tolist(), "ids": ids,
        "targets": targets.flatten().tolist(), "state": state, "B": B,
        "theta": 1e300 if theta == math.inf else theta,
    }  # fmt: skip
    return {"ask": "bptt", **question}, expected


def listening_case(kind, T, D, h, q, seed, ids=False, last=None, lags=None):
    """A question about the gradient by lag, and autograd's answer step by step."""
    cell, activation = kind
    g = torch.Generator().manual_seed(seed)
    params = make_params(cell, D, h, q, g)
    X_ids = torch.randint(D, (T, 1), generator=g)
    X = F.one_hot(X_ids, D).double() if ids else normal(g, T, 1, D)
    inputs, state = X.split(1), (normal(g, 1, h), normal(g, 1, h))
    t = T - 1 if last is None else last
    target = int(torch.randint(q, (), generator=g))
    net, Xs, Hs, Cs = as_net(cell, activation, params), [], [], []
    start = {"H": state[0].flatten().tolist(), "C": state[1].flatten().tolist()}
    H, C = state
    for X_t in inputs[: t + 1]:
        Xs.append(X_t[0].requires_grad_())
        if cell == "lstm":
            _, (H, C) = cells.lstm_step(Xs[-1], (H, C), params)
            C.retain_grad()
            # The gradient by C_t counts what goes through H_t, as in the engine.
        elif cell == "gru":
            _, H = cells.gru_step(Xs[-1], H, params)
        else:
            _, H = cells.rnn_step(Xs[-1], H, params, ACTIVATIONS[activation])
        H.retain_grad()
        Hs.append(H)
        Cs.append(C)
    torch.log_softmax(H @ params["W_hq"] + params["b_q"], dim=1)[0, target].backward()
    expected = {name: torch.stack([v.grad.norm() for v in values[::-1][:lags]])
                for name, values in {"X": Xs, "H": Hs, "C": Cs}.items() if name != "C" or cell == "lstm"}  # fmt: skip
    question = {"net": net, "inputs": (X_ids if ids else X).flatten().tolist(), "ids": ids, "state": start, "t": t}
    return {"ask": "listening", **question, "id": target} | ({"lags": lags} if lags else {}), expected


def training_case(cell, optimizer, lr, theta, updates, bits=64, T=5, B=3, D=7, h=9, seed=0, activation="tanh"):
    """A question about some updates on three batches, of which the second and the third go on, and torch's answer."""
    g = torch.Generator().manual_seed(seed)
    params = make_params(cell, D, h, D, g)
    net = as_net(cell, activation, params, bits=bits)
    ids = torch.randint(D, (4, T, B), generator=g)
    pairs = [(X, torch.randint(D, (T, B), generator=g)) for X in ids[:3]]
    batches = [
        {"inputs": X.flatten().tolist(), "targets": Y.flatten().tolist(), "B": B, "goesOn": i > 0}
        for i, (X, Y) in enumerate(pairs)
    ]
    optimizers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    torch_side = optimizers[optimizer](params.values(), lr=lr)
    losses, norms = [], []
    for i in range(updates):
        X, Y = pairs[i % 3]
        if i % 3 == 0:
            H, C = torch.zeros(2, B, h).double()
        outputs, H, C = by_torch(cell, activation, params, F.one_hot(X, D).double(), H.detach(), C.detach())
        loss = F.cross_entropy(outputs.flatten(0, 1), Y.flatten())
        torch_side.zero_grad()
        loss.backward()
        norms.append(clip_(params.values(), theta))
        torch_side.step()
        losses.append(loss.item())
    settings = {"optimizer": optimizer, "lr": lr, "theta": theta}
    question = {"ask": "train", "net": net, "batches": batches, "settings": settings, "updates": updates}
    history = {"loss": torch.tensor(losses, dtype=torch.float64), "norm": torch.tensor(norms, dtype=torch.float64)}
    return question, history | params


def check(answer, expected, atol=1e-10):
    """That the engine's numbers are those of torch."""
    assert "error" not in answer, answer
    for name, theirs in expected.items():
        ours = torch.tensor(answer[name], dtype=torch.float64).view(theirs.shape)
        difference = (ours - theirs).abs().max().item()
        assert difference <= atol, f"{name} differs by {difference}"


# Forward and backward


@given(kinds, st.integers(1, 9), st.integers(1, 5), sizes, sizes, sizes, seeds, st.booleans(), st.booleans(),
       st.booleans(), st.sampled_from([math.inf, 0.5, 0.01]))  # fmt: skip
def test_outputs_and_every_gradient_are_those_of_torch(ask, kind, T, B, D, h, q, seed, ids, from_zeros, some, theta):
    question, expected = bptt_case(kind, T, B, D, h, q, seed, ids, from_zeros, some, theta)
    check(ask(**question), expected)


@given(kinds, st.integers(1, 9), sizes, sizes, sizes, seeds, st.booleans(), st.data())
def test_the_gradient_by_lag_is_that_of_autograd(ask, kind, T, D, h, q, seed, ids, data):
    last = data.draw(st.integers(0, T - 1))
    lags = data.draw(st.integers(1, last + 1))
    question, expected = listening_case(kind, T, D, h, q, seed, ids, last, lags)
    answer = ask(**question)
    check(answer, expected)
    assert len(answer["X"]) == lags
    assert ask(**question | {"lags": T + 5}) == ask(**question | {"lags": last + 1})


# Training


@pytest.mark.parametrize("optimizer, lr, theta", [("sgd", 0.5, 0.3), ("adam", 0.01, 1e9)])
@pytest.mark.parametrize("cell", BLOCKS)
def test_fifty_updates_are_those_of_torch(ask, cell, optimizer, lr, theta):
    question, expected = training_case(cell, optimizer, lr, theta, updates=50)
    check(ask(**question), expected, atol=1e-8)
    short = ask(**question | {"net": question["net"] | {"bits": 32}})
    check(short, {"loss": expected["loss"]}, atol=1e-3)
    assert all(w == torch.tensor(w).item() for w in short["W_hq"])  # these are numbers of 32 bits


def test_text_batches_are_stretches_side_by_side(ask):
    ids = torch.randint(9, (2 * 5 * 3 + 4,))
    batches = ask("textBatches", ids=ids.tolist(), B=2, T=5)
    X = torch.cat([torch.tensor(batch["inputs"]).view(5, 2) for batch in batches])
    Y = torch.cat([torch.tensor(batch["targets"]).view(5, 2) for batch in batches])
    assert torch.equal(X, ids[:30].view(2, 15).T) and torch.equal(Y, ids[1:31].view(2, 15).T)
    assert [batch["goesOn"] for batch in batches] == [False, True, True] and batches[0]["B"] == 2
    assert ask("textBatches", ids=[1, 2, 3], B=2, T=5) == []


@pytest.mark.parametrize("bits", [64, 32])
def test_training_that_diverges_says_so_and_can_go_on(ask, bits):
    question, _ = training_case("rnn", "adam", 1e60, 1e300, updates=0, bits=bits, activation="relu")
    question["batches"] = question["batches"][:1]
    found = ask(**question | {"ask": "diverge", "lr": 1e-3})
    *fine, last = found["rows"]
    assert fine and not any(row["diverged"] for row in fine)
    assert last["diverged"] and None in (last["loss"], last["norm"])  # JSON has no infinity
    assert all(None not in values for values in found["kept"].values())
    start = {name: torch.tensor(values, dtype=torch.float64) for name, values in question["net"]["params"].items()}
    check(found["kept"], start, atol=1e-6)  # the one update that was made is undone
    assert not any(row["diverged"] for row in found["after"]) and found["after"][0]["loss"] == fine[0]["loss"]
    assert found["after"][4]["loss"] < fine[0]["loss"] and found["params"] != found["kept"]


def test_parameters_that_diverge_at_once_are_left_as_they_are(ask):
    question, _ = training_case("rnn", "adam", 0.1, 1.0, updates=0, activation="linear")
    question["net"]["params"]["W_hh"] = [1e200] * 81
    answer = ask(**question | {"ask": "diverge"})
    assert [row["diverged"] for row in answer["rows"]] == [True]
    assert answer["kept"] == question["net"]["params"]


def test_a_worker_goes_stops_and_goes_on_with_another_setting(ask):
    question, _ = training_case("gru", "sgd", 0.1, 1.0, updates=0)
    question["batches"] = question["batches"][:1]
    found = ask(**question | {"ask": "serve", "lr": 0})
    stopped = found["stopped"]
    assert found["untold"] == 0 < stopped == found["still"] == found["unmoved"]
    assert found["loss"][:stopped] == ask(**question | {"updates": stopped})["loss"]
    assert len(set(found["loss"][:stopped])) > 1 and len(set(found["loss"][stopped:])) == 1  # now the rate is 0
    assert len(found["loss"]) == stopped + 3


# Sampling and starting


def mulberry32(seed):
    """The engine's random numbers, with Python's integers."""
    while True:
        seed = (seed + 0x6D2B79F5) % 2**32
        x = (seed ^ seed >> 15) * (seed | 1) % 2**32
        x ^= (x + (x ^ x >> 7) * (x | 61)) % 2**32
        yield (x ^ x >> 14) / 2**32


def take(count, iterator):
    return [next(iterator) for _ in range(count)]


@given(st.integers(0, 2**32 - 1))
def test_random_numbers_are_the_same_everywhere(ask, seed):
    assert ask("random", seed=seed, count=20) == take(20, mulberry32(seed))


def test_random_numbers_are_uniform(ask):
    numbers = torch.tensor(ask("random", seed=1, count=10_000)).double()
    assert 0 <= numbers.min() and numbers.max() < 1
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.01)
    assert numbers.var().item() == pytest.approx(1 / 12, abs=0.003)
    assert (numbers[1:] * numbers[:-1]).mean().item() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("cell", BLOCKS)
def test_an_untrained_network_is_normal(ask, cell):
    h, sizes = 30, {"cell": cell, "D": 5, "h": 30, "q": 4}
    net = ask("network", sizes=sizes, settings={"seed": 3, "forgetBias": 2, "scale": 2})
    assert net == ask("network", sizes=sizes, settings={"seed": 3, "forgetBias": 2, "scale": 2})
    assert list(net["params"]) == live.NAMES[cell] and net["activation"] == "tanh"
    uniform = mulberry32(3)
    for name, values in net["params"].items():
        if name.startswith("W"):
            pairs = [take(2, uniform) for _ in values]
            assert values == pytest.approx(
                [2 * math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v) for u, v in pairs], abs=1e-12
            )
            assert torch.tensor(values).std() == pytest.approx(2, rel=0.15)
        elif name == "b" and cell == "lstm":
            assert values == [0] * h + [2] * h + [0] * 2 * h
        else:
            assert not any(values)
    small = ask("network", sizes=sizes, settings={"seed": 3})["params"]
    assert small["W_hq"] == pytest.approx([w / 2 * h**-0.5 for w in net["params"]["W_hq"]])


@given(kinds, st.integers(1, 6), sizes, sizes, seeds, st.sampled_from([0.3, 1.0, 2.0]))
def test_sampling_is_that_of_python_with_the_same_random_numbers(ask, kind, length, h, q, seed, temperature):
    cell, activation = kind
    g = torch.Generator().manual_seed(seed)
    params = make_params(cell, q, h, q, g)
    prefix, uniform, expected = torch.randint(q, (length,), generator=g).tolist(), mulberry32(seed), []
    for _ in range(12):  # from the beginning each time: no state is carried
        X = F.one_hot(torch.tensor(prefix + expected), q).double()[:, None]
        H, C = torch.zeros(2, 1, h).double()
        scores = by_torch(cell, activation, params, X, H, C)[0][-1, 0] / temperature
        sums = torch.softmax(scores, dim=0).cumsum(0)
        expected.append(min(int((sums <= next(uniform)).sum()), q - 1))
    net = as_net(cell, activation, params)
    assert ask("generate", net=net, ids=prefix, temperature=temperature, seed=seed, count=12) == expected


# Storage


@pytest.mark.parametrize("cell", BLOCKS)
def test_weights_come_back_from_16_bits(ask, cell):
    params = make_params(cell, 3, 4, 5, torch.Generator().manual_seed(0))
    with torch.no_grad():
        params["b_q"][:] = torch.tensor([65504, -(2**-24), 6e-5, 0, -1 / 3])  # the largest, the smallest, a subnormal
    saved = live.saved(cell, params, "relu" if cell == "rnn" else "tanh")
    assert json.loads(json.dumps(saved)) == saved
    found = ask("load", saved=saved)
    kept = {name: p.detach().half().double() for name, p in params.items()}
    check(found["params"], kept, atol=0)
    assert found == as_net(cell, saved["activation"], kept)
    assert kept["b_q"].tolist() == pytest.approx(params["b_q"].tolist(), rel=1e-3)


def test_what_cannot_be_saved_is_refused():
    params = make_params("gru", 3, 4, 5, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="rnn, gru, lstm, not 'elman'"):
        live.saved("elman", params)
    with pytest.raises(ValueError, match="W_x, W_h, b, W_hq, b_q, not"):
        live.saved("lstm", params)
    for bad in (math.nan, math.inf, 1e5):
        with pytest.raises(ValueError, match="65504"):
            live.saved("gru", params | {"b_q": torch.full((5,), bad)})


# The networks of the figures

NETWORKS = ROOT / "src/d2lrnn/live/networks.json"
spec = importlib.util.spec_from_file_location("trainer", ROOT / "tools/train_live_networks.py")
TRAINER = importlib.util.module_from_spec(spec)
spec.loader.exec_module(TRAINER)


@pytest.fixture(scope="module")
def held_out():
    """The vocabulary, and the ids of the story's end."""
    vocab, *_, ids = TRAINER.story()
    return vocab, ids


@pytest.mark.parametrize("place", range(3), ids=BLOCKS)
def test_the_networks_have_their_perplexities_in_torch_and_in_the_engine(place, ask, held_out):
    vocab, ids = held_out
    saved = json.loads(NETWORKS.read_text(encoding="utf-8"))
    network = saved["networks"][place]
    assert network["cell"] == list(BLOCKS)[place] and saved["vocabulary"] == vocab.tokens
    assert TRAINER.perplexity(network, ids) == pytest.approx(network["perplexity"], abs=6e-5)
    loss = ask("score", saved=network, ids=ids.tolist())
    assert math.exp(loss) == pytest.approx(network["perplexity"], abs=6e-5)
    assert NETWORKS.stat().st_size < 300_000


@pytest.mark.parametrize("cell", BLOCKS)
def test_what_is_saved_can_be_loaded(cell):
    params = make_params(cell, 3, 4, 5, torch.Generator().manual_seed(0))
    found = live.loaded(live.saved(cell, params))
    assert list(found) == live.NAMES[cell]
    for name, p in found.items():
        torch.testing.assert_close(p, params[name].detach().half().float(), atol=0, rtol=0)


def test_how_far_back_each_network_listens(held_out):
    """What chapter 8 says: two or three words back, three or four, and five or six, at five letters a word."""
    _, ids = held_out
    median = {}
    for network in json.loads(NETWORKS.read_text(encoding="utf-8"))["networks"]:
        params, reach = live.loaded(network), []
        for end in range(150, 6750, 97):
            X = F.one_hot(ids[end - 100 : end, None], 28).float().requires_grad_()
            scores, _ = TRAINER.RECURRENCES[network["cell"]](X, None, params)
            (dX,) = torch.autograd.grad(scores[-1, 0].log_softmax(0)[ids[end]], X)
            norms = dX[:, 0].norm(dim=1).flip(0)
            reach.append((norms > norms.max() / 100).nonzero().max().item())
        median[network["cell"]] = sorted(reach)[len(reach) // 2]
    assert 10 <= median["rnn"] <= 14 and 16 <= median["lstm"] <= 20 and 26 <= median["gru"] <= 32


# The source


def test_the_engine_is_short_and_needs_nothing():
    lines = live.ENGINE.splitlines()
    assert len(lines) < 500 and max(map(len, lines)) <= 100
    assert not re.search(r"\bimport\b|\brequire\b|\bfetch\b|https?:", live.ENGINE)


def test_the_equations_it_names_are_in_the_book():
    for chapter, number in set(re.findall(r"\((\d)\.(\d+)\)", live.ENGINE)):
        [notebook] = (ROOT / "book").glob(f"0{chapter}_*.ipynb")
        assert f"\\\\tag{{{chapter}.{number}}}" in notebook.read_text(encoding="utf-8"), (chapter, number)


# Mutants: every sign of the formulas, and every transpose and block

FORMULAS = live.ENGINE[live.ENGINE.index("// Matrices") : live.ENGINE.index("// A text cut")]
SIGNS = {" + ": " - ", " - ": " + ", " += ": " -= ", " -= ": " += "}
OTHERS = [
    ("transpose(W_h, wide)", "W_h"),
    ("transpose(W_hq, q)", "W_hq"),
    ("transpose(W_x, wide)", "W_x"),
    ("transpose(inputs, D)", "inputs"),
    ("transpose(before, h)", "before"),
    ("transpose(now, h)", "now"),
    ("transpose(before, h)", "transpose(now, h)"),
    ("addProduct(A, inputs, W_x, wide)", "addProduct(A, inputs, transpose(W_x, wide), wide)"),
    ("at(H, t, T + 1), W_h, wide", "at(H, t, T + 1), transpose(W_h, wide), wide"),
    ("WT[j * m + i] = W[i * n + j]", "WT[i * n + j] = W[i * n + j]"),
    ("subarray(B * h), W_hq, q)", "subarray(B * h), transpose(W_hq, q), q)"),
    ("(H > 0 ? 1 : 0)", "1"),
    ("dU[c] = dA[c] * A[r]", "dU[c] = dA[c]"),
    ("Math.tanh(A[c] + A[r] * U[c])", "Math.tanh(A[c] + U[c])"),
    ("dH[before] += dH[now] * A[z];", ""),
    ("dC[before] = dC[now] * A[f];", ""),
    ("dC[now] * C[before] * A[f]", "dC[now] * C[now] * A[f]"),
    ("dH[now] * tanhC * A[o]", "dH[now] * C[now] * A[o]"),
    ("A[f] * C[before] + A[i] * A[c]", "A[i] * C[before] + A[f] * A[c]"),
    ("const r = 3 * h * row + j, z = r + h", "const z = 3 * h * row + j, r = z + h"),
    ("c = f + h, o = c + h", "o = f + h, c = o + h"),
    ("sumOfRows(dU, wide)", "sumOfRows(dA, wide)"),
    ("product(transpose(before, h), dU, wide)", "product(transpose(before, h), dA, wide)"),
    ("Math.exp(O[j] - largest)", "Math.exp(O[j])"),
    ("Math.exp(-z)", "Math.exp(z)"),
    ("Math.exp(logP[j]) / count", "Math.exp(logP[j])"),
    ("goesOn ? state : null", "null"),
    ("theta / total", "theta"),
    ("theta < total", "total < theta"),
    ("lr / (1 - beta1 ** step)", "lr"),
    ("shrink * Math", "Math"),
    ("beta1 ** step", "beta1"),
    ("1 - beta2) * dW[i] * dW[i]", "1 - beta2) * dW[i]"),
]


def mutants():
    """Pairs of the changed line and the changed source. Heads of loops are left: they would run for ever."""
    found = []
    for match in re.finditer("|".join(map(re.escape, SIGNS)), FORMULAS):
        line_start = FORMULAS.rfind("\n", 0, match.start()) + 1
        before = FORMULAS[line_start : match.start()]
        in_head = re.search(r"\bfor \([^)]*$", before)
        if "//" in before or in_head:
            continue
        found.append((match.start(), match.end(), SIGNS[match[0]]))
    for old, new in OTHERS:
        places = [place.start() for place in re.finditer(re.escape(old), FORMULAS)]
        assert places, f"the engine has no {old!r} any more"
        found += [(place, place + len(old), new) for place in places]
    offset = live.ENGINE.index(FORMULAS)
    for start, end, new in found:
        changed = FORMULAS[:start] + new + FORMULAS[end:]
        number, line = changed.count("\n", 0, start), live.ENGINE[:offset].count("\n")
        source = live.ENGINE[:offset] + changed + live.ENGINE[offset + len(FORMULAS) :]
        yield f"line {line + number + 1}: {changed.splitlines()[number].strip()}", source


def mutation_cases():
    """Few, in sizes that are all equal, so that a matrix product does not notice a transpose by its shape."""
    every = [("rnn", "tanh"), ("rnn", "relu"), ("rnn", "sigmoid"), ("rnn", "linear"), ("gru", "tanh"), ("lstm", "tanh")]
    size = 9  # eight rows at once, and one more
    cases = [bptt_case(kind, 3, 3, size, size, size, i, theta=0.1) for i, kind in enumerate(reversed(every))]
    cases += [bptt_case(kind, 3, 3, size, size, size, 9, ids=True, some=True) for kind in every[-2:]]
    cases.append(listening_case(every[-2], 5, 4, 4, 4, 1, last=3))
    cases.append(listening_case(every[-1], 5, 4, 4, 4, 1, last=3, lags=2))
    cases += [training_case("rnn", optimizer, 0.1, 0.5, 4, D=4, h=4) for optimizer in ("sgd", "adam")]
    return cases


def survives(ask, cases, source):
    try:
        for question, expected in cases:
            check(ask(**question, source=source), expected)
    except (AssertionError, TypeError, ValueError, RuntimeError):
        return False
    return True


def test_every_changed_sign_transpose_or_block_is_noticed(ask):
    cases = mutation_cases()
    assert survives(ask, cases, live.ENGINE)
    changed = list(mutants())
    assert len(changed) > 150
    survivors = [line for line, source in changed if survives(ask, cases, source)]
    assert not survivors, "no test would notice:\n" + "\n".join(survivors)
