"""The analysis of chapter 3 on The Time Machine. It is never downloaded here."""

import os
from pathlib import Path

import pooch
import pytest

from d2lrnn.corpora import load_text
from d2lrnn.ngrams import LaplaceModel
from d2lrnn.text import Vocab, keep_letters

FOLDERS = [Path(folder) for folder in (os.environ.get("D2LRNN_DATA"), pooch.os_cache("d2lrnn")) if folder]

pytestmark = pytest.mark.skipif(
    not any((folder / "timemachine.txt").is_file() for folder in FOLDERS),
    reason='timemachine.txt is neither in $D2LRNN_DATA nor in the cache; load_text("time_machine") downloads it',
)


@pytest.fixture(scope="module")
def letters():
    return keep_letters(load_text("time_machine"))


def perplexities(train, held_out, eps=1.0):
    """Held-out perplexity of the uniform, the unigram, the bigram and the trigram model."""
    vocab = Vocab(list(train))
    train_ids, held_out_ids = vocab.to_ids(list(train)), vocab.to_ids(list(held_out))
    return [LaplaceModel(train_ids, n, len(vocab), eps).perplexity(held_out_ids) for n in range(4)]


def test_the_text_is_the_known_one(letters):
    assert len(load_text("time_machine").encode()) == 178_979
    assert set(letters) == set("abcdefghijklmnopqrstuvwxyz ")


def test_longer_contexts_predict_a_short_text_better(letters):
    scores = perplexities(letters[:10_000], letters[10_000:15_000])
    assert scores[0] == pytest.approx(28)  # 26 letters, the space and <unk>
    assert scores[1:] == pytest.approx([16.67, 9.64, 6.99], rel=1e-3)


def test_longer_contexts_predict_the_whole_text_better(letters):
    cut = round(0.9 * len(letters))
    uniform, unigram, bigram, trigram = perplexities(letters[:cut], letters[cut:])
    assert trigram < bigram < unigram < uniform
    assert trigram < 7
