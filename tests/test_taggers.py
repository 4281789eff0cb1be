from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from d2lrnn import cells
from d2lrnn.taggers import SentenceClassifier, Tagger
from d2lrnn.training import masked_cross_entropy

torch.set_num_threads(1)

V, K = 7, 3
every_cell = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
both_models = pytest.mark.parametrize("Model", [Tagger, SentenceClassifier])
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def make(Model, **options):
    torch.manual_seed(0)
    return Model(V, K, 5, **{"embedding_size": 4} | options).double()


def random_ids(B, T, seed=0):
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(seed))


batches = given(
    cell=st.sampled_from(["rnn", "gru", "lstm"]),
    num_layers=st.integers(1, 2),
    bidirectional=st.booleans(),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    extra=st.integers(0, 2),
)


@pytest.mark.parametrize("device", DEVICES)
@batches
def test_a_sentence_gets_the_same_tags_alone_and_in_any_batch(device, cell, num_layers, bidirectional, lengths, extra):
    model = make(Tagger, cell=cell, num_layers=num_layers, bidirectional=bidirectional).to(device)
    ids = random_ids(len(lengths), max(lengths) + extra).to(device)
    logits = model(ids, lengths)
    assert logits.shape == (*ids.shape, K)
    for row, length in enumerate(lengths):
        assert_close(logits[row, :length], model(ids[row : row + 1, :length])[0])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@batches
def test_a_sentence_gets_the_same_class_alone_and_in_any_batch(
    device, pooling, cell, num_layers, bidirectional, lengths, extra
):
    options = dict(cell=cell, num_layers=num_layers, bidirectional=bidirectional, pooling=pooling)
    model = make(SentenceClassifier, **options).to(device)
    ids = random_ids(len(lengths), max(lengths) + extra).to(device)
    logits = model(ids, torch.tensor(lengths, device=device))
    assert logits.shape == (len(lengths), K)
    for row, length in enumerate(lengths):
        assert_close(logits[row], model(ids[row : row + 1, :length])[0])


@every_cell
def test_both_models_are_the_network_from_scratch(cell):
    ids, lengths = random_ids(3, 5), torch.tensor([2, 5, 3])
    tagger = make(Tagger, cell=cell, num_layers=2)
    layer = tagger.encoder.recurrent
    params = [tuple(cells.from_torch(layer, level, backward) for backward in (False, True)) for level in (0, 1)]
    two_ways = partial(cells.bidirectional, recurrence=getattr(cells, cell), lengths=lengths)
    H, (_, states) = cells.deep(tagger.encoder.embedding(ids.T), None, params, two_ways)
    assert_close(tagger(ids, lengths), tagger.output(H).transpose(0, 1))

    pooled = {
        "last": torch.cat([state[0] if cell == "lstm" else state for state in states], dim=1),
        "mean": torch.stack([H[:n, row].mean(0) for row, n in enumerate(lengths)]),
        "max": torch.stack([H[:n, row].amax(0) for row, n in enumerate(lengths)]),
    }
    for pooling, vectors in pooled.items():
        model = make(SentenceClassifier, cell=cell, num_layers=2, pooling=pooling)
        model.encoder.load_state_dict(tagger.encoder.state_dict())
        assert_close(model(ids, lengths), model.output(vectors))


def test_one_direction_reads_no_further_and_two_read_everything():
    ids = random_ids(1, 5)
    changed = ids.clone()
    changed[0, 3] = (ids[0, 3] + 1) % V
    one, two = (make(Tagger, bidirectional=b) for b in (False, True))
    assert_close(one(ids)[:, :3], one(changed)[:, :3])
    assert not torch.isclose(two(ids), two(changed)).any()


@both_models
def test_padding_gets_no_gradient(Model):
    model, ids = make(Model), torch.full((2, 4), 6)
    ids[0, :2], ids[1, :3] = 1, 2
    out = model(ids, [2, 3])
    loss = out.sum() if out.dim() == 2 else masked_cross_entropy(out, ids * 0, torch.tensor([2, 3]))[0]
    loss.backward()
    assert model.encoder.embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [1, 2]


@both_models
def test_dropout_acts_in_training_only(Model):
    model, ids = make(Model, num_layers=2, dropout=0.5), random_ids(3, 4)
    assert not torch.allclose(model(ids), model(ids))
    model.eval()
    assert_close(model(ids), model(ids))


@both_models
@pytest.mark.parametrize(
    "lengths, error, message",
    [
        ([2, 0, 3], ValueError, "sequence 1 is 0: leave empty sequences out"),
        ([2, 6, 3], ValueError, "sequence 1 is 6, but the batch has only 5 steps"),
        ([2, 3], ValueError, r"\(3,\), one for each sequence"),
        ([2.0, 3.0, 1.0], TypeError, "integers"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(Model, lengths, error, message):
    with pytest.raises(error, match=message):
        make(Model)(random_ids(3, 5), lengths)


@both_models
def test_ids_that_do_not_fit_are_refused(Model):
    for shape in ((4,), (2, 0), (0, 2), (2, 3, 4)):
        with pytest.raises(ValueError, match=r"\(B, T\)"):
            make(Model)(torch.zeros(shape, dtype=torch.long))
    for outside in (-1, V):
        ids = random_ids(2, 3)
        ids[1, 2] = outside
        with pytest.raises(ValueError, match="between 0 and 6.*for the padding too"):
            make(Model)(ids, [3, 2])


@both_models
@pytest.mark.parametrize(
    "options, message",
    [
        ({"cell": "elman"}, "rnn, gru, lstm"),
        ({"hidden_size": 0}, "at least 1"),
        ({"num_layers": 0}, "at least 1"),
        ({"embedding_size": 0}, "at least 1"),
        ({"dropout": 1.0}, "below 1"),
    ],
)
def test_bad_settings_are_refused(Model, options, message):
    with pytest.raises(ValueError, match=message):
        Model(V, K, **{"hidden_size": 5, **options})


def test_an_answer_needs_choices_and_a_known_pooling():
    for Model in (Tagger, SentenceClassifier):
        with pytest.raises(ValueError, match="at least 1, not 0"):
            Model(V, 0, 5)
    with pytest.raises(ValueError, match="last, mean, max"):
        SentenceClassifier(V, K, 5, pooling="sum")
