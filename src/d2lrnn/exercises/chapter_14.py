"""Checkers of chapter 14, beam search."""

import math

import torch

from d2lrnn import decoding
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number, whole


@checker(
    "14.hand",
    praise="Many sentences share the likelier first word; the best one stands nearly alone behind the other.",
)
def hand(answer):
    try:
        greedy, best, width = map(number, answer)
    except (TypeError, ValueError):
        return "give three numbers: P of the greedy sentence, P of the most probable one, and k."
    slips = [
        (0.30, "P of the greedy sentence: it goes on until the full stop."),
        (0.324, "the first number is P of the greedy sentence; you gave that of another one."),
        (math.log(0.12), "P of the greedy sentence is asked for, not its logarithm."),
        (0.5, "P of the greedy sentence: probabilities along a path are multiplied, not averaged."),
        (1.5, "P of the greedy sentence: probabilities along a path are multiplied, not added."),
        (2.5, "P of the greedy sentence: probabilities along a path are multiplied, not added."),
    ]
    if not close(greedy, 0.12, 1e-3):
        return find_slip(greedy, slips, 1e-3) or "the first number is not P of the greedy sentence."
    slips = [
        (0.12, "there is a more probable sentence than the greedy one."),
        (0.162, "that sentence beats the greedy one, but it has a better one beside it: try the other first word."),
        (0.36, "P of the best sentence: it goes on until the full stop."),
        (math.log(0.324), "P of the best sentence is asked for, not its logarithm."),
    ]
    if not close(best, 0.324, 1e-3):
        return find_slip(best, slips, 1e-3) or "the second number is not P of the most probable sentence."
    if width == 1:
        return "k = 1 is greedy search, whose sentence you have just found to be another one."
    if width == 4:
        return "that k is sure to find it by (14.6); a smaller one may find it too. Follow the beam."
    if width != 2:
        return "the two sentences are right, k is not: follow the beam step by step, from k = 1 on."


def _rows(generator, n, V):
    log_p = -torch.rand(n, generator=generator).mul(3)
    return log_p, torch.randn(n, V, generator=generator).mul(2).log_softmax(1)


@checker(
    "14.batch",
    praise="One top-k for each sentence, and every kept hypothesis goes on with its own parent's memory.",
)
def batch(answer):
    generator = torch.Generator().manual_seed(0)
    for B, k, V in [(3, 2, 7), (2, 4, 5), (4, 3, 6), (1, 3, 4)]:
        log_p, log_probs = _rows(generator, B * k, V)
        log_p, state = log_p.view(B, k), torch.randn(B * k, 3, generator=generator)
        result = call(answer, log_p.clone(), log_probs.clone(), state.clone())
        try:
            best, tokens, new_state = map(as_tensor, result)
        except (TypeError, ValueError):
            return "return three tensors: log P (B, k), the tokens (B, k), and the state (B·k, h)."
        if new_state.shape == (B, k, 3):
            new_state = new_state.flatten(0, 1)
        if not best.shape == tokens.shape == (B, k):
            if best.numel() == B * k * k:
                return "these are the k best of *each* hypothesis: all candidates of a sentence compete."
            if best.numel() == k and B > 1:
                return "these are the k best of the whole batch: each sentence has a beam of its own."
            return f"log P and the tokens must have the shape {(B, k)}, not {tuple(best.shape)}, {tuple(tokens.shape)}."
        if new_state.shape != (B * k, 3):
            return f"the state must have one row for each hypothesis that goes on, {(B * k, 3)}."
        candidates = log_p[:, :, None] + log_probs.view(B, k, V)

        def top(scores, largest=True, B=B, k=k):
            return scores.reshape(B, -1).topk(k, largest=largest)

        right, place = top(candidates)
        parents = place // V
        offset = k * torch.arange(B)[:, None]
        least = top(candidates, largest=False).values
        slips = [
            (top(log_probs).values, "you left out what the parents have so far: log P begins with the parent's."),
            (top(log_p[:, :, None] * log_probs.view(B, k, V)).values, "you multiplied logarithms: add them."),
            (right.exp(), "these are probabilities; log P is asked for."),
            (least, "these are the least likely candidates."),
            (right.flip(1), "the likeliest candidate must come first."),
            (candidates.amax(2).sort(1, descending=True).values, "one parent may have several of the k best."),
        ]
        if not close(best, right, 1e-5):
            return find_slip(best, slips) or "the values are not log P of the k likeliest candidates of each sentence."
        if not close(tokens, place % V):
            slips = [
                (place, "log P is right; the places in the flattened matrix must still be taken apart."),
                (parents, "log P is right; you gave the parents, or mixed up rows and columns."),
                (place % k, "log P is right; each row of the flattened matrix is V long, not k."),
            ]
            return find_slip(tokens, slips) or "log P is right, the tokens are not."
        if not close(new_state, state[(parents + offset).flatten()]):
            slips = [
                (state, "the state is in the old order: each hypothesis goes on with the rows of its parent."),
                (state[parents.flatten()], "every sentence now goes on with the memory of sentence 0."),
                (state[(place % k + offset).flatten()], "each row of the flattened matrix is V long, not k."),
            ]
            return find_slip(new_state, slips) or "log P and the tokens are right, the rows of the state are not."


@checker(
    "14.stop",
    praise="The bound divides by the largest divisor there is, that of T' tokens.",
)
def stop(answer):
    generator = torch.Generator().manual_seed(0)
    results, rights, slips = [], [], {}
    for trial in range(400):
        n, m = (int(torch.randint(1, 5, (), generator=generator)) for _ in range(2))
        live = -6 * torch.rand(n, generator=generator, dtype=torch.float64) - 0.1
        scores = -4 * torch.rand(m, generator=generator, dtype=torch.float64) - 0.1
        max_steps, alpha = (5, 9, 20)[trial % 3], (0.0, 0.75, 1.0, 1.5)[trial % 4]
        wanted = 1 + trial % 3
        if alpha == 0:  # the bound is log P itself, so ties are exact
            live, scores = (part.mul(8).round().div(8) for part in (live, scores))
            scores[0] = live.max()
        result = call(answer, live.clone(), scores.clone(), max_steps, alpha, wanted)
        try:
            result = as_tensor(result)
        except (TypeError, ValueError):
            return "return True or False."
        if result.numel() != 1 or result.item() not in (0, 1):
            return "return True or False: one answer for the whole search."
        results.append(bool(result.item()))
        divisor = max_steps**alpha
        best = sorted(scores.tolist(), reverse=True)
        last = best[wanted - 1] if wanted <= m else -math.inf
        rights.append(last >= live.max().item() / divisor)
        for problem, wrong in {
            "you stopped although one live hypothesis can still score higher: the bound is that of the likeliest.": (
                last >= live.min().item() / divisor
            ),
            "one finished hypothesis above the bound is not enough when more results are wanted.": (
                best[0] >= live.max().item() / divisor
            ),
            "you divide by ((5 + T') / 6)^α; (14.4) has another divisor.": (
                last >= live.max().item() / ((5 + max_steps) / 6) ** alpha
            ),
            "α is an exponent of the length, not a factor.": last >= live.max().item() / (alpha * max_steps or 1),
            "where is α? It is not always 1.": last >= live.max().item() / max_steps,
            "you compare with log P itself: a longer sentence is divided by more, so its score can still rise.": (
                last >= live.max().item()
            ),
            "the bound is multiplied where it should be divided.": last >= live.max().item() * divisor,
            "the inequality is turned around.": not last >= live.max().item() / divisor,
            "a score equal to the bound is enough: the live hypothesis cannot pass it any more.": (
                last > live.max().item() / divisor
            ),
            "all finished scores need not reach the bound, only as many as are wanted.": (
                best[-1] >= live.max().item() / divisor
            ),
            "count the finished ones: with fewer of them than are wanted the search goes on.": (
                best[min(wanted, m) - 1] >= live.max().item() / divisor
            ),
        }.items():
            slips.setdefault(problem, []).append(wrong)
    if results == rights:
        return None
    if len(set(results)) == 1:
        return f"it always says {results[0]}: compare the finished scores with a bound."
    for problem, wrong in slips.items():
        if results == wrong:
            return problem
    early = any(result and not right for result, right in zip(results, rights, strict=True))
    return "in some cases it stops too early." if early else "in some cases it goes on although nothing can change."


@checker(
    "14.count",
    praise="For k = 1 it is VT, and for a very wide beam the number of all nodes of the tree.",
)
def count(answer):
    for V, T, k in [(6, 5, 3), (10, 7, 4), (4, 3, 10), (3, 4, 100), (5, 1, 2), (7, 6, 1)]:
        right = sum(min(k, V ** (t - 1)) * V for t in range(1, T + 1))
        result = number(call(answer, V, T, k))
        slips = [
            (V + (T - 1) * k * V, "you have k hypotheses after step 1, but there are only V of them when k > V."),
            (k * V * T, "in the first step there is one hypothesis only, the empty one."),
            (sum(min(k, V ** (t - 1)) for t in range(1, T + 1)), "those are the hypotheses; each has V candidates."),
            (sum(min(k, V**t) for t in range(1, T + 1)), "those are the hypotheses that are kept, not the candidates."),
            (sum(min(k, V**t) * V for t in range(1, T + 1)), "before step 1 there is one hypothesis, not V."),
            (V + (T - 1) * min(k, V) * V, "the beam goes on growing after step 2, as long as it is not full."),
            (V**T, "those are all sequences of T tokens; a beam drops most of them."),
            (sum(V**t for t in range(1, T + 1)), "those are all nodes of the tree; a beam drops most of them."),
            (V * T, "that is greedy search; where is k?"),
        ]
        if not close(result, right):
            return find_slip(result, slips) or f"for V = {V}, T = {T} and k = {k} it is not {result:g}."


@checker(
    "14.brute",
    praise="It is always right, and it is the yardstick for every faster search, on models this small.",
)
def brute(answer):
    generator = torch.Generator().manual_seed(1)
    results, rights, slips, asked = [], [], [], []
    for trial in range(24):
        bos, eos, max_steps = *((0, 1), (3, 2))[trial % 2], (2, 4, 3, 5)[trial % 4]
        tables = torch.randn(4, 4, 4, dtype=torch.float64, generator=generator).mul(2)
        tables[:, :, eos] -= 1  # so that not everything ends at once
        tables = tables.log_softmax(2)

        def step(tokens, state, tables=tables, bos=bos):
            first = torch.where(state[0] == bos, tokens, state[0])
            return tables[first, tokens], (first,)

        start = (torch.tensor([bos]),)

        def stateless(tokens, state, step=step, start=start):
            return step(tokens, tuple(part.expand(len(tokens)) for part in start))

        result = call(answer, step, (start[0].clone(),), bos, eos, max_steps)
        try:
            results.append(tuple(map(whole, result)))
        except (TypeError, ValueError):
            return "return the tokens of the sentence as a tuple or list of ints."
        given = bos, eos, max_steps
        asked.append(given)
        ranked = decoding.exhaustive(step, start, *given, alpha=0)[0]
        finished = [h for h in ranked if h.finished]
        rights.append(finished[0].tokens)
        slips.append(
            [
                ((bos, *rights[-1]), "that is the right sentence; leave out the <bos> at its beginning."),
                (rights[-1][:-1], "that is the right sentence; the final <eos> belongs to it."),
                (decoding.greedy(step, start, *given)[0].tokens, "that is the greedy sentence: try every token."),
                (ranked[0].tokens, "what is cut off after max_steps is not a finished sentence, however probable."),
                (max(finished, key=lambda h: h.log_prob / len(h.tokens)).tokens, "you ranked by the mean per token."),
                (finished[-1].tokens, "that is the least probable one."),
                (_best(stateless, start, *given), "hand on the state that `step` returns: the search forgets it."),
                (_best(step, start, bos, eos, max_steps - 1), "your search stops one step too early."),
                (_best(step, start, bos, eos, max_steps + 1), "your search goes on for one step too many."),
            ]
        )
    if results == rights:
        return None
    for column in zip(*slips, strict=True):  # a slip must explain every result: one alone may agree by chance
        if all(result == wrong for result, (wrong, _) in zip(results, column, strict=True)):
            return column[0][1]
    for result, (_, eos, max_steps) in zip(results, asked, strict=True):
        if eos in result[:-1]:
            return "your sentence goes on after its <eos>."
        if result[-1:] != (eos,):
            return f"that sentence is not finished: it does not end with <eos>, which is {eos} here."
        if len(result) > max_steps:
            return f"your sentence has {len(result)} tokens where max_steps = {max_steps}."
    return "a more probable finished sentence exists. Are all lengths up to max_steps tried, and all tokens?"


def _best(*given):
    return next(h.tokens for h in decoding.exhaustive(*given, alpha=0)[0] if h.finished)


@checker(
    "14.finished",
    praise="A finished sentence is still one path of the tree, so it can fill only one place of the beam.",
)
def finished(answer):
    generator = torch.Generator().manual_seed(2)
    for last, eos in [([3, 1, 2], 1), ([1, 1, 0], 1), ([0, 2, 3], 1), ([1, 3, 3], 3)]:
        last = torch.tensor(last)
        log_p, log_probs = _rows(generator, 3, 5)
        over = (last == eos)[:, None]
        column = torch.arange(5) == eos
        plain = log_p[:, None] + log_probs
        unchanged = log_p[:, None].expand(-1, 5)
        never = torch.full_like(plain, -torch.inf)
        paid, zero, right = (
            torch.where(over, torch.where(column, part, never), plain)
            for part in (plain, torch.zeros_like(plain), unchanged)
        )
        result = call(answer, log_p.clone(), last.clone(), log_probs.clone(), eos)
        fixed = torch.where(torch.arange(5) == 1, unchanged, never)
        slips = [
            (torch.where((last == 1)[:, None], fixed, plain), "`eos` is an argument: it need not be 1."),
            (torch.where(over, fixed, plain), "a finished row goes to the column `eos`, which need not be 1."),
            (plain, "finished rows are continued: the same sentence would come back with one <eos> more."),
            (torch.where(over, never, plain), "the finished hypotheses are lost: they must keep their place."),
            (paid, "a finished hypothesis pays for its <eos> again."),
            (torch.where(over, unchanged, plain), "a finished row gives V candidates, all of them the same sentence."),
            (zero, "the finished hypotheses have lost their log P."),
            (torch.where(over, zero, log_probs), "where is the log P of the hypotheses?"),
            (torch.where(over, right.nan_to_num(neginf=0.0), plain), "0 is the logarithm of 1, not of 0."),
            (torch.where(over, right, log_probs), "the live rows have lost the log P of their parents."),
            (torch.where(over & column, unchanged, plain), "a finished row keeps its other tokens too."),
            (torch.where(column, unchanged, never), "the live rows must go on as before."),
        ]
        result = as_tensor(result)
        result = result.masked_fill(result < -1e6, -torch.inf)  # a score as low as this is as good as log 0
        if result.shape != right.shape:
            return f"return a matrix (n, V), not {tuple(result.shape)}."
        if not close(result, right):
            return find_slip(result, slips) or "the matrix of candidates is not right."
