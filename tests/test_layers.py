"""Every model is given the same wrong ids, and says the same about them."""

import inspect
import re

import pytest
import torch
from torch.testing import assert_close

from d2lrnn import cells, layers
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel
from d2lrnn.layers import Encoder, check_batch, check_ids, check_settings
from d2lrnn.seq2seq import Decoder, Seq2Seq, batch_loss
from d2lrnn.taggers import SentenceClassifier, Tagger

torch.set_num_threads(1)

V = 7


def decode(ids):
    decoder = Decoder(V, 5, 4)
    state = decoder.start(torch.zeros(3, 2, 4), torch.tensor([3, 3]), torch.zeros(2, 4))
    return decoder(ids, state)[0]


def translate(source, target):
    return Seq2Seq(V, V, 5)(source, [3, 3], target)


def step(tokens):
    model = Seq2Seq(V, V, 5)
    return model.step(tokens, model.start(torch.ones(2, 3, dtype=torch.long)))[0]


def loss(source, target):
    return batch_loss(Seq2Seq(V, V, 5), (source, torch.tensor([3, 3]), target, torch.tensor([3, 3])))[0]


GOOD = torch.tensor([[1, 2, 3], [4, 5, 6]])
# Every way in which ids reach a model, as a function of ids (2, 3).
MODELS = {
    "language model, one-hot": lambda ids: LanguageModel(V, 5)(ids)[0],
    "language model, embedding": lambda ids: LanguageModel(V, 5, "lstm", embedding_size=3)(ids)[0],
    "language model, skip": lambda ids: LanguageModel(V, 5, num_layers=2, skip=True)(ids)[0],
    "scratch language model": lambda ids: ScratchLanguageModel(V, cells.init_rnn_params(V, 5, V))(ids)[0],
    "encoder": lambda ids: Encoder(V, 5)(ids)[0],
    "tagger": lambda ids: Tagger(V, 2, 5)(ids),
    "classifier": lambda ids: SentenceClassifier(V, 2, 5, pooling="max")(ids),
    "decoder": decode,
    "source": lambda ids: translate(ids, GOOD),
    "target": lambda ids: translate(GOOD, ids),
    "step": lambda ids: step(ids[:, 2]),
    "loss, source": lambda ids: loss(ids, GOOD),
    "loss, target": lambda ids: loss(GOOD, ids),
}
every_model = pytest.mark.parametrize("model", MODELS)
every_batch_model = pytest.mark.parametrize("model", [*MODELS][: [*MODELS].index("source")])


def run(model, ids):
    torch.manual_seed(0)
    return MODELS[model](ids)


@every_model
@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_any_integers_are_ids(model, dtype):
    assert_close(run(model, GOOD.to(dtype)), run(model, GOOD), atol=0, rtol=0)


@every_model
@pytest.mark.parametrize("dtype", [torch.long, torch.int32])
@pytest.mark.parametrize("outside", [-1, -100, V, 1000])
def test_ids_outside_the_vocabulary_are_refused(model, outside, dtype):
    ids = GOOD.clone()
    ids[1, 2] = outside
    with pytest.raises(ValueError, match=f"ids must be between 0 and 6, but they go from .*{outside}.*: use the vocab"):
        run(model, ids.to(dtype))


@every_model
@pytest.mark.parametrize("wrong", [GOOD.float(), GOOD.double(), GOOD > 1, GOOD * 1j])
def test_what_is_not_an_integer_is_no_id(model, wrong):
    with pytest.raises(TypeError, match=f"ids must be integers, not {wrong.dtype}: turn tokens into ids"):
        run(model, wrong)


@every_batch_model  # for the others see test_seq2seq.py
@pytest.mark.parametrize("wrong", [GOOD[0], GOOD[:, :0], GOOD[None]])
def test_ids_of_another_shape_are_refused(model, wrong):
    with pytest.raises(ValueError, match=r"ids must be \(B, T\) with B and T of at least 1"):
        run(model, wrong)


@every_batch_model
def test_a_list_is_not_a_tensor_of_ids(model):
    with pytest.raises(TypeError, match="must be a tensor of integers, not a list: use torch.tensor"):
        run(model, GOOD.tolist())


def test_empty_ids_have_nothing_to_refuse():
    assert check_ids(torch.zeros(0, dtype=torch.int32), 5).dtype == torch.long
    with pytest.raises(ValueError, match=r"target ids must be \(B, T\)"):
        check_batch(torch.zeros(0, 3, dtype=torch.long), 5, "target ids")


# Settings


MAKERS = {
    LanguageModel: (V,),
    Encoder: (V,),
    Tagger: (V, 2),
    SentenceClassifier: (V, 2),
    Seq2Seq: (V, V),
    Decoder: (V,),
}


@pytest.mark.parametrize("Model", MAKERS)
@pytest.mark.parametrize(
    "options, message",
    [
        ({"cell": "elman"}, "cell must be one of rnn, gru, lstm, not 'elman'"),
        ({"hidden_size": 0}, "hidden_size must be at least 1, not 0"),
        ({"num_layers": -1}, "num_layers must be at least 1, not -1"),
        ({"embedding_size": 0}, "embedding_size must be at least 1, not 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, not 1.0"),
        ({"dropout": float("nan")}, "dropout must be at least 0 and below 1, not nan"),
    ],
)
def test_every_model_says_the_same_about_settings(Model, options, message):
    options = {"hidden_size": 5, **({"context_size": 4} if Model is Decoder else {}), **options}
    with pytest.raises(ValueError, match=re.escape(message)):
        Model(*MAKERS[Model], **options)


@pytest.mark.parametrize("Model", MAKERS)
def test_arguments_have_one_order(Model):
    """Sizes, then cell, num_layers, embedding_size, dropout, then what only this model has."""
    names = list(inspect.signature(Model).parameters)
    start = names.index("cell")
    assert all(name.endswith(("_size", "_tags", "_classes")) for name in names[:start])
    assert names[start : start + 4] == ["cell", "num_layers", "embedding_size", "dropout"]


@pytest.mark.parametrize("Model", MAKERS)
@pytest.mark.parametrize("options", [{"embedding_size": "many"}, {"hidden_size": 5.0}, {"num_layers": None}])
def test_a_size_that_is_no_number_is_named(Model, options):
    [(name, value)] = options.items()
    options = {"hidden_size": 5, **({"context_size": 4} if Model is Decoder else {}), **options}
    with pytest.raises(TypeError, match=f"{name} must be a whole number, not {value!r}"):
        Model(*MAKERS[Model], **options)


def test_a_size_is_named():
    with pytest.raises(ValueError, match="num_tags must be at least 1, not 0"):
        check_settings("gru", 0.0, hidden_size=3, num_tags=0)


# States


def test_first_state_is_zeros_or_what_is_given():
    X, H = torch.zeros(3, 2, 4, dtype=torch.float64), torch.ones(2, 5)
    assert_close(layers.first_state(X, None, 4, 5), torch.zeros(2, 5, dtype=torch.float64))
    assert layers.first_state(X, H, 4, 5) is H
    zeros = layers.first_state(X, None, 4, 5, pair=True)
    assert isinstance(zeros, tuple) and len(zeros) == 2
    for wrong in (H, (H,), [H, H], (H, H, H)):
        with pytest.raises(TypeError, match=r"pair, the tuple \(H, C\)"):
            layers.first_state(X, wrong, 4, 5, pair=True)
    with pytest.raises(ValueError, match=r"\(2, 4\) but must have \(2, 5\)"):
        layers.first_state(X, (H, H[:, :4]), 4, 5, pair=True)
