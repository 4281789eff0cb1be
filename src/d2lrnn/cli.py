"""The command line: `d2lrnn train`, `generate`, `perplexity`, `translate`, `info`. Also `python -m d2lrnn`."""

import math
import sys
import time
from pathlib import Path

import click
import torch
from tqdm import tqdm

from d2lrnn import processes, recipes
from d2lrnn.checkpoints import ModelFileError, load_file
from d2lrnn.corpora import decode, load_pairs, load_parallel
from d2lrnn.recipes import duration
from d2lrnn.text_generator import FORMAT as TEXT_MODEL
from d2lrnn.text_generator import TextGenerator
from d2lrnn.training import TrainingDiverged
from d2lrnn.translation import FORMAT as TRANSLATOR
from d2lrnn.translation import Translator

STOPPED = 130  # the exit status of a program that Ctrl-C has ended


class Commands(click.Group):
    """Ends with one line and the exit status 2 where something is wrong with what was asked for."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except click.ClickException:
            if processes.rank() == 0:
                raise
            sys.exit(2)  # the first process says it
        except (OSError, ValueError, TrainingDiverged, processes.ProcessLost) as error:
            if processes.rank() > 0 and isinstance(error, ValueError | TrainingDiverged):
                sys.exit(2)  # the same happens in the first process, which says it
            text = (
                f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
            )
            click.echo(f"Error: {' '.join(text.split())}", err=True)
            sys.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="d2lrnn")
def main():
    """Train recurrent networks on your own text, and use them.

    \b
    d2lrnn train story.txt --out story.pt
    d2lrnn generate story.pt "The captain"
    """


FILES = click.Path(allow_dash=True)
CELLS = click.Choice(["rnn", "gru", "lstm"])


@main.command()
@click.argument("files", nargs=-1, type=FILES)
@click.option("--out", type=click.Path(dir_okay=False), help="The model's file, such as model.pt. [required]")
@click.option("--translate", is_flag=True, help="The file holds pairs: a sentence, a tab, its translation.")
@click.option("--source", type=FILES, help="Sentences, one a line; their translations are in --target.")
@click.option("--target", type=FILES, help="The translations of --source, line by line.")
@click.option(
    "--level",
    type=click.Choice(["char", "word", "letter"]),
    help="What a token is; letter: only a–z and the space. [char; for pairs word]",
)
@click.option("--keep-case", is_flag=True, help="Keep capitals; otherwise all is lower case.")
@click.option("--min-freq", type=click.IntRange(1), help="Rarer tokens become <unk>. [1; for words of a text 2]")
@click.option("--cell", type=CELLS, help="[lstm; for pairs gru]")
@click.option(
    "--hidden",
    type=click.IntRange(1),
    help="Hidden units of a layer. [128 to 512, by the size of the text; for pairs 256]",
)
@click.option("--layers", type=click.IntRange(1), default=1, show_default=True)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.3, show_default=True)
@click.option(
    "--attention",
    type=click.Choice(["dot", "additive", "none"]),
    default="dot",
    show_default=True,
    help="Of a translator.",
)
@click.option(
    "--label-smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="Of a translator: the share of a target's probability that all words get.",
)
@click.option("--epochs", type=click.IntRange(1), default=None, help="At most so many. [30; for pairs 10]")
@click.option(
    "--patience",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Stop after so many epochs without a better validation score.",
)
@click.option("--lr", type=click.FloatRange(0, min_open=True), help="Learning rate of AdamW. [0.005; for pairs 0.002]")
@click.option("--batch-size", type=click.IntRange(1), help="Sequences side by side. [16; for pairs 64]")
@click.option(
    "--steps", type=click.IntRange(1), default=32, show_default=True, help="Time steps through which gradients flow."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--device", help="cpu, cuda or mps. [cpu]")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bf16"]),
    default="float32",
    show_default=True,
    help="bf16 is mixed precision, for GPUs.",
)
@click.option("--resume", is_flag=True, help="Go on with training that was interrupted; give the same options again.")
@click.option("--dry-run", is_flag=True, help="Only say what would be trained, how large it is and how long it takes.")
def train(
    files,
    out,
    translate,
    source,
    target,
    attention,
    label_smoothing,
    epochs,
    lr,
    batch_size,
    steps,
    resume,
    dry_run,
    **options,
):
    """Train a language model on text FILES, or a translator on pairs of sentences.

    A text is split by position: 80 % to train on, 10 % to decide when to stop, and 10 % for the final score. FILE - is
    standard input. Beside the model come its history (.csv) and a picture of it (.png).

    \b
    d2lrnn train text.txt --out model.pt
    d2lrnn train pairs.tsv --translate --out fr.pt
    d2lrnn train --source a.de --target a.en --out de.pt
    """
    if not out and not dry_run:
        raise click.UsageError("say where the model goes: --out model.pt")
    if bool(source) != bool(target) or (source and files):
        raise click.UsageError("--source and --target belong together, and then there are no other files")
    if not files and not source:
        raise click.UsageError("give the file to learn from, or - for standard input")
    pairs = translate or source
    if options["level"] == "letter" and (pairs or options["keep_case"]):
        raise click.UsageError("--level letter is for a text in lower case: without pairs and without --keep-case")
    if resume and dry_run:
        raise click.UsageError("--dry-run trains nothing, so there is nothing to resume: leave one of the two out")
    if out:
        spare_files(out, [*files, source, target])
    checkpoint = None if dry_run else f"{out}.training"
    if checkpoint and Path(checkpoint).exists() and not resume:
        raise ValueError(f"{checkpoint} holds training that was interrupted: add --resume to go on, or delete the file")
    if resume and not Path(checkpoint).exists():
        raise ValueError(f"there is nothing to resume: {checkpoint} does not exist")
    own = {name: value for name, value in options.items() if value is not None}
    own |= dict(
        num_epochs=epochs or (10 if pairs else 30),
        lr=lr or (0.002 if pairs else 0.005),
        num_steps=steps,
        checkpoint=checkpoint,
    )
    own |= dict(batch_size=batch_size or (64 if pairs else 16), optimizer="adamw", show_progress=False)
    with processes.joined(options["device"]) as own["device"]:
        progress = Progress()
        own["report"] = progress.update
        if pairs:
            found = processes.from_first(lambda: sentence_pairs(files, source, target))
            own |= dict(attention=None if attention == "none" else attention, label_smoothing=label_smoothing)
            job = recipes.pair_job(found, **own)
        else:
            job = recipes.text_job(files, **own)
        facts = job.facts | recipes.plan(job)
        if processes.rank() == 0:
            say(facts)
        if not dry_run:
            follow(job, out, progress)


def spare_files(out, given):
    """Refuse a name for the model with which training would write over what it reads, or over the model itself."""
    written = [out, Path(out).with_suffix(".csv"), Path(out).with_suffix(".png"), f"{out}.training"]
    if len({*map(Path, written)}) < len(written):
        raise ValueError(f"{out} would be written over by the history or its picture: give the model another ending")
    read = {Path(path).resolve() for path in given if path and path != "-"}
    for path in map(Path, written):
        if path.resolve() in read:
            raise ValueError(f"training would write over {path}, which it reads: give --out another name")


def sentence_pairs(files, source, target):
    if source:
        return load_parallel(source, target)
    if len(files) != 1:
        raise click.UsageError("--translate takes one file of pairs")
    return load_pairs(files[0])


def say(facts, err=True):
    width = max(map(len, facts))
    for name, fact in facts.items():
        click.echo(f"{name:{width}}  {fact if isinstance(fact, str) else f'{fact:.4g}'}", err=err)


class Progress:
    """A bar for somebody who watches, else a line for each epoch; of several processes the first one reports."""

    def __init__(self):
        self.bar, self.best, self.seconds = None, math.inf, 0

    def start(self, job):
        self.job, self.since = job, time.perf_counter()
        total = job.settings.num_epochs * job.updates
        quiet = processes.rank() > 0 or not sys.stderr.isatty()
        self.bar = tqdm(total=total, unit="update", dynamic_ncols=True, leave=False, disable=quiet)

    def update(self, epoch, step, loss):
        self.bar.update()
        speed = step * self.job.tokens / self.job.updates / (time.perf_counter() - self.since)
        best = f", validation {self.best:.3f}" if math.isfinite(self.best) else ""
        self.bar.set_postfix_str(f"{speed:,.0f} tokens/s, loss {loss:.3f}{best}", refresh=False)

    def row(self, row):
        score, mark = row["held_out_perplexity"], ""
        if score < self.best:
            self.best, mark = score, "  best so far"
        speed, self.seconds = self.job.tokens / (row["seconds"] - self.seconds), row["seconds"]
        self.since = time.perf_counter()
        self.bar.update(row["epoch"] * self.job.updates - self.bar.n)  # epochs of a checkpoint count
        self.bar.write(
            f"epoch {row['epoch']:3d}  training {row['train_perplexity']:8.3f}  validation {score:8.3f}  "
            f"{speed:8,.0f} tokens/s  {duration(row['seconds'])}{mark}",
            file=sys.stderr,
        )


def follow(job, out, progress):
    """Train with a report of each epoch; Ctrl-C keeps what the last epoch has saved."""
    checkpoint = Path(job.settings.checkpoint)
    progress.start(job)
    last = None
    try:
        for last in recipes.train(job, out):
            if processes.rank() == 0:
                progress.row(last)
        progress.bar.close()
        if processes.rank() > 0:
            return
        job.save(out)
        say(job.scores())
        say(job.baselines())
    except KeyboardInterrupt:
        progress.bar.close()
        if processes.rank() > 0:
            sys.exit(STOPPED)
        if last is None:
            click.echo("Stopped in the first epoch: nothing was saved.", err=True)
        else:
            click.echo(f"Stopped. Saved after epoch {last['epoch']}: {out} is usable, and --resume goes on.", err=True)
        sys.exit(STOPPED)
    checkpoint.unlink()
    beside = [str(Path(out).with_suffix(ending)) for ending in (".csv", ".png")]
    click.echo(f"Saved: {out}, {', '.join(beside)}", err=True)


def load(path, wanted=None):
    """The model in a file, of either kind."""
    kinds = {TEXT_MODEL: TextGenerator, TRANSLATOR: Translator}
    try:
        found = load_file(path)["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ModelFileError(f"{path} is not a model that d2lrnn has saved, or it is damaged") from error
    if found not in kinds:
        raise ModelFileError(f"{path} holds a {found}, which this version does not know: is there a newer d2lrnn?")
    if wanted not in (None, kinds[found]):
        command = "translate" if kinds[found] is Translator else "generate"
        raise ModelFileError(
            f"{path} holds a {found.rsplit(' ', 1)[0].removeprefix('d2lrnn ')}: use it with d2lrnn {command}"
        )
    return kinds[found].load(path)


MODEL = click.argument("model", type=click.Path(exists=True, dir_okay=False))


@main.command()
@MODEL
@click.argument("prefix")
@click.option(
    "-n", "--tokens", type=click.IntRange(0), default=200, show_default=True, help="How many tokens to write."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Below 1 bolder, above 1 wilder.",
)
@click.option("--top-k", type=click.IntRange(1), help="Draw among the k likeliest tokens only.")
@click.option("--seed", type=click.IntRange(0), help="For the same text again.")
def generate(model, prefix, tokens, temperature, top_k, seed):
    """Continue PREFIX with what MODEL finds likely."""
    writer = load(model, TextGenerator)
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    click.echo(writer.generate(prefix, tokens, temperature=temperature, top_k=top_k, generator=generator))


@main.command()
@MODEL
@click.argument("files", nargs=-1, required=True, type=FILES)
def perplexity(model, files):
    """How surprising the text of FILES is for MODEL: exp of the mean nats per token."""
    click.echo(f"{load(model, TextGenerator).perplexity_of_files(files):.4f}")


@main.command()
@MODEL
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--beam", type=click.IntRange(1), default=5, show_default=True, help="The width of the beam; 1 is greedy search."
)
@click.option(
    "--alpha", type=click.FloatRange(0), default=0.75, show_default=True, help="Length normalisation: 0 for none."
)
def translate(model, file, beam, alpha):
    """Translate the sentences of FILE, one a line, or of standard input. An empty line stays empty."""
    translator = load(model, Translator)
    lines = [line.strip() for line in decode(file.read(), getattr(file, "name", "standard input")).splitlines()]
    for number, line in enumerate(lines, start=1):
        try:
            click.echo(translator.translate(line, beam, alpha) if line else "")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error


@main.command()
@MODEL
def info(model):
    """What MODEL is: its settings, its size and its vocabulary."""
    found = load(model)
    network = found.model
    facts = {"kind": "translator" if isinstance(found, Translator) else "language model"}
    facts["parameters"] = f"{sum(parameter.numel() for parameter in network.parameters()):,}"
    for name, value in network.settings.items():
        if name not in ("vocabulary", "vocabularies"):
            facts[name.replace("_", " ")] = str(value)
    vocabs = (
        {"vocabulary": found.vocab}
        if isinstance(found, TextGenerator)
        else {"source": found.data.source_vocab, "target": found.data.target_vocab}
    )
    for name, vocab in vocabs.items():
        first = 1 + len(vocab.reserved)
        facts[name] = (
            f"{len(vocab):,} tokens, the most frequent: {' '.join(map(repr, vocab.tokens[first : first + 8]))}"
        )
    tokenizers = (
        {"tokenizer": found.tokenizer}
        if isinstance(found, TextGenerator)
        else {"source tokenizer": found.data.source_tokenizer, "target tokenizer": found.data.target_tokenizer}
    )
    for name, tokenizer in tokenizers.items():
        facts[name] = ", ".join(f"{key} {value}" for key, value in tokenizer.settings.items())
    say(facts, err=False)
