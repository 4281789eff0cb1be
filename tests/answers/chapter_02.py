"""Answers to the exercises of chapter 2, text preprocessing."""

import re
from collections import Counter

import torch

from d2lrnn.corpora import load_text
from d2lrnn.text import UNKNOWN, tokenize


def vocab_of_size(train_tokens, held_out_tokens, size):
    frequent = [token for token, _ in Counter(train_tokens).most_common(size - 1)]
    unknown = [token for token in held_out_tokens if token not in frequent]
    return [UNKNOWN, *frequent], len(unknown) / len(held_out_tokens)


def vocab_variant(order="count", unknown=True, leak=False, extra=0, share="held_out"):
    def answer(train, held_out, size):
        tokens = train + held_out if leak else train
        by_count = [t for t, _ in Counter(tokens).most_common()]
        by_name = sorted(set(tokens))
        ordered = {"count": by_count, "name": by_name, "name after cut": sorted(by_count[: size - 1])}[order]
        kept = ordered[: size - 1 + extra]
        part = {"held_out": held_out, "train": train, "types": sorted(set(held_out)), "known": held_out}[share]
        number = sum((t in kept) == (share == "known") for t in part)
        return ([UNKNOWN] if unknown else []) + kept, number / len(part)

    return answer


def embedding_gradient(ids, delta, vocab_size):
    gradient = delta.new_zeros(vocab_size, delta.shape[-1])
    return gradient.index_add_(0, ids.flatten(), delta.flatten(0, 1))


def gradient_by_one_hot(ids, delta, vocab_size):
    return torch.eye(vocab_size, dtype=delta.dtype)[ids].flatten(0, 1).T @ delta.flatten(0, 1)


def gradient_by_autograd(ids, delta, vocab_size):
    W = torch.zeros(vocab_size, delta.shape[-1], dtype=delta.dtype, requires_grad=True)
    return torch.autograd.grad(W[ids], W, delta)[0]


def gradient_overwritten(ids, delta, vocab_size):
    gradient = delta.new_zeros(vocab_size, delta.shape[-1])
    gradient[ids] += delta
    return gradient


def gradient_mean(ids, delta, vocab_size):
    counts = torch.bincount(ids.flatten(), minlength=vocab_size).clamp(min=1)
    return embedding_gradient(ids, delta, vocab_size) / counts[:, None]


def gradient_of_each_text(ids, delta, vocab_size):
    return torch.stack([embedding_gradient(i[None], d[None], vocab_size) for i, d in zip(ids, delta, strict=True)])


def tokenize_mixed(line):
    return re.findall(r"[A-Za-z0-9']+|\S", line)


def text_needed(tokens, share, exponent=None):
    counts = Counter(tokens)
    once = sum(n == 1 for n in counts.values())
    beta = once / len(counts)
    power = 1 / (beta - 1) if exponent is None else exponent(beta)
    return len(tokens) * (share * len(tokens) / once) ** power


def text_needed_by_steps(tokens, share):
    """(2.8) tried on longer and longer texts, then between the last two."""
    now = share_of_rare(tokens, 1)
    beta = now * len(tokens) / len(set(tokens))
    low, high = 1.0, 2.0
    while now * high ** (beta - 1) > share:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if now * middle ** (beta - 1) > share else (low, middle)
    return len(tokens) * low


def text_needed_in_place(tokens, share):
    tokens.sort(reverse=True)
    return text_needed(tokens, share)


def text_needed_from_beta(tokens, share):
    beta = share_of_rare(tokens, 1) * len(tokens) / len(set(tokens))
    return len(tokens) * (share / beta) ** (1 / (beta - 1))


def merge_step(words, weighted=True, left_to_right=True, once_per_word=False):
    pairs = Counter()
    for word, count in words.items():
        found = list(zip(word, word[1:], strict=False))
        for pair in set(found) if once_per_word else found:
            pairs[pair] += count if weighted else 1
    return merge_best(pairs, words, left_to_right)


def merge_best(pairs, words, left_to_right=True):
    best = pairs.most_common(1)[0][0]
    merged = {}
    for word, count in words.items():
        symbols = []
        for symbol in word:
            if symbols and (symbols[-1], symbol) == best:
                symbols[-1] += symbol
            elif not left_to_right and symbols and set(symbols[-1]) == {symbol}:
                symbols[-1] += symbol
            else:
                symbols.append(symbol)
        merged[tuple(symbols)] = count
    return best, merged


def merge_first_place(words):
    pair, _ = merge_step(words)
    merged = {}
    for word, count in words.items():
        places = [i for i in range(len(word) - 1) if word[i : i + 2] == pair]
        word = (*word[: places[0]], "".join(pair), *word[places[0] + 2 :]) if places else word
        merged[word] = count
    return pair, merged


def merge_across_repeated_words(words):
    text = [symbol for word, count in words.items() for symbol in word * count]
    return merge_best(Counter(zip(text, text[1:], strict=False)), words)


def merge_across_words(words, side):
    text = [(symbol, count) for word, count in words.items() for symbol in word]
    pairs = Counter()
    for two in zip(text, text[1:], strict=False):
        pairs[two[0][0], two[1][0]] += two[side][1]
    return merge_best(pairs, words)


def merge_with_counts_of_others(words):
    pair, merged = merge_step(words)
    return pair, dict(zip(merged, reversed(merged.values()), strict=True))


def merge_in_place(words):
    pair, merged = merge_step(words)
    words.clear()
    words.update(merged)
    return pair, words


def merge_joined_text(words):
    pair, _ = merge_step(words)
    return pair, {tuple(" ".join(w).replace(" ".join(pair), "".join(pair)).split(" ")): n for w, n in words.items()}


def share_of_rare(tokens, most):
    return sum(n for n in Counter(tokens).values() if n <= most) / len(tokens)


STORY = load_text("story")
TRAIN = tokenize(STORY[: STORY.rfind("\n", 0, int(0.8 * len(STORY)))])
HALF = TRAIN[: len(TRAIN) // 2]

RIGHT = {
    "half_the_text": (share_of_rare(HALF, 2), "b"),
    "vocab_of_size": vocab_of_size,
    "zero_rows": ([0, 2, 4], [2]),
    "embedding_gradient": embedding_gradient,
    "tokenize_mixed": tokenize_mixed,
    "text_needed": text_needed,
    "merge_step": merge_step,
    "round_trip": ("Yes, sir.", "Yes , sir ."),
}

ALSO_RIGHT = [
    ("half_the_text", (share_of_rare(HALF, 2), "(b)")),
    ("half_the_text", (x for x in (share_of_rare(HALF, 2), "b"))),
    ("vocab_of_size", lambda *given: iter(vocab_of_size(*given))),
    ("tokenize_mixed", lambda line: (match[0] for match in re.finditer(r"[A-Za-z0-9']+|\S", line))),
    ("text_needed", text_needed_by_steps),
    ("text_needed", lambda tokens, share: round(text_needed(tokens, share), 2)),
    ("half_the_text", [0.149, " B"]),
    ("half_the_text", (0.15, "b")),
    ("zero_rows", [{4, 2, 0}, {2}]),
    ("zero_rows", (torch.tensor([0, 2, 4]), 2)),
    ("embedding_gradient", gradient_by_one_hot),
    ("embedding_gradient", gradient_by_autograd),
    ("embedding_gradient", lambda ids, delta, V: embedding_gradient(ids, delta, V).float()),
    ("tokenize_mixed", lambda line: re.findall(r"['0-9A-Za-z]+|[^\s]", line)),
    ("round_trip", ["the sea", "the\n\nsea"]),
    ("round_trip", ("the", "the ")),
]

WRONG = [
    ("vocab_of_size", lambda train, held_out, size: size, "two values are asked for"),
    ("tokenize_mixed", lambda line: [1, 2], "a list of tokens"),
    ("round_trip", 3, "two values are asked for"),
    ("half_the_text", "b", "a pair"),
    ("half_the_text", 0.17, "a pair"),
    ("half_the_text", ("b", 0.149), "comes first"),
    ("half_the_text", (..., "b"), "both"),
    ("half_the_text", (share_of_rare(HALF, 2), "a"), "easier than forecast"),
    ("half_the_text", (share_of_rare(HALF, 2), "c"), "share no words"),
    ("half_the_text", (share_of_rare(HALF, 2), 0.17), "one letter"),
    ("half_the_text", (100 * share_of_rare(HALF, 2), "b"), "percent"),
    ("half_the_text", (share_of_rare(HALF, 1), "b"), "just pass the cut"),
    ("half_the_text", (share_of_rare(TRAIN, 2), "b"), "all of the training tokens"),
    ("half_the_text", (share_of_rare(HALF, 2) / 2, "b"), "you divided"),
    ("half_the_text", (sum(n <= 2 for n in Counter(HALF).values()) / len(set(HALF)), "b"), "share of the types"),
    ("half_the_text", (0.3, "b"), "does not give 0.3"),
    ("half_the_text", (0.165, "b"), "does not give 0.165"),
    ("half_the_text", (15, "b"), "percent"),
    ("vocab_of_size", vocab_variant(leak=True), "leak"),
    ("vocab_of_size", vocab_variant(unknown=False), "no <unk>"),
    ("vocab_of_size", lambda a, b, size: (vocab_of_size(a, b, size)[0][::-1], 0), "its id is not 0"),
    ("vocab_of_size", vocab_variant(extra=1), "<unk> as well"),
    ("vocab_of_size", vocab_variant(order="name"), "alphabetical"),
    ("vocab_of_size", vocab_variant(order="name after cut"), "alphabetical"),
    ("vocab_of_size", lambda a, b, size: ([UNKNOWN, "x", "z", "y"][:size], 0), "falling frequency"),
    ("vocab_of_size", vocab_variant(share="train"), "training tokens"),
    ("vocab_of_size", vocab_variant(share="types"), "every occurrence"),
    ("vocab_of_size", vocab_variant(share="known"), "known tokens"),
    ("vocab_of_size", lambda *a: (vocab_of_size(*a)[0], 5), "between 0 and 1"),
    ("vocab_of_size", lambda *a: (vocab_of_size(*a)[0], 0.123), "is not 0.123"),
    ("vocab_of_size", lambda *a: (vocab_of_size(*a)[0], 100 * vocab_of_size(*a)[1]), "not in percent"),
    ("vocab_of_size", lambda *a: vocab_of_size(*a)[::-1], "tokens first"),
    ("vocab_of_size", lambda *a: vocab_of_size(*a)[0], "as a pair"),
    ("zero_rows", ([1, 3, 5], [0, 1]), "that are read"),
    ("zero_rows", ([0], []), "not the only one"),
    ("zero_rows", ([2, 4], [2]), "has no entry"),
    ("zero_rows", ([0, 1], [2]), "falling frequency"),
    ("zero_rows", ([0, 2, 4], [0, 2]), "lamp and tide"),
    ("zero_rows", ([0, 2, 4], []), "the second is not"),
    ("zero_rows", ([0, 2, 4], [3]), "no row 3"),
    ("zero_rows", ([0, 2, 6], [2]), "no row 6"),
    ("zero_rows", ([0, 2, 4],), "as a pair"),
    ("embedding_gradient", lambda ids, delta, V: delta.tolist(), "not a tensor"),
    ("embedding_gradient", lambda ids, delta, V: embedding_gradient(ids, delta.neg_(), V), "changes delta"),
    ("embedding_gradient", lambda ids, delta, V: embedding_gradient(ids, delta, V).T, "as in W"),
    ("embedding_gradient", gradient_of_each_text, "over the texts too"),
    ("embedding_gradient", lambda ids, delta, V: embedding_gradient(ids, delta, 5), "is not read"),
    ("embedding_gradient", lambda ids, delta, V: delta + 0, "for each step"),
    ("embedding_gradient", lambda ids, delta, V: delta.sum(), "that of W"),
    ("embedding_gradient", gradient_overwritten, "overwrites"),
    ("embedding_gradient", gradient_mean, "of a token"),
    ("embedding_gradient", lambda ids, delta, V: gradient_of_each_text(ids, delta, V).mean(0), "mean over the texts"),
    ("embedding_gradient", lambda ids, delta, V: gradient_of_each_text(ids, delta, V)[0], "first text"),
    ("embedding_gradient", lambda ids, delta, V: gradient_of_each_text(ids, delta, V)[1], "last text"),
    ("embedding_gradient", lambda ids, delta, V: -embedding_gradient(ids, delta, V), "minus the gradient"),
    ("embedding_gradient", lambda ids, delta, V: embedding_gradient(ids, delta, V) + 1, "is not the sum"),
    ("tokenize_mixed", tokenize, "glued"),
    ("tokenize_mixed", lambda line: line.split(), "glued"),
    ("tokenize_mixed", lambda line: list(line), "spaces"),
    ("tokenize_mixed", lambda line: [c for c in line if c != " "], "into letters"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-Za-z0-9']+|[\u4e00-\u9fff]", line), "punctuation"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-Za-z0-9]+|\S", line), "apostrophe"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-Za-z']+|\S", line), "2026"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-Za-z']+|[0-9]+|\S", line), "GPT2"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-z0-9']+|\S", line), "a_b"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-Za-z0-9_']+|\S", line), "a_b"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-Za-z0-9'\[]+|\S", line), "[x]"),
    ("tokenize_mixed", lambda line: re.findall(r"[A-Za-z0-9'’]+|\S", line), "curly"),
    ("tokenize_mixed", lambda line: [t.lower() for t in tokenize_mixed(line)], "became"),
    ("tokenize_mixed", lambda line: " ".join(tokenize_mixed(line)), "one str"),
    ("text_needed", lambda tokens, share: text_needed(tokens, share) / len(tokens), "times longer"),
    ("text_needed", lambda tokens, share: text_needed(tokens, share) - len(tokens), "must be added"),
    (
        "text_needed",
        lambda tokens, share: text_needed(tokens, share) / len(tokens) * len(set(tokens)),
        "number of types",
    ),
    ("text_needed", lambda tokens, share: text_needed(tokens, share, lambda beta: beta - 1), "the power must move"),
    ("text_needed", lambda tokens, share: text_needed(tokens, share, lambda beta: 1 / beta), "exponent of V(N)"),
    ("text_needed", lambda tokens, share: text_needed(tokens, share, lambda beta: -1 / beta), "exponent of V(N)"),
    ("text_needed", lambda tokens, share: text_needed(tokens, share, lambda beta: 1 / (1 - beta)), "which sign has"),
    ("text_needed", lambda tokens, share: share_of_rare(tokens, 1) * len(tokens) / share, "stayed the same"),
    (
        "text_needed",
        lambda tokens, share: text_needed(tokens, share, lambda beta: 1 / (share_of_rare(tokens, 1) - 1)),
        "a share of the types",
    ),
    ("text_needed", text_needed_from_beta, "is now n_1 / N"),
    ("text_needed", lambda tokens, share: 1000, "1000 tokens do not"),
    ("text_needed", text_needed_in_place, "changes the list"),
    ("merge_step", lambda words: merge_step(words, weighted=False), "as often as its word"),
    ("merge_step", lambda words: (("o", "l"), words), "wrong way round"),
    ("merge_step", lambda words: (("e", "w"), words), "not ('e', 'w')"),
    ("merge_step", lambda words: (("t", "b"), words), "no word holds the pair ('t', 'b')"),
    ("merge_step", merge_first_place, "only one of the two places"),
    ("merge_step", lambda words: merge_step(words, once_per_word=True), "counts twice"),
    ("merge_step", merge_across_repeated_words, "no word holds the pair ('w', 'w')"),
    ("merge_step", lambda words: merge_across_words(words, 0), "no word holds"),
    ("merge_step", lambda words: merge_across_words(words, 1), "no word holds"),
    ("merge_step", merge_with_counts_of_others, "a merge changes no count"),
    ("merge_step", merge_in_place, "build a new one"),
    ("merge_step", lambda words: (("l", "o"), dict(words)), "two symbols"),
    ("merge_step", lambda words: (("l", "o"), {("lo", "w"): 5}), "were lost"),
    ("merge_step", lambda words: (("l", "o"), {("lo", "w"): 5, ("x",): 11}), "wherever"),
    ("merge_step", lambda words: merge_step(words, left_to_right=False), "each symbol once"),
    ("merge_step", merge_joined_text, "whole symbols"),
    ("round_trip", ("the sea", "the sea"), "the same"),
    ("round_trip", ("the sea", "the lamp"), "different ids"),
    ("round_trip", ("the xqzt", "the qqqq"), "not in the vocabulary"),
    ("round_trip", ("the sea", ...), "both texts"),
    ("round_trip", "the sea", "that is one text"),
    ("round_trip", "the", "that is one text"),
    ("round_trip", ("the",), "as a pair"),
    ("round_trip", ("the lamp", ""), "at least one token"),
    ("round_trip", ("the", [4]), "must be texts"),
]
