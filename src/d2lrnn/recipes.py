"""From files to a trained model in one file: what the command line does, and what it says of it.

A `TextRecipe` trains a language model, a `PairRecipe` a translator. Both are plain values that `train` follows.
"""

import io
import math
import os
import re
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from d2lrnn import processes, seq2seq, streams
from d2lrnn.batches import pair_batches, random_batches
from d2lrnn.language_model import LanguageModel
from d2lrnn.metrics import bleu
from d2lrnn.ngrams import LaplaceModel
from d2lrnn.plotting import COLORS
from d2lrnn.text import Tokenizer, normalize
from d2lrnn.text_generator import TextGenerator
from d2lrnn.training import Data, Settings, batch_data, epochs, evaluate, text_data
from d2lrnn.translation import PairData, Translator, group_references, score_translations, split_by_source

PARTS = 0.8, 0.9  # where the training part of a text ends, and where the validation part does
EPOCH = 2_000_000  # tokens: a longer text is not read whole in each epoch
ADAPTIVE = 10_000  # from so many tokens on, an adaptive softmax: then three times as fast
VALIDATED = 20_000  # tokens of the validation part that are scored after each epoch
SCORED = 500_000  # tokens of each of the held-out parts that are scored at the end
COUNTED = 2_000_000  # tokens from which the n-grams are counted
EPSILONS = 0.3, 1, 3, 10, 30, 100  # smoothing, chosen on the validation part
ELISION = re.compile("(?:[cdjlmnst]|qu)'[aeiouyhœà-ü]")
HELD_OUT_PAIRS = 800  # source sentences for each of validation and test, or a tenth if that is less


@dataclass
class Job:
    """What there is to train, and on what.

    Attributes:
        model: nn.Module.
        data: training.Data.
        settings: training.Settings.
        save: function of a path: writes the model's file.
        baselines: function → dict of what the model is compared with.
        scores: function → dict of the trained model's scores.
        facts: dict of str: what there is to say before training.
        tokens: how many tokens one epoch trains on.
        updates: how many updates an epoch has.
    """

    model: torch.nn.Module
    data: Data
    settings: Settings
    save: object
    baselines: object
    scores: object
    facts: dict
    tokens: int
    updates: int


def cosine(num_epochs):
    """A learning rate that falls along half a cosine, from all of it in the first epoch to nearly nothing in the last.

    Args:
        num_epochs: how many epochs there are.

    Returns:
        function of the epoch, counted from 1. Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with
        warm restarts (2017); without the restarts.
    """
    return lambda epoch: 0.5 * (1 + math.cos(math.pi * (epoch - 1) / num_epochs))


def text_size(num_tokens):
    """The number of hidden units for a text of so many training tokens: a larger network would learn it by heart."""
    return 128 if num_tokens < 20_000 else 256 if num_tokens < 1_000_000 else 512


def text_job(
    paths, level="char", keep_case=False, min_freq=None, cell="lstm", hidden=None, layers=1, dropout=0.3, **training
):
    """A language model for the text of some files, split by position: 80 % training, 10 % validation, 10 % test.

    Args:
        paths: list of files, see `streams.TextFiles`.
        level: "char", "word" or "letter", see `text.Tokenizer`.
        keep_case: whether capitals stay.
        min_freq: rarer tokens become `<unk>`; None for 1, and for 2 at the word level.
        cell, layers, dropout: see `LanguageModel`.
        hidden: hidden units; None for what fits the text, `text_size`.
        training: batch_size, num_steps, num_epochs, lr, patience, seed, device, checkpoint.

    Returns:
        Job.

    Raises:
        OSError, ValueError: a file cannot be read, or the text is too short.
    """
    tokenizer = Tokenizer(level=level, lower=not keep_case)
    min_freq = min_freq or (2 if level == "word" else 1)
    size, vocab, (train_ids, validation_ids, test_ids) = read(paths, tokenizer, min_freq)
    N, V = len(train_ids), len(vocab)
    scored = f"; {SCORED:,} of each are scored" if len(test_ids) > SCORED else ""
    batch_size, num_steps = training.pop("batch_size"), training.pop("num_steps")
    batch_size = max(1, min(batch_size, (N - 1) // (20 * num_steps)))  # at least 20 updates an epoch
    torch.manual_seed(training["seed"])
    embedding = 64 if V <= 256 else 256  # not one-hot vectors: dropout would take a letter away whole
    hidden = hidden or text_size(N)
    adaptive = V >= ADAPTIVE
    model = LanguageModel(V, hidden, cell, layers, embedding, dropout, adaptive=adaptive, vocabulary=vocab.digest)
    # The state is carried on, as it will be when the model writes, unless each epoch sees other parts of the text.
    sampling = "sequential" if N <= EPOCH else "random"
    data = text_data(model, train_ids, validation_ids[:VALIDATED], batch_size, num_steps, sampling)
    updates = min(N, EPOCH) // (batch_size * num_steps)
    if N > EPOCH:
        whole = data
        data = replace(
            whole,
            batches=lambda generator: islice(random_batches(train_ids, batch_size, num_steps, generator), updates),
            identity=lambda: whole.identity() | {"updates": updates},
        )
    writer = TextGenerator(model, vocab, tokenizer)

    def baselines():
        return ngram_baselines(train_ids[:COUNTED], validation_ids[:VALIDATED], test_ids[:SCORED], V)

    def scores():
        parts = {"validation": validation_ids, "test": test_ids}
        return {f"{name} perplexity": evaluate(model, ids[:SCORED]) for name, ids in parts.items()}

    facts = {
        "text": f"{size:,} bytes, {N:,} training tokens, {len(validation_ids):,} for validation, "
        f"{len(test_ids):,} for the test{scored}",
        "vocabulary": f"{V:,} {dict(word='words', char='characters', letter='letters')[level]} with <unk>"
        + ", an adaptive softmax" * adaptive,
    }
    settings = Settings(schedule=cosine(training["num_epochs"]), **training)
    return Job(model, data, settings, writer.save, baselines, scores, facts, updates * batch_size * num_steps, updates)


def read(paths, tokenizer, min_freq):
    """The vocabulary of the training part of a text, and the ids of its three parts.

    Of several processes the first one reads the text; all of them map the same files of ids.

    Args:
        paths: see `streams.TextFiles`.
        tokenizer: `text.Tokenizer`.
        min_freq: see `text.Vocab`.

    Returns:
        the text's size in bytes, Vocab, and a list of three integer tensors.

    Raises:
        OSError, ValueError: a file cannot be read, or the text is too short.
    """
    bounds = {"training": (0, PARTS[0]), "validation": PARTS, "test": (PARTS[1], 1)}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows keeps files that are mapped

        def write():
            text = streams.TextFiles(paths)
            try:
                vocab = streams.vocabulary(text.blocks(*bounds["training"]), tokenizer, min_freq)
                for name, part in bounds.items():
                    streams.write_ids(text.blocks(*part), tokenizer, vocab, Path(folder, name))
            finally:
                text.close()
            return text.size, vocab, folder

        size, vocab, shared = processes.from_first(write)
        parts = [streams.map_ids(Path(shared, name), vocab) for name in bounds]
        processes.wait()
    return size, vocab, parts


def ngram_baselines(train_ids, validation_ids, test_ids, vocab_size):
    """Test perplexities of models that only count: uniform, unigram and trigram.

    Args:
        train_ids, validation_ids, test_ids: (N,) integer tensors; the smoothing is chosen on the second.
        vocab_size: |V|.

    Returns:
        dict of floats.
    """
    found = {"uniform": float(vocab_size)}
    for name, n in {"unigram": 1, "trigram": 3}.items():
        models = [LaplaceModel(train_ids, n, vocab_size, eps) for eps in EPSILONS]
        best = min(models, key=lambda model: model.perplexity(validation_ids))
        found[name] = best.perplexity(test_ids)
    return found


def has_elision(sentences):
    """Whether sentences are written as French is, with words like l'eau: in 1 of 100 words or more.

    Args:
        sentences: list of str.

    Returns:
        bool.
    """
    words = [word for sentence in sentences for word in normalize(sentence).split()]
    return sum(map(bool, map(ELISION.match, words))) >= 0.01 * len(words)


def pair_job(
    pairs,
    level="word",
    keep_case=False,
    min_freq=None,
    cell="gru",
    hidden=256,
    layers=1,
    dropout=0.3,
    attention="dot",
    label_smoothing=0.1,
    **training,
):
    """A translator for sentence pairs, split by source sentence.

    Args:
        pairs: list of (source, target) tuples of str.
        level: "word" or "char", for both languages.
        keep_case: whether capitals stay.
        min_freq: rarer words become `<unk>`; None for 1.
        cell, hidden, layers, dropout, attention: see `seq2seq.Seq2Seq`.
        label_smoothing: see `seq2seq.batch_loss`.
        training: batch_size, num_epochs, lr, patience, seed, device, checkpoint.

    Returns:
        Job.

    Raises:
        ValueError: there are too few pairs.
    """
    training.pop("num_steps")
    batch_size, seed = training.pop("batch_size"), training["seed"]
    held_out = min(HELD_OUT_PAIRS, len(group_references(pairs)[0]) // 10)
    rest, test = split_by_source(pairs, held_out, seed)
    train, validation = split_by_source(rest, held_out, seed)
    tokenizers = [
        Tokenizer(level, not keep_case, elision=level == "word" and has_elision(side))
        for side in zip(*train, strict=True)
    ]
    pair_data = PairData(train, *tokenizers, min_freq=min_freq or 1)
    torch.manual_seed(seed)
    V = [len(pair_data.source_vocab), len(pair_data.target_vocab)]
    model = seq2seq.Seq2Seq(
        *V,
        hidden,
        cell=cell,
        num_layers=layers,
        embedding_size=hidden // 2,
        dropout=dropout,
        bidirectional=True,
        attention=attention,
        vocabularies=pair_data.digests,
    )
    encoded = pair_data.encode(train)
    data = batch_data(
        lambda generator: pair_batches(*encoded, batch_size, pair_data.pad_id, generator),
        partial(seq2seq.batch_loss, label_smoothing=label_smoothing),
        list(pair_data.batches(validation, batch_size, shuffle=False)),
    )

    def scores():
        found = {}
        for name, width in {"greedy": 1, "beam of 5": 5}.items():
            score = score_translations(model, pair_data, test, width)
            found |= {f"test BLEU, {name}": score["bleu"], f"test exact, {name}": score["exact_match"]}
        return found

    def baselines():
        return {"nearest training sentence, BLEU": nearest_sentence(train, test, pair_data)}

    facts = {
        "pairs": f"{len(train):,} training pairs, {len(validation):,} for validation and {len(test):,} for the test, "
        "with other source sentences",
        "vocabularies": f"{V[0]:,} source tokens and {V[1]:,} target tokens",
    }
    tokens = sum(map(len, encoded[1]))
    updates = math.ceil(len(train) / batch_size)
    translator = Translator(model, pair_data)
    settings = Settings(schedule=cosine(training["num_epochs"]), **training)
    return Job(model, data, settings, translator.save, baselines, scores, facts, tokens, updates)


def nearest_sentence(train, test, data):
    """BLEU of a translator that only looks up: it gives the translation of the training sentence most alike.

    Alike are sentences whose sets of tokens have the largest share in common (the Jaccard index).

    Args:
        train, test: lists of (source, target) tuples of str.
        data: PairData.

    Returns:
        float.
    """
    sources, translations = group_references(test)
    known = [(set(data.source_tokenizer(source)), target) for source, target in train]
    containing = {}
    for i, (words, _) in enumerate(known):
        for word in words:
            containing.setdefault(word, []).append(i)
    found = []
    for source in sources:
        words = set(data.source_tokenizer(source))
        near = {i for word in words for i in containing.get(word, ())} or {0}
        best = max(near, key=lambda i: (len(words & known[i][0]) / len(words | known[i][0]), -i))
        found.append(data.target_tokenizer(known[best][1]))
    return bleu(found, [[data.target_tokenizer(target) for target in targets] for targets in translations])


def plan(job):
    """What training will take, from a few updates of a copy.

    Args:
        job: Job.

    Returns:
        dict of str: parameters, speed, memory and time at most.
    """
    parameters = sum(parameter.numel() for parameter in job.model.parameters())
    speed = tokens_per_second(job)
    seconds = job.settings.num_epochs * job.tokens / speed
    # Weights, gradients, two moments of Adam, and the copy that undoes an update that failed.
    megabytes = 5 * 4 * parameters / 1e6
    return {
        "parameters": f"{parameters:,}, {megabytes:,.0f} MB with gradients and the optimizer's numbers",
        "training": f"at most {job.settings.num_epochs} epochs of {job.updates:,} updates and {job.tokens:,} tokens",
        "speed": f"about {speed:,.0f} tokens/s on this machine",
        "time": f"at most {duration(seconds)}; it stops {job.settings.patience} epochs after the best one",
    }


def tokens_per_second(job, updates=4):
    """How fast a job trains here: `updates` updates of its model, which is put back afterwards.

    Of several processes the speeds are summed; the time in which they exchange gradients is not measured.

    Args:
        job: Job.
        updates: how many; the first one is not timed.

    Returns:
        float.
    """
    saved = {name: tensor.clone() for name, tensor in job.model.state_dict().items()}
    batches = list(islice(job.data.batches(torch.Generator().manual_seed(0)), updates))
    total = 0
    with torch.random.fork_rng():
        for i, batch in enumerate(batches):
            if i == min(1, len(batches) - 1):
                start, total = time.perf_counter(), 0
            rows = processes.rows(len(batch[0]))
            loss, tokens, _ = job.data.batch_loss(job.model, tuple(tensor[rows] for tensor in batch), None)
            loss.backward()
            total += tokens
    seconds = time.perf_counter() - start
    job.model.zero_grad()
    job.model.load_state_dict(saved)
    return processes.total(total / seconds)[0]


def duration(seconds):
    """A time as people say it: 45 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def train(job, out):
    """Train, and write after each epoch what there is: the best model so far, the history and a picture of it.

    The model goes to `out`, the history and the picture beside it, as .csv and .png. A model is as good as the best
    epoch so far, by the validation part. Of several processes only the first one writes.

    Args:
        job: Job.
        out: path of the model's file.

    Yields:
        dict, the row of an epoch: see `training.fit`.

    Raises:
        OSError: a file could not be written; an old one is still there.
    """
    rows = []
    for row in epochs(job.model, job.data, job.settings):
        rows.append(row)
        if processes.rank() > 0:
            yield row
            continue
        if row["held_out_perplexity"] == min(one["held_out_perplexity"] for one in rows):
            job.save(out)
        history = pd.DataFrame(rows)
        write_whole(Path(out).with_suffix(".csv"), history.to_csv(index=False).encode())
        picture = io.BytesIO()
        draw(history).savefig(picture, format="png")
        write_whole(Path(out).with_suffix(".png"), picture.getvalue())
        yield row


def write_whole(path, content):
    """Write a file, or leave the old one.

    Args:
        path: the file.
        content: bytes.

    Raises:
        OSError: it could not be written.
    """
    unfinished = Path(f"{path}.unfinished")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def draw(history):
    """The curves of a history.

    Args:
        history: DataFrame of rows as `train` yields them.

    Returns:
        matplotlib Figure.
    """
    figure = Figure(figsize=(6, 3.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    for column, label, color in (
        ("train_perplexity", "training", "train"),
        ("held_out_perplexity", "validation", "held_out"),
    ):
        ax.plot(history.epoch, history[column], color=COLORS[color], label=label, marker="o", markersize=3)
        ax.annotate(f" {label}", (history.epoch.iloc[-1], history[column].iloc[-1]), color=COLORS[color], va="center")
    ax.set(xlabel="epoch", ylabel="perplexity", yscale="log")
    ax.margins(x=0.15)
    return figure
