"""Checkers of the exercises of chapter 2, text preprocessing."""

import re
from collections import Counter

import torch

from d2lrnn.corpora import load_text
from d2lrnn.exercises import call, checker, close, find_slip, letters, number, whole
from d2lrnn.text import UNKNOWN, Vocab, tokenize


@checker(
    "02.half_the_text",
    praise="More text helps, but slowly: twice the text removes about a third of the unknown tokens.",
)
def half_the_text(answer):
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        return 'answer with a pair: the forecast as a number and one letter, such as (0.05, "a").'
    forecast, letter = answer
    if forecast is Ellipsis or letter is Ellipsis:
        return "both the forecast and the letter are needed."
    if isinstance(forecast, str):
        return "the forecast is a number and comes first, then the letter."
    problem = _forecast_problem(number(forecast))
    if problem:
        return problem
    chosen = letters(letter, "ABC")
    if not chosen or len(chosen) > 1:
        return f'the forecast is right; the second answer is one letter, "a", "b" or "c", not {answer[1]!r}.'
    if chosen == {"A"}:
        return "the forecast is right, but the letter would mean that the end of the story is easier than forecast."
    if chosen == {"C"}:
        return "the forecast is right, but the letter is far above it: do the two halves share no words?"


def _forecast_problem(forecast):
    train = _training_tokens()
    half = train[: len(train) // 2]
    right = _share_of_rare(half, 2)
    if close(forecast, right, 5e-3):
        return None
    if close(forecast / 100, right, 5e-3):
        return "the forecast is right in percent; a share lies between 0 and 1."
    if close(forecast, _share_of_rare(half, 1), 1e-3):
        return "that forecast leaves out the types that just pass the cut: what if one token were taken out?"
    if close(forecast, _share_of_rare(train, 2), 1e-3):
        return "that is the forecast from all of the training tokens; only the first half is known here."
    if close(forecast, _share_of_rare(half, 2) * len(half) / len(train), 1e-3):
        return "you divided by the number of all training tokens; half of them are known here."
    counts = Counter(half)
    if close(forecast, sum(n <= 2 for n in counts.values()) / len(counts), 1e-3):
        return "that is a share of the types; (2.6) is a share of the tokens, so a type seen twice weighs two."
    return f"(2.6) with m = 2 does not give {forecast:.4g} for the first half of the training tokens."


def _share_of_rare(tokens, most):
    return sum(n for n in Counter(tokens).values() if n <= most) / len(tokens)


def _training_tokens():
    story = load_text("story")
    return tokenize(story[: story.rfind("\n", 0, int(0.8 * len(story)))])


@checker(
    "02.vocab_of_size",
    praise="A fixed size is the other common way to cut: the memory of W is known before the text is.",
)
def vocab_of_size(answer):
    train = ["z", "y", "z", "x", "w", "y", "z"]
    held_out = ["q", "q", "q", "q", "z", "w"]
    for size, expected, share in [(3, [UNKNOWN, "z", "y"], 5 / 6), (4, [UNKNOWN, "z", "y", "x"], 5 / 6)]:
        tokens, unknown_share = _two(call(answer, list(train), list(held_out), size))
        if not isinstance(tokens, list | tuple):
            return "return the list of tokens first, then the share."
        tokens, unknown_share = list(tokens), number(unknown_share)
        problem = _vocabulary_problem(tokens, expected, set(held_out) - set(train), size, sorted(set(train)))
        if problem:
            return problem
        if not close(unknown_share, share):
            return _share_problem(unknown_share, tokens, train, held_out)


def _vocabulary_problem(tokens, expected, only_held_out, size, by_name):
    if set(tokens) & only_held_out:
        return "your vocabulary holds a token that occurs only in the held-out part: that is a leak."
    if UNKNOWN not in tokens:
        return "your vocabulary has no <unk>: what id would a new token get?"
    if tokens[0] != UNKNOWN:
        return "<unk> is in your vocabulary, but its id is not 0."
    if len(tokens) != size:
        return f"for size {size} your vocabulary has {len(tokens)} entries; every id counts, <unk> as well."
    if tokens[1:] in (by_name[: size - 1], sorted(expected[1:])):
        return "your tokens are in alphabetical order; the frequent ones come first, or the cut removes the wrong ones."
    if tokens != expected:
        return "your tokens are not in order of falling frequency (equal frequency: the one seen first comes first)."


def _share_problem(share, tokens, train, held_out):
    kept = set(tokens)
    if close(share, sum(t not in kept for t in train) / len(train)):
        return "the vocabulary is right, but that is the share in the training tokens; count in the held-out ones."
    if close(share, sum(t not in kept for t in set(held_out)) / len(set(held_out))):
        return "the vocabulary is right, but you counted each distinct token once; every occurrence counts."
    if close(share, sum(t in kept for t in held_out) / len(held_out)):
        return "the vocabulary is right, but that is the share of the known tokens."
    if close(share, sum(t not in kept for t in held_out)):
        return "the vocabulary is right, but that is a number of tokens; a share lies between 0 and 1."
    if not 0 <= share <= 1:
        return f"the vocabulary is right, but {share:.4g} is not a share, which lies between 0 and 1 (not in percent)."
    return f"the vocabulary is right, but the share of held-out tokens without an id of their own is not {share:.4g}."


@checker(
    "02.zero_rows",
    praise="A cut does not only shorten W: it turns a row that nothing trains into one that every rare word trains.",
)
def zero_rows(answer):
    first, second = (_ids(part) for part in _two(answer))
    for rows, last in (first, 5), (second, 2):
        if rows and max(rows) > last:
            return f"W has no row {max(rows)} there: count the entries, <unk> included, for each min_freq."
    if first == {1, 3, 5}:
        return "these are the rows that are read in the minibatch; the others are asked for."
    if first == {0}:
        return "row 0 is not the only one: a token of the training text need not be in this minibatch."
    if first == {2, 4}:
        return "with min_freq = 1, is there a token in the minibatch that has no entry?"
    if first != {0, 2, 4}:
        return "the first list is not right. The entries come by falling frequency, equal ones as they are seen first."
    if 0 in second:
        return "the first list is right; with min_freq = 2, which id do lamp and tide get?"
    if second != {2}:
        return "the first list is right, the second is not: three entries are left, and two of them are read."


def _ids(rows):
    if isinstance(rows, torch.Tensor):
        rows = rows.flatten().tolist()
    if not isinstance(rows, list | tuple | set | range):
        rows = [rows]
    return {whole(row) for row in rows}


@checker(
    "02.embedding_gradient",
    praise="That is what backward does for an embedding: it never writes out the zeros of a one-hot vector.",
)
def embedding_gradient(answer):
    ids = torch.tensor([[1, 3, 1], [4, 1, 4]])
    delta = torch.arange(1.0, 13.0, dtype=torch.float64).reshape(2, 3, 2) ** 2
    given = delta.clone()
    result = call(answer, ids.clone(), given, 6)
    if not isinstance(result, torch.Tensor):
        return f"your function returns a {type(result).__name__}, not a tensor."
    if not torch.equal(given, delta):
        return "your function changes delta; leave what it is given as it is."
    X = torch.nn.functional.one_hot(ids, 6).double()
    expected = torch.einsum("btv,btd->vd", X, delta)
    if result.shape != expected.shape:
        hint = {
            (2, 6): "the axis of the vocabulary comes first, as in W.",
            (2, 6, 2): "W is the same for all texts of the minibatch: sum over the texts too.",
            (5, 2): "a row that is not read has a gradient as well, zero.",
            (2, 3, 2): "that is one row for each step; (2.3) has one for each entry of the vocabulary.",
        }.get(tuple(result.shape), "it is that of W, (|V|, D).")
        return f"your tensor has the shape {tuple(result.shape)}, but (6, 2) is needed: {hint}"
    if close(result, torch.zeros(6, 2).double().index_put((ids,), delta)):
        return "a token that is read more than once keeps only one of its gradients: indexing overwrites, (2.3) adds."
    counts = X.sum((0, 1)).clamp(min=1)[:, None]
    slips = [
        (expected / counts, "you took the mean of the gradients of a token; (2.3) is their sum."),
        (expected / 2, "you took the mean over the texts; (2.3) is a sum over all steps of all texts."),
        (X[0].T @ delta[0], "only the first text of the minibatch is in your sum."),
        (X[1].T @ delta[1], "only the last text of the minibatch is in your sum."),
        (-expected, "that is minus the gradient: the step of gradient descent, not the gradient."),
    ]
    if not close(result, expected):
        return find_slip(result, slips) or "the shape is right, but row v is not the sum of delta where ids is v."


@checker(
    "02.tokenize_mixed",
    praise="No dictionary was needed: the script of a character is enough to decide where a token ends.",
)
def tokenize_mixed(answer):
    line = "RNN是recurrent neural network的缩写，don't mix。"
    expected = ["RNN", "是", "recurrent", "neural", "network", "的", "缩", "写", "，", "don't", "mix", "。"]
    tokens = call(answer, line)
    if not isinstance(tokens, list | tuple) or not all(isinstance(token, str) for token in tokens):
        return f"your function returns one {type(tokens).__name__}; a list of tokens is needed."
    tokens = list(tokens)
    if any(token.isspace() or token == "" for token in tokens):
        return f"spaces or empty texts are among your tokens: {tokens}."
    if tokens == [c for c in line if not c.isspace()]:
        return "you split the Latin words into letters: only the Chinese characters are tokens of their own."
    if any(re.search(r"[\u4e00-\u9fff]", token) and len(token) > 1 for token in tokens):
        return f"a Chinese character is glued to its neighbours: {tokens}. Chinese is written without spaces."
    if "，" not in tokens or "。" not in tokens:
        return "the full-width punctuation is lost: ， and 。 are tokens too."
    if "don't" not in tokens:
        return "the apostrophe inside don't has split the word."
    if tokens != expected:
        return f"the line {line!r} became {tokens}."
    if list(call(answer, "2026年3月")) != ["2026", "年", "3", "月"]:
        return "the first line is right, but a number such as 2026 in 2026年 should be one token."
    if list(call(answer, "用GPT2。")) != ["用", "GPT2", "。"]:
        return "letters and digits that touch, as in GPT2, are one run and so one token."
    for text in ("a_b", "[x]", r"x^y\z`"):
        if list(call(answer, text)) != re.findall("[a-z]|[^a-z]", text):
            return f"the signs in {text} are tokens of their own; look up which characters your range or class holds."
    if list(call(answer, "it’s 用’")) != ["it", "’", "s", "用", "’"]:
        return "the curly ’ is not the ASCII apostrophe: here it is a sign of its own."


@checker(
    "02.text_needed",
    praise="With a β of one half, half the share takes four times the text, and a tenth of it a hundred times.",
)
def text_needed(answer):
    # (N, V, n_1) are (8, 6, 4) and (15, 8, 5).
    for tokens, share in [(list("abcdeeff"), 0.3), (list("ghijkllmmnnnnnn"), 0.05)]:
        N, counts = len(tokens), Counter(tokens)
        once = sum(n == 1 for n in counts.values())
        beta = once / len(counts)
        right = N * (share * N / once) ** (1 / (beta - 1))
        given = list(tokens)
        result = number(call(answer, given, share))
        if given != tokens:
            return "your function changes the list it is given; leave it as it is."
        if close(result, right, 1e-3):
            continue
        slips = [
            (right / N, "that is how many times longer the text must be; how many tokens are these?"),
            (right - N, "that is how many tokens must be added; those of the list count too."),
            (right / N * len(counts), "you multiplied the number of types, not that of the tokens."),
            (N * (share * N / once) ** (beta - 1), "solve for the length: the power must move to the other side."),
            (N * (share * N / once) ** (1 / beta), "that is the exponent of V(N); that of the share is β − 1."),
            (N * (share * N / once) ** (-1 / beta), "that is the exponent of V(N); that of the share is β − 1."),
            (N * (share * N / once) ** (1 / (1 - beta)), "your text is shorter than the list: which sign has β − 1?"),
            (once / share, "this would be so if n_1 stayed the same, but it grows with the text."),
            (N * (share * N / once) ** (1 / (once / N - 1)), "β is a share of the types, not of the tokens."),
            (N * (share / beta) ** (1 / (beta - 1)), "the share of new tokens is now n_1 / N; β is n_1 / V(N)."),
        ]
        return find_slip(result, slips, 1e-3) or f"{result:.4g} tokens do not give the share {share} by (2.8)."


@checker(
    "02.merge_step",
    praise="Repeat it a few thousand times and you have a tokenizer like those of many large language models.",
)
def merge_step(answer):
    words = {
        ("l", "o", "w"): 5,
        ("l", "o", "t"): 2,
        ("n", "e", "w"): 1,
        ("n", "e", "t"): 1,
        ("n", "e", "b"): 1,
        ("n", "e", "d"): 1,
        ("n", "e", "r"): 1,
        ("n", "e", "s"): 1,
        ("o", "l", "o"): 1,
        ("l", "o", "l", "o"): 1,
        ("c", "ol", "o"): 1,
    }
    given = dict(words)
    pair, merged = _two(call(answer, given))
    if given != words:
        return "your function changes the dict it is given; build a new one."
    pair = tuple(pair)
    if pair == ("n", "e"):
        return "you counted each distinct word once; a pair counts as often as its word occurs in the text."
    if pair == ("o", "l"):
        return "the pair is the wrong way round: the left symbol comes first."
    if pair != ("l", "o"):
        return _pair_problem(pair, words)
    merged = {tuple(word): count for word, count in merged.items()}
    if merged == words:
        return "the pair is right, but the words still hold it as two symbols."
    if sum(merged.values()) != sum(words.values()):
        return "the pair is right, but words or their counts were lost: those without the pair stay as they are."
    if ("lo", "l", "o") in merged or ("l", "o", "lo") in merged:
        return "(l, o, l, o) holds the pair twice, but only one of the two places is merged."
    if not {("lo", "w"), ("lo", "t"), ("o", "lo"), ("lo", "lo")} <= set(merged):
        return f"the pair is right, but it is not merged wherever it stands: {sorted(merged)}."
    if ("c", "ol", "o") not in merged:
        return "(c, ol, o) does not hold the pair: compare whole symbols; a joined text hides where one begins."
    if [merged[word] for word in (("lo", "w"), ("lo", "t"), ("c", "ol", "o"))] != [5, 2, 1]:
        return "the words are right, but not their counts; a merge changes no count."
    merged = dict(_two(call(answer, {("a", "a", "a"): 4, ("b", "c"): 3}))[1])
    if ("aa", "a") not in merged:
        return f"merging (a, a) in (a, a, a) gives {sorted(merged)}: go from left to right, and use each symbol once."
    pair = tuple(_two(call(answer, {("c", "d"): 5, ("a", "b", "a", "b"): 3}))[0])
    if pair == ("c", "d"):
        return "(a, b, a, b) holds the pair (a, b) twice, so it counts twice for each time the word occurs."
    # Counted over the ends of the words, (t, c) or (w, w) would be the most frequent pair.
    words = {tuple(word): n for word, n in [("ht", 5), ("ci", 3), ("mt", 4), ("co", 3), ("st", 4), ("cu", 3), ("w", 9)]}
    pair = tuple(_two(call(answer, dict(words)))[0])
    if pair != ("h", "t"):
        return _pair_problem(pair, words)


def _pair_problem(pair, words):
    if not any(pair in zip(word, word[1:], strict=False) for word in words):
        return f"no word holds the pair {pair}: the end of a word and the beginning of the next are no neighbours."
    return f"the most frequent pair is not {pair}."


@checker(
    "02.round_trip",
    praise="What tokenize drops, no table can bring back: the ids keep the tokens and nothing of the space between.",
)
def round_trip(answer):
    if isinstance(answer, str):
        return 'that is one text; two are asked for, as a pair ("…", "…").'
    first, second = _two(answer)
    if first is Ellipsis or second is Ellipsis:
        return "both texts are needed."
    if not (isinstance(first, str) and isinstance(second, str)):
        return "both answers must be texts; their ids are worked out from them."
    if not (first.strip() and second.strip()):
        return "a text without any token has no ids; each text needs at least one token."
    if first == second:
        return "the two texts are the same; find different ones."
    vocab = Vocab(_training_tokens())
    ids = [vocab.to_ids(tokenize(text)) for text in (first, second)]
    unknown = [t for text in (first, second) for t in tokenize(text) if t not in vocab]
    if unknown:
        rare = Counter(unknown).most_common(1)[0][0]
        return f"{rare!r} is not in the vocabulary, so <unk> hides it; find a pair in which every token is known."
    if ids[0] != ids[1]:
        return f"the texts have different ids, {ids[0]} and {ids[1]}: change something that tokenize drops."


def _two(result):
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise TypeError("two values are asked for, as a pair (a, b)")
    return result
