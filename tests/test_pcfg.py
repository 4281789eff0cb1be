"""Grammars given as data, against enumeration of all their derivations."""

import math
import random
from collections import Counter
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from d2lrnn.pcfg import Grammar, Rule, is_symbol, word_of

SYMBOLS, WORDS = ("S", "Np", "Vp"), ("a", "b")


@st.composite
def grammars(draw, recursive=True, synchronous=False):
    """Small grammars: left and right recursion, chains of single symbols, repeated symbols, equal rules."""
    rules = {}
    for place, symbol in enumerate(SYMBOLS):
        others = SYMBOLS if recursive else SYMBOLS[place + 1 :]
        sources = draw(st.lists(st.lists(st.sampled_from(others + WORDS), min_size=1, max_size=3), max_size=3))
        sources = [source for source in sources if len(source) > 1 or source[0] not in SYMBOLS[: place + 1]]
        sources.append(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2)))
        weights = [draw(st.integers(1, 3)) for _ in sources[1:]] + [6]
        targets = [()] * len(sources)
        if synchronous:
            extra = draw(st.lists(st.sampled_from(("x", "{0}", "%s")), max_size=2))
            targets = [tuple(draw(st.permutations([*filter(is_symbol, source), *extra]))) for source in sources]
        rules[symbol] = [
            Rule(weight / sum(weights), tuple(source), target)
            for weight, source, target in zip(weights, sources, targets, strict=True)
        ]
    try:
        return Grammar(rules, start="S")
    except ValueError as error:
        assert "without end" in str(error)
        assume(False)


def derivations(grammar, max_words):
    """(words, probability, number of rules) of each derivation of a sentence of at most `max_words` words."""
    unfinished = [((grammar.start,), 1.0, 0)]
    while unfinished:
        form, probability, num_rules = unfinished.pop()
        place = next((i for i, item in enumerate(form) if is_symbol(item)), None)
        if place is None:
            yield form, probability, num_rules
            continue
        for rule in grammar.rules[form[place]]:
            longer = (*form[:place], *rule.source, *form[place + 1 :])
            if len(longer) <= max_words:  # no rule makes a form shorter
                unfinished.append((longer, probability * rule.probability, num_rules + 1))


@given(grammars())
def test_probabilities_and_derivations_against_enumeration(grammar):
    probability, number = Counter(), Counter()
    for words, p, _ in derivations(grammar, 4):
        probability[words] += p
        number[words] += 1
    for words in (words for length in range(5) for words in product(WORDS, repeat=length)):
        assert grammar.num_derivations(words) == number[words]
        assert math.exp(grammar.log_prob(words)) == pytest.approx(probability[words], abs=1e-15)


@given(grammars(recursive=False))
def test_entropy_and_mean_length_against_enumeration(grammar):
    finished = list(derivations(grammar, 27))
    assert sum(p for _, p, _ in finished) == pytest.approx(1)
    entropy = -sum(p * math.log(p) for _, p, _ in finished)
    mean_length = sum(p * len(words) for words, p, _ in finished)
    assert grammar.entropy() == pytest.approx(entropy, abs=1e-12)
    assert grammar.mean_length() == pytest.approx(mean_length)
    assert grammar.perplexity_floor() == pytest.approx(math.exp(entropy / (mean_length + 1)))


def expand(grammar, symbol, generator):
    """Both sides that `symbol` becomes, drawn by `random.choices` from left to right."""
    rules = grammar.rules[symbol]
    [rule] = generator.choices(rules, weights=[rule.probability for rule in rules])
    parts = [(item, expand(grammar, item, generator) if is_symbol(item) else ([item], [])) for item in rule.source]
    source = [word for _, (words, _) in parts for word in words]
    target = []
    for item in rule.target:
        place = next((i for i, part in enumerate(parts) if part[0] == item and is_symbol(item)), None)
        target += [item] if place is None else parts.pop(place)[1][1]
    return source, target


@given(st.one_of(grammars(), grammars(synchronous=True)), st.integers())
def test_samples_are_those_of_random_choices(grammar, seed):
    generator = random.Random(seed)
    expected = [expand(grammar, "S", generator) for _ in range(5)]
    assert grammar.sample(5, seed) == [(tuple(source), tuple(target)) for source, target in expected]


@pytest.mark.parametrize("p", [0.01, 0.3, 0.49, 0.499])
def test_recursion_by_hand(p):
    coin = -p * math.log(p) - (1 - p) * math.log(1 - p)
    chain = Grammar({"A": [Rule(p, ("a", "A")), Rule(1 - p, ("a",))]}, start="A")  # 1/(1 − p) rewrites, a word each
    assert chain.mean_length() == pytest.approx(1 / (1 - p))
    assert chain.entropy() == pytest.approx(coin / (1 - p))
    tree = Grammar({"A": [Rule(p, ("A", "A")), Rule(1 - p, ("a",))]}, start="A")  # 1/(1 − 2p) rewrites
    assert tree.mean_length() == pytest.approx((1 - p) / (1 - 2 * p))
    assert tree.entropy() == pytest.approx(coin / (1 - 2 * p))
    catalan = [1, 1, 2, 5, 14, 42, 132, 429, 1430]
    for n, number in enumerate(catalan, start=1):
        assert tree.num_derivations(["a"] * n) == number
        assert tree.log_prob(["a"] * n) == pytest.approx(math.log(number * p ** (n - 1) * (1 - p) ** n))


def test_a_sentence_with_several_cuts():
    rules = {
        "S": [Rule(1.0, ("Left", "Right"))],
        "Left": [Rule(0.5, ("king",)), Rule(0.5, ("king", "of"))],
        "Right": [Rule(0.5, ("king",)), Rule(0.5, ("of", "king"))],
    }
    grammar = Grammar(rules, "S")
    assert grammar.num_derivations(["king", "of", "king"]) == 2
    assert grammar.log_prob(["king", "of", "king"]) == pytest.approx(math.log(0.5))


def test_words_may_carry_tags():
    rules = {"S": [Rule(0.5, ("her/PRON", "sees/VERB")), Rule(0.25, ("her/DET",)), Rule(0.25, ("1/2", "/", "/X"))]}
    grammar = Grammar(rules, "S")
    assert {source for source, _ in grammar.sample(50)} == {rule.source for rule in rules["S"]}
    assert [word_of(item) for item in ("her/PRON", "1/2", "/", "/X", "a/b/NOUN")] == ["her", "1/2", "/", "/X", "a/b"]
    assert grammar.log_prob(("her", "sees")) == math.log(0.5)
    assert grammar.log_prob(("1/2", "/", "/X")) == math.log(0.25)
    assert grammar.log_prob(("her/PRON", "sees/VERB")) == -math.inf


def test_rules_that_can_begin_with_a_word():
    rules = {
        "S": [Rule(0.5, ("Np", "sleeps")), Rule(0.5, ("the", "end"))],
        "Np": [Rule(0.25, ("Np", "of", "Np")), Rule(0.25, ("the/DET", "king")), Rule(0.5, ("queens",))],
    }
    grammar = Grammar(rules, "S")
    assert grammar.rules_for("S", "the") == rules["S"]
    assert grammar.rules_for("S", "queens") == rules["S"][:1]
    assert grammar.rules_for("Np", "queens") == [rules["Np"][0], rules["Np"][2]]
    assert grammar.rules_for("S", "sleeps") == []


def chain(symbol_first, p):
    source = ("A", "a") if symbol_first else ("a", "A")
    return Grammar({"S": [Rule(1.0, ("A",))], "A": [Rule(p, source), Rule(1 - p, ("a",))]}, start="S")


@pytest.mark.parametrize(("symbol_first", "length"), [(False, 600), (True, 200)])
def test_long_sentences(symbol_first, length):
    assert chain(symbol_first, 0.5).log_prob(["a"] * length) == pytest.approx(length * math.log(0.5))
    with pytest.raises(ValueError, match=f"{length} words is too long: its probability is no float"):
        chain(symbol_first, 0.01).log_prob(["a"] * length)
    assert chain(symbol_first, 0.01).log_prob(["a"] * length + ["b"]) == -math.inf


def test_a_long_derivation_is_drawn():
    long = Grammar({"A": [Rule(0.999, ("a", "A")), Rule(0.001, ("a",))]}, start="A").sample(20)
    assert max(len(source) for source, _ in long) > 1500  # more than Python's stack is deep


WITHOUT_END = "sentences grow without end: 'A' makes one or more new 'A'"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"B": [Rule(1.0, ("a",))]}, "the start symbol 'A' has no rules: name one of B as start"),
        ({"A": [Rule(0.5, ("a",)), Rule(0.4, ("b",))]}, "'A' sum to 0.9, not to 1"),
        ({"A": []}, "'A' sum to 0, not to 1"),
        ({"A": [Rule(1.0, ("the", "Noun"))]}, "'Noun' in A → the Noun has no rules"),
        ({"A": [Rule(1.0, ("a",))], "noun": [Rule(1.0, ("b",))]}, "rename the symbol 'noun'"),
        ({"A": [Rule(1.0, ("a",))], "": [Rule(1.0, ("b",))]}, "rename the symbol ''"),
        ({"A": [Rule(1.5, ("a",)), Rule(-0.5, ("b",))]}, "A → a has the probability 1.5: use one in"),
        ({"A": [Rule(0.0, ("a",)), Rule(1.0, ("b",))]}, "A → a has the probability 0.0"),
        ({"A": [Rule(math.nan, ("a",))]}, "A → a has the probability nan"),
        ({"A": [Rule(0.5, ()), Rule(0.5, ("a",))]}, "'A' is rewritten to nothing"),
        ({"A": [Rule(1.0, "the king")]}, r"a side is a tuple of items, \('the', 'king'\)"),
        ({"A": [Rule(1.0, ("the king",))]}, "'the king' in A → the king: an item is one word"),
        ({"A": [Rule(1.0, ("a", ""))]}, "'' in A → a : an item is one word"),
        ({"A": [Rule(1.0, (3,))]}, "3 in A → 3: an item is one word"),
        ({"A": [Rule(0.5, ("B",)), Rule(0.5, ("a",))], "B": [Rule(1.0, ("A",))]}, "endlessly many derivations"),
        (
            {"A": [Rule(0.5, ("B",)), Rule(0.5, ("a",))], "B": [Rule(1.0, ("C",))], "C": [Rule(1.0, ("A",))]},
            "A → B → C → A|B → C → A → B|C → A → B → C makes",
        ),
        ({"A": [Rule(0.5, ("A",)), Rule(0.5, ("a",))]}, "A → A makes endlessly many derivations"),
        ({"A": [Rule(1.0, ("a", "A"))]}, WITHOUT_END),
        ({"A": [Rule(0.5, ("A", "A")), Rule(0.5, ("a",))]}, WITHOUT_END),
        ({"A": [Rule(0.6, ("A", "A")), Rule(0.4, ("a",))]}, WITHOUT_END),
        ({"A": [Rule(0.5, ("a", "A", "A", "A")), Rule(0.5, ("a",))]}, WITHOUT_END),
        ({"A": [Rule(0.6, ("a", "B", "B")), Rule(0.4, ("a",))], "B": [Rule(1.0, ("A", "b"))]}, "grow without end"),
        ({"A": [Rule(1.0, ("B",))], "B": [Rule(1.0, ("b", "B"))]}, "'B' makes one or more new 'B'"),
        (
            {"A": [Rule(1.0, ("a", "B"), ("x",))], "B": [Rule(1.0, ("b",), ("y",))]},
            "the two sides of A → a B must have the same symbols",
        ),
        ({"A": [Rule(1.0, ("a", "B"))], "B": [Rule(1.0, ("b",), ("y",))]}, "the two sides of A → a B must have"),
    ],
)
def test_what_is_no_grammar(rules, message):
    with pytest.raises(ValueError, match=message):
        Grammar(rules, start="A")


@settings(deadline=None)
@given(st.floats(0.01, 0.49), st.floats(0.51, 0.99))
def test_a_grammar_is_taken_exactly_if_its_sentences_are_finite_on_average(below, above):
    def tree(p):
        return {"S": [Rule(1.0, ("the", "A"))], "A": [Rule(p, ("A", "A")), Rule(1 - p, ("a",))]}

    Grammar(tree(below), "S")
    with pytest.raises(ValueError, match="'A' makes one or more new 'A' on average"):
        Grammar(tree(above), "S")


def test_a_symbol_that_stands_twice_keeps_its_order_in_the_target():
    nouns = [Rule(0.5, ("king",), ("roi",)), Rule(0.5, ("boy",), ("garçon",))]
    grammar = Grammar({"S": [Rule(1.0, ("N", "and", "N"), ("N", "et", "N"))], "N": nouns}, "S")
    french = {"king": "roi", "and": "et", "boy": "garçon"}
    for source, target in grammar.sample(20):
        assert target == tuple(french[word] for word in source)


def test_a_source_word_can_vanish_in_the_target():
    rules = {"S": [Rule(1.0, ("do", "Not"), ("Not",))], "Not": [Rule(1.0, ("not",), ())]}
    assert Grammar(rules, "S").sample(1) == [(("do", "not"), ())]


@pytest.mark.parametrize(("arguments", "message"), [((-1,), "num_sentences"), ((2.5,), "num_sentences"),
                                                     ((1, None), "seed"), ((1, "0"), "seed")])  # fmt: skip
def test_sample_needs_integers(arguments, message):
    with pytest.raises(ValueError, match=f"{message} must be an integer"):
        Grammar({"S": [Rule(1.0, ("a",))]}, "S").sample(*arguments)


def test_a_string_is_no_sequence_of_words():
    grammar = Grammar({"S": [Rule(1.0, ("a",))]}, "S")
    for function in (grammar.log_prob, grammar.num_derivations):
        with pytest.raises(TypeError, match="sequence of words, not the string 'a'"):
            function("a")
