"""Which sentence to write: greedy decoding, exhaustive search and beam search, for many sentences at once.

All three take any model that is given as one function, `log_probs, state = step(tokens, state)`: the tokens (N,) just
written, one for each row, and what the model remembers of each row; back come the natural logarithms of the
probabilities of the next token, (N, V), and the new state. The state is a tensor or a tuple, nested or not, of tensors
whose dimension 0 is the row. A row is a sentence at first, later a hypothesis: rows are copied, reordered and dropped.
For a `seq2seq.Seq2Seq` in evaluation mode: `beam_search(model.step, model.start(source, lengths), bos, eos, …)`.

What is searched is the same for all three: the sequences of at most max_steps tokens that end with <eos>, and those of
exactly max_steps tokens that do not, which are cut off. They are ranked by

    score = log P(y | x) / L^α,   L tokens, <eos> counted.

Log-probabilities are negative, so dividing by L^α favours longer outputs, the more the larger α is; with α = 0 the
score is the log-probability.
"""

import math
from typing import NamedTuple

import torch

from d2lrnn.layers import check_numbers

LARGEST_SEARCH = 1_000_000  # sequences
LARGEST_DIVISOR = 1e30  # of a log-probability: in 32 bits the quotient keeps its digits


class Hypothesis(NamedTuple):
    """An output: its tokens without <bos> and with the final <eos>, log P in nats, its score, and whether it ended."""

    tokens: tuple
    log_prob: float
    score: float
    finished: bool


class Node(NamedTuple):
    """A continuation that beam search looked at: its last token, the place of its parent among the nodes of the step
    before (None at the first step), log P in nats and score up to here, whether the beam kept it, and whether the token
    is <eos>."""

    token: int
    parent: int | None
    log_prob: float
    score: float
    kept: bool
    finished: bool


@torch.no_grad()
def greedy(step, state, bos, eos, max_steps, alpha=0.75, banned=()):
    """Write the likeliest token at each step, until <eos> or max_steps tokens.

    Args:
        step: the model, see above.
        state: its state for B rows.
        bos: the id that each output begins after.
        eos: the id that ends an output.
        max_steps: T, the largest number of tokens of an output, <eos> counted.
        alpha: α ≥ 0; it changes the score that is reported, not what is written.
        banned: ids that are never written, such as those of <pad> and <unk>.

    Returns:
        list of B Hypotheses. Of equally likely tokens the one with the lowest id is written.

    Raises:
        TypeError: the state is not made of tensors; ids or max_steps are no ints.
        ValueError: max_steps below 1; alpha negative, or so large that T^α is above 10³⁰; <eos> banned; an id outside
            the vocabulary; what step returns is not (N, V), is NaN, or has a row whose probabilities do not sum to 1
            (nor are all 0); the probability of every token that is not banned is 0.
    """
    step, last, _ = _prepare(step, state, bos, eos, max_steps, alpha, banned)
    rows, lengths = torch.arange(len(last), device=last.device), torch.zeros_like(last)
    tokens = last.new_full((len(last), max_steps), eos)
    log_prob = score = None
    for t in range(1, max_steps + 1):
        log_probs, state = step(last, state)
        best, last = log_probs.max(dim=1)  # the first one of equal ones
        if log_prob is None:
            log_prob, score = torch.zeros_like(best), torch.zeros_like(best)
        log_prob[rows] += best
        score[rows] = log_prob[rows] / t**alpha
        tokens[rows, t - 1] = last
        lengths[rows] = t
        going_on = last != eos
        if t == max_steps or not going_on.any():
            break
        rows, last, state = rows[going_on], last[going_on], _select(state, going_on.nonzero()[:, 0])
    _check_found(log_prob > -torch.inf)
    return _hypotheses(tokens, lengths, log_prob, score, eos)


@torch.no_grad()
def exhaustive(step, state, bos, eos, max_steps, alpha=0.75, banned=()):
    """Score every sequence there is. Their number grows as |Y|^T: for tiny vocabularies only.

    Args:
        step, state, bos, eos, max_steps, alpha, banned: as for `greedy`.

    Returns:
        for each of the B rows a list of all Hypotheses whose probability is not 0, the best score first; of equal ones
        the shorter first.

    Raises:
        TypeError, ValueError: as for `greedy`; also when |Y|^T is above 1,000,000.
    """
    step, last, banned = _prepare(step, state, bos, eos, max_steps, alpha, banned)
    rows, tokens, log_prob = torch.arange(len(last), device=last.device), last.unsqueeze(1), 0
    found = [[] for _ in range(len(last))]
    for t in range(1, max_steps + 1):
        log_probs, state = step(tokens[:, -1], state)
        if t == 1:
            vocab_size = log_probs.shape[1] - len(banned)
            if vocab_size**max_steps > LARGEST_SEARCH:
                raise ValueError(
                    f"{vocab_size} tokens and {max_steps} steps make {vocab_size**max_steps:,} sequences, more than "
                    f"{LARGEST_SEARCH:,}: lower max_steps, ban tokens, or use beam_search"
                )
            log_prob = torch.zeros_like(log_probs[:, 0])
        log_prob = log_prob.unsqueeze(1) + log_probs
        parent, token = (log_prob > -torch.inf).nonzero(as_tuple=True)
        rows, log_prob = rows[parent], log_prob[parent, token]
        tokens = torch.cat([tokens[parent], token.unsqueeze(1)], dim=1)
        over = (token == eos) | (t == max_steps)
        new = _hypotheses(
            tokens[over, 1:], torch.full_like(rows[over], t), log_prob[over], log_prob[over] / t**alpha, eos
        )
        for row, hypothesis in zip(rows[over].tolist(), new, strict=True):
            found[row].append(hypothesis)
        if over.all():
            break
        rows, log_prob, tokens, state = rows[~over], log_prob[~over], tokens[~over], _select(state, parent[~over])
    _check_found(found)
    return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.score) for hypotheses in found]


@torch.no_grad()
def beam_search(step, state, bos, eos, max_steps, width, alpha=0.75, banned=(), num_results=None):
    """Go on with the k likeliest hypotheses at each step.

    The beam of a sentence begins with the empty hypothesis. At each step every hypothesis in it is continued with every
    token, and the k likeliest of all these continuations are kept. Those of them that end with <eos> are finished: they
    leave the beam and are never continued. The others are the new beam. At the end the best scores among the
    finished hypotheses, and those cut off after T tokens, are returned.

    *Stopping is exact.* The score of a live hypothesis can rise as it grows longer, but its log-probability can only
    fall, and its length is at most T: what becomes of it never scores above log P / T^α. A sentence stops when
    num_results finished hypotheses score at least that for every live one. Going on would change none of the results.

    *No output occurs twice.* The hypotheses of a beam differ, so two continuations differ in what they continue or in
    the token; and a finished one is not continued, or it would come back with another <eos>.

    k = 1 is `greedy`; k of at least |Y|^(T−1) is `exhaustive`. A k above |Y| is allowed: the first step then keeps as
    many as there are. The model runs on the live hypotheses of all sentences together, and on nothing else.
    Source: the stopping rule is that of Huang, Zhao and Ma (2017), with the bound for length^α.

    Args:
        step, state, bos, eos, max_steps, alpha, banned: as for `greedy`.
        width: k, at least 1.
        num_results: how many hypotheses are wanted of each sentence, at most k; None for k. They are
            the first ones of the k; fewer are found sooner.

    Returns:
        for each of the B rows a list of at most num_results Hypotheses, the best score first; of equal ones the
        shorter first, then the one with the better parent, then the one whose token has the lower id.

    Raises:
        TypeError, ValueError: as for `greedy`; also a width below 1, or num_results not from 1 to width.
    """
    num_results = width if num_results is None else num_results
    steps = [kept for kept, _ in _search(step, state, bos, eos, max_steps, width, alpha, banned, num_results)]
    scores, place = _top(torch.cat([kept.score for kept in steps], dim=1), num_results)
    log_prob = torch.cat([kept.log_prob for kept in steps], dim=1).gather(1, place)
    last, slot = place // width, place % width  # the step at which a result ended, and its place in the beam then
    tokens = torch.full((*place.shape, len(steps)), eos, device=place.device)
    for t, kept in reversed(list(enumerate(steps))):
        begun = t <= last
        tokens[:, :, t] = kept.token.gather(1, slot).where(begun, eos)
        slot = kept.parent.gather(1, slot).where(begun, slot)
    rows, ranks = (scores > -torch.inf).nonzero(as_tuple=True)
    found = [[] for _ in range(len(scores))]
    picked = (part[rows, ranks] for part in (tokens, last + 1, log_prob, scores))
    for row, hypothesis in zip(rows.tolist(), _hypotheses(*picked, eos), strict=True):
        found[row].append(hypothesis)
    _check_found(found)
    return found


@torch.no_grad()
def beam_tree(step, state, bos, eos, max_steps, width, alpha=0.75, banned=(), num_results=None):
    """Follow beam search on one sentence, for a drawing: every continuation it looks at, kept or dropped.

    Args:
        step, bos, eos, max_steps, width, alpha, banned, num_results: as for `beam_search`.
        state: the model's state for one row.

    Returns:
        for each step a list of Nodes: first those that were kept, the likeliest first, then those that were dropped.
        Only nodes that were kept, and are not finished, are parents.

    Raises:
        TypeError, ValueError: as for `beam_search`; also when the state has more than one row.
    """
    num_results = width if num_results is None else num_results
    tree = []
    for _, candidates in _search(step, state, bos, eos, max_steps, width, alpha, banned, num_results):
        if (num_rows := len(candidates)) != 1:
            raise ValueError(f"a tree is drawn for one sentence, but the state has {num_rows} rows: pass one of them")
        tree.append(_nodes(candidates[0], len(tree) + 1, width, alpha, eos))
    return tree


def _nodes(candidates, t, width, alpha, eos):
    """The Nodes of step t from their log-probabilities (k, V), the likeliest first, without the impossible ones."""
    log_prob, order = candidates.flatten().sort(descending=True, stable=True)
    log_prob, order = log_prob[log_prob > -torch.inf], order[log_prob > -torch.inf]
    parents, tokens = order // candidates.shape[1], order % candidates.shape[1]
    columns = (part.tolist() for part in (tokens, parents, log_prob, log_prob / t**alpha))
    return [
        Node(token, parent if t > 1 else None, log_prob, score, i < width, token == eos)
        for i, (token, parent, log_prob, score) in enumerate(zip(*columns, strict=True))
    ]


class _Kept(NamedTuple):
    """One step of beam search on B sentences. A place in the beam that nothing fills has log_prob −inf."""

    token: torch.Tensor  # (B, k), the likeliest first
    parent: torch.Tensor  # (B, k), the place of the hypothesis that was continued in the beam before
    log_prob: torch.Tensor  # (B, k)
    score: torch.Tensor  # (B, k), −inf for what has neither ended nor is cut off


@torch.no_grad()
def _search(step, state, bos, eos, max_steps, width, alpha, banned, num_results):
    """Yield what each step of beam search keeps and what it looks at, until every sentence has stopped: a _Kept, and
    log P (B, k, V) of every continuation, −inf in sentences that have stopped."""
    step, last, _ = _prepare(step, state, bos, eos, max_steps, alpha, banned)
    _check_whole("width", width)
    _check_whole("num_results", num_results)
    if num_results > width:
        raise ValueError(f"a beam of width {width} gives at most {width} results, not {num_results}: widen the beam")
    # A place of a beam that no live hypothesis fills has log P −inf, and no row of its own in the state.
    log_p = torch.full((len(last), width), -torch.inf, device=last.device)
    log_p[:, 0] = 0
    rows = torch.arange(len(last), device=last.device).unsqueeze(1).repeat(1, width)
    results = torch.full((len(last), num_results), -torch.inf, device=last.device)
    for t in range(1, max_steps + 1):
        log_probs, state = step(last, state)  # (n, V) for the n ≤ B·k live hypotheses
        candidates = log_probs.index_select(0, rows.flatten()).view(*rows.shape, -1)  # (B, k, V)
        candidates += log_p.unsqueeze(2)  # log P of the parent plus that of the token
        log_p, place = _top(candidates.flatten(1), width)
        parents, tokens = place // candidates.shape[2], place % candidates.shape[2]
        ended = tokens == eos
        score = (log_p / t**alpha).where(ended | (t == max_steps), -torch.inf)
        yield _Kept(tokens, parents, log_p, score), candidates

        results = torch.cat([results, score], dim=1).topk(num_results).values
        log_p = log_p.where(~ended, -torch.inf)
        hopeful = (log_p / max_steps**alpha > results[:, -1:]).any(dim=1, keepdim=True)
        log_p = log_p.where(hopeful, -torch.inf)
        going_on = log_p > -torch.inf
        if not going_on.any():
            break
        last, state = tokens[going_on], _select(state, rows.gather(1, parents)[going_on])
        rows = (going_on.flatten().cumsum(0) - 1).clamp(min=0).view_as(rows)


def _top(values, k):
    """The k largest of each row, falling; equal ones in the order of their columns."""
    best, columns = values.topk(min(k + 1, values.shape[1]))
    tied = ((best[:, 1:] == best[:, :-1]) & (best[:, 1:] > -torch.inf)).any(dim=1)
    if tied.any():  # topk takes equal values in any order
        by_column = values[tied].sort(dim=1, descending=True, stable=True)
        best[tied], columns[tied] = (part[:, : best.shape[1]] for part in by_column)
    return best[:, :k], columns[:, :k]


def _prepare(step, state, bos, eos, max_steps, alpha, banned):
    """Check what all searches take. Return the model as they ask it: a step that checks what comes back and never
    writes banned tokens; the tokens (B,) that it reads first; the set of banned ids."""
    sizes = {part.shape[0] if part.dim() else 0 for part in _parts(state)}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            f"dimension 0 of every tensor of the state must be the row, at least one, but the sizes are {sorted(sizes)}"
        )
    _check_whole("max_steps", max_steps)
    banned = list(banned)
    for i in (bos, eos, *banned):
        _check_whole("an id", i, smallest=0)
    if eos in banned:
        raise ValueError(f"<eos> (id {eos}) is banned: no output could ever end")
    if not alpha >= 0:
        raise ValueError(f"alpha must be at least 0, not {alpha}: below 0 a longer output would score lower still")
    if alpha > math.log(LARGEST_DIVISOR) / math.log(max(max_steps, 2)):
        raise ValueError(f"alpha = {alpha} is too large: divided by {max_steps}^alpha all scores are about 0")
    device = _parts(state)[0].device
    columns = torch.tensor(banned, dtype=torch.long, device=device)

    def checked_step(tokens, state):
        log_probs, state = step(tokens, state)
        log_probs = _check_log_probs(log_probs, len(tokens), (eos, *banned))
        return log_probs.index_fill(1, columns, -torch.inf) if banned else log_probs, state

    return checked_step, torch.full((sizes.pop(),), bos, device=device), set(banned)


def _check_log_probs(log_probs, num_rows, ids):
    """Check what the model computes; return it in at least 32 bits: sums of many tokens need them."""
    if log_probs.dim() != 2 or len(log_probs) != num_rows:
        raise ValueError(
            f"step must return log-probabilities (N, V) for N = {num_rows} tokens, not {tuple(log_probs.shape)}"
        )
    vocab_size = log_probs.shape[1]
    if outside := [i for i in ids if i >= vocab_size]:
        raise ValueError(f"ids {outside} are not in the vocabulary of {vocab_size} tokens that step scores")
    # Rounding to 16 bits moves log-probabilities of −8 … −16 by up to 4 eps, and the logits before them by up to 8.
    tolerance = max(1e-3, 16 * torch.finfo(log_probs.dtype).eps)
    log_probs = log_probs.to(torch.promote_types(log_probs.dtype, torch.float32))
    total = log_probs.exp().sum(dim=1)
    right = (total - 1).abs() <= tolerance
    if not right.all():
        check_numbers(log_probs)
        wrong = ~right & (log_probs.amax(dim=1) > -torch.inf)  # where nothing can follow, another output may be found
        if wrong.any():
            row = wrong.nonzero()[0].item()
            raise ValueError(
                f"step must return log-probabilities, but the probabilities of row {row} sum to {total[row]:.3g} "
                "instead of 1: use log_softmax(logits), and leave out tokens with `banned`"
            )
    return log_probs


def _select(state, rows):
    """The given rows of every tensor of a state."""
    if isinstance(state, torch.Tensor):
        return state.index_select(0, rows)
    parts = [_select(part, rows) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)


def _hypotheses(tokens, lengths, log_probs, scores, eos):
    """From (N, T), (N,), (N,) and (N,) tensors to a list of N Hypotheses."""
    columns = (part.tolist() for part in (tokens, lengths, log_probs, scores))
    return [
        Hypothesis(tuple(row[:length]), log_prob, score, row[length - 1] == eos)
        for row, length, log_prob, score in zip(*columns, strict=True)
    ]


def _parts(state):
    if isinstance(state, torch.Tensor):
        return [state]
    if not isinstance(state, tuple | list):
        raise TypeError(f"the state must be a tensor or a (nested) tuple of tensors, not a {type(state).__name__}")
    return [tensor for part in state for tensor in _parts(part)]


def _check_whole(name, value, smallest=1):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number of the type int, not {value!r}: convert it with int()")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, not {value}")


def _check_found(found):
    if empty := [row for row, one in enumerate(found) if not one]:
        raise ValueError(f"rows {empty}: every token has probability 0 before an output is complete")
