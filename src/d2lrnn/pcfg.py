"""Probabilistic context-free grammars, given as data: sampling, probabilities, entropy.

A grammar rewrites symbols: each rule has a probability, and a sentence is made by rewriting the start symbol until only
words are left. With a second side on each rule the grammar is synchronous: it makes a sentence and its translation at
once, from one derivation. The book's own grammar is `d2lrnn.grammar`. A smaller one:

    grammar = Grammar({
        "Sentence": [Rule(1.0, ("the", "Noun", "sleeps"))],
        "Noun": [Rule(0.8, ("king",)), Rule(0.2, ("king", "of", "the", "Noun"))],
    })
    grammar.sample(3)
    grammar.log_prob(("the", "king", "sleeps"))  # log 0.8

Source: Booth and Thompson, Applying probability measures to abstract languages (1973).
"""

import graphlib
import math
import random
import re
import sys
from bisect import bisect
from collections import defaultdict
from functools import cache, cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np


class Rule(NamedTuple):
    """One way to rewrite a symbol.

    The items of both sides are symbols, which begin with a capital letter, and words, which do not. A word of the
    source may carry its part of speech: watch/NOUN. The target has the symbols of the source, perhaps in another
    order. If one stands there several times, the first in the source is the first in the target, and so on.
    """

    probability: float
    source: tuple[str, ...]
    target: tuple[str, ...] = ()


def is_symbol(item):
    """True if rules rewrite `item`, False if it is a word."""
    return item[0].isupper()


@cache
def word_of(item):
    """The word of an item of a rule: "watch" of "watch/NOUN"."""
    return re.sub(r"(?<=.)/[A-Z]+$", "", item)


class Grammar:
    """A probabilistic context-free grammar, with one side or two.

    It must be proper (the probabilities of each symbol sum to 1) and consistent (a derivation ends, after finitely many
    rewrites on average). A rule may begin with its own symbol, as in Np → Np Pp.

    Args:
        rules: dict, symbol → its list of `Rule`.
        start: the symbol that every derivation starts from.

    Raises:
        ValueError: the grammar is not proper or not consistent, a symbol has no rules, a source is empty, a symbol can
            become itself alone, or the two sides of a rule have different symbols. The message names the symbol.
    """

    def __init__(self, rules, start="Sentence"):
        _check_rules(rules, start)
        self.rules, self.start = rules, start
        self._entropies, self._lengths = _expected_totals(rules)
        self._rules_for = {}

    def sample(self, num_sentences, seed=0):
        """Draw sentences independently of each other.

        Args:
            num_sentences: how many, at least 0.
            seed: an int; the same seed gives the same sentences everywhere.

        Returns:
            list of (source, target), two tuples of words. Words of the source keep their tags. Without second sides
            each target is empty.

        Raises:
            ValueError: num_sentences is not an integer, or negative; the seed is not an integer.
        """
        if not isinstance(num_sentences, int) or num_sentences < 0:
            raise ValueError(f"num_sentences must be an integer, 0 or more, not {num_sentences!r}")
        if not isinstance(seed, int):
            raise ValueError(f"seed must be an integer, not {seed!r}")
        draw = random.Random(seed).random
        return [self._sample_one(draw) for _ in range(num_sentences)]

    def _sample_one(self, draw):
        source, pending, used = [], [self.start], []
        while pending:  # a leftmost derivation: what is still to be rewritten is a stack
            item = pending.pop()
            if item in self._choices:
                cumulative, options = self._choices[item]
                option = options[bisect(cumulative, draw() * cumulative[-1], 0, len(options) - 1)]
                pending += option[0]
                used.append(option)
            else:
                source.append(item)
        targets = []
        for _, num_symbols, template in reversed(used):  # from the end: when a rule is reached, its symbols are done
            if num_symbols:
                targets[-num_symbols:] = [template.format(*targets[-num_symbols:])]
            else:
                targets.append(template.format())
        return tuple(source), tuple(targets[0].split())

    @cached_property
    def _choices(self):
        """For each symbol, cumulative probabilities, and for each rule what `_sample_one` needs of it.

        That is its source in reverse, as on a stack, its number of symbols, and its target as a format string in which
        {0} is the last symbol of the source.
        """
        choices = {}
        for symbol, rules in self.rules.items():
            options = []
            for rule in rules:
                places = defaultdict(list)
                for place, item in enumerate(item for item in reversed(rule.source) if item in self.rules):
                    places[item].append(f"{{{place}}}")
                num_symbols = sum(map(len, places.values()))
                target = (places[item].pop() if item in places else _escaped(item) for item in rule.target)
                options.append((rule.source[::-1], num_symbols, " ".join(target)))
            choices[symbol] = list(accumulate(rule.probability for rule in rules)), options
        return choices

    def log_prob(self, words):
        """Natural logarithm of the probability of a sentence, summed over all its derivations.

        Args:
            words: the words of the source, without tags.

        Returns:
            float in nats; −inf for a sentence outside the language.

        Raises:
            TypeError: a string in place of a sequence of words.
            ValueError: the probability is too small for a float, below about 1e-308.
        """
        probability = self._inside(words, lambda rule: rule.probability)
        if probability < sys.float_info.min and self.num_derivations(words):
            raise ValueError(f"the sentence of {len(words)} words is too long: its probability is no float above 0")
        return math.log(probability) if probability > 0 else -math.inf

    def num_derivations(self, words):
        """In how many ways the grammar makes a sentence: 0 outside the language, more than 1 if it is ambiguous.

        Args:
            words: the words of the source, without tags.

        Returns:
            int.

        Raises:
            TypeError: a string in place of a sequence of words.
        """
        return self._inside(words, lambda rule: 1)

    def _inside(self, words, weight):
        """Sum over all derivations of the product of the rules' weights: the inside algorithm, top-down.

        Source: Baker, Trainable grammars for speech recognition (1979).
        """
        if isinstance(words, str):
            raise TypeError(f"pass a sequence of words, not the string {words!r}")
        words, table = tuple(words), {}

        def ends(symbol, start):
            """For each end, the weight of `symbol` becoming words[start:end]."""
            if (symbol, start) not in table:
                loop = [(other, start) for other in self._left_recursive.get(symbol, ())]
                if not loop:
                    table[symbol, start] = rewrite(symbol, start)
                # A symbol that can begin with itself is built on its own shorter ends: go on until there are no more.
                table.update((place, {}) for place in loop)
                while (found := {place: rewrite(*place) for place in loop}) != {place: table[place] for place in loop}:
                    table.update(found)
            return table[symbol, start]

        def rewrite(symbol, start):
            total = {}
            for rule in self.rules_for(symbol, words[start]) if start < len(words) else ():
                reached = {start: weight(rule)}
                for item in rule.source:
                    further = {}
                    for middle, so_far in reached.items():
                        if item in self.rules:
                            for end, inside in ends(item, middle).items():
                                further[end] = further.get(end, 0) + so_far * inside
                        elif middle < len(words) and word_of(item) == words[middle]:
                            further[middle + 1] = so_far
                    reached = further
                    if not reached:
                        break
                for end, inside in reached.items():
                    total[end] = total.get(end, 0) + inside
            return total

        try:
            return ends(self.start, 0).get(len(words), 0)
        except RecursionError:  # a long sentence: from its end, so that Python's stack stays shallow
            table.clear()
            for start in reversed(range(len(words))):
                for symbol in self.rules:
                    ends(symbol, start)
            return ends(self.start, 0).get(len(words), 0)

    def rules_for(self, symbol, word):
        """The rules by which a symbol can begin with a word: trying only these makes the parser fast.

        Args:
            symbol: a symbol of the grammar.
            word: a word, without a tag.

        Returns:
            list of `Rule`.
        """
        if (symbol, word) not in self._rules_for:
            self._rules_for[symbol, word] = [
                rule
                for rule in self.rules[symbol]
                if word in self._beginnings.get(rule.source[0], (word_of(rule.source[0]),))
            ]
        return self._rules_for[symbol, word]

    @cached_property
    def _beginnings(self):
        """The words and symbols that each symbol can begin with."""
        found, size = {symbol: set() for symbol in self.rules}, -1
        while size != (size := sum(map(len, found.values()))):
            for symbol, options in self.rules.items():
                for first in {rule.source[0] for rule in options}:
                    found[symbol] |= {first if is_symbol(first) else word_of(first)} | found.get(first, set())
        return found

    @cached_property
    def _left_recursive(self):
        """For each symbol that can begin with itself, all symbols of that loop."""
        begins = self._beginnings
        return {
            symbol: [other for other in begins if other in items and symbol in begins[other]]
            for symbol, items in begins.items()
            if symbol in items
        }

    def entropy(self):
        """Entropy of a derivation in nats; that of a sentence, if no sentence has two derivations.

        H(A) = Σ_rules P(rule) (−log P(rule) + Σ_{B in rule} H(B)) is one linear equation for each symbol A.
        Source: Grenander, Lectures in pattern theory (1976); Chi, Statistical properties of probabilistic context-free
        grammars (1999).

        Returns:
            float, exact but for rounding.
        """
        return self._entropies[self.start]

    def mean_length(self):
        """Expected number of words of a source sentence.

        Returns:
            float, exact but for rounding.
        """
        return self._lengths[self.start]

    def perplexity_floor(self):
        """The lowest perplexity per token that a language model can reach when each sentence ends with ``<eos>``.

        It holds for a grammar in which no sentence has two derivations: see `entropy`.

        Returns:
            float, exp(entropy / (mean_length + 1)).
        """
        return math.exp(self.entropy() / (self.mean_length() + 1))


def _escaped(word):
    return word.replace("{", "{{").replace("}", "}}")


def _check_rules(rules, start):
    if start not in rules:
        raise ValueError(f"the start symbol {start!r} has no rules: name one of {', '.join(rules)} as start")
    for symbol, options in rules.items():
        if not isinstance(symbol, str) or not symbol or not is_symbol(symbol):
            raise ValueError(f"rename the symbol {symbol!r}: symbols begin with a capital letter, words do not")
        for rule in options:
            _check_rule(symbol, rule, rules)
        total = math.fsum(rule.probability for rule in options)
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"the probabilities of {symbol!r} sum to {total:g}, not to 1: divide each by the sum")
    synchronous = any(rule.target for options in rules.values() for rule in options)
    for symbol, options in rules.items():
        for rule in options:
            if synchronous and sorted(filter(is_symbol, rule.source)) != sorted(filter(is_symbol, rule.target)):
                raise ValueError(f"the two sides of {_written(symbol, rule)} must have the same symbols")
    alone = {symbol: [rule.source[0] for rule in options if len(rule.source) == 1] for symbol, options in rules.items()}
    try:
        graphlib.TopologicalSorter(alone).prepare()
    except graphlib.CycleError as error:
        loop = " → ".join(reversed(error.args[1]))
        raise ValueError(f"{loop} makes endlessly many derivations of one sentence: drop one of these rules") from None


def _check_rule(symbol, rule, rules):
    for side in (rule.source, rule.target):
        if isinstance(side, str):
            raise ValueError(f"{symbol!r} → {side!r}: a side is a tuple of items, {tuple(side.split())}")
        for item in side:
            if not isinstance(item, str) or item.split() != [item]:
                raise ValueError(f"{item!r} in {_written(symbol, rule)}: an item is one word or symbol, without spaces")
    if not rule.source:
        raise ValueError(f"{symbol!r} is rewritten to nothing: write out the rules with and without it instead")
    if not 0 < rule.probability <= 1:
        raise ValueError(f"{_written(symbol, rule)} has the probability {rule.probability}: use one in (0, 1]")
    for item in filter(is_symbol, rule.source):
        if item not in rules:
            raise ValueError(f"{item!r} in {_written(symbol, rule)} has no rules; a word begins with a small letter")


def _written(symbol, rule):
    return f"{symbol} → {' '.join(map(str, rule.source))}"


def _expected_totals(rules):
    """For each symbol the entropy and the mean length of what it becomes: t = r + M t, one equation for each symbol.

    M counts the symbols in a mean rewrite, and r is what one rewrite adds. Sentences are finite on average exactly if
    the expected number of rewrites, where r = 1, solves its equations with numbers of at least 1.
    """
    index = {symbol: i for i, symbol in enumerate(rules)}
    M, r = np.zeros((len(rules), len(rules))), np.ones((len(rules), 3)) * [1, 0, 0]
    for symbol, options in rules.items():
        for rule in options:
            symbols = [item for item in rule.source if item in rules]
            r[index[symbol], 1] -= rule.probability * math.log(rule.probability)
            r[index[symbol], 2] += rule.probability * (len(rule.source) - len(symbols))
            for item in symbols:
                M[index[symbol], index[item]] += rule.probability
    try:
        totals = np.linalg.solve(np.eye(len(rules)) - M, r)
    except np.linalg.LinAlgError:  # each symbol makes exactly one more
        totals = np.full(r.shape, np.inf)
    if not ((totals[:, 0] > 1 - 1e-6) & (totals[:, 0] < 1e9)).all():
        again = np.diag(np.linalg.matrix_power(np.eye(len(rules)) + M, 64))
        symbol = list(rules)[again.argmax()]
        raise ValueError(
            f"sentences grow without end: {symbol!r} makes one or more new {symbol!r} on average; "
            f"raise the probability of its rules without {symbol!r}"
        )
    return (dict(zip(rules, column.tolist(), strict=True)) for column in totals.T[1:])
