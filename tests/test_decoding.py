import itertools
import math
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch.testing import assert_close

from d2lrnn.decoding import Hypothesis, beam_search, beam_tree, exhaustive, greedy
from d2lrnn.seq2seq import Seq2Seq

torch.set_num_threads(1)

EOS, BOS = 0, 1
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
alphas = st.sampled_from([0, 0.75, 1.0, 1.5])
seeds = st.integers(0, 10_000)


def table_model(tables):
    """A model made of numbers: tables (B, T, V, V) hold log P(next | sentence, step, token before)."""

    def step(tokens, state):
        tables, t = state
        return tables[torch.arange(len(tokens), device=tokens.device), t, tokens], (tables, t + 1)

    return step, (tables, torch.zeros(len(tables), dtype=torch.long, device=tables.device))


def random_tables(seed, B, T, V, scale=2.0, dtype=torch.float64, device="cpu"):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(B, T, V, V, generator=generator, dtype=torch.float64)
    return logits.log_softmax(-1).to(device, dtype)


def random_model(seed, B, T, V, **options):
    return table_model(random_tables(seed, B, T, V, **options))


def tied_model(seed, B, T, V):
    """Few different probabilities, all powers of 2: many hypotheses are equally likely."""
    log_2 = torch.tensor(2.0).log().item()  # of 24 digits: in 64 bits its multiples, and their sums, are exact
    parts = [-i * log_2 for i in [*range(1, V), V - 1]]
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.rand(B, T, V, V, generator=generator).argsort(-1)
    even = torch.rand(B, T, V, 1, generator=generator) < 0.5
    return table_model(torch.tensor(parts, dtype=torch.float64)[shuffled].where(~even, -math.log2(V) * log_2))


def rnn_model(seed, B, V, hidden_size=5):
    """A small random LSTM, its state nested tuples."""
    torch.manual_seed(seed)
    embedding, cell = torch.nn.Embedding(V, 4), torch.nn.LSTMCell(4, hidden_size)
    output = torch.nn.Linear(hidden_size, V)
    for parameter in torch.nn.ModuleList([embedding, cell, output]).double().parameters():
        parameter.data.mul_(3)

    def step(tokens, state):
        (H, C), (source,) = state
        H, C = cell(embedding(tokens), (H + source, C))
        return output(H).log_softmax(dim=1), ((H, C), (source,))

    H, C, source = torch.randn(3, B, hidden_size, dtype=torch.float64)
    return step, ((H, C), (source,))


def rows(state, index):
    if isinstance(state, torch.Tensor):
        return state[index]
    return tuple(rows(part, index) for part in state)


def true_log_prob(step, state, tokens):
    """log P of an output of the state's one row, token by token."""
    total, last = 0.0, BOS
    for token in tokens:
        log_probs, state = step(torch.tensor([last]), state)
        total, last = total + log_probs[0, token].item(), token
    return total


def plain_beam_search(step, state, max_steps, width, alpha, banned=()):
    """One sentence, one hypothesis at a time, and no stopping rule: what beam_search must give."""
    beam, results = [(0.0, (), state)], []
    for t in range(1, max_steps + 1):
        continuations = []
        for log_prob, tokens, state in beam:
            log_probs, new_state = step(torch.tensor([(BOS, *tokens)[-1]]), state)
            for token, value in enumerate(log_probs[0].tolist()):
                if token not in banned and value > -math.inf:
                    continuations.append((log_prob + value, (*tokens, token), new_state))
        continuations.sort(key=lambda continuation: -continuation[0])
        kept = continuations[:width]
        over = [entry for entry in kept if entry[1][-1] == EOS or t == max_steps]
        results += [Hypothesis(y, log_prob, log_prob / t**alpha, y[-1] == EOS) for log_prob, y, _ in over]
        beam = [entry for entry in kept if entry[1][-1] != EOS]
    return sorted(results, key=lambda result: -result.score)[:width]


def assert_same(found, expected, **tolerance):
    assert [[h.tokens for h in row] for row in found] == [[h.tokens for h in row] for row in expected]
    for one, other in zip(itertools.chain(*found), itertools.chain(*expected), strict=True):
        assert one.finished == other.finished
        assert_close((one.log_prob, one.score), (other.log_prob, other.score), **tolerance)


small = given(
    seed=seeds,
    B=st.integers(1, 3),
    T=st.integers(1, 4),
    V=st.integers(2, 4),
    scale=st.sampled_from([0.3, 2.0, 6.0]),
    alpha=alphas,
    banned=st.booleans(),
)


@small
@example(seed=0, B=2, T=3, V=4, scale=2.0, alpha=0.75, banned=True)
def test_exhaustive_search_scores_every_sequence(seed, B, T, V, scale, alpha, banned):
    step, state = random_model(seed, B, T, V, scale=scale)
    tokens = [token for token in range(V) if token != BOS or not banned]
    for row, found in enumerate(exhaustive(step, state, BOS, EOS, T, alpha, (BOS,) if banned else ())):
        # Every way of writing T tokens, cut after the first <eos>.
        written = {y[: y.index(EOS) + 1] if EOS in y else y for y in itertools.product(tokens, repeat=T)}
        assert len(found) == len(written) and {h.tokens for h in found} == written
        assert banned or abs(sum(math.exp(h.log_prob) for h in found) - 1) < 1e-9
        for h in found[:: max(1, len(found) // 5)]:
            assert abs(h.log_prob - true_log_prob(step, rows(state, [row]), h.tokens)) < 1e-9
        for h in found:
            assert abs(h.score - h.log_prob / len(h.tokens) ** alpha) < 1e-9
            assert h.finished == (h.tokens[-1] == EOS)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


@small
def test_a_beam_of_all_prefixes_is_exhaustive_search(seed, B, T, V, scale, alpha, banned):
    step, state = random_model(seed, B, T, V, scale=scale)
    width = V ** (T - 1)
    banned = (BOS,) if banned else ()
    best = [ranked[:width] for ranked in exhaustive(step, state, BOS, EOS, T, alpha, banned)]
    assert_same(beam_search(step, state, BOS, EOS, T, width, alpha, banned), best, rtol=0, atol=1e-12)


@given(
    seed=seeds,
    B=st.integers(1, 5),
    T=st.integers(1, 7),
    V=st.integers(2, 30),
    scale=st.sampled_from([0.3, 2.0, 6.0]),
    alpha=alphas,
    banned=st.sets(st.integers(1, 3), max_size=2),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_a_beam_of_width_1_is_greedy_decoding(seed, B, T, V, scale, alpha, banned, dtype):
    assume(max(banned, default=0) < V)
    step, state = random_model(seed, B, T, V, scale=scale, dtype=dtype)
    written = greedy(step, state, BOS, EOS, T, alpha, banned)
    assert [[h] for h in written] == beam_search(step, state, BOS, EOS, T, 1, alpha, banned)
    for row, h in enumerate(written):
        step_state, last = rows(state, [row]), BOS
        for token in h.tokens:
            log_probs, step_state = step(torch.tensor([last]), step_state)
            allowed = [i for i in range(V) if i not in banned]
            assert log_probs[0, token] == log_probs[0, allowed].max()
            last = token
        assert len(h.tokens) == T or h.finished
        assert EOS not in h.tokens[:-1]


@given(
    seed=seeds,
    B=st.integers(1, 5),
    T=st.integers(1, 8),
    V=st.integers(2, 20),
    width=st.integers(1, 8),
    scale=st.sampled_from([0.3, 2.0, 6.0]),
    alpha=alphas,
    banned=st.sets(st.integers(1, 3), max_size=2),
    data=st.data(),
)
def test_a_batch_gives_what_one_hypothesis_at_a_time_gives(seed, B, T, V, width, scale, alpha, banned, data):
    assume(max(banned, default=0) < V)
    step, state = random_model(seed, B, T, V, scale=scale)
    found = beam_search(step, state, BOS, EOS, T, width, alpha, banned)
    expected = [plain_beam_search(step, rows(state, [row]), T, width, alpha, banned) for row in range(B)]
    assert_same(found, expected, rtol=0, atol=1e-12)
    # Stopping as soon as fewer results are certain changes none of them.
    num_results = data.draw(st.integers(1, width))
    fewer = beam_search(step, state, BOS, EOS, T, width, alpha, banned, num_results)
    assert fewer == [ranked[:num_results] for ranked in found]


@given(
    seed=seeds, B=st.integers(1, 4), V=st.integers(2, 9), width=st.integers(1, 6), alpha=alphas, banned=st.booleans()
)
def test_what_beam_search_returns(seed, B, V, width, alpha, banned):
    step, state = rnn_model(seed, B, V)
    banned = (BOS,) if banned else ()
    for row, ranked in enumerate(beam_search(step, state, BOS, EOS, 6, width, alpha, banned)):
        assert 1 <= len(ranked) <= width
        assert len({h.tokens for h in ranked}) == len(ranked), "an output occurs twice"
        assert [h.score for h in ranked] == sorted((h.score for h in ranked), reverse=True)
        for h in ranked:
            assert abs(h.log_prob - true_log_prob(step, rows(state, [row]), h.tokens)) < 1e-9
            assert abs(h.score - h.log_prob / len(h.tokens) ** alpha) < 1e-9
            assert not set(banned) & set(h.tokens)
            assert EOS not in h.tokens[:-1]
            assert h.finished == (h.tokens[-1] == EOS)
            assert h.finished or len(h.tokens) == 6
            assert all(type(token) is int for token in h.tokens)


@given(seed=seeds, B=st.integers(1, 5), width=st.integers(1, 6), order=st.data())
def test_a_sentence_does_not_depend_on_the_others(seed, B, width, order):
    step, state = rnn_model(seed, B, V=8)
    search = partial(beam_search, step, bos=BOS, eos=EOS, max_steps=7, width=width)
    together = search(state=state)
    shuffled = order.draw(st.permutations(range(B)))
    assert_same(search(state=rows(state, shuffled)), [together[i] for i in shuffled])
    some = order.draw(st.lists(st.integers(0, B - 1), min_size=1))
    assert_same(search(state=rows(state, some)), [together[i] for i in some])
    written = greedy(step, state, BOS, EOS, 7)
    assert_same([greedy(step, rows(state, some), BOS, EOS, 7)], [[written[i] for i in some]])


@given(seed=seeds, B=st.integers(1, 3), T=st.integers(1, 4), V=st.integers(2, 5), width=st.integers(1, 8), alpha=alphas)
def test_ties(seed, B, T, V, width, alpha):
    step, state = tied_model(seed, B, T, V)
    found = beam_search(step, state, BOS, EOS, T, width, alpha)
    expected = [plain_beam_search(step, rows(state, [row]), T, width, alpha) for row in range(B)]
    assert_same(found, expected, rtol=0, atol=0)  # plain Python sorts in a fixed order
    assert [[h] for h in greedy(step, state, BOS, EOS, T, alpha)] == beam_search(step, state, BOS, EOS, T, 1, alpha)
    everything = beam_search(step, state, BOS, EOS, T, V ** (T - 1), alpha)
    for one, other in zip(everything, exhaustive(step, state, BOS, EOS, T, alpha), strict=True):
        assert [h.score for h in one] == [h.score for h in other[: len(one)]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes_and_devices(dtype, device):
    step, state = random_model(3, 6, 8, 12, dtype=dtype, device=device)
    found = beam_search(step, state, BOS, EOS, 8, 5)
    double_step, double_state = random_model(3, 6, 8, 12)
    expected = [plain_beam_search(double_step, rows(double_state, [row]), 8, 5, 0.75) for row in range(6)]
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert_same(found, expected, rtol=0, atol=tolerance)


def certain(*tokens, V=5):
    """Tables of a model that writes just these tokens."""
    table = torch.full((1, len(tokens), V, V), -torch.inf)
    for t, token in enumerate(tokens):
        table[0, t, :, token] = 0.0
    return table


def test_a_model_that_is_certain():
    step, state = table_model(certain(3, 4, 3, EOS, 2))
    only = Hypothesis((3, 4, 3, EOS), 0.0, 0.0, True)
    assert greedy(step, state, BOS, EOS, 5) == [only]
    assert beam_search(step, state, BOS, EOS, 5, 4) == exhaustive(step, state, BOS, EOS, 5) == [[only]]


def test_what_has_not_ended_is_cut_off():
    step, state = table_model(certain(3, 4, 3))
    cut = Hypothesis((3, 4, 3), 0.0, 0.0, False)
    assert greedy(step, state, BOS, EOS, 3) == [cut]
    assert beam_search(step, state, BOS, EOS, 3, 4) == exhaustive(step, state, BOS, EOS, 3) == [[cut]]


def bigram_model(probs):
    """One sentence; P(next | token before) from a dict of dicts, the same at all steps."""
    table = torch.zeros(len(probs) + 1, len(probs) + 1, dtype=torch.float64)
    for before, row in probs.items():
        for token, prob in row.items():
            table[before, token] = prob
    return (lambda tokens, state: (table[tokens].log(), state)), torch.zeros(1, 0)


def test_greedy_decoding_misses_the_likeliest_output_and_a_beam_finds_it():
    step, state = bigram_model({1: {2: 0.6, 3: 0.4}, 2: {2: 0.3, 3: 0.3, 0: 0.4}, 3: {0: 0.9, 2: 0.1}})
    assert greedy(step, state, BOS, EOS, 3)[0].tokens == (2, EOS)  # 0.6 · 0.4
    best = beam_search(step, state, BOS, EOS, 3, 2, alpha=0)[0][0]
    assert best.tokens == (3, EOS)  # 0.4 · 0.9
    assert best == exhaustive(step, state, BOS, EOS, 3, alpha=0)[0][0]
    assert_close(best.log_prob, math.log(0.36))


def test_a_larger_alpha_favours_longer_outputs():
    step, state = bigram_model({1: {0: 0.4, 2: 0.6}, 2: {2: 0.5, 0: 0.5}})
    best = [exhaustive(step, state, BOS, EOS, 5, alpha)[0][0] for alpha in (0, 0.5, 1.0)]
    lengths = [len(h.tokens) for h in best]
    assert lengths == sorted(lengths) and lengths[0] == 1 and lengths[-1] > 1


@pytest.mark.parametrize("alpha", [0, 0.75])
def test_a_wider_beam_can_end_with_a_lower_score(alpha):
    # Width 1 follows a and ends. Width 2 takes b too, whose children c and d push out all that follows a.
    a, b, c, d = 2, 3, 4, 5
    probs = {BOS: {a: 0.55, b: 0.45}, a: {EOS: 0.36, c: 0.32, d: 0.32}, b: {c: 0.49, d: 0.51}}
    step, state = bigram_model(probs | {c: {EOS: 0.4, c: 0.3, d: 0.3}, d: {EOS: 0.4, c: 0.3, d: 0.3}})
    best = {k: beam_search(step, state, BOS, EOS, 4, k, alpha)[0][0] for k in (1, 2, 3)}
    assert best[1].tokens == best[3].tokens == (a, EOS)
    assert best[2].tokens == (b, d, EOS)
    assert best[2].score < best[1].score == exhaustive(step, state, BOS, EOS, 4, alpha)[0][0].score


def counting(step):
    """The same model, and the number of rows of each call."""
    calls = []

    def counted(tokens, state):
        assert all(len(part) == len(tokens) for part in (state if isinstance(state, tuple) else (state,)))
        calls.append(len(tokens))
        return step(tokens, state)

    return counted, calls


def test_the_model_runs_on_live_hypotheses_only():
    # The first sentence ends at once and the second after two tokens; both are certain.
    step, state = table_model(torch.cat([certain(EOS, 2, 2, 2), certain(3, EOS, 2, 2)]))
    for search in (greedy, partial(beam_search, width=3), exhaustive):
        counted, calls = counting(step)
        search(counted, state, BOS, EOS, 4)
        assert calls == [2, 1]
    step, state = random_model(0, 4, 6, 9)
    counted, calls = counting(step)
    beam_search(counted, state, BOS, EOS, 6, 5)
    assert calls[0] == 4 and max(calls) <= 4 * 5


def test_a_sentence_stops_as_soon_as_its_results_are_certain():
    # After <eos> with 0.9 only 0.1 is left: no longer output can score more with α = 0, but with α = 2 it might.
    step, state = bigram_model({BOS: {EOS: 0.9, 2: 0.1}, 2: {2: 0.9, EOS: 0.1}})
    for alpha, num_calls in ((0, 1), (0.75, 1), (2, 20)):
        counted, calls = counting(step)
        beam_search(counted, state, BOS, EOS, 20, 2, alpha, num_results=1)
        assert len(calls) == num_calls


@given(
    seed=seeds, T=st.integers(1, 5), V=st.integers(2, 6), width=st.integers(1, 7), alpha=alphas, banned=st.booleans()
)
def test_the_tree_holds_what_beam_search_finds(seed, T, V, width, alpha, banned):
    step, state = random_model(seed, 1, T, V)
    banned = (BOS,) if banned else ()
    tree = beam_tree(step, state, BOS, EOS, T, width, alpha, banned)
    ends, paths, live = [], [()], 1
    for t, nodes in enumerate(tree, start=1):
        assert len(nodes) == live * (V - len(banned)), "every continuation of what is live"
        assert [node.kept for node in nodes] == [i < width for i in range(len(nodes))]
        log_probs = [node.log_prob for node in nodes]
        assert log_probs == sorted(log_probs, reverse=True)
        assert all((node.parent is None) == (t == 1) for node in nodes)
        paths = [(*paths[node.parent or 0], node.token) for node in nodes]
        assert len(set(paths)) == len(paths)
        for node, path in zip(nodes, paths, strict=True):
            assert not set(banned) & set(path) and EOS not in path[:-1]
            assert node.finished == (node.token == EOS)
            if node.kept and (node.finished or t == T):
                ends.append(Hypothesis(path, node.log_prob, node.score, node.finished))
        live = sum(node.kept and not node.finished for node in nodes)
    ranked = sorted(ends, key=lambda h: -h.score)[:width]
    assert ranked == beam_search(step, state, BOS, EOS, T, width, alpha, banned)[0]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("attention", [None, "dot", "additive"])
def test_a_sequence_to_sequence_model(cell, attention):
    torch.manual_seed(0)
    options = dict(cell=cell, attention=attention, num_layers=2, bidirectional=True, embedding_size=6)
    model = Seq2Seq(9, 11, 8, **options).double().eval()
    for parameter in model.parameters():
        parameter.data.mul_(3)
    source, lengths = torch.randint(9, (5, 6)), torch.tensor([6, 2, 4, 1, 5])
    state = model.start(source, lengths)
    found = beam_search(model.step, state, BOS, EOS, 8, 4, banned=(BOS,))
    expected = [plain_beam_search(model.step, rows(state, [row]), 8, 4, 0.75, (BOS,)) for row in range(5)]
    assert_same(found, expected)
    for row, ranked in enumerate(found):  # teacher forcing gives the same log-probabilities
        tokens = torch.tensor(ranked[0].tokens)
        target_in = torch.cat([torch.tensor([BOS]), tokens[:-1]])
        logits = model(source[row : row + 1, : lengths[row]], lengths[row : row + 1], target_in[None])
        log_probs = logits[0].log_softmax(dim=1).gather(1, tokens[:, None])
        assert_close(log_probs.sum().item(), ranked[0].log_prob)


def test_nothing_is_changed_and_no_graph_is_kept():
    tables = random_tables(0, 2, 3, 4).requires_grad_()
    step, state = table_model(tables)
    before = tables.detach().clone()
    for search in (greedy, partial(beam_search, width=3), exhaustive):
        assert len(search(step, state, BOS, EOS, 3, banned=(2,))) == 2
    assert torch.equal(tables, before) and torch.equal(state[1], torch.zeros(2, dtype=torch.long))


class NamedState(NamedTuple):
    cell: tuple
    source: torch.Tensor


def test_a_named_tuple_stays_one():
    step, ((H, C), (source,)) = rnn_model(0, 3, V=8)

    def named_step(tokens, state):
        assert type(state) is NamedState and type(state.cell) is tuple
        log_probs, (cell, _) = step(tokens, (state.cell, (state.source,)))
        return log_probs, state._replace(cell=cell)

    for search in (greedy, exhaustive, partial(beam_search, width=3)):
        named = search(named_step, NamedState((H, C), source), BOS, EOS, 4)
        assert named == search(step, ((H, C), (source,)), BOS, EOS, 4)


@pytest.mark.parametrize("search", [greedy, partial(beam_search, width=3), exhaustive])
def test_banned_ids_from_any_iterable(search):
    step, state = random_model(0, 2, 3, 5)
    expected = search(step, state, BOS, EOS, 3, banned=(2, 3))
    assert expected != search(step, state, BOS, EOS, 3)
    for banned in ([3, 2, 2], {2, 3}, range(2, 4), (i for i in (2, 3))):
        assert search(step, state, BOS, EOS, 3, banned=banned) == expected


searches = pytest.mark.parametrize(
    "search",
    [greedy, exhaustive, partial(beam_search, width=2), partial(beam_tree, width=2)],
    ids=["greedy", "exhaustive", "beam_search", "beam_tree"],
)


@searches
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"max_steps": 0}, ValueError, "max_steps must be at least 1"),
        ({"max_steps": 2.0}, TypeError, "max_steps must be a whole number"),
        ({"alpha": -0.5}, ValueError, "alpha must be at least 0"),
        ({"alpha": math.nan}, ValueError, "alpha must be at least 0"),
        ({"alpha": 1000}, ValueError, r"alpha = 1000 is too large: divided by 3\^alpha"),
        ({"alpha": 10**400}, ValueError, "is too large"),
        ({"alpha": math.inf}, ValueError, "alpha = inf is too large"),
        ({"alpha": 70.0, "max_steps": 30}, ValueError, "alpha = 70.0 is too large"),
        ({"alpha": math.inf, "max_steps": 1}, ValueError, "alpha = inf is too large"),
        ({"bos": np.int64(1)}, TypeError, r"an id must be .* int, not np.int64\(1\): convert it with int\(\)"),
        ({"eos": torch.tensor(0)}, TypeError, r"an id must be .* int, not tensor\(0\): convert it with int\(\)"),
        ({"banned": torch.tensor([2])}, TypeError, r"an id must be .* int, not tensor\(2\)"),
        ({"banned": np.array([2, 3])}, TypeError, r"an id must be .* int, not np.int64\(2\)"),
        ({"banned": (2, EOS)}, ValueError, "<eos> .* is banned"),
        ({"banned": (7,)}, ValueError, r"\[7\] are not in the vocabulary of 4"),
        ({"eos": 9}, ValueError, r"\[9\] are not in the vocabulary of 4"),
        ({"eos": -1}, ValueError, "an id must be at least 0"),
        ({"bos": "<bos>"}, TypeError, "an id must be a whole number"),
        ({"state": ()}, ValueError, "dimension 0"),
        ({"state": torch.tensor(1.0)}, ValueError, "dimension 0"),
        ({"state": (torch.zeros(2, 3), torch.zeros(1))}, ValueError, "dimension 0"),
        ({"state": torch.zeros(0, 3)}, ValueError, "dimension 0"),
        ({"state": None}, TypeError, "must be a tensor"),
    ],
)
def test_bad_arguments_are_refused(search, wrong, error, message):
    step, state = random_model(0, 1, 3, 4)
    with pytest.raises(error, match=message):
        search(**{"step": step, "state": state, "bos": BOS, "eos": EOS, "max_steps": 3} | wrong)


@searches
def test_a_model_that_gives_no_log_probabilities_is_refused(search):
    state = torch.zeros(1, 0)
    for wrong, message in (
        (torch.tensor([[0.2, 0.3, 0.5]]), "log_softmax"),  # probabilities
        (torch.tensor([[2.0, -1.0, 0.3]]), "log_softmax"),  # logits
        (torch.tensor([[-2.0, -1.0, -3.0]]), "row 0 sum to 0.553 instead of 1: use log_softmax"),  # negative logits
        (torch.tensor([[-math.inf, -1.0, -3.0]]), "sum to 0.418 instead of 1.* with `banned`"),  # a mask of one's own
        (torch.full((1, 3), math.nan), "predictions are NaN: the model has diverged"),
        (torch.tensor([[math.nan, 0.0, -math.inf]]), "predictions are NaN: the model has diverged"),
        (torch.tensor([[math.inf, 0.0, 0.0]]), "log_softmax"),
        (torch.zeros(3), r"\(N, V\)"),
        (torch.zeros(2, 3), r"\(N, V\)"),
    ):
        with pytest.raises(ValueError, match=message):
            search(lambda tokens, state, wrong=wrong: (wrong, state), state, BOS, EOS, 2)


@searches
def test_later_steps_are_checked_too(search):
    first, state = torch.tensor([[-math.inf, -math.inf, 0.0]]), torch.zeros(1, 0)
    for wrong, message in ((torch.randn(1, 3), "log_softmax"), (torch.full((1, 3), math.nan), "NaN")):
        answers = iter([first, wrong])
        with pytest.raises(ValueError, match=message):
            search(lambda tokens, state, answers=answers: (next(answers), state), state, BOS, EOS, 2)


@searches
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@given(seed=seeds, V=st.sampled_from([2, 30, 1000]), scale=st.sampled_from([0.0, 1.0, 8.0]), masked=st.booleans())
def test_a_log_softmax_of_few_bits_is_taken(search, dtype, seed, V, scale, masked):
    logits = scale * torch.randn(1, V, generator=torch.Generator().manual_seed(seed))
    logits[0, 2:][: V // 2 if masked else 0] = -torch.inf
    logits = logits.to(dtype)
    for log_probs in (logits.log_softmax(1), logits - logits.logsumexp(1, keepdim=True)):
        [found] = search(lambda tokens, state, p=log_probs: (p, state), torch.zeros(1), BOS, EOS, max_steps=1)
        assert found


def test_16_bits_are_summed_in_32():
    log_probs = torch.tensor([[0.01, 0.99]]).log().bfloat16()
    [written] = greedy(lambda tokens, state: (log_probs, state), torch.zeros(1), BOS, EOS, 100, alpha=0)
    assert_close(written.log_prob, 100 * log_probs[0, 1].item(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("search", [greedy, exhaustive, partial(beam_search, width=2)])
def test_no_possible_output_is_an_error(search):
    tables = certain(2, 3)
    tables[0, 1] = -torch.inf
    step, state = table_model(torch.cat([certain(2, EOS), tables]))
    with pytest.raises(ValueError, match=r"rows \[1\]: every token has probability 0"):
        search(step, state, BOS, EOS, 2)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"width": 0}, ValueError, "width must be at least 1, not 0"),
        ({"width": -3}, ValueError, "width must be at least 1"),
        ({"width": 2.5}, TypeError, "width must be a whole number"),
        ({"width": True}, TypeError, "width must be a whole number"),
        ({"width": 3, "num_results": 4}, ValueError, "at most 3 results, not 4"),
        ({"width": 3, "num_results": 0}, ValueError, "num_results must be at least 1"),
    ],
)
def test_bad_widths_are_refused(wrong, error, message):
    step, state = random_model(0, 1, 3, 4)
    for search in (beam_search, beam_tree):
        with pytest.raises(error, match=message):
            search(step, state, BOS, EOS, 3, **wrong)


def test_a_width_above_the_vocabulary_keeps_all_there_is():
    step, state = random_model(0, 2, 1, 4)
    found = beam_search(step, state, BOS, EOS, 1, 1000)
    assert found == exhaustive(step, state, BOS, EOS, 1) and [len(ranked) for ranked in found] == [4, 4]


def test_exhaustive_search_says_when_there_is_too_much():
    step, state = random_model(0, 1, 20, 4)
    with pytest.raises(ValueError, match="4 tokens and 20 steps make 1,099,511,627,776 sequences"):
        exhaustive(step, state, BOS, EOS, 20)
    with pytest.raises(ValueError, match="3 tokens and 20 steps make 3,486,784,401 sequences"):
        exhaustive(step, state, BOS, EOS, 20, banned=(BOS,))


def test_a_tree_is_of_one_sentence():
    step, state = random_model(0, 2, 3, 4)
    with pytest.raises(ValueError, match="one sentence, but the state has 2 rows"):
        beam_tree(step, state, BOS, EOS, 3, 2)
