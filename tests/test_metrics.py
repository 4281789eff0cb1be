import math

import numpy as np
import pytest
import sacrebleu
import torch
from hypothesis import given
from hypothesis import strategies as st

from d2lrnn.metrics import bleu, perplexity


@pytest.mark.parametrize("vocab_size", [1, 2, 27, 10_000])
def test_uniform_guessing_has_perplexity_of_the_vocabulary(vocab_size):
    assert perplexity([-math.log(vocab_size)] * 5) == pytest.approx(vocab_size, rel=1e-12)


def test_certain_and_right_is_one():
    assert perplexity(torch.zeros(4)) == 1.0


def test_impossible_token_is_infinite():
    assert perplexity([0.0, -math.inf]) == math.inf


def test_hand_computed():
    assert perplexity([math.log(1 / 2), math.log(1 / 8)]) == pytest.approx(4)


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=30))
def test_is_exp_of_the_mean_cross_entropy(log_probs):
    value = perplexity(log_probs)
    assert isinstance(value, float)
    assert value >= 1
    assert value == pytest.approx(math.exp(-sum(log_probs) / len(log_probs)), rel=1e-9)
    assert perplexity(list(reversed(log_probs))) == pytest.approx(value, rel=1e-9)


def test_equals_exp_of_torchs_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 7, generator=generator)
    targets = torch.randint(7, (50,), generator=generator)
    log_probs = logits.log_softmax(dim=1)[torch.arange(50), targets]
    loss = torch.nn.functional.cross_entropy(logits, targets)
    assert perplexity(log_probs) == pytest.approx(loss.exp().item(), rel=1e-5)


def test_takes_any_shape_and_a_tensor_with_gradient():
    log_probs = torch.full((2, 3), -math.log(5), requires_grad=True)
    assert perplexity(log_probs) == pytest.approx(5, rel=1e-6)


def test_sums_many_tokens_in_float64():
    # In float32 a running sum of this length would be off in the fourth digit.
    assert perplexity(torch.full((2_000_000,), -1.1)) == pytest.approx(math.exp(1.1), rel=1e-7)


def test_rounding_above_zero_is_forgiven():
    assert perplexity(torch.tensor([1e-7, 1e-7])) == 1.0


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        ([], "at least one token"),
        ([-1.0, math.nan], "NaN"),
        ([-1.0, 0.3], "must not exceed 0"),
        ([math.inf], "must not exceed 0"),
    ],
)
def test_bad_input_is_an_error(log_probs, message):
    with pytest.raises(ValueError, match=message):
        perplexity(log_probs)
    with pytest.raises(ValueError, match=message):
        perplexity(torch.tensor(log_probs))


# BLEU

sentences = st.lists(st.sampled_from("abcde"), max_size=9)
corpora = st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=4)), min_size=1, max_size=6)


def sacre(candidates, references, max_n):
    """The oracle. It wants one str a sentence, and one list for all first references, one for all second ones, …"""
    most = max(map(len, references))
    streams = [[" ".join(r[i]) if i < len(r) else None for r in references] for i in range(most)]
    metric = sacrebleu.BLEU(tokenize="none", smooth_method="none", force=True, max_ngram_order=max_n)
    return metric.corpus_score([" ".join(candidate) for candidate in candidates], streams).score / 100


@given(corpora, st.integers(1, 5))
def test_bleu_is_sacrebleus(corpus, max_n):
    candidates, references = zip(*corpus, strict=True)
    assert bleu(candidates, references, max_n) == pytest.approx(sacre(candidates, references, max_n), abs=1e-12)


@given(corpora, st.randoms(use_true_random=False), st.integers(1, 3))
def test_bleu_of_sentences_made_from_their_references_is_sacrebleus(corpus, random, max_n):
    # Candidates near their references, so that BLEU is seldom 0.
    candidates = [random.choice(references)[: random.randint(1, 9)] for _, references in corpus]
    references = [references for _, references in corpus]
    assert bleu(candidates, references, max_n) == pytest.approx(sacre(candidates, references, max_n), abs=1e-12)


@given(corpora)
def test_bleu_does_not_depend_on_the_order_of_sentences_and_references(corpus):
    candidates, references = zip(*corpus, strict=True)
    turned = [list(reversed(r)) for r in reversed(references)]
    assert bleu(candidates[::-1], turned, 2) == pytest.approx(bleu(candidates, references, 2), abs=1e-15)


@pytest.mark.parametrize(
    "of",
    [tuple, np.array, torch.tensor, lambda ids: list(torch.tensor(ids)), lambda ids: list(np.array(ids, dtype=int))],
    ids=["tuple", "array", "tensor", "list of tensors", "list of NumPy numbers"],
)
@given(corpora, st.integers(1, 3))
def test_bleu_compares_ids_by_value(of, corpus, max_n):
    # Lists of ids, and the same as `of`; sacrebleu wants str.
    corpus = [(as_ids(candidate), list(map(as_ids, references))) for candidate, references in corpus]
    candidates, references = zip(*corpus, strict=True)
    words = [list(map(str, c)) for c in candidates], [[list(map(str, s)) for s in r] for r in references]
    expected = pytest.approx(sacre(*words, max_n), abs=1e-12)
    assert bleu(candidates, references, max_n) == expected
    assert bleu(list(map(of, candidates)), references, max_n) == expected
    assert bleu(list(map(of, candidates)), [list(map(of, r)) for r in references], max_n) == expected


def as_ids(letters):
    return [ord(letter) for letter in letters]


def test_bleu_of_a_tensor_of_sentences():
    ids = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 9, 1]])
    assert bleu(ids, ids[:, None]) == 1
    assert bleu(ids, ids[:, None].flip(0)) == 0
    assert bleu(ids, [[[1, 2, 3, 4]], [[6, 7, 8, 9]]], max_n=1) == pytest.approx(8 / 10)


def test_bleu_takes_any_hashable_tokens():
    tokens = [("a", 1), frozenset("bc"), 2, None]
    assert bleu([tokens], [[[("a", 1), frozenset("cb"), 2, None]]]) == 1


def test_bleu_says_that_references_are_transposed():
    candidates = [list("abcd"), list("efgh"), list("ijkl")]
    streams = [candidates, [list("xyz")] * 3]  # sacrebleu's order
    with pytest.raises(ValueError, match=r"2 lists of references for 3 candidates; .* list\(zip\(\*references\)\)"):
        bleu(candidates, streams)
    assert bleu(candidates, list(zip(*streams, strict=True))) == 1
    with pytest.raises(ValueError, match="2 lists of references for 3 candidates$"):
        bleu(candidates, [[list("abcd")], [list("efgh")]])


def test_bleu_by_hand():
    # Papineni et al.: "the" counts twice only, as in the reference that has it most often.
    references = [["the cat is on the mat".split(), "there is a cat on the mat".split()]]
    assert bleu(["the the the the the the the".split()], references, max_n=1) == pytest.approx(2 / 7)
    # 3 of 3 words and 1 of 2 pairs; the reference is one word longer.
    assert bleu([list("abd")], [[list("abcd")]], max_n=2) == pytest.approx(math.exp(1 - 4 / 3) * math.sqrt(1 / 2))
    # References of 2 and 4 words are equally close: the shorter counts, so there is no penalty.
    assert bleu([list("abc")], [[list("abcd"), list("ab")]], max_n=1) == 1


def test_a_perfect_translation_has_bleu_1_and_one_without_a_common_4_gram_0():
    assert bleu([list("abcd"), list("ab")], [[list("abcd")], [list("zzz"), list("ab")]]) == 1
    assert bleu([list("abcxd")], [[list("abcd")]]) == 0
    assert bleu([list("abc")], [[list("abc")]]) == 0  # too short for 4-grams
    assert bleu([[], []], [[["a"]], [["b"]]]) == 0


@pytest.mark.parametrize(
    ("candidates", "references", "max_n", "error", "message"),
    [
        ([], [], 4, ValueError, "at least one candidate"),
        ([["a"]], [], 4, ValueError, "0 lists of references for 1"),
        ([["a"], ["b"]], [[["a"]], []], 4, ValueError, "sentence 1 has no reference"),
        ([["a"]], [[["a"]]], 0, ValueError, "max_n must be at least 1"),
        (["a b"], [[["a"]]], 4, TypeError, "split each str"),
        ([["a"]], [["a b"]], 4, TypeError, "split each str"),
        ([["a"]], ["a b"], 4, TypeError, "split each str"),
        ([[1, 2]], [[1, 2]], 4, TypeError, "there is 1; .* put a single reference into a list"),
        ([torch.tensor([1, 2])], [torch.tensor([1, 2])], 4, TypeError, "put a single reference into a list"),
        ([torch.tensor(1)], [[[1]]], 4, TypeError, "sentence 0: the candidate must be a list of tokens"),
        ([{1, 2}], [[[1]]], 4, TypeError, "there is {1, 2}"),
        ([["a"]], [[["a"]], {"b"}][1:], 4, TypeError, "there is {'b'}"),
        ([[[1, 2]]], [[[1, 2]]], 4, TypeError, r"sentence 0: a token must be hashable, .* not \[1, 2\]"),
        ([torch.tensor([[1, 2]])], [[[1, 2]]], 4, TypeError, r"hashable, .* not \[1, 2\]"),
        ([["a", "b"]], [[[1, 2]]], 4, TypeError, "both be str or both be ids"),
        ([torch.tensor([1, 2])], [[["a", "b"]]], 4, TypeError, "both be str or both be ids"),
    ],
)
def test_bleu_refuses(candidates, references, max_n, error, message):
    with pytest.raises(error, match=message):
        bleu(candidates, references, max_n)
