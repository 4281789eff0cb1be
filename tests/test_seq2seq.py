import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.testing import assert_close

from d2lrnn import cells
from d2lrnn.attention import scaled_dot_product
from d2lrnn.batches import mask
from d2lrnn.layers import Encoder
from d2lrnn.seq2seq import ATTENTIONS, WIRINGS, AttentionState, Decoder, Seq2Seq, State, batch_loss
from d2lrnn.training import fit_batches, masked_cross_entropy

torch.set_num_threads(1)

SOURCE, TARGET = 7, 9
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
every_wiring = pytest.mark.parametrize("wiring", WIRINGS)
every_attention = pytest.mark.parametrize("attention", [None, *ATTENTIONS])
models = given(
    cell=st.sampled_from(["rnn", "gru", "lstm"]),
    num_layers=st.integers(1, 2),
    bidirectional=st.booleans(),
    wiring=st.sampled_from(WIRINGS),
    attention=st.sampled_from([None, *ATTENTIONS]),
    lengths=st.lists(st.tuples(st.integers(1, 5), st.integers(2, 6)), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)


def make(seed=0, **options):
    torch.manual_seed(seed)
    model = Seq2Seq(SOURCE, TARGET, 5, **{"embedding_size": 4} | options).double()
    with torch.no_grad():  # biases and first states away from zero
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def random_batch(lengths, seed=0, extra=0):
    """source, source_lengths, target, target_lengths; what stands in the padding is random too."""
    draw = torch.Generator().manual_seed(seed)
    source_lengths, target_lengths = torch.tensor(lengths).T
    source = torch.randint(SOURCE, (len(lengths), int(source_lengths.max()) + extra), generator=draw)
    target = torch.randint(TARGET, (len(lengths), int(target_lengths.max()) + extra), generator=draw)
    return source, source_lengths, target, target_lengths


def steps(model, source, lengths, target_in):
    state, log_probs = model.start(source, lengths), []
    for tokens in target_in.unbind(1):
        log_prob, state = model.step(tokens, state)
        log_probs.append(log_prob)
    return torch.stack(log_probs, dim=1)


# One model, however it is run


@pytest.mark.parametrize("device", DEVICES)
@models
def test_step_by_step_gives_what_teacher_forcing_gives(device, lengths, seed, **options):
    model = make(seed, **options).to(device)
    source, source_lengths, target, _ = (tensor.to(device) for tensor in random_batch(lengths, seed))
    log_probs = model(source, source_lengths, target).log_softmax(2)
    assert_close(steps(model, source, source_lengths, target), log_probs)


@pytest.mark.parametrize("device", DEVICES)
@models
def test_a_sentence_is_read_and_written_the_same_alone_and_in_any_batch(device, lengths, seed, **options):
    model = make(seed, **options).to(device)
    source, source_lengths, target, target_lengths = (t.to(device) for t in random_batch(lengths, seed, extra=2))
    logits = model(source, source_lengths, target)
    for row, (s, t) in enumerate(lengths):
        alone = model(source[row : row + 1, :s], None if row % 2 else [s], target[row : row + 1, :t])
        assert_close(logits[row, :t], alone[0])
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed)).to(device)
    assert_close(model(source[order], source_lengths[order], target[order]), logits[order])


@models
def test_rows_of_the_state_can_be_repeated_reordered_and_dropped(lengths, seed, **options):
    model = make(seed, **options)
    source, source_lengths, target, _ = random_batch(lengths, seed)
    rows = torch.randint(len(lengths), (5,), generator=torch.Generator().manual_seed(seed))
    _, state = model.step(target[:, 0], model.start(source, source_lengths))
    log_probs, after = model.step(target[:, 1], state)
    some, after_some = model.step(target[rows, 1], tuple(part[rows] for part in state))
    assert_close(some, log_probs[rows])
    assert type(after_some) is type(state) is (State if options["attention"] is None else AttentionState)
    for part, part_some in zip(after, after_some, strict=True):
        assert_close(part_some, part[rows])


@models
def test_settings_make_the_same_model_again(lengths, seed, **options):
    model = make(seed, **options)
    source, source_lengths, target, _ = random_batch(lengths, seed)
    copy = Seq2Seq(**model.settings).double()
    copy.load_state_dict(model.state_dict())
    assert copy.settings == model.settings
    assert_close(copy(source, source_lengths, target), model(source, source_lengths, target), rtol=0, atol=0)


# The equations


@every_wiring
@every_attention
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_decoder_is_the_network_from_scratch(cell, attention, wiring):
    model = make(cell=cell, wiring=wiring, attention=attention, bidirectional=True)
    source, lengths, target, _ = random_batch([(3, 4), (5, 6)])
    H, c = model.encoder(source, lengths)
    decoder, params = model.decoder, cells.from_torch(model.decoder.recurrent)
    num_parts = 2 if cell == "lstm" else 1
    if wiring == "every_step":
        parts = decoder.own_state.expand(2, -1).chunk(num_parts, dim=1)
    else:
        parts = torch.tanh(c @ decoder.first_state.weight.T + decoder.first_state.bias).chunk(num_parts, dim=1)
    X = decoder.embedding(target.T)
    if wiring != "initial_state":
        X = torch.cat([X, c.expand(len(X), -1, -1)], dim=2)
    S, _ = getattr(cells, cell)(X, tuple(parts) if cell == "lstm" else parts[0], params)
    S = S.transpose(0, 1)
    if attention is not None:
        values = H.transpose(0, 1)
        if attention == "dot":
            contexts, _ = scaled_dot_product(decoder.attention.W_q(S), values, values, lengths)
        else:
            contexts, _ = decoder.attention(S, values, values, lengths)
        S = torch.tanh(torch.cat([S, contexts], dim=2) @ decoder.combine.weight.T + decoder.combine.bias)
    assert_close(model(source, lengths, target), decoder.output(S))


@every_attention
def test_the_wirings_differ_in_where_the_context_enters(attention):
    """The context is changed at one place; wherever it does not enter, nothing may change."""
    source, lengths, target, _ = random_batch([(4, 5)])
    for wiring in WIRINGS:
        model = make(wiring=wiring, attention=attention)
        state, other = model.start(source, lengths), model.start(source.flip(1), lengths)
        assert torch.equal(state.recurrent, other.recurrent) == (wiring == "every_step")
        log_probs, _ = model.step(target[:, 0], state)
        other_context, _ = model.step(target[:, 0], state._replace(context=other.context))
        assert torch.equal(log_probs, other_context) == (wiring == "initial_state")


@models
def test_the_context_stays_that_of_the_encoder(lengths, seed, **options):
    model = make(seed, **options)
    source, source_lengths, target, _ = random_batch(lengths, seed)
    before = model.start(source, source_lengths)
    _, after = model.step(target[:, 0], before)
    assert before.recurrent.shape == (len(lengths), 2 if options["cell"] == "lstm" else 1, options["num_layers"], 5)
    assert after.recurrent.shape == before.recurrent.shape
    assert not torch.equal(before.recurrent, after.recurrent)
    assert all(a is b for a, b in zip(before[1:], after[1:], strict=True))


def test_no_prediction_sees_the_token_it_predicts():
    for attention in (None, *ATTENTIONS):
        model = make(attention=attention, bidirectional=True)
        source, lengths, target, _ = random_batch([(4, 6)])
        changed = target.clone()
        changed[0, 3] = (target[0, 3] + 1) % TARGET
        one, other = model(source, lengths, target), model(source, lengths, changed)
        assert_close(one[:, :3], other[:, :3], rtol=0, atol=0)
        assert not torch.isclose(one[:, 3:], other[:, 3:]).all(2).any()


# Attention


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_attention_weights_are_over_the_tokens_of_the_source(attention):
    model = make(attention=attention)
    source, lengths, target, _ = random_batch([(2, 4), (5, 3)])
    weights = model.attention_weights(source, lengths, target)
    assert weights.shape == (2, target.shape[1], 5)
    assert (weights[0, :, 2:] == 0).all()
    assert (weights[0, :, :2] > 0).all() and (weights[1] > 0).all()
    assert_close(weights.sum(2), torch.ones_like(weights[..., 0]))


def test_a_model_without_attention_has_no_weights():
    source, lengths, target, _ = random_batch([(2, 4)])
    with pytest.raises(ValueError, match='attention="additive"'):
        make().attention_weights(source, lengths, target)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_with_attention_all_states_of_the_encoder_matter_at_every_step(attention):
    model = make(attention=attention, wiring="initial_state")
    source, lengths, target, _ = random_batch([(5, 3)])
    state = model.start(source, lengths)
    for position in range(5):
        moved = state.values.clone()
        moved[:, position] += 1
        log_probs, _ = model.step(target[:, 0], state)
        other, _ = model.step(target[:, 0], state._replace(values=moved))
        assert not torch.isclose(log_probs, other).any()


# The loss


@models
def test_the_loss_is_the_mean_over_the_target_tokens(lengths, seed, **options):
    model = make(seed, **options)
    source, source_lengths, target, target_lengths = batch = random_batch(lengths, seed, extra=1)
    total = 0.0
    for row, (s, t) in enumerate(lengths):
        logits = model(source[row : row + 1, :s], [s], target[row : row + 1, : t - 1])
        total = total + F.cross_entropy(logits[0], target[row, 1:t], reduction="sum")
    loss, count = batch_loss(model, batch)
    assert count == int(target_lengths.sum()) - len(lengths)
    assert_close(loss, total / count)
    logits = model(source, source_lengths, target[:, :-1])
    assert_close(loss, masked_cross_entropy(logits, target[:, 1:], target_lengths - 1)[0])


@models
def test_label_smoothing_changes_the_gradient_and_not_the_loss(lengths, seed, **options):
    model = make(seed, **options).train()
    source, source_lengths, target, target_lengths = batch = random_batch(lengths, seed)
    loss, count = batch_loss(model, batch, label_smoothing=0.3)
    loss.backward()
    found = [parameter.grad.clone() for parameter in model.parameters()]
    plain, same_count = batch_loss(model, batch)
    assert_close(loss, plain)
    assert count == same_count

    model.zero_grad()
    logits = model(source, source_lengths, target[:, :-1])
    wanted = target[:, 1:].masked_fill(~mask(target_lengths - 1, target.shape[1] - 1), -100)
    F.cross_entropy(logits.transpose(1, 2), wanted, label_smoothing=0.3).backward()
    for gradient, parameter in zip(found, model.parameters(), strict=True):
        assert_close(gradient, parameter.grad)
    model.eval()
    assert_close(batch_loss(model, batch, label_smoothing=0.3)[0], batch_loss(model, batch)[0], atol=0, rtol=0)


@every_wiring
@every_attention
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_padding_gets_no_gradient(cell, attention, wiring):
    model = make(cell=cell, attention=attention, wiring=wiring, num_layers=2, bidirectional=True)
    source, target = torch.full((2, 4), 6), torch.full((2, 5), 8)
    source[0, :2], source[1, :3], target[0, :3], target[1, :4] = 1, 2, 3, 4
    loss, _ = batch_loss(model, (source, torch.tensor([2, 3]), target, torch.tensor([3, 4])))
    loss.backward()
    for part, read in ((model.encoder, [1, 2]), (model.decoder, [3, 4])):
        assert part.embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist() == read


@every_wiring
@every_attention
def test_every_parameter_learns(attention, wiring):
    model = make(attention=attention, wiring=wiring, num_layers=2, bidirectional=True)
    batch_loss(model, random_batch([(5, 6), (4, 4)]))[0].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@every_attention
def test_a_small_model_learns_to_reverse(attention):
    """Attention or not: it can be trained by fit_batches, and what it writes by itself is then right."""
    draw = torch.Generator().manual_seed(0)
    source = torch.randint(3, 7, (32, 3), generator=draw)
    target = torch.cat([torch.full((32, 1), 1), source.flip(1), torch.full((32, 1), 2)], dim=1)
    batch = (source, torch.full((32,), 3), target, torch.full((32,), 5))
    torch.manual_seed(0)
    model = Seq2Seq(7, 7, 32, embedding_size=16, bidirectional=True, attention=attention)
    fit_batches(model, lambda generator: [batch], batch_loss, num_epochs=60, lr=0.02, show_progress=False)
    model.eval()
    tokens, state, written = torch.full((32,), 1), model.start(source), []
    for _ in range(4):
        log_probs, state = model.step(tokens, state)
        tokens = log_probs.argmax(1)
        written.append(tokens)
    assert (torch.stack(written, 1) == target[:, 1:]).all(1).double().mean() > 0.9


@every_attention
def test_dropout_acts_in_training_only(attention):
    model = make(num_layers=2, dropout=0.5, attention=attention)
    source, lengths, target, _ = random_batch([(5, 6), (4, 4)])
    assert_close(model(source, lengths, target), model(source, lengths, target))
    model.train()
    assert not torch.allclose(model(source, lengths, target), model(source, lengths, target))


def test_the_parts_can_be_used_by_themselves():
    torch.manual_seed(0)
    encoder, decoder = Encoder(SOURCE, 5, bidirectional=True), Decoder(TARGET, 6, 10, wiring="initial_state")
    H, context = encoder(torch.tensor([[1, 2, 3], [4, 5, 5]]), torch.tensor([3, 1]))
    assert H.shape == (3, 2, 10) and context.shape == (2, 10)
    assert (H[1:, 1] == 0).all()
    assert_close(torch.cat([H[2, 0, :5], H[0, 0, 5:]]), context[0])
    state = decoder.start(H, torch.tensor([3, 1]), context)
    features, _, weights = decoder(torch.tensor([[1, 2], [1, 3]]), state)
    assert features.shape == (2, 2, 6) and weights is None


# Bad input


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cell": "elman"}, "rnn, gru, lstm"),
        ({"wiring": "sometimes"}, "initial_state, every_step, both"),
        ({"attention": "full"}, "None or one of additive, dot"),
        ({"hidden_size": 0}, "at least 1"),
        ({"num_layers": 0}, "at least 1"),
        ({"embedding_size": 0}, "at least 1"),
        ({"source_vocab_size": 0}, "at least 1"),
        ({"target_vocab_size": 0}, "target_vocab_size must be at least 1"),
        ({"dropout": 1.0}, "below 1"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Seq2Seq(**{"source_vocab_size": SOURCE, "target_vocab_size": TARGET, "hidden_size": 5} | options)


@pytest.mark.parametrize(
    "lengths, error, message",
    [
        ([2, 0], ValueError, "sequence 1 is 0: leave empty sequences out"),
        ([2, 6], ValueError, "only 5 steps"),
        ([2], ValueError, r"\(2,\), one for each sequence"),
        ([2.0, 3.0], TypeError, "integers"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, error, message):
    source, _, target, _ = random_batch([(5, 6), (4, 4)])
    with pytest.raises(error, match=message):
        make()(source, lengths, target)
    with pytest.raises(error, match=message):
        make().start(source, lengths)


def test_target_sentences_that_do_not_fit_are_refused():
    source, lengths, target, _ = random_batch([(5, 6), (4, 4)])
    for wrong, message in (([6, 1], "sequence 1 is 0"), ([7, 4], "only 5 steps"), ([6], r"\(2,\), one for each")):
        with pytest.raises(ValueError, match=message):
            batch_loss(make(), (source, lengths, target, torch.tensor(wrong)))
    target[0, 5] = TARGET  # only predicted, never read
    with pytest.raises(ValueError, match="target ids must be between 0 and 8"):
        batch_loss(make(), (source, lengths, target, torch.tensor([6, 4])))


def test_ids_that_do_not_fit_are_refused():
    model = make()
    source, lengths, target, _ = random_batch([(5, 6), (4, 4)])
    state = model.start(source, lengths)
    for outside in (-1, TARGET):
        wrong = target.clone()
        wrong[1, 5] = outside
        with pytest.raises(ValueError, match="target ids must be between 0 and 8.*for the padding too"):
            model(source, lengths, wrong)
        with pytest.raises(ValueError, match="between 0 and 8"):
            model.step(torch.tensor([1, outside]), state)
    with pytest.raises(ValueError, match="between 0 and 6"):
        model(source + SOURCE, lengths, target)
    for wrong in (target[:1], target[:, :0], target[0]):
        with pytest.raises(ValueError, match=r"target_in \(B, T\) must be of|target ids must be \(B, T\)"):
            model(source, lengths, wrong)
    with pytest.raises(ValueError, match=r"tokens must be \(2,\), one for each row of the state"):
        model.step(torch.tensor([1]), state)
