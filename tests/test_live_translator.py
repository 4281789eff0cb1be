"""The translator of the live figure, run by Node, beside d2lrnn: states, alignments, beams, and how it was trained."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from d2lrnn import decoding
from d2lrnn.live import figures, translator
from d2lrnn.seq2seq import Seq2Seq
from d2lrnn.translation import score_translations

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests/translator_cases.mjs"
MODULES = ("drawing", "engine", "words", "translator", "translate")
SAVED = json.loads(translator.FILE.read_text(encoding="utf-8"))
BANNED, BOS, EOS = (0, 1, 2), 2, 3

spec = importlib.util.spec_from_file_location("translator_trainer", ROOT / "tools/train_live_translator.py")
TRAINER = importlib.util.module_from_spec(spec)
spec.loader.exec_module(TRAINER)


def module(**changed):
    """The modules of the figure as one, with some of them changed."""
    texts = {name: changed.get(name, figures.source(figures.MODULES[name])) for name in MODULES}
    objects = [figures.as_object(name, text) for name, text in texts.items()]
    return "\n".join([*objects, f"export {{ {', '.join(MODULES)} }};"])


@pytest.fixture(scope="module")
def ask():
    """A function that asks the translator, in one Node process for all tests."""
    if not shutil.which("node"):
        pytest.skip("there is no Node: install it from your system's packages (nodejs) or from https://nodejs.org")
    node = subprocess.Popen(["node", CASES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    whole, told = module(), {}

    def ask(ask, source=whole, saved=SAVED, **question):
        new = {name: value for name, value in (("source", source), ("saved", saved)) if told.get(name) is not value}
        if "source" in new:
            new["saved"] = saved
        told.update(new)
        print(json.dumps({"ask": ask, **new, **question}), file=node.stdin, flush=True)
        answer = json.loads(node.stdout.readline())
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    yield ask
    node.stdin.close()
    node.wait()


@pytest.fixture(scope="module")
def ours():
    """The model and its data, in Python."""
    return translator.loaded()


@pytest.fixture(scope="module")
def held_out():
    return TRAINER.sentences()[1]


def close(found, expected, atol=1e-10):
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected, atol=atol, rtol=0)


def by_python(model, ids):
    return model.start(torch.tensor([ids]))


# The model


def test_states_probabilities_and_alignments_are_those_of_torch(ask, ours, held_out):
    model, data = ours
    for english, french in held_out[:25]:
        [ids], [target] = data.encode([(english, french)])
        with torch.no_grad():
            H, context = model.encoder(torch.tensor([ids]))
            state = model.start(torch.tensor([ids]))
            features, _, weights = model.decoder(torch.tensor([target[:-1]]), state)
            log_probs = model.decoder.output(features).log_softmax(2)
        read = ask("encode", ids=ids)
        close(read["H"], H[:, 0].flatten())
        close(read["S"], state.recurrent.flatten())
        forced = ask("force", ids=ids, words=target[:-1])
        close(forced["logP"], log_probs[0])
        close(forced["alpha"], weights[0])
        close(forced["alpha"], model.attention_weights(torch.tensor([ids]), [len(ids)], torch.tensor([target[:-1]]))[0])


def random_translator(seed):
    """One that is far less sure than the trained one, so that beams are wide open."""
    model, data = translator.loaded()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.4 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        model.decoder.output.bias[EOS] += 3
    saved = translator.saved(model, data)
    return saved, translator.loaded(saved)[0]


def compare_search(ask, model, saved, ids, k, alpha, source=None, most=11):
    question = {"ids": ids, "settings": {"k": k, "exponent": alpha, "most": most}, "saved": saved}
    found = ask("search", **question, **({"source": source} if source else {}))
    settings = (BOS, EOS, most, k, alpha, BANNED)
    [hypotheses] = decoding.beam_search(model.step, by_python(model, ids), *settings)
    assert [tuple(one["words"]) for one in found["outputs"]] == [one.tokens for one in hypotheses]
    tree = decoding.beam_tree(model.step, by_python(model, ids), *settings)
    assert len(tree) == len(found["tree"])
    for t, (nodes, theirs) in enumerate(zip(found["tree"], tree, strict=True), 1):
        assert len(nodes) == 20
        theirs = theirs[:20]
        assert [node["word"] for node in nodes] == [node.token for node in theirs]
        assert [node["kept"] for node in nodes] == [node.kept for node in theirs]
        close([node["logP"] for node in nodes], torch.tensor([node.log_prob for node in theirs], dtype=torch.float64))
        close([node["score"] for node in nodes], torch.tensor([node.score for node in theirs], dtype=torch.float64))
        assert [node["parent"] for node in nodes] == [node.parent for node in theirs]
        assert [node["ended"] for node in nodes if node["kept"]] == [n.finished or t == most for n in theirs if n.kept]
    for one, hypothesis in zip(found["outputs"], hypotheses, strict=True):
        assert one["logP"] == pytest.approx(hypothesis.log_prob, abs=1e-10)
        assert one["score"] == pytest.approx(hypothesis.score, abs=1e-10)
        before = torch.tensor([[BOS, *hypothesis.tokens[:-1]]])
        with torch.no_grad():
            close(one["alpha"], model.attention_weights(torch.tensor([ids]), [len(ids)], before)[0])
    return found


ALPHAS = (0, 0.5, 0.75, 1, 1.5)


def test_every_beam_is_that_of_decoding(ask, ours, held_out):
    model, data = ours
    for i, (english, _) in enumerate(held_out[:40]):
        [ids] = data.encode_sources([english])
        compare_search(ask, model, SAVED, ids, k=i % 5 + 1, alpha=ALPHAS[i // 5 % 5])


@pytest.mark.parametrize("k", range(1, 6))
def test_beams_of_unsure_models_are_those_of_decoding(ask, held_out, k):
    saved, model = random_translator(k)
    _, data = translator.loaded(saved)
    for i, (english, _) in enumerate(held_out[40:55]):
        [ids] = data.encode_sources([english])
        compare_search(ask, model, saved, ids, k, ALPHAS[i % 5], most=5)


MUTANTS = [
    ("translator", "dot / Math.sqrt(d)", "dot"),
    ("translator", "before.indexOf(parent ?? before[0])", "Math.min(i, before.length - 1)"),
    ("translator", "total[place] / t ** exponent", "total[place] * t ** exponent"),
    ("translator", "logP / most ** exponent > worst", "logP > worst"),
    ("translator", "ended: false", "ended: false, kept: true"),
    ("translator", "live[Math.floor(place / V)].logP + value", "value"),
    ("translator", "place % V < EOS", "place % V < 0"),
    ("translator", "back.subarray((T - 1 - t) * h, (T - t) * h)", "back.subarray(t * h, (t + 1) * h)"),
    ("translator", "b.score - a.score", "a.score - b.score"),
    ("translator", ".map(Math.tanh) };", " };"),
    ("engine", "A[z] * H[before] + (1 - A[z]) * A[c]", "A[z] * A[c] + (1 - A[z]) * H[before]"),
]


@pytest.mark.parametrize(("name", "old", "new"), MUTANTS, ids=[old for _, old, _ in MUTANTS])
def test_a_changed_formula_is_noticed(ask, held_out, name, old, new):
    text = figures.source(figures.MODULES[name])
    assert text.count(old) == 1
    source = module(**{name: text.replace(old, new)})
    saved, model = random_translator(0)
    _, data = translator.loaded(saved)
    sources = data.encode_sources([english for english, _ in held_out[:6]])
    with pytest.raises(AssertionError):
        for ids in sources:
            for k in (1, 3):
                compare_search(ask, model, saved, ids, k, 1, source, most=5)


# Storage and training


def test_the_translator_is_small_and_comes_back(ours):
    model, data = ours
    assert translator.FILE.stat().st_size < 300_000
    assert translator.saved(model, data) == SAVED
    assert data.source_vocab.tokens == SAVED["source"] and data.target_vocab.tokens == SAVED["target"]


def test_what_the_page_cannot_compute_is_refused(ours):
    model, data = ours
    other = Seq2Seq(**model.settings | {"attention": "additive"})
    with pytest.raises(ValueError, match="not with .*additive"):
        translator.saved(other, data)
    big = Seq2Seq(**model.settings)
    with torch.no_grad():
        big.decoder.output.bias[0] = 1e5
    with pytest.raises(ValueError, match="65504"):
        translator.saved(big, data)


def test_it_translates_nine_of_ten_held_out_sentences(ours, held_out):
    """What the page says."""
    model, data = ours
    assert len(held_out) == 500
    assert score_translations(model, data, held_out)["exact_match"] > 0.9


# What is typed


def test_words_are_those_of_the_tokenizer(ask, ours, held_out):
    _, data = ours
    english, french = map(list, zip(*held_out, strict=True))
    assert ask("split", typed=english) == [data.source_tokenizer(sentence) for sentence in english]
    ids = data.encode_sources(english)
    assert [found["ids"] for found in ask("read", typed=english)] == ids
    without = [sentence.removesuffix(".") for sentence in english]
    assert [found["ids"] for found in ask("read", typed=without)] == ids
    words = [data.target_tokenizer(sentence) for sentence in french]
    joined = [data.target_tokenizer.join(sentence).replace("\u202f", " ") for sentence in words]
    assert ask("written", words=words) == joined


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [
        ("", []),
        (" \n\t", []),
        ("a", ["a", "."]),
        ("The LAMP , that burns", ["the", "lamp", ",", "that", "burns", "."]),
        ("She doesn’t sleep?", ["she", "doesn't", "sleep", "?"]),
        ("我爱北京", ["我爱北京", "."]),
        ("👩‍🚀 hi", ["👩‍🚀", "hi", "."]),
        ("<p>the lamp</p>", ["<", "p", ">", "the", "lamp", "<", "/", "p", ">"]),
        ("the lamp " * 500, (["the", "lamp"] * 10)[: SAVED["longest"]]),
    ],
    ids=["nothing", "blanks", "one letter", "signs", "curly", "Chinese", "emoji", "a web page", "4,500 letters"],
)
def test_what_people_type_becomes_words(ask, typed, tokens):
    [found] = ask("read", typed=[typed])
    if tokens:
        assert found["tokens"] == tokens[: SAVED["longest"]]
        assert len(found["ids"]) == len(found["tokens"]) + 1
    assert found["some"] == any(token in SAVED["source"] and token.isalpha() for token in tokens)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("quene", "queen"),
        ("lampe", "lamp"),
        ("slepes", "sleeps"),
        ("íslands", "islands"),
        ("xylophone", None),
        ("q", None),
        ("我爱北京", None),
        ("a" * 5000, None),
    ],
)
def test_near_words_are_offered(ask, typed, meant):
    found = ask("near", word=typed)
    assert (found[0] if found else None) == meant and len(found) <= 2
