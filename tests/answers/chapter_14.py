"""Answers to the exercises of chapter 14, beam search."""

import math

import torch

from d2lrnn import decoding


def total(log_p, log_probs):
    return log_p[:, None] + log_probs


def grid(log_p, log_probs):
    return log_p[:, :, None] + log_probs.view(*log_p.shape, -1)


def batch(log_p, log_probs, state, scores=grid, offset=1):
    """The right answer; other scores or no offset make a wrong one."""
    (B, k), V = log_p.shape, log_probs.shape[1]
    best, place = scores(log_p, log_probs).reshape(B, -1).topk(k)
    rows = place // V + offset * k * torch.arange(B)[:, None]
    return best, place % V, state[rows.flatten()]


def batch_in_a_loop(log_p, log_probs, state):
    k, V = log_p.shape[1], log_probs.shape[1]
    best, tokens, states = [], [], []
    for b in range(len(log_p)):
        rows = slice(b * k, (b + 1) * k)
        values, place = total(log_p[b], log_probs[rows]).flatten().topk(k)
        best.append(values.tolist())
        tokens.append((place % V).tolist())
        states += state[rows][place // V].tolist()
    return best, tokens, states


def places(log_p, log_probs):
    return grid(log_p, log_probs).flatten(1).topk(log_p.shape[1]).indices


def one_each(log_p, log_probs, state):
    best, _ = grid(log_p, log_probs).max(2)
    best, parents = best.sort(1, descending=True)
    return best, parents, state


def replaced(i, part):
    """The right answer with its part i replaced by part(log_p, log_probs, state)."""

    def answer(*given):
        result = list(batch(*given))
        result[i] = part(*given)
        return result

    return answer


def may_stop(live, scores, max_steps, alpha, wanted):
    return (scores >= live.max() / max_steps**alpha).sum().item() >= wanted


def may_stop_by_sorting(live, scores, max_steps, alpha, wanted):
    if len(scores) < wanted:
        return False
    bound = max(live.tolist()) / max_steps**alpha
    return sorted(scores.tolist(), reverse=True)[wanted - 1] >= bound


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
    "batch": batch,
    "stop": may_stop,
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
    ("batch", batch_in_a_loop),
    ("batch", lambda p, q, s: (*batch(p, q, s)[:2], batch(p, q, s)[2].view(*p.shape, -1))),
    ("batch", lambda p, q, s: [part.numpy() for part in batch(p, q, s)]),
    ("stop", may_stop_by_sorting),
    ("stop", lambda *given: torch.tensor(may_stop(*given))),
    ("stop", lambda *given: float(may_stop(*given))),
]

WRONG = [
    ("brute", lambda *given: [token + 0.4 for token in brute(*given)], "tuple or list of ints"),
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
    ("batch", lambda p, q, s: (p, p), "return three tensors"),
    ("batch", lambda p, q, s: (grid(p, q).topk(p.shape[1])[0], p, s), "k best of *each*"),
    ("batch", lambda p, q, s: (grid(p, q).flatten().topk(p.shape[1])[0], p, s), "whole batch"),
    ("batch", lambda p, q, s: (p[:, :1], p, s), "must have the shape"),
    ("batch", replaced(2, lambda p, q, s: s[:-1]), "one row for each"),
    ("batch", lambda *given: batch(*given, scores=lambda p, q: q.view(*p.shape, -1)), "left out"),
    ("batch", lambda *given: batch(*given, scores=lambda p, q: p[:, :, None] * q.view(*p.shape, -1)), "multiplied"),
    ("batch", replaced(0, lambda *given: batch(*given)[0].exp()), "log P is asked for"),
    ("batch", lambda p, q, s: [-x for x in batch(p, q, s, scores=lambda p, q: -grid(p, q))], "least likely"),
    ("batch", lambda *given: [x.flip(1) for x in batch(*given)], "come first"),
    ("batch", one_each, "several of the k best"),
    ("batch", replaced(0, lambda p, q, s: torch.zeros_like(p)), "not log P of the k likeliest"),
    ("batch", replaced(1, lambda p, q, s: places(p, q)), "taken apart"),
    ("batch", replaced(1, lambda p, q, s: places(p, q) // q.shape[1]), "the parents"),
    ("batch", replaced(1, lambda p, q, s: places(p, q) % p.shape[1]), "V long, not k"),
    ("batch", replaced(1, lambda p, q, s: torch.zeros_like(p)), "the tokens are not"),
    ("batch", replaced(2, lambda p, q, s: s), "in the old order"),
    ("batch", lambda *given: batch(*given, offset=0), "memory of sentence 0"),
    ("batch", replaced(2, lambda p, q, s: torch.zeros_like(s)), "rows of the state are not"),
    ("stop", lambda *given: 0.5, "True or False"),
    ("stop", lambda live, *given: live < 0, "True or False"),
    ("stop", lambda *given: True, "always says True"),
    ("stop", lambda *given: False, "always says False"),
    ("stop", lambda live, *given: may_stop(live.min()[None], *given), "likeliest"),
    ("stop", lambda *given: may_stop(*given[:-1], 1), "more results are wanted"),
    ("stop", lambda p, s, T, a, w: (s >= p.max() / ((5 + T) / 6) ** a).sum().item() >= w, "another divisor"),
    ("stop", lambda p, s, T, a, w: (s >= p.max() / T).sum().item() >= w, "where is α"),
    ("stop", lambda p, s, T, a, w: (s >= p.max() / (a * T or 1)).sum().item() >= w, "not a factor"),
    ("stop", lambda p, s, T, a, w: (s >= p.max()).sum().item() >= w, "log P itself"),
    ("stop", lambda p, s, T, a, w: (s >= p.max() * T**a).sum().item() >= w, "multiplied"),
    ("stop", lambda *given: not may_stop(*given), "turned around"),
    ("stop", lambda p, s, T, a, w: (s > p.max() / T**a).sum().item() >= w, "equal to the bound is enough"),
    ("stop", lambda *given: may_stop(*given[:-1], len(given[1])), "all finished scores"),
    ("stop", lambda *given: may_stop(*given[:-1], min(given[-1], len(given[1]))), "fewer of them"),
    ("stop", lambda p, s, T, a, w: may_stop(2 * p, s, T, a, w), "too early"),
    ("stop", lambda p, s, T, a, w: may_stop(0.5 * p, s, T, a, w), "nothing can change"),
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
    ("brute", lambda *arguments: (arguments[2], *brute(*arguments)), "leave out the <bos>"),
    ("brute", lambda *arguments: brute(*arguments)[:-1], "the final <eos> belongs to it"),
    ("brute", lambda *arguments: (*brute(*arguments), arguments[3]), "goes on after its <eos>"),
    ("brute", cut_off, "not finished"),
    ("brute", lambda *arguments: decoding.greedy(*arguments)[0].tokens, "greedy sentence"),
    ("brute", best_of_all, "cut off after max_steps"),
    ("brute", lambda *arguments: brute(*arguments[:-1], arguments[-1] - 1), "one step too early"),
    ("brute", lambda *arguments: brute(*arguments[:-1], arguments[-1] + 1), "one step too many"),
    ("brute", lambda *arguments: brute(*arguments[:-1], 3), "tokens where max_steps"),
    ("brute", lambda step, state, bos, eos, T: brute(step, state, 0, 1, T), "which is 2 here"),
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
    ("finished", lambda p, last, q, eos: finished(p, last, q, 1), "an argument"),
    ("finished", with_rows(lambda p, plain, eos: only(plain, 1, p[:, 0])), "the column `eos`"),
    ("finished", lambda p, last, q, eos: p, "return a matrix"),
    ("finished", lambda p, last, q, eos: -finished(p, last, q, eos), "is not right"),
]
