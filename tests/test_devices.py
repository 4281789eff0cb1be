"""A GPU gives what the CPU gives. Without a GPU the same calls are made on the CPU."""

from copy import deepcopy

import pytest
import torch
from torch.testing import assert_close

from d2lrnn import cells, seq2seq
from d2lrnn.attention import masked_softmax, scaled_dot_product
from d2lrnn.decoding import beam_search, greedy
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel, generate
from d2lrnn.layers import Encoder
from d2lrnn.text import Vocab
from d2lrnn.training import evaluate, fit, fit_batches

IDS = torch.randint(1, 9, (4, 6), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([6, 5, 3, 1])
CELLS = {
    "rnn": (cells.rnn, cells.init_rnn_params),
    "gru": (cells.gru, cells.init_gru_params),
    "lstm": (cells.lstm, cells.init_lstm_params),
}


def both(model, device, *inputs):
    """What a model gives on the CPU, and a copy of it on the device, there."""
    there = deepcopy(model).to(device)(*(part.to(device) for part in inputs))
    return model(*inputs), there


def same(here, there, device):
    if isinstance(here, torch.Tensor):
        assert there.device.type == device.type
        assert_close(there.cpu(), here, atol=1e-5, rtol=1e-4)
    else:
        for parts in zip(here, there, strict=True):
            same(*parts, device)


def translator(attention="dot"):
    torch.manual_seed(0)
    model = seq2seq.Seq2Seq(9, 9, 8, embedding_size=4, bidirectional=True, attention=attention)
    return model.eval()


@pytest.mark.parametrize("cell", CELLS)
def test_cells_and_language_models(cell, device):
    recurrence, first = CELLS[cell]
    torch.manual_seed(0)
    params = first(9, 8, 9, 0.5)
    same(*both(ScratchLanguageModel(9, params, recurrence), device, IDS), device)
    for options in ({}, {"embedding_size": 4, "num_layers": 2, "skip": True}):
        same(*both(LanguageModel(9, 8, cell, **options), device, IDS), device)


def test_an_adaptive_softmax(device):
    torch.manual_seed(0)
    same(*both(LanguageModel(60, 16, "gru", embedding_size=4, adaptive=True), device, IDS), device)


def test_encoders_and_attention(device):
    torch.manual_seed(0)
    same(*both(Encoder(9, 8, embedding_size=4, bidirectional=True), device, IDS, LENGTHS), device)
    scores = torch.randn(4, 3, 6)
    here, there = masked_softmax(scores, LENGTHS), masked_softmax(scores.to(device), LENGTHS.to(device))
    same(here, there, device)
    query, keys = torch.randn(4, 3, 5), torch.randn(4, 6, 5)
    inputs = query, keys, keys, LENGTHS
    same(scaled_dot_product(*inputs), scaled_dot_product(*(part.to(device) for part in inputs)), device)


@pytest.mark.parametrize("attention", [None, "dot", "additive"])
def test_translators_and_their_search(attention, device):
    model = translator(attention)
    there = deepcopy(model).to(device)
    batch = IDS, LENGTHS, IDS, LENGTHS.clamp(min=2)
    with torch.no_grad():
        losses = [
            seq2seq.batch_loss(one, tuple(part.to(where) for part in batch))[0]
            for one, where in ((model, "cpu"), (there, device))
        ]
        same(*losses, device)
        for search in (greedy, lambda *arguments: beam_search(*arguments, 3)):
            found = [
                search(one.step, one.start(IDS.to(where), LENGTHS.to(where)), 2, 3, 5)
                for one, where in ((model, "cpu"), (there, device))
            ]
            assert str([[h.tokens for h in row] if isinstance(row, list) else row.tokens for row in found[0]]) == str(
                [[h.tokens for h in row] if isinstance(row, list) else row.tokens for row in found[1]]
            )


def test_training_scores_and_text(device):
    text = "the lamp on the hill was lit " * 20
    vocab = Vocab(list(text))
    ids = torch.tensor(vocab.to_ids(list(text)))
    losses = []
    for where in ("cpu", device):
        torch.manual_seed(0)
        model = LanguageModel(len(vocab), 16, "gru")
        fit(model, ids, batch_size=4, num_steps=8, num_epochs=3, lr=0.02, device=where)
        losses.append(evaluate(model, ids))
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert len(generate(model, vocab, "the", 5, top_k=1)) == 5


def test_pairs_train(device):
    model, batch = translator(), (IDS, LENGTHS, IDS, LENGTHS.clamp(min=2))
    history = fit_batches(model, lambda generator: [batch], seq2seq.batch_loss, num_epochs=8, lr=0.02, device=device)
    assert history.loss.iloc[-1] < history.loss.iloc[0]
