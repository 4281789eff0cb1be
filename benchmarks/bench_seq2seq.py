"""Sequence to sequence: training speed beside the textbook form; chapter 13's model with other seeds; real pairs.

    python benchmarks/bench_seq2seq.py [speed] [unseen] [output_layer] [real_pairs]

Reads the English–French pairs. One thread, and seconds are those of processor time.
"""

import time
from functools import partial
from statistics import median

import torch
from sections import record, run
from torch import nn
from torch.nn import functional as F

from d2lrnn import grammar, training
from d2lrnn.batches import pad, pair_batches
from d2lrnn.corpora import load_pairs
from d2lrnn.layers import Encoder
from d2lrnn.metrics import bleu
from d2lrnn.seq2seq import Seq2Seq, batch_loss
from d2lrnn.text import Tokenizer
from d2lrnn.translation import PairData, group_references, score_translations, split_by_source

ROUNDS, T, NUM_EPOCHS = 12, 10, 6


class Textbook(nn.Module):
    """The common way: every sentence padded to T steps and read to the end of its padding, and one step of the decoder
    after the other, each with its output layer. Fused layers of torch within a step, and embeddings, not one-hot
    vectors: it is as fast as this form gets."""

    def __init__(self, source_vocab_size, target_vocab_size):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab_size, 32)
        self.target_embedding = nn.Embedding(target_vocab_size, 32)
        self.encoder, self.decoder = nn.GRU(32, 32, 2), nn.GRU(64, 32, 2)
        self.output = nn.Linear(32, target_vocab_size)

    def forward(self, source, target_in):
        _, state = self.encoder(self.source_embedding(source.T))
        context, logits = state[-1:], []
        for tokens in target_in.T:
            X = torch.cat([self.target_embedding(tokens)[None], context], dim=2)
            S, state = self.decoder(X, state)
            logits.append(self.output(S[0]))
        return torch.stack(logits, dim=1)


def textbook_loss(model, batch):
    """The loss of every position, and the padding's times 0."""
    source, target, lengths = batch
    logits = model(source, target[:, :-1])
    losses = F.cross_entropy(logits.transpose(1, 2), target[:, 1:], reduction="none")
    tokens = (torch.arange(T) < lengths[:, None] - 1).float()
    return (losses * tokens).sum() / tokens.sum(), int(tokens.sum())


def textbook_batches(source_ids, target_ids, pad_id):
    """All sentences in one tensor of T steps, shuffled."""
    (source, _), (target, lengths) = pad(source_ids, pad_id), pad(target_ids, pad_id)
    source = F.pad(source, (0, T - source.shape[1]), value=pad_id)
    target = F.pad(target, (0, T + 1 - target.shape[1]), value=pad_id)
    while True:
        yield [(source[rows], target[rows], lengths[rows]) for rows in torch.randperm(len(source)).split(64)]


def package_batches(source_ids, target_ids, pad_id):
    while True:
        yield list(pair_batches(source_ids, target_ids, 64, pad_id))


def train(model, batches, batch_loss, optimizer):
    """The steps that all sides share; the number of target tokens."""
    num_tokens = 0
    for batch in batches:
        loss, count = batch_loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        num_tokens += count
    return num_tokens


def speed():
    print(f"speed: training on 600 pairs, embedding and hidden 32, two-layer GRU, batch 64, at most {T} steps")
    print(" tokens: real target tokens and <eos>, on all sides; padding never counts. Making the batches is timed too.")
    pairs = load_pairs("eng_fra", 600)
    data = PairData(pairs, target_tokenizer=Tokenizer(elision=True), max_length=T - 1)
    ids = (*data.encode(pairs), data.pad_id)
    sizes = len(data.source_vocab), len(data.target_vocab)
    package = partial(Seq2Seq, *sizes, hidden_size=32, embedding_size=32, num_layers=2)
    sides = {
        "textbook: one step after the other, padded to 10": (Textbook(*sizes), textbook_batches(*ids), textbook_loss),
        "Seq2Seq": (package(), package_batches(*ids), batch_loss),
        "Seq2Seq, dot-product attention": (package(attention="dot"), package_batches(*ids), batch_loss),
        "Seq2Seq, additive attention": (package(attention="additive"), package_batches(*ids), batch_loss),
    }
    optimizers = {name: torch.optim.Adam(model.parameters(), lr=0.005) for name, (model, _, _) in sides.items()}
    rates = {name: [] for name in sides}
    for round in range(-2, ROUNDS):
        for name, (model, batches, loss) in sides.items():
            start = time.process_time()
            num_tokens = train(model, next(batches), loss, optimizers[name])
            if round >= 0:  # the first rounds warm up
                rates[name].append(num_tokens / (time.process_time() - start))
    textbook = next(iter(rates.values()))
    print(f"  {'target without attention: ≥ 2 of the textbook form':<52}{'tokens/s':>10}   of textbook")
    for name, values in rates.items():
        ratio = median(a / b for a, b in zip(values, textbook, strict=True))
        print(f"  {name:<52}{median(values):>10,.0f}   {ratio:11.2f}")
        record(name, tokens_per_second=median(values), of_textbook=ratio)


class Chapter13(nn.Module):
    """Chapter 13's translator of wiring (3): the output layer reads the state, the context and the token before.

    `output_reads` leaves one of the last two out, or both, which is wiring (2).
    """

    def __init__(
        self,
        source_vocab_size,
        target_vocab_size,
        hidden_size=64,
        embedding_size=32,
        output_reads=("context", "token"),
    ):
        super().__init__()
        self.output_reads = output_reads
        size = hidden_size * (1 + ("context" in output_reads)) + embedding_size * ("token" in output_reads)
        self.encoder = Encoder(source_vocab_size, hidden_size, embedding_size=embedding_size)
        self.embedding = nn.Embedding(target_vocab_size, embedding_size)
        self.first_state = nn.Linear(hidden_size, hidden_size)
        self.recurrent = nn.GRU(embedding_size + hidden_size, hidden_size)
        self.output = nn.Linear(size, target_vocab_size)

    def decode(self, tokens, context, state):
        E = self.embedding(tokens.T)
        context = context.expand(len(E), -1, -1)
        S, state = self.recurrent(torch.cat([E, context], dim=2), state)
        others = {"context": context, "token": E}
        S = torch.cat([S, *(others[name] for name in self.output_reads)], dim=2)
        return self.output(S).transpose(0, 1), state

    def read(self, source, lengths):
        _, context = self.encoder(source, lengths)
        return context, torch.tanh(self.first_state(context))[None]


def chapter_loss(model, batch):
    source, source_lengths, target, target_lengths = batch
    logits, _ = model.decode(target[:, :-1], *model.read(source, source_lengths))
    return training.masked_cross_entropy(logits, target[:, 1:], target_lengths - 1)


@torch.no_grad()
def written_greedily(model, source_ids, data):
    context, state = model.read(*pad(source_ids, data.pad_id))
    token, words = torch.full((len(context), 1), data.bos_id), []
    for _ in range(data.max_length + 1):
        logits, state = model.decode(token, context, state)
        token = logits.argmax(2)
        words.append(token)
    rows = torch.cat([*words, torch.full_like(token, data.eos_id)], dim=1).tolist()
    return [row[: row.index(data.eos_id)] for row in rows]


def chapter_data():
    """The pairs of chapter 13, and the ids of each part."""
    drawn = grammar.sample(80_000, seed=0)
    sentences = list(dict.fromkeys(s for s in drawn if len(s.english) <= 6 and s.english[-1] == "."))
    taken_out = set(sorted(set().union(*map(neighbours, sentences)))[::10])
    seen = [grammar.written(s) for s in sentences if not neighbours(s) & taken_out]
    train_pairs = [pair for i, pair in enumerate(seen) if i % 20]
    data = PairData(train_pairs, Tokenizer(), Tokenizer(elision=True))
    new_combinations = [grammar.written(s) for s in sentences if neighbours(s) & taken_out]
    tests = {"new sentences": data.encode(seen[::20]), "new combinations": data.encode(new_combinations)}
    return data, data.encode(train_pairs), tests


def chapter_model(data, ids, seed, **settings):
    """After one epoch with a constant learning rate."""
    torch.manual_seed(seed)
    model = Chapter13(len(data.source_vocab), len(data.target_vocab), **settings)
    return trained(model, data, ids, seed, 1)


def trained(model, data, ids, seed, num_epochs, schedule=None):
    training.fit_batches(
        model,
        lambda generator: pair_batches(*ids, 64, data.pad_id, generator),
        chapter_loss,
        num_epochs=num_epochs,
        lr=0.03,
        optimizer=partial(torch.optim.AdamW, weight_decay=0.3, fused=True),
        schedule=schedule,
        seed=seed,
    )
    return model.eval()


def output_layer():
    print("output_layer: one epoch of chapter 13, what the output layer reads besides the state; perplexity on new")
    print(" sentences. About the same number of parameters.")
    data, ids, tests = chapter_data()
    batches = list(pair_batches(*tests["new sentences"], 400, data.pad_id, shuffle=False))
    for output_reads, hidden_size in (((), 86), (("token",), 80), (("context",), 76), (("context", "token"), 71)):
        name = " and ".join(output_reads) or "nothing"
        for seed in range(2):
            settings = dict(hidden_size=hidden_size, embedding_size=32, output_reads=output_reads)
            model = chapter_model(data, ids, seed, **settings)
            perplexity = training.evaluate_batches(model, batches, chapter_loss)
            record(f"{name}, seed {seed}", perplexity=perplexity, parameters=sum(p.numel() for p in model.parameters()))
            print(f"  {name}, seed {seed}{perplexity:8.3f}", flush=True)


def unseen():
    print("unseen: chapter 13's model with other seeds of training; new sentences and new combinations: BLEU, exact")
    data, ids, tests = chapter_data()
    for seed in range(5):
        model = trained(chapter_model(data, ids, seed), data, ids, seed, 3, lambda epoch: (3.5 - epoch) / 3)
        for name, (source_ids, target_ids) in tests.items():
            candidates = written_greedily(model, source_ids, data)
            references = [row[1:-1] for row in target_ids]
            exact = sum(c == r for c, r in zip(candidates, references, strict=True)) / len(references)
            score = bleu(candidates, [[r] for r in references])
            record(f"{name}, seed {seed}", bleu=score, exact_match=exact)
            print(f"  {name}, seed {seed}{score:8.3f}{exact:8.3f}", flush=True)


def neighbours(s):
    words, kinds = (list(zip(items, items[1:], strict=False)) for items in (s.english, s.tags))
    pairs = zip(words, kinds, strict=True)
    return {pair for pair, kind in pairs if kind in (("ADJ", "NOUN"), ("NOUN", "VERB"))}


def real_pairs(validation=False):
    """Train and score on the real pairs; `validation` scores on 800 of the training sentences instead: choose there."""
    train_pairs, held_out = split_by_source(load_pairs("eng_fra"), 800)
    if validation:
        train_pairs, held_out = split_by_source(train_pairs, 800, seed=1)
    data = PairData(train_pairs, target_tokenizer=Tokenizer(elision=True), min_freq=2)
    source_ids, target_ids = data.encode(train_pairs)
    num_tokens = sum(map(len, target_ids)) - len(target_ids)
    print(f"real pairs: {len(train_pairs):,} to train on; 800 English sentences held out, none of them in training,")
    print(f" with {len(held_out):,} references. Corpus BLEU on lower-cased tokens, one seed. Targets in 180 s:")
    print(" ≥ 0.25 without attention, ≥ 0.32 with it. The settings were chosen on 800 others, of the training pairs.")
    print(f"  {'':<24}{'parameters':>10}{'seconds':>9}{'tokens/s':>10}   greedy: BLEU  exact   beam of 5: BLEU  exact")
    scores = nearest_sentence(data, train_pairs, held_out)
    print(f"  {'most similar sentence':<43}" + " " * 10 + "{bleu:15.3f}{exact_match:7.3f}".format(**scores))
    record("most similar sentence", **scores)
    for attention, wiring in ((None, "both"), ("dot", "initial_state")):
        torch.manual_seed(0)
        model = Seq2Seq(
            len(data.source_vocab),
            len(data.target_vocab),
            hidden_size=256,
            embedding_size=128,
            bidirectional=True,
            wiring=wiring,
            attention=attention,
            dropout=0.3,
        )
        start = time.process_time()
        training.fit_batches(
            model,
            lambda generator: pair_batches(source_ids, target_ids, 48, data.pad_id, generator),
            batch_loss,
            num_epochs=NUM_EPOCHS,
            lr=0.003,
            optimizer=partial(torch.optim.AdamW, fused=True),
            schedule=lambda epoch: 1 - (epoch - 1) / NUM_EPOCHS,
        )
        seconds = time.process_time() - start
        name = "without attention" if attention is None else f"{attention} attention"
        parameters = sum(parameter.numel() for parameter in model.parameters())
        line = f"  {name:<24}{parameters:>10,}{seconds:9.0f}{NUM_EPOCHS * num_tokens / seconds:10,.0f}"
        for width, columns in ((1, "{bleu:15.3f}{exact_match:7.3f}"), (5, "{bleu:18.3f}{exact_match:7.3f}")):
            scores = score_translations(model, data, held_out, width)
            line += columns.format(**scores)
            record(f"{name}, beam of {width}", bleu=scores["bleu"], exact_match=scores["exact_match"], seconds=seconds)
        print(line, flush=True)


def nearest_sentence(data, train_pairs, held_out):
    """The scores of a translator that only looks up: the first translation of the training sentence with the largest
    share of its words in common."""
    sources, translations = group_references(train_pairs)
    known, asked = (bags(data, sentences) for sentences in (sources, group_references(held_out)[0]))
    similarity = asked @ known.T / (asked.sum(1, keepdim=True) + known.sum(1))
    tokenizer = data.target_tokenizer
    candidates = [tokenizer(translations[i][0]) for i in similarity.argmax(1)]
    references = [[tokenizer(sentence) for sentence in group] for group in group_references(held_out)[1]]
    exact = [candidate in group for candidate, group in zip(candidates, references, strict=True)]
    return {"bleu": bleu(candidates, references), "exact_match": sum(exact) / len(exact)}


def bags(data, sentences):
    """(N, V): 1 for the words that are in a sentence."""
    rows = torch.zeros(len(sentences), len(data.source_vocab))
    for row, ids in zip(rows, data.encode_sources(sentences), strict=True):
        row[ids] = 1
    return rows


if __name__ == "__main__":
    sections = {"speed": speed, "unseen": unseen, "output_layer": output_layer, "real_pairs": real_pairs}
    run(sections, only_by_name=("unseen", "output_layer", "real_pairs"))
