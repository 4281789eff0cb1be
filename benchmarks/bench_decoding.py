"""Beam search on many sentences at once, beside the same search on one hypothesis at a time; greedy decoding.

    python benchmarks/bench_decoding.py [beam]

One thread; seconds are those of processor time. The models are trained on the grammar's pairs and translate 64 of its
sentences that they have not seen. All sides run the same model and the same search, and must find the same.
"""

import time
from functools import partial
from statistics import median

import torch
from sections import record, run

from d2lrnn import training
from d2lrnn.batches import pad, pair_batches
from d2lrnn.corpora import load_pairs
from d2lrnn.decoding import Hypothesis, beam_search, greedy
from d2lrnn.seq2seq import Seq2Seq, batch_loss
from d2lrnn.text import Tokenizer
from d2lrnn.translation import PairData, split_by_source

SENTENCES, WIDTH, ALPHA, MAX_STEPS, ROUNDS = 64, 5, 0.75, 30, 3


@torch.no_grad()
def one_hypothesis_at_a_time(model, sources, bos, eos):
    """The common way: for each sentence, at each step, for each hypothesis, one call of the model."""
    found = []
    for ids in sources:
        beam = [(0.0, [bos], model.start(torch.tensor([ids])))]
        results = []
        for t in range(1, MAX_STEPS + 1):
            continuations = []
            for log_prob, tokens, state in beam:
                log_probs, state = model.step(torch.tensor(tokens[-1:]), state)
                best, ids = log_probs[0].topk(WIDTH)
                for value, token in zip(best.tolist(), ids.tolist(), strict=True):
                    continuations.append((log_prob + value, [*tokens, token], state))
            continuations.sort(key=lambda continuation: continuation[0], reverse=True)
            beam = []
            for log_prob, tokens, state in continuations[:WIDTH]:
                if tokens[-1] == eos or t == MAX_STEPS:
                    results.append(Hypothesis(tuple(tokens[1:]), log_prob, log_prob / t**ALPHA, tokens[-1] == eos))
                else:
                    beam.append((log_prob, tokens, state))
            results = sorted(results, key=lambda result: result.score, reverse=True)[:WIDTH]
            # The same rule as in decoding.beam_search: nothing in the beam can still get among the best.
            if not beam or (len(results) == WIDTH and beam[0][0] / MAX_STEPS**ALPHA <= results[-1].score):
                break
        found.append(results)
    return found


@torch.no_grad()
def one_sentence_at_a_time(model, sources, bos, eos):
    found = []
    for ids in sources:
        found += beam_search(model.step, model.start(torch.tensor([ids])), bos, eos, MAX_STEPS, WIDTH, ALPHA)
    return found


@torch.no_grad()
def all_at_once(model, sources, bos, eos, num_results=WIDTH):
    state = model.start(*pad(sources, pad_id=0))
    return beam_search(model.step, state, bos, eos, MAX_STEPS, WIDTH, ALPHA, num_results=num_results)


@torch.no_grad()
def greedily(model, sources, bos, eos):
    return greedy(model.step, model.start(*pad(sources, pad_id=0)), bos, eos, MAX_STEPS)


def trained_model(hidden_size, data, source_ids, target_ids):
    torch.manual_seed(0)
    sizes = len(data.source_vocab), len(data.target_vocab), hidden_size
    model = Seq2Seq(*sizes)
    batches = partial(pair_batches, source_ids, target_ids, 64, data.pad_id)
    training.fit_batches(model, batches, batch_loss, num_epochs=2, lr=0.004, show_progress=False)
    return model.eval()


def check(found, expected):
    """The same tokens in the same order; scores up to the rounding of 32 bits."""
    for ours, theirs in zip(found, expected, strict=True):
        assert [h.tokens for h in ours] == [h.tokens for h in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert abs(one.score - other.score) < 1e-4 and abs(one.log_prob - other.log_prob) < 1e-4


def beam():
    print(f"beam: width {WIDTH}, {SENTENCES} sentences; target with hidden 128: all at once at least 20 times as fast")
    train_pairs, held_out = split_by_source(load_pairs("grammar", 4_000), 500)
    data = PairData(train_pairs, target_tokenizer=Tokenizer(elision=True))
    train_ids = data.encode(train_pairs)
    sources = data.encode_sources(list(dict.fromkeys(source for source, _ in held_out))[:SENTENCES])
    for hidden_size in (128, 256):
        model = trained_model(hidden_size, data, *train_ids)
        args = model, sources, data.bos_id, data.eos_id
        expected = one_hypothesis_at_a_time(*args)
        for search in (one_sentence_at_a_time, all_at_once):
            check(search(*args), expected)
        length = sum(len(ranked[0].tokens) for ranked in expected) / SENTENCES
        print(f" hidden {hidden_size}, vocabulary {len(data.target_vocab)}: the same results from all sides, ", end="")
        print(f"{length:.1f} tokens in the best ones")
        rows = counted_rows(all_at_once, *args)
        sides = {
            "one hypothesis at a time": one_hypothesis_at_a_time,
            "one sentence at a time": one_sentence_at_a_time,
            "all at once": all_at_once,
            "all at once, only the best result": partial(all_at_once, num_results=1),
            "greedy decoding, all at once": greedily,
            "the model alone, on as many rows": partial(bare_steps, rows=rows),
        }
        take_turns(sides, args, f"hidden {hidden_size}")


def counted_rows(search, model, *args):
    """How many hypotheses the model reads at each step of a search."""
    rows, step = [], model.step

    def counted(tokens, state):
        rows.append(len(tokens))
        return step(tokens, state)

    model.step = counted
    search(model, *args)
    del model.step
    return rows


@torch.no_grad()
def bare_steps(model, sources, bos, eos, rows):
    """The encoder, and the steps of a search without the search: no beam search on this model can be faster."""
    state = model.start(*pad(sources, pad_id=0))
    for num_rows in rows:
        index = torch.arange(num_rows) % SENTENCES
        model.step(index % 4, tuple(part[index] for part in state))


def take_turns(sides, args, title):
    seconds = {name: [] for name in sides}
    for round in range(-1, ROUNDS):
        for name, work in sides.items():
            start = time.process_time()
            work(*args)
            if round >= 0:  # the first round warms up
                seconds[name].append(time.process_time() - start)
    slow = seconds["one hypothesis at a time"]
    print(f"  {'':<36}{'ms':>8}  sentences/s  times as fast")
    for name, values in seconds.items():
        ratio = median(a / b for a, b in zip(slow, values, strict=True))
        each = median(values)
        print(f"  {name:<36}{1000 * each:8.1f}  {SENTENCES / each:11,.0f}  {ratio:13.1f}")
        record(f"{title}, {name}", milliseconds=1000 * each, sentences_per_second=SENTENCES / each, times_as_fast=ratio)


if __name__ == "__main__":
    run({"beam": beam})
