"""Answers to the exercises of chapter 14, beam search."""

import math

import torch

from d2lrnn import decoding


def total(log_p, log_probs):
    return log_p[:, None] + log_probs


def top_of(scores, k):
    best, place = scores.flatten().topk(k)
    return best, place // scores.shape[1], place % scores.shape[1]


def top(log_p, log_probs, k):
    return top_of(total(log_p, log_probs), k)


def places(log_p, log_probs, k):
    return total(log_p, log_probs).flatten().topk(k)


def one_each(log_p, log_probs, k):
    best, tokens = total(log_p, log_probs).max(1)
    best, parents = best.sort(descending=True)
    return (best, parents, tokens[parents]) if len(best) == k else top(log_p, log_probs, k)


def nodes(V, T, k):
    return [min(k, V ** (t - 1)) for t in range(1, T + 1)]


def brute(step, state, bos, eos, max_steps):
    return next(h.tokens for h in decoding.exhaustive(step, state, bos, eos, max_steps, alpha=0)[0] if h.finished)


def best_of_all(*arguments):
    return decoding.exhaustive(*arguments, alpha=0)[0][0].tokens


def ranked(key):
    """The finished sentence that comes first by another measure."""

    def answer(*arguments):
        return max((h for h in decoding.exhaustive(*arguments, alpha=0)[0] if h.finished), key=key).tokens

    return answer


def cut_off(*arguments):
    return [h.tokens for h in decoding.exhaustive(*arguments)[0] if not h.finished][-1]


def forgetful(step, state, *arguments):
    return brute(lambda tokens, _: step(tokens, state), state, *arguments)


def finished(log_p, last, log_probs, eos):
    stays = torch.full_like(log_probs, -torch.inf)
    stays[:, eos] = 0
    return log_p[:, None] + torch.where((last == eos)[:, None], stays, log_probs)


def with_rows(row):
    """Right for live rows; finished ones are row(log_p (n, 1), their candidates (n, V), eos)."""

    def answer(log_p, last, log_probs, eos):
        plain = total(log_p, log_probs)
        return torch.where((last == eos)[:, None], row(log_p[:, None], plain.clone(), eos), plain)

    return answer


def only(plain, eos, value):
    plain[:] = -torch.inf
    plain[:, eos] = value
    return plain


RIGHT = {
    "hand": (0.12, 0.324, 2),
    "top": top,
    "score": lambda log_p, lengths, alpha: log_p / lengths**alpha,
    "count": lambda V, T, k: V * sum(nodes(V, T, k)),
    "brute": brute,
    "finished": finished,
}

ALSO_RIGHT = [
    ("finished", lambda *given: finished(*given).nan_to_num(neginf=-1e9)),
    ("brute", lambda *given: torch.tensor(brute(*given))),
    ("hand", [0.120, 0.324, 2.0]),
    ("brute", lambda *arguments: list(brute(*arguments))),
    ("brute", lambda *arguments: torch.tensor(brute(*arguments))),
    ("top", lambda log_p, log_probs, k: [part.tolist() for part in top(log_p, log_probs, k)]),
]

WRONG = [
    ("brute", lambda *given: [token + 0.4 for token in brute(*given)], "tuple or list of ints"),
    ("top", lambda log_p, log_probs, k: (log_p, log_p, log_p), "are not log P"),
    ("hand", 0.12, "give three numbers"),
    ("hand", (0.3, 0.324, 2), "goes on until the full stop"),
    ("hand", (0.324, 0.12, 2), "that of another one"),
    ("hand", (math.log(0.12), math.log(0.324), 2), "not its logarithm"),
    ("hand", (0.5, 0.6, 2), "not averaged"),
    ("hand", (1.5, 2.2, 2), "not added"),
    ("hand", (0.7, 0.324, 2), "not P of the greedy sentence"),
    ("hand", (0.12, 0.12, 1), "a more probable sentence than the greedy one"),
    ("hand", (0.12, 0.162, 2), "try the other first word"),
    ("hand", (0.12, 0.36, 2), "P of the best sentence: it goes on"),
    ("hand", (0.12, math.log(0.324), 2), "P of the best sentence is asked for"),
    ("hand", (0.12, 0.9, 2), "second number is not"),
    ("hand", (0.12, 0.324, 1), "k = 1 is greedy"),
    ("hand", (0.12, 0.324, 4), "a smaller one may find it too"),
    ("hand", (0.12, 0.324, 3), "k is not"),
    ("top", lambda p, q, k: total(p, q).topk(k), "return three tensors"),
    ("top", lambda p, q, k: [total(p, q).topk(k, dim=1)[0]] * 3, "k best of *each*"),
    ("top", lambda p, q, k: [part[:1] for part in top(p, q, k)], "must have the shape (3,)"),
    ("top", lambda p, q, k: top_of(q, k), "left out what the parents have"),
    ("top", lambda p, q, k: top_of(p[:, None] * q, k), "you multiplied logarithms"),
    ("top", lambda p, q, k: top_of(p[:, None] - q, k), "you subtracted"),
    ("top", lambda p, q, k: top_of(-total(p, q), k), "with their signs turned"),
    ("top", lambda p, q, k: [-part for part in top_of(-total(p, q), k)], "these are the least likely."),
    ("top", lambda p, q, k: (top(p, q, k)[0].exp(), *top(p, q, k)[1:]), "log P is asked for"),
    ("top", lambda p, q, k: [part.flip(0) for part in top(p, q, k)], "must come first"),
    ("top", one_each, "another none"),
    ("top", lambda p, q, k: top_of(2 * total(p, q), k), "not log P of the k likeliest"),
    ("top", lambda p, q, k: (*places(p, q, k), places(p, q, k)[1]), "must still be taken apart"),
    ("top", lambda p, q, k: [top(p, q, k)[i] for i in (0, 2, 1)], "changed places"),
    ("top", lambda p, q, k: (top(p, q, k)[0], places(p, q, k)[1] // k, places(p, q, k)[1] % k), "V long, not k"),
    ("top", lambda p, q, k: (top(p, q, k)[0], top(p, q, k)[1] + 1, top(p, q, k)[2]), "the parents are not"),
    ("top", lambda p, q, k: (*top(p, q, k)[:2], top(p, q, k)[2] + 1), "the tokens are not"),
    ("score", lambda p, L, a: p * L**a, "pushes long sentences down"),
    ("score", lambda p, L, a: p.exp() / L**a, "you divided the probability"),
    ("score", lambda p, L, a: p - a * L.log(), "you divided the probability"),
    ("score", lambda p, L, a: p / (a * L), "not a factor"),
    ("score", lambda p, L, a: a * p / L, "not a factor"),
    ("score", lambda p, L, a: p / L, "the mean per token"),
    ("score", lambda p, L, a: p, "log P itself"),
    ("score", lambda p, L, a: -p / L**a, "the sign has turned"),
    ("score", lambda p, L, a: p / ((5 + L) / 6) ** a, "Google's variant"),
    ("score", lambda p, L, a: p / a**L, "changed places"),
    ("score", lambda p, L, a: p / L**a + 1, "not those of (14.5)"),
    ("count", lambda V, T, k: V + (T - 1) * k * V, "when k > V"),
    ("count", lambda V, T, k: k * V * T, "the empty one"),
    ("count", lambda V, T, k: sum(nodes(V, T, k)), "each has V candidates"),
    ("count", lambda V, T, k: sum(min(k, V**t) for t in range(1, T + 1)), "that are kept"),
    ("count", lambda V, T, k: sum(min(k, V**t) * V for t in range(1, T + 1)), "in the first step there is one"),
    ("count", lambda V, T, k: V + (T - 1) * min(k, V) * V, "goes on growing"),
    ("count", lambda V, T, k: V**T, "all sequences"),
    ("count", lambda V, T, k: sum(V**t for t in range(1, T + 1)), "all nodes of the tree"),
    ("count", lambda V, T, k: V * T, "that is greedy search"),
    ("count", lambda V, T, k: 17, "it is not 17"),
    ("brute", lambda *arguments: 3.5, "tuple or list of ints"),
    ("brute", lambda *arguments: (0, *brute(*arguments)), "leave out the <bos>"),
    ("brute", lambda *arguments: brute(*arguments)[:-1], "the final <eos> belongs to it"),
    ("brute", lambda *arguments: (*brute(*arguments), 1), "goes on after its <eos>"),
    ("brute", cut_off, "not finished"),
    ("brute", lambda *arguments: decoding.greedy(*arguments)[0].tokens, "greedy sentence"),
    ("brute", best_of_all, "cut off after max_steps"),
    ("brute", lambda *arguments: brute(*arguments[:-1], 3), "one step too early"),
    ("brute", ranked(lambda h: h.log_prob / len(h.tokens)), "mean per token"),
    ("brute", ranked(lambda h: -h.log_prob), "least probable"),
    ("brute", forgetful, "hand on the state"),
    ("brute", ranked(lambda h: -sum(h.tokens)), "Are all lengths"),
    ("finished", lambda p, last, q, eos: total(p, q), "are continued"),
    ("finished", with_rows(lambda p, plain, eos: only(plain, eos, -torch.inf)), "are lost"),
    ("finished", with_rows(lambda p, plain, eos: only(plain, eos, plain[:, eos].clone())), "pays for its <eos>"),
    ("finished", with_rows(lambda p, plain, eos: p.expand_as(plain)), "V candidates"),
    ("finished", with_rows(lambda p, plain, eos: only(plain, eos, 0)), "have lost their log P"),
    ("finished", lambda p, last, q, eos: finished(0 * p, last, q, eos), "where is the log P"),
    ("finished", with_rows(lambda p, plain, eos: only(0 * plain, eos, p[:, 0]).nan_to_num(neginf=0)), "logarithm of 1"),
    ("finished", lambda p, last, q, eos: finished(p, last, q, eos).where((last == eos)[:, None], q), "their parents"),
    ("finished", with_rows(lambda p, plain, eos: plain.index_copy(1, torch.tensor([eos]), p)), "other tokens too"),
    ("finished", lambda p, last, q, eos: only(total(p, q), eos, p), "must go on as before"),
    ("finished", lambda p, last, q, eos: p, "return a matrix"),
    ("finished", lambda p, last, q, eos: -finished(p, last, q, eos), "is not right"),
]
