import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from d2lrnn import cells
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel, generate
from d2lrnn.layers import SkipStack
from d2lrnn.text import Vocab

torch.set_num_threads(1)

VOCAB = Vocab(list("the cat sat on a mat"))
V = len(VOCAB)
every_cell = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])


def model_of(cell="rnn", **options):
    torch.manual_seed(0)
    return LanguageModel(V, 6, cell, **options).double()


def scratch_model(recurrence=cells.rnn):
    generator = torch.Generator().manual_seed(0)
    return ScratchLanguageModel(V, cells.init_rnn_params(V, 6, V, 0.5, generator), recurrence).double()


def random_ids(B, T, seed=0):
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(seed))


@given(
    st.sampled_from(["rnn", "gru", "lstm"]),
    st.integers(1, 3),
    st.integers(2, 8),
    st.integers(1, 3),
    st.sampled_from([None, 1, 4]),
    st.booleans(),
    st.data(),
)
def test_state_carried_over_a_cut_is_one_long_run(cell, B, T, num_layers, embedding_size, skip, data):
    model = model_of(cell, num_layers=num_layers, embedding_size=embedding_size, skip=skip)
    ids = random_ids(B, T)
    cut = data.draw(st.integers(1, T - 1))
    logits, last = model(ids)
    first, state = model(ids[:, :cut])
    second, short_last = model(ids[:, cut:], state)
    assert logits.shape == (B, T, V)
    assert_close(torch.cat([first, second], dim=1), logits)
    assert_close(short_last, last)


@every_cell
def test_logits_depend_on_the_past_only_and_rows_do_not_mix(cell):
    model, ids = model_of(cell), random_ids(3, 6)
    logits, _ = model(ids)
    changed = ids.clone()
    changed[1, 4] = (ids[1, 4] + 1) % V
    other, _ = model(changed)
    assert_close(other[[0, 2]], logits[[0, 2]])
    assert_close(other[1, :4], logits[1, :4])
    assert not torch.allclose(other[1, 4:], logits[1, 4:])


def test_one_hot_inputs_look_up_rows_of_the_input_weights():
    model, ids = model_of(), random_ids(1, 1)
    rows = model.recurrent.weight_ih_l0.T[ids[0]]
    H = torch.tanh(rows + model.recurrent.bias_ih_l0 + model.recurrent.bias_hh_l0)
    assert_close(model(ids)[1][0], H)


def test_scratch_and_concise_models_with_the_same_weights_agree():
    scratch, concise = scratch_model(), model_of()
    p, layer = scratch.params, concise.recurrent
    with torch.no_grad():
        layer.weight_ih_l0.copy_(p["W_xh"].T)
        layer.weight_hh_l0.copy_(p["W_hh"].T)
        layer.bias_ih_l0.copy_(p["b_h"])
        layer.bias_hh_l0.zero_()
        concise.output.weight.copy_(p["W_hq"].T)
        concise.output.bias.copy_(p["b_q"])
    ids = random_ids(3, 5)
    logits, state = scratch(ids)
    concise_logits, concise_state = concise(ids)
    assert_close(logits, concise_logits, atol=1e-12, rtol=0)
    assert_close(state, concise_state[0], atol=1e-12, rtol=0)


def test_a_scratch_model_takes_another_recurrence_and_trains_its_parameters():
    ids = random_ids(2, 4)
    relu = scratch_model(partial(cells.rnn, activation=torch.relu))
    assert not torch.allclose(relu(ids)[0], scratch_model()(ids)[0])
    relu(ids)[0].mean().backward()
    assert sorted(name for name, p in relu.named_parameters() if p.grad is not None) == sorted(
        f"params.{name}" for name in ["W_xh", "W_hh", "b_h", "W_hq", "b_q"]
    )


@pytest.mark.parametrize("skip", [False, True])
def test_dropout_acts_in_training_only(skip):
    model, ids = model_of(num_layers=2, dropout=0.5, skip=skip), random_ids(2, 4)
    assert not torch.allclose(model(ids)[0], model(ids)[0])
    model.eval()
    assert_close(model(ids)[0], model(ids)[0])


@every_cell
def test_skip_connections_are_those_of_the_deep_network_from_scratch(cell):
    model, ids = model_of(cell, num_layers=3, embedding_size=4, skip=True), random_ids(2, 5)
    params = [cells.from_torch(layer) for layer in model.recurrent.layers]
    H, states = cells.deep(model.embedding(ids.T), None, params, getattr(cells, cell), skip=True)
    logits, state = model(ids)
    assert_close(logits, model.output(H).transpose(0, 1))
    parts = state if cell == "lstm" else (state,)
    assert all(part.shape == (3, 2, 6) for part in parts)
    tops = states[-1] if cell == "lstm" else (states[-1],)
    for part, top in zip(parts, tops, strict=True):
        assert_close(part[-1], top)
    logits.mean().backward()
    assert all(p.grad is not None for p in model.parameters())


@every_cell
def test_dropout_of_a_skip_stack_leaves_the_path_around_whole(cell):
    torch.manual_seed(0)
    stack, X = SkipStack(cell, 3, 4, 2, dropout=0.5), torch.randn(5, 2, 3)
    first, _ = stack.layers[0](X)
    torch.manual_seed(1)
    expected = first + stack.layers[1](torch.nn.functional.dropout(first, 0.5))[0]
    torch.manual_seed(1)
    assert_close(stack(X)[0], expected)


@every_cell
def test_one_layer_has_nothing_to_skip(cell):
    skip, plain, ids = model_of(cell, skip=True), model_of(cell), random_ids(2, 4)
    with torch.no_grad():
        for p, q in zip(plain.parameters(), skip.parameters(), strict=True):
            p.copy_(q)
    assert_close(skip(ids), plain(ids))


def test_many_tokens_get_learned_vectors_and_few_one_hot_vectors():
    assert LanguageModel(256, 6).embedding is None
    many = LanguageModel(257, 6)
    assert many.embedding.weight.shape == (257, 64) and many.recurrent.input_size == 64
    assert LanguageModel(257, 6, embedding_size=None).embedding is None
    assert LanguageModel(5, 6, embedding_size=3).embedding.weight.shape == (5, 3)


@pytest.mark.parametrize(
    "options",
    [{"cell": "elman"}, {"hidden_size": 0}, {"num_layers": 0}, {"embedding_size": 0}, {"dropout": 1.0}],
)
def test_bad_settings_are_refused(options):
    with pytest.raises(ValueError):
        LanguageModel(**{"vocab_size": 5, "hidden_size": 4, **options})


@pytest.mark.parametrize("shape", [(4,), (2, 0), (2, 3, 4)])
def test_ids_of_the_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(B, T\)"):
        model_of()(torch.zeros(shape, dtype=torch.long))


@every_cell
@pytest.mark.parametrize("skip", [False, True])
def test_a_state_that_does_not_fit_is_refused(cell, skip):
    model = model_of(cell, skip=skip)

    def state(*shape, device="cpu"):
        H = torch.zeros(shape, dtype=torch.float64, device=device)
        return (H, H) if cell == "lstm" else H

    model(random_ids(2, 3), state(1, 2, 6))
    with pytest.raises(ValueError, match=r"\(1, 3, 6\) but must have \(1, 2, 6\)"):
        model(random_ids(2, 3), state(1, 3, 6))
    with pytest.raises(ValueError, match="on meta and the inputs are on cpu"):
        model(random_ids(2, 3), state(1, 2, 6, device="meta"))
    wrong_kind = torch.zeros(1, 2, 6) if cell == "lstm" else (torch.zeros(1, 2, 6),) * 2
    with pytest.raises(TypeError):
        model(random_ids(2, 3), wrong_kind)


@every_cell
def test_top_k_of_1_takes_the_likeliest_token_given_the_whole_text(cell):
    model = model_of(cell)
    prefix = list("the c")
    new = generate(model, VOCAB, prefix, 12, top_k=1)
    assert len(new) == 12
    text = prefix + new
    for end in range(len(prefix), len(text)):
        logits, _ = model(torch.tensor([VOCAB.to_ids(text[:end])]))
        assert VOCAB[text[end]] == 1 + logits[0, -1, 1:].argmax()  # never <unk>


def test_a_string_is_a_prefix_of_characters():
    model = scratch_model()
    assert generate(model, VOCAB, "the c", 8, top_k=1) == generate(model, VOCAB, list("the c"), 8, top_k=1)
    assert generate(model, VOCAB, "the c", 0) == []


@pytest.mark.parametrize("temperature, top_k", [(1.0, None), (0.5, None), (2.0, 4)])
def test_tokens_are_drawn_with_the_probabilities_of_the_temperature(temperature, top_k):
    model = scratch_model()
    with torch.no_grad():
        model.params["b_q"].copy_(torch.linspace(-1, 1, V))
    logits = model(torch.tensor([[VOCAB["c"]]]))[0][0, -1].detach() / temperature
    logits[0] = -math.inf  # <unk>
    if top_k:
        logits[logits < logits.sort(descending=True).values[top_k - 1]] = -math.inf
    expected = torch.softmax(logits, dim=0)
    generator = torch.Generator().manual_seed(0)
    n = 2000
    drawn = [generate(model, VOCAB, "c", 1, temperature, top_k, generator)[0] for _ in range(n)]
    observed = torch.bincount(torch.tensor(VOCAB.to_ids(drawn)), minlength=V) / n
    error = (expected * (1 - expected) / n).sqrt()
    assert ((observed - expected).abs() <= 4.5 * error).all()


def test_the_same_generator_draws_the_same_text_and_the_model_keeps_its_mode():
    model = model_of(dropout=0.5)
    texts = [generate(model, VOCAB, "the", 30, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert texts[0] == texts[1]
    assert model.training
    model.eval()
    generate(model, VOCAB, "the", 1)
    assert not model.training


def test_a_tiny_temperature_is_greedy_and_does_not_overflow():
    model = model_of()
    assert generate(model, VOCAB, "the", 9, temperature=1e-300) == generate(model, VOCAB, "the", 9, top_k=1)


def test_reserved_tokens_are_written_only_when_asked_for():
    vocab = Vocab(list("abab"), reserved=("<pad>", "<bos>"))
    model = LanguageModel(len(vocab), 4)
    torch.nn.init.constant_(model.output.bias, 0.0)
    with torch.no_grad():
        model.output.bias[:3] = 9.0
    draw = torch.Generator().manual_seed(0)
    assert set(generate(model, vocab, "ab", 50, generator=draw)) == {"a", "b"}
    assert {"<unk>", "<pad>", "<bos>"} <= set(generate(model, vocab, "ab", 50, generator=draw, write_reserved=True))


def test_a_vocabulary_of_the_same_size_is_refused_if_it_is_another_one():
    other = Vocab(list("the cat sat on a bat"))
    assert len(other) == V
    model = LanguageModel(V, 6, vocabulary=VOCAB.digest)
    generate(model, VOCAB, "the", 1)
    with pytest.raises(ValueError, match="other ones"):
        generate(model, other, "the", 1)
    generate(LanguageModel(V, 6), other, "the", 1)  # it does not know its own


def test_the_settings_make_the_same_kind_of_model():
    model = LanguageModel(V, 6, "gru", 2, embedding_size=3, dropout=0.2, skip=True, vocabulary="x")
    again = LanguageModel(**model.settings)
    assert str(again) == str(model) and again.settings == model.settings


def test_a_model_of_words_takes_no_str():
    vocab = Vocab("a cat sat".split())
    with pytest.raises(TypeError, match="tokenize"):
        generate(LanguageModel(len(vocab), 4), vocab, "a", 1)


def test_a_model_of_nan_writes_nothing():
    model = model_of()
    torch.nn.init.constant_(model.output.bias, math.nan)
    with pytest.raises(ValueError, match="NaN: the model has diverged"):
        generate(model, VOCAB, "the", 3)


def test_a_model_without_parameters_writes():
    class Alphabet(torch.nn.Module):
        def forward(self, ids, state=None):
            return 99.0 * torch.nn.functional.one_hot((ids + 1) % V, V), state

    assert generate(Alphabet(), VOCAB, VOCAB.tokens[1:2], 3) == VOCAB.tokens[2:5]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prefix": ""}, "empty"),
        ({"prefix": []}, "empty"),
        ({"prefix": "the Ωmega"}, "'g', 'Ω'"),
        ({"temperature": 0}, "top_k=1"),
        ({"temperature": -1.0}, "above 0"),
        ({"temperature": math.nan}, "above 0"),
        ({"top_k": V}, f"between 1 and the {V - 1} tokens that can be written"),
        ({"top_k": 0}, "between 1"),
        ({"num_tokens": -1}, "at least 0"),
        ({"vocab": Vocab(list("other"))}, "vocabulary 6"),
    ],
)
def test_bad_requests_are_refused_with_the_fix(options, message):
    request = {"vocab": VOCAB, "prefix": "the", "num_tokens": 3, **options}
    if "vocab" in options:
        request["prefix"] = "othe"
    with pytest.raises(ValueError, match=message):
        generate(model_of(), **request)


# The adaptive softmax


def adaptive_model():
    torch.manual_seed(0)
    return LanguageModel(60, 16, "gru", embedding_size=5, adaptive=True).double()


def test_an_adaptive_softmax_gives_logarithms_of_probabilities_and_their_loss():
    model, ids = adaptive_model(), torch.arange(60).view(4, 15)
    logits, state = model(ids)
    assert logits.shape == (4, 15, 60)
    assert_close(logits.exp().sum(dim=2), torch.ones(4, 15).double())
    targets = (ids * 7 + 3) % 60  # of all three groups
    loss, again = model.loss(ids, targets)
    assert_close(loss, torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()))
    assert_close(state, again)


def test_an_adaptive_softmax_is_the_output_layer_written_out():
    """P(rare token) = P(its group) P(token | group), Grave et al. (2017), equation (1)."""
    model = adaptive_model()
    H = torch.randn(3, 16, generator=torch.Generator().manual_seed(1)).double()
    head = torch.log_softmax(model.output.head(H), dim=1)  # 3 frequent tokens and 2 groups
    groups = [head[:, 3 + i, None] + torch.log_softmax(tail(H), dim=1) for i, tail in enumerate(model.output.tail)]
    assert [group.shape[1] for group in groups] == [9, 48]
    assert_close(model.output.log_prob(H), torch.cat([head[:, :3], *groups], dim=1))


def test_a_full_softmax_has_the_loss_of_its_logits():
    model, ids = model_of("lstm"), random_ids(3, 6)
    logits = model(ids[:, :-1])[0]
    loss, _ = model.loss(ids[:, :-1], ids[:, 1:])
    assert_close(loss, torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()))
