import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d2lrnn.batches import (
    as_ids,
    mask,
    pad,
    pair_batches,
    random_batches,
    sequential_batches,
    shuffled_batches,
)

both = pytest.mark.parametrize("batches", [random_batches, sequential_batches])
sizes = given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 60), st.integers(0, 99))


def draw(batches, num_tokens, batch_size, num_steps, seed):
    generator = torch.Generator().manual_seed(seed)
    return list(batches(torch.arange(num_tokens), batch_size, num_steps, generator=generator))


@both
@sizes
def test_windows(batches, batch_size, num_steps, extra, seed):
    num_tokens = batch_size * num_steps + 1 + extra
    drawn = draw(batches, num_tokens, batch_size, num_steps, seed)
    for X, Y in drawn:
        assert X.shape == Y.shape == (batch_size, num_steps)
        assert X.dtype == Y.dtype == torch.long
        assert torch.equal(Y, X + 1)  # on 0, 1, 2 … the next token is one more
        assert torch.equal(X - X[:, :1], torch.arange(num_steps).expand_as(X))
    used = torch.cat([X.flatten() for X, _ in drawn])
    assert len(used.unique()) == len(used)
    assert used.min() >= 0 and used.max() <= num_tokens - 2
    # Lost: the offset, the end that fills no window, the windows that fill no batch.
    lost = num_tokens - 1 - len(used)
    assert lost <= (num_steps - 1) + (num_steps - 1) + (batch_size - 1) * num_steps


@both
@sizes
def test_the_generator_decides(batches, batch_size, num_steps, extra, seed):
    num_tokens = batch_size * num_steps + 1 + extra
    first, second = (draw(batches, num_tokens, batch_size, num_steps, seed) for _ in range(2))
    assert len(first) == len(second) >= 1
    assert all(torch.equal(X, X2) for (X, _), (X2, _) in zip(first, second, strict=True))


@sizes
def test_sequential_rows_continue(batch_size, num_steps, extra, seed):
    drawn = draw(sequential_batches, batch_size * num_steps + 1 + extra, batch_size, num_steps, seed)
    for (_, Y), (X, _) in zip(drawn, drawn[1:], strict=False):
        assert torch.equal(X[:, 0], Y[:, -1])
    rows = torch.cat([X for X, _ in drawn], dim=1)
    first = rows[0, 0]
    assert first < num_steps
    assert torch.equal(rows.flatten(), torch.arange(rows.numel()) + first)


@both
def test_every_offset_is_drawn(batches):
    starts = [min(int(X.min()) for X, _ in draw(batches, 41, 2, 4, seed)) for seed in range(60)]
    # With random batches the first window may be among those left out.
    assert {0, 1, 2, 3} <= set(starts)
    assert batches is random_batches or set(starts) == {0, 1, 2, 3}


def test_random_batches_are_shuffled():
    orders = {tuple(int(x) for X, _ in draw(random_batches, 41, 2, 4, seed) for x in X[:, 0]) for seed in range(20)}
    assert len(orders) > 15
    assert any(list(order) != sorted(order) for order in orders)


def test_sequential_on_thirty_numbers():
    (X_1, Y_1), (X_2, _) = draw(sequential_batches, 30, 2, 5, seed=0)
    start = X_1[0, 0]
    assert (X_1 - start).tolist() == [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]
    assert (Y_1 - start).tolist() == [[1, 2, 3, 4, 5], [11, 12, 13, 14, 15]]
    assert (X_2 - start).tolist() == [[5, 6, 7, 8, 9], [15, 16, 17, 18, 19]]


@both
def test_lists_and_small_integers(batches):
    for ids in ([1, 2, 3], torch.tensor([1, 2, 3], dtype=torch.int32)):
        X, Y = next(batches(ids, 1, 2))
        assert X.tolist() == [[1, 2]] and Y.tolist() == [[2, 3]] and Y.dtype == torch.long


@both
def test_a_batch_can_be_changed_without_changing_the_text(batches):
    ids = torch.arange(9)
    X, Y = next(batches(ids, 2, 4))
    X.zero_(), Y.view(-1).zero_()
    assert torch.equal(ids, torch.arange(9))


@both
@pytest.mark.parametrize(
    "ids, batch_size, num_steps, error, words",
    [
        ([], 1, 1, ValueError, "empty"),
        (torch.arange(10), 2, 5, ValueError, "needs 11 tokens, but there are 10.*smaller"),
        (torch.arange(10), 0, 5, ValueError, "batch_size must be at least 1"),
        (torch.arange(10), 2, 0, ValueError, "num_steps must be at least 1"),
        (torch.arange(10), 2.0, 2, TypeError, "batch_size must be an int"),
        (torch.arange(10.0), 2, 2, TypeError, "integers"),
        (torch.ones(10, dtype=torch.bool), 2, 2, TypeError, "integers"),
        (["a", "b", "c"], 1, 1, TypeError, "to_ids"),
        (torch.zeros(5, 5, dtype=torch.long), 1, 1, ValueError, "1-D"),
        ([1, -2, 3], 1, 1, ValueError, "negative"),
    ],
)
def test_errors_come_at_the_call(batches, ids, batch_size, num_steps, error, words):
    with pytest.raises(error, match=words):
        batches(ids, batch_size, num_steps)


def test_as_ids():
    assert as_ids(range(3)).tolist() == [0, 1, 2]
    assert as_ids(torch.tensor([4])).dtype == torch.long


# Padded sequences


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=5), st.integers(0, 9))
def test_padded_sequences_keep_their_tokens_and_lengths(sequences, pad_id):
    ids, lengths = pad(sequences, pad_id)
    T = max(map(len, sequences))
    assert ids.tolist() == [sequence + [pad_id] * (T - len(sequence)) for sequence in sequences]
    assert ids.dtype == lengths.dtype == torch.long
    assert lengths.tolist() == [len(sequence) for sequence in sequences]
    assert mask(lengths, T + 1).tolist() == [[t < len(sequence) for t in range(T + 1)] for sequence in sequences]


@pytest.mark.parametrize(
    "sequences, pad_id, error, words",
    [
        ([], 0, ValueError, "no sequences"),
        ([[1], []], 0, ValueError, "sequence 1 is empty"),
        ([["the"], ["cat"]], 0, TypeError, "to_ids"),
        ([[1], [-1]], 0, ValueError, "negative"),
        ([[1]], -1, ValueError, "pad_id must be an id"),
        ([[1]], "<pad>", ValueError, "pad_id must be an id"),
    ],
)
def test_sequences_that_cannot_be_padded_are_refused(sequences, pad_id, error, words):
    with pytest.raises(error, match=words):
        pad(sequences, pad_id)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
def test_shuffled_batches_use_each_row_once_and_keep_rows_together(N, batch_size, seed):
    ids, tags = torch.arange(N * 3).view(N, 3), torch.arange(N)
    drawn = [list(shuffled_batches((ids, tags), batch_size, torch.Generator().manual_seed(seed))) for _ in range(2)]
    rows = torch.cat([row for _, row in drawn[0]])
    assert sorted(rows.tolist()) == list(range(N))
    assert torch.equal(torch.cat([row for _, row in drawn[1]]), rows)
    assert [len(row) for _, row in drawn[0][:-1]] == [batch_size] * (len(drawn[0]) - 1)
    assert all(torch.equal(X, ids[row]) for X, row in drawn[0])


def test_shuffled_batches_are_shuffled():
    rows = torch.arange(20)
    orders = {tuple(next(shuffled_batches([rows], 20, torch.Generator().manual_seed(s)))[0].tolist()) for s in range(9)}
    assert len(orders) == 9


@pytest.mark.parametrize(
    "tensors, batch_size, words",
    [
        ((torch.zeros(3), torch.zeros(4)), 2, r"not \[3, 4\]"),
        ((torch.zeros(0),), 2, r"not \[0\]"),
        ((), 2, r"not \[\]"),
        ((torch.zeros(3),), 0, "batch_size must be at least 1"),
    ],
)
def test_rows_that_cannot_be_drawn_are_refused(tensors, batch_size, words):
    with pytest.raises(ValueError, match=words):
        shuffled_batches(tensors, batch_size)


# Pairs of sentences

PAD = 9
some_pairs = st.lists(
    st.tuples(st.lists(st.integers(0, 8), min_size=1, max_size=7), st.lists(st.integers(0, 8), min_size=1, max_size=7)),
    min_size=1,
    max_size=40,
)


def draw_pairs(pairs, batch_size, seed=0, **options):
    sources, targets = zip(*pairs, strict=True)
    return list(pair_batches(sources, targets, batch_size, PAD, torch.Generator().manual_seed(seed), **options))


def unpadded(batch):
    """The pairs of a minibatch."""
    source, source_lengths, target, target_lengths = batch
    assert (source[~mask(source_lengths, source.shape[1])] == PAD).all()
    assert (target[~mask(target_lengths, target.shape[1])] == PAD).all()
    assert source.shape[1] == source_lengths.max() and target.shape[1] == target_lengths.max()
    rows = zip(source, source_lengths, target, target_lengths, strict=True)
    return [(x[:n].tolist(), y[:m].tolist()) for x, n, y, m in rows]


@given(some_pairs, st.integers(1, 7), st.integers(0, 99), st.booleans(), st.booleans())
def test_pair_batches_use_each_pair_once(pairs, batch_size, seed, bucket, shuffle):
    drawn = draw_pairs(pairs, batch_size, seed, bucket=bucket, shuffle=shuffle)
    found = [pair for batch in drawn for pair in unpadded(batch)]
    assert sorted(found) == sorted(pairs)
    assert shuffle or found == pairs
    sizes = [len(batch[0]) for batch in drawn]
    assert sorted(sizes)[1:] == [batch_size] * (len(sizes) - 1)
    again = draw_pairs(pairs, batch_size, seed, bucket=bucket, shuffle=shuffle)
    assert all(torch.equal(a, b) for x, y in zip(drawn, again, strict=True) for a, b in zip(x, y, strict=True))


def test_pair_batches_put_similar_lengths_together_in_random_order():
    lengths = torch.randint(1, 30, (3000,), generator=torch.Generator().manual_seed(1)).tolist()
    pairs = [([i % 9] * length, [i % 9] * (length + i % 3)) for i, length in enumerate(lengths)]
    padding = {}
    for bucket in (True, False):
        drawn = draw_pairs(pairs, 10, bucket=bucket)
        tokens = sum(int(batch[1].sum() + batch[3].sum()) for batch in drawn)
        padding[bucket] = 1 - tokens / sum(batch[0].numel() + batch[2].numel() for batch in drawn)
    assert padding[True] < 0.06 < 0.4 < padding[False]
    longest = [batch[2].shape[1] for batch in draw_pairs(pairs[:200], 10)]  # one pool
    assert longest != sorted(longest)
    assert len({tuple(batch[0].shape[1] for batch in draw_pairs(pairs, 10, seed)) for seed in range(5)}) == 5
    # What shares a minibatch changes from epoch to epoch.
    together = [{tuple(batch[3].tolist()) for batch in draw_pairs(pairs, 10, seed)} for seed in (0, 1)]
    assert together[0] != together[1]


@pytest.mark.parametrize(
    "sources, targets, batch_size, error, words",
    [
        ([], [], 2, ValueError, "at least 1, not 0 and 0"),
        ([[1]], [], 2, ValueError, "not 1 and 0"),
        ([[1]], [[2]], 0, ValueError, "batch_size must be at least 1"),
    ],
)
def test_pairs_that_cannot_be_drawn_are_refused_at_the_call(sources, targets, batch_size, error, words):
    with pytest.raises(error, match=words):
        pair_batches(sources, targets, batch_size, PAD)


@pytest.mark.parametrize(
    "sources, targets, error, words",
    [
        ([[1], []], [[2], [3]], ValueError, "empty"),
        ([["go"]], [[2]], TypeError, "to_ids"),
        ([[1]], [[-2]], ValueError, "negative"),
    ],
)
def test_ids_of_pairs_that_are_no_ids_are_refused(sources, targets, error, words):
    with pytest.raises(error, match=words):
        list(pair_batches(sources, targets, 2, PAD, shuffle=False))
