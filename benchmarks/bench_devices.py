"""Training and beam search on the CPU (one thread) and, where there is one, on a GPU: tokens per second.

    python -m pytest -q tests/test_devices.py && python benchmarks/bench_devices.py

A machine with a GPU writes the section `cpu_and_gpu`, both columns in one run; one without writes the section `cpu` and
leaves the other one as it is. With a GPU both commands together take less than 8 minutes.
"""

import time

import torch
from sections import record, run

from d2lrnn import cells, seq2seq
from d2lrnn.decoding import beam_search
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel
from d2lrnn.training import batch_data, text_data

V, H, B, T = 64, 256, 64, 32
SECONDS = 3  # of measuring, for each number
GPU = torch.cuda.is_available()


def name(device):
    return "CPU" if device == "cpu" else torch.cuda.get_device_name()


def tokens_per_second(work, tokens):
    """Of the fastest run of `work`, a function without arguments, which handles so many tokens."""
    work()
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        work()
        if GPU:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return tokens / min(times)


def measure(case, device, work, tokens):
    speed = tokens_per_second(work, tokens)
    print(f"{case}, {name(device)}: {speed:,.0f} tokens/s", flush=True)
    record(f"{case}, {name(device)}", tokens_per_second=speed)


def update(model, data, batch, mixed=False):
    """A function that trains the model with one minibatch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def work():
        with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=mixed):
            loss, *_ = data.batch_loss(model, batch, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return work


def language_models(device):
    """From scratch and torch's, h = 256, B = 64, T = 32."""
    recurrences = {"rnn": cells.rnn, "gru": cells.gru, "lstm": cells.lstm}
    first = {"rnn": cells.init_rnn_params, "gru": cells.init_gru_params, "lstm": cells.init_lstm_params}
    ids = torch.randint(V, (B * T + 1,))
    batch = tuple(part.view(B, T).to(device) for part in (ids[:-1], ids[1:]))
    for cell, recurrence in recurrences.items():
        scratch = ScratchLanguageModel(V, first[cell](V, H, V), recurrence).to(device)
        fused = LanguageModel(V, H, cell).to(device)
        data = text_data(fused, ids, None, 1, T)
        measure(f"{cell} from scratch", device, update(scratch, data, batch), B * T)
        measure(f"{cell} of torch.nn", device, update(fused, data, batch), B * T)
        if device == "cuda":
            measure(f"{cell} of torch.nn in bf16", device, update(fused, data, batch, mixed=True), B * T)


def translator(device):
    """A GRU with attention, h = 256, vocabularies of 5,000, B = 64, sentences of 10 tokens; then beam search, k = 5."""
    source, lengths = torch.randint(4, 5000, (B, 10)), torch.full((B,), 10)
    target = torch.cat([torch.full((B, 1), 2), torch.randint(4, 5000, (B, 10)), torch.full((B, 1), 3)], dim=1)
    data = batch_data(None, seq2seq.batch_loss)
    model = seq2seq.Seq2Seq(5000, 5000, H, embedding_size=H // 2, bidirectional=True, attention="dot").to(device)
    batch = tuple(part.to(device) for part in (source, lengths, target, lengths + 2))
    measure("translator, training", device, update(model, data, batch), B * 11)
    model.eval()

    @torch.no_grad()
    def search():
        # Untrained, the model hardly ever finds <eos> likely: the sentences are as long as they may be.
        beam_search(model.step, model.start(*batch[:2]), 2, 3, 10, 5, banned=(0, 1, 2))

    measure("beam search of 64 sentences, k = 5", device, search, B * 10)


def measure_on(*devices):
    for device in devices:
        language_models(device)
        translator(device)


if __name__ == "__main__":
    sections = {"cpu": lambda: measure_on("cpu"), "cpu_and_gpu": lambda: measure_on("cpu", "cuda")}
    run(sections, only_by_name=("cpu",) if GPU else ("cpu_and_gpu",))
