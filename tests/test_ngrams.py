import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d2lrnn.metrics import perplexity
from d2lrnn.ngrams import LaplaceModel, count, zipf_fit

texts = st.lists(st.integers(0, 4), min_size=5, max_size=60)


# --- count ---


def brute_count(ids, n):
    counts = Counter(zip(*(ids[i:] for i in range(n)), strict=False))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


@given(texts, st.integers(1, 5))
def test_count_equals_counter(ids, n):
    grams, counts = count(ids, n)
    assert list(zip(map(tuple, grams.tolist()), counts.tolist(), strict=True)) == brute_count(ids, n)
    assert grams.dtype == counts.dtype == torch.long and grams.shape == (len(counts), n)
    assert counts.sum() == len(ids) - n + 1


@given(st.lists(st.sampled_from([0, 1, 50_000, 2**31 - 1]), min_size=9, max_size=60), st.integers(1, 9))
def test_count_where_a_gram_does_not_fit_into_64_bits(ids, n):
    grams, counts = count(torch.tensor(ids), n)
    assert list(zip(map(tuple, grams.tolist()), counts.tolist(), strict=True)) == brute_count(ids, n)


@pytest.mark.parametrize(
    "ids, n, error, words",
    [
        ([], 1, ValueError, "empty"),
        ([1, 2], 0, ValueError, "n must be at least 1"),
        ([1, 2], 3, ValueError, "at least 3 tokens, but there are 2"),
        ([1, 2], 1.0, TypeError, "n must be an int"),
        ([1.5, 2.0], 1, TypeError, "integers"),
        ([-1, 2], 1, ValueError, "negative"),
        ([2**31, 2], 1, ValueError, "vocabulary"),
    ],
)
def test_count_errors(ids, n, error, words):
    with pytest.raises(error, match=words):
        count(ids, n)


# --- zipf_fit ---


@given(st.floats(0.3, 2.5), st.floats(1, 1e6), st.integers(1, 20), st.integers(3, 200))
def test_zipf_on_an_exact_power_law(exponent, constant, lo, num_ranks):
    ranks = np.arange(1, 300)
    fit = zipf_fit(constant * ranks**-exponent, ranks=(lo, lo + num_ranks - 1))
    assert fit.exponent == pytest.approx(exponent, rel=1e-6)
    assert fit.log_constant == pytest.approx(math.log(constant), abs=1e-6)
    assert fit.error == pytest.approx(exponent * math.sqrt(2 / num_ranks), rel=1e-6)
    assert fit.ranks == (lo, lo + num_ranks - 1)


def test_zipf_takes_all_ranks_and_any_order():
    counts = torch.tensor([10, 40, 20, 5])
    assert zipf_fit(counts) == zipf_fit([40, 20, 10, 5], ranks=(1, 4))


def test_zipf_only_looks_at_its_ranks():
    counts = 1000 / np.arange(1, 101)
    counts[:4] *= 3
    assert zipf_fit(counts, ranks=(5, 100)).exponent == pytest.approx(1)
    assert zipf_fit(counts).exponent > 1.05


def test_zipf_error_is_the_spread_of_repeated_fits_and_that_of_least_squares_is_not():
    rng = np.random.default_rng(0)
    log_rank = np.log(np.arange(1, 501))
    fits, usual_errors = [], []
    for _ in range(400):
        counts = np.sort(1 + rng.pareto(1, size=500))[::-1]  # count ∝ 1/rank on average
        fits.append(zipf_fit(counts))
        usual_errors.append(np.polyfit(log_rank, np.log(counts), 1, cov=True)[1][0, 0] ** 0.5)
    spread = np.std([fit.exponent for fit in fits])
    assert np.mean([fit.error for fit in fits]) == pytest.approx(spread, rel=0.15)
    assert np.mean(usual_errors) < spread / 5


@pytest.mark.parametrize(
    "counts, ranks, words",
    [
        ([3, 2, 1], (0, 3), "must lie in 1 … 3"),
        ([3, 2, 1], (1, 4), "must lie in 1 … 3"),
        ([3, 2, 1], (3, 1), "must lie in"),
        ([3, 2, 1], (1, 2), "at least 3 ranks"),
        ([3, 2, 1, 0], None, "above 0"),
        ([], None, "must lie in"),
        ([[3, 2, 1]], None, "1-D"),
    ],
)
def test_zipf_errors(counts, ranks, words):
    with pytest.raises(ValueError, match=words):
        zipf_fit(counts, ranks)


# --- LaplaceModel ---


def brute_prob(ids, token, context, vocab_size, eps):
    """P̂(token | context), straight from the formula."""
    order = len(context) + 1
    after = [ids[i] for i in range(len(context), len(ids)) if ids[i - len(context) : i] == context]
    if order == 1:
        lower = 1 / vocab_size
    else:
        lower = brute_prob(ids, token, context[1:], vocab_size, eps)
    return (after.count(token) + eps[order - 1] * lower) / (len(after) + eps[order - 1])


@given(texts, texts, st.integers(1, 4), st.lists(st.floats(0.01, 10), min_size=4, max_size=4))
def test_log_probs_follow_the_formula(train, held_out, n, eps):
    model = LaplaceModel(train, n, vocab_size=6, eps=eps[:n])
    expected = [
        math.log(brute_prob(train, token, held_out[max(0, t - n + 1) : t], 6, eps)) for t, token in enumerate(held_out)
    ]
    assert model.log_probs(held_out).tolist() == pytest.approx(expected)
    assert model.perplexity(held_out) == pytest.approx(perplexity(expected))


@given(texts, st.lists(st.integers(0, 5), max_size=6), st.integers(0, 4), st.floats(0.01, 10))
def test_probs_are_a_distribution(train, context, n, eps):
    model = LaplaceModel(train, n, vocab_size=6, eps=eps)
    probs = model.probs(context)
    assert probs.shape == (6,) and probs.min() > 0
    assert probs.sum().item() == pytest.approx(1)
    assert probs[2].log().item() == pytest.approx(model.log_probs(context + [2])[-1].item())


def test_uniform_and_unigram():
    assert LaplaceModel([1, 2], 0, 4, eps=1).probs([3]).tolist() == [0.25] * 4
    assert LaplaceModel([1, 2], 0, 4, eps=1).perplexity([0, 1, 3]) == pytest.approx(4)
    # (n(w) + ε/|V|) / (N + ε) = (n(w) + 1) / (2 + 4)
    torch.testing.assert_close(LaplaceModel([1, 1], 1, 4, eps=4).probs([]) * 6, torch.tensor([1, 3, 1, 1]).double())


@pytest.mark.parametrize("of", [torch.tensor, np.array, torch.nn.Parameter])
def test_eps_as_a_tensor_or_array(of):
    def probs(eps):
        return LaplaceModel([0, 1, 0, 2], 2, vocab_size=4, eps=eps).probs([0])

    as_tensor = of if of is not torch.nn.Parameter else lambda eps: of(torch.tensor(eps))
    assert torch.equal(probs(as_tensor(0.5)), probs(0.5))
    assert torch.equal(probs(as_tensor([0.5, 2.0])), probs([0.5, 2.0]))
    assert not torch.equal(probs(0.5), probs([0.5, 2.0]))


def test_small_eps_gives_relative_frequencies():
    model = LaplaceModel([0, 1, 0, 1, 0, 2], 2, vocab_size=4, eps=1e-9)
    expected = torch.tensor([0, 2 / 3, 1 / 3, 0], dtype=torch.float64)
    torch.testing.assert_close(model.probs([0]), expected, atol=1e-8, rtol=0)


def test_large_eps_gives_the_lower_order():
    ids = [0, 1, 0, 2, 1, 0, 1, 2, 2, 0, 1, 0]
    trigram, bigram = LaplaceModel(ids, 3, 3, eps=[0.5, 0.5, 1e12]), LaplaceModel(ids, 2, 3, eps=0.5)
    log_probs = trigram.log_probs(ids)
    assert log_probs.shape == (12,) and (log_probs < 0).all()
    torch.testing.assert_close(log_probs, bigram.log_probs(ids), atol=1e-9, rtol=0)


def test_an_unseen_context_leaves_the_lower_order():
    ids = [0, 1, 2, 0, 1, 2, 0]
    trigram, bigram = LaplaceModel(ids, 3, 4, eps=0.5), LaplaceModel(ids, 2, 4, eps=0.5)
    assert torch.equal(trigram.probs([2, 1]), bigram.probs([1]))
    assert torch.equal(trigram.probs([3, 3]), LaplaceModel(ids, 1, 4, eps=0.5).probs([]))


def test_higher_orders_predict_a_regular_text_better():
    ids = [0, 0, 1, 1] * 30
    scores = [LaplaceModel(ids, n, 2, eps=0.1).perplexity(ids) for n in range(4)]
    assert scores[0] == pytest.approx(2) and scores[1] == pytest.approx(2)
    assert 1.9 < scores[2] < 2 and scores[3] < 1.05


def test_sample():
    model = LaplaceModel([0, 1, 2] * 20, 2, vocab_size=3, eps=1e-9)
    assert model.sample(5, prefix=[2, 0]) == [1, 2, 0, 1, 2]
    assert model.sample(0) == []
    unigram = LaplaceModel([0, 1, 2] * 20, 1, vocab_size=3, eps=1)
    first, second = (unigram.sample(30, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert first == second and all(isinstance(token, int) for token in first)


def test_sample_looks_back_over_the_whole_order():
    model = LaplaceModel([0, 0, 1, 1] * 20, 3, vocab_size=2, eps=1e-9)
    assert model.sample(6, prefix=[0, 0]) == [1, 1, 0, 0, 1, 1]


def test_samples_have_the_models_frequencies():
    model = LaplaceModel([0, 0, 0, 1], 1, vocab_size=3, eps=1)
    drawn = model.sample(1000, generator=torch.Generator().manual_seed(0))
    frequencies = torch.bincount(torch.tensor(drawn), minlength=3) / 1000
    torch.testing.assert_close(frequencies.double(), model.probs([]), atol=0.05, rtol=0)


@pytest.mark.parametrize(
    "changes, error, words",
    [
        (dict(ids=[]), ValueError, "empty"),
        (dict(ids=[0.5, 1.0]), TypeError, "integers"),
        (dict(ids=[0, 3]), ValueError, "id 3 is not in 0 … 2"),
        (dict(ids=[0]), ValueError, "at least 2 tokens"),
        (dict(n=-1), ValueError, "n must be at least 0"),
        (dict(n="2"), TypeError, "n must be an int"),
        (dict(vocab_size=0), ValueError, "vocabulary"),
        (dict(eps=0), ValueError, "above 0"),
        (dict(eps=math.inf), ValueError, "finite"),
        (dict(eps=[1, -1]), ValueError, "above 0"),
        (dict(eps=[1, 1, 1]), ValueError, "2 of them"),
        (dict(eps=torch.ones(3)), ValueError, "2 of them"),
        (dict(eps=torch.ones(2, 1)), ValueError, r"2 of them, one an order, not of shape \(2, 1\)"),
        (dict(eps=torch.tensor(0.0)), ValueError, "above 0"),
        (dict(eps=None), ValueError, "finite"),
    ],
)
def test_model_errors(changes, error, words):
    with pytest.raises(error, match=words):
        LaplaceModel(**(dict(ids=[0, 1, 2], n=2, vocab_size=3, eps=1) | changes))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_use_errors(n):
    model = LaplaceModel([0, 1, 2], n, vocab_size=3, eps=1)
    for call in (model.log_probs, model.perplexity):
        with pytest.raises(ValueError, match="empty"):
            call([])
    for call in (model.log_probs, model.probs, lambda ids: model.sample(1, prefix=ids)):
        with pytest.raises(ValueError, match="id 3 is not in 0 … 2"):
            call([0, 3])
        with pytest.raises(TypeError, match="to_ids"):
            call(["a"])
    with pytest.raises(ValueError, match="num_tokens"):
        model.sample(-1)
