"""A bilingual English–French grammar with probabilities, small enough to be known exactly.

This is a probabilistic context-free grammar (`d2lrnn.pcfg`) whose rules have an English source and a French target, so
both sentences grow from one derivation. The English is unambiguous: a sentence has one derivation and one translation.
Its probability is therefore a product over the rules used, and the entropy of the language is the expected sum of
−log P(rule). No language model can have a lower perplexity than `perplexity_floor`.

What n-grams cannot see: a verb agrees with a noun many words earlier ("the keeper of the old lamps near the islands
sleeps"), a verb chooses a particle after its object ("picks the lamp near the door up"), and a tag question repeats
the auxiliary, the number and the gender of the subject ("…, doesn't she ?").

The grammar has three parts: tables of words, tables of rules, and the spelling of neighbours ("le arbre" → "l' arbre").
"I", "we", "you" and "they" are masculine in French, and "you" is plural: each sentence has one translation.
"""

import re
from collections import defaultdict
from itertools import product
from typing import NamedTuple

from d2lrnn.pcfg import Grammar, Rule, is_symbol
from d2lrnn.runtime import SEED_SHIFT
from d2lrnn.text import Tokenizer

TAGS = ("ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "NUM", "PART", "PRON", "PUNCT", "SCONJ", "VERB")


class Sentence(NamedTuple):
    """A pair of sentences as tuples of lower-case tokens; `tags` has one part of speech for each English token."""

    english: tuple[str, ...]
    french: tuple[str, ...]
    tags: tuple[str, ...]


# --- Words -----------------------------------------------------------------------------------------------------------

# English singular and plural, French singular and plural. Persons are "he" or "she" in a tag question, things are "it".
NOUNS = {
    "person.m": """king kings roi rois; man men homme hommes; boy boys garçon garçons; uncle uncles oncle oncles;
        hero heroes héros héros; keeper keepers gardien gardiens""",
    "person.f": """queen queens reine reines; woman women femme femmes; girl girls fille filles;
        sister sisters sœur sœurs; heroine heroines héroïne héroïnes; actress actresses actrice actrices""",
    "thing.m": """tree trees arbre arbres; boat boats bateau bateaux; castle castles château châteaux;
        bird birds oiseau oiseaux; dream dreams rêve rêves; secret secrets secret secrets""",
    "thing.f": """lamp lamps lampe lampes; island islands île îles; letter letters lettre lettres;
        watch watches montre montres; light lights lumière lumières; orange oranges orange oranges""",
}

# English, then French: masculine and feminine singular, masculine and feminine plural.
# "bel", "vieil" and "nouvel" are spelled "beau", "vieux" and "nouveau" before a consonant: see `spell_french`.
ADJECTIVES = {
    "before": """old vieil vieille vieux vieilles; new nouvel nouvelle nouveaux nouvelles;
        beautiful bel belle beaux belles; little petit petite petits petites; big grand grande grands grandes""",
    "person": """sad triste triste tristes tristes; happy heureux heureuse heureux heureuses;
        tired fatigué fatiguée fatigués fatiguées; proud fier fière fiers fières;
        strange étrange étrange étranges étranges""",
    "thing": """red rouge rouge rouges rouges; green vert verte verts vertes; white blanc blanche blancs blanches;
        light léger légère légers légères; secret secret secrète secrets secrètes; orange orange orange orange orange;
        strange étrange étrange étranges étranges""",
}

# English bare and -s form, French infinitive, and the five present forms unless the verb is a regular one in -er.
# "up", "down", … hold the verbs that need this particle after their object.
VERBS = {
    "Intransitive.person": """sleep sleeps dormir dors dort dormons dormez dorment; dream dreams rêver;
        laugh laughs rire ris rit rions riez rient; sing sings chanter; walk walks marcher;
        wait waits attendre attends attend attendons attendez attendent""",
    "Intransitive.thing": """shine shines briller; fall falls tomber; burn burns brûler;
        disappear disappears disparaître disparais disparaît disparaissons disparaissez disparaissent""",
    "Transitive": """see sees voir vois voit voyons voyez voient; watch watches regarder; love loves aimer;
        know knows connaître connais connaît connaissons connaissez connaissent; admire admires admirer;
        hear hears entendre entends entend entendons entendez entendent; find finds trouver; hide hides cacher;
        follow follows suivre suis suit suivons suivez suivent""",
    "Up": "pick picks ramasser",
    "Down": "put puts poser",
    "Away": "take takes emporter",
    "Back": "bring brings rapporter",
    "On": "turn turns allumer",
    "Off": "turn turns éteindre éteins éteint éteignons éteignez éteignent",
    "Saying": """say says dire dis dit disons dites disent; know knows savoir sais sait savons savez savent;
        see sees voir vois voit voyons voyez voient; think thinks penser""",
}
PARTICLES = ("Up", "Down", "Away", "Back", "On", "Off")

# English, then French masculine and feminine. The first words are the likeliest: `DETERMINER_WEIGHTS`.
DETERMINERS = {
    "s": """the/DET le la; a/DET un une; this/DET cet cette; that/DET cet cette; her/DET son sa; his/DET son sa;
        my/DET mon ma; our/DET notre notre; their/DET leur leur""",
    "p": """the/DET les les; two/NUM deux deux; many/DET beaucoup_de beaucoup_de; these/DET ces ces; her/DET ses ses;
        his/DET ses ses; my/DET mes mes; our/DET nos nos; their/DET leurs leurs""",
}
DETERMINER_WEIGHTS = (10, 4, 2, 2, 2, 1, 1, 1, 1)
PREPOSITIONS = "near près_de; behind derrière; beside à_côté_de; with avec; under sous"
OBJECT_PRONOUNS = "him le; her la; them les"

# Agreement of a verb, in the order of the French present forms; then the auxiliaries in English and French.
AGREEMENTS = ("1s", "3s", "1p", "2p", "3p")
AUXILIARIES = {
    "Do": ("do does do do do", "_ _ _ _ _"),
    "Be": ("am is are are are", "suis est sommes êtes sont"),
    "Was": ("was was were were were", "étais était étions étiez étaient"),
    "Can": ("can can can can can", "peux peut pouvons pouvez peuvent"),
    "Must": ("must must must must must", "dois doit devons devez doivent"),
}

# --- Rules -----------------------------------------------------------------------------------------------------------

# The pronouns that can be a subject: English, French, weight, agreement, gender.
SUBJECT_PRONOUNS = "i je 2 1s m; we nous 2 1p m; you vous 2 2p m; he il 3 3s m; she elle 3 3s f; they ils 3 3p m"
NOUN_SUBJECT_WEIGHT = 4  # of each kind of noun

# Noun phrases: weight alone, with a prepositional phrase, with a relative clause.
MODIFIER_WEIGHTS = {"Subject": (4, 4, 2), "Np": (10, 2, 1)}

# How often a clause has this auxiliary and this polarity.
POLARITIES = (
    ("Do+", 9), ("Do-", 4), ("Be+", 2), ("Be-", 1), ("Was+", 2), ("Was-", 1), ("Can+", 2), ("Can-", 1), ("Must+", 1),
    ("Must-", 1),
)  # fmt: skip

# The verb and what stands around it: English, French, weight.
VERB_GROUPS = {
    "Do+": [
        ("{finite}", "{clitic} {finite}", 6),
        ("often/ADV {finite}", "{clitic} {finite} souvent", 1),
        ("always/ADV {finite}", "{clitic} {finite} toujours", 1),
    ],
    "Do-": [
        ("{aux}/AUX not/PART {bare}", "ne {clitic} {bare} pas", 3),
        ("never/ADV {finite}", "ne {clitic} {finite} jamais", 1),
    ],
    "Can+": [("can/AUX {infinitive}", "{french_aux} {clitic} {infinitive}", 1)],
    "Can-": [("cannot/AUX {infinitive}", "ne {french_aux} pas {clitic} {infinitive}", 1)],
    "Must+": [("must/AUX {infinitive}", "{french_aux} {clitic} {infinitive}", 1)],
    "Must-": [("must/AUX not/PART {infinitive}", "ne {french_aux} pas {clitic} {infinitive}", 1)],
}
VERB_GROUPS["Be+"] = VERB_GROUPS["Was+"] = [
    ("{aux}/AUX {adjective}", "{french_aux} {adjective}", 3),
    ("{aux}/AUX often/ADV {adjective}", "{french_aux} souvent {adjective}", 1),
]
VERB_GROUPS["Be-"] = VERB_GROUPS["Was-"] = [
    ("{aux}/AUX not/PART {adjective}", "ne {french_aux} pas {adjective}", 3),
    ("{aux}/AUX never/ADV {adjective}", "ne {french_aux} jamais {adjective}", 1),
]

# What follows a verb: class of the verb, English, French, the pronoun before the French verb, weight.
NOTHING = [("", "", "", "", 1)]  # after "be" and its adjective
COMPLEMENTS = {
    "person": [
        ("Intransitive.person", "", "", "", 4),
        ("Intransitive.person", "Place", "Place", "", 2),
        ("Transitive", "Np", "Np", "", 5),
        ("Transitive", "Pronoun", "", "Pronoun", 3),
        ("Saying", "that/SCONJ Clause", "que Clause", "", 2),
        *((verb, f"Np.thing {verb.lower()}/PART", "Np.thing", "", 0.8) for verb in PARTICLES),
        *((verb, f"them/PRON {verb.lower()}/PART", "", "les", 0.2) for verb in PARTICLES),
    ],
    "thing": [("Intransitive.thing", "", "", "", 3), ("Intransitive.thing", "Place", "Place", "", 1)],
    # The object is the noun before the clause: "the man that she sees", "the lamp that she turns on".
    "person-gap": [("Transitive", "", "", "", 1)],
    "thing-gap": [
        ("Transitive", "", "", "", 8),
        *((verb, f"{verb.lower()}/PART", "", "", 0.5) for verb in PARTICLES),
    ],
}


GAPS = ("person-gap", "thing-gap")


def rows(table):
    """The rows of a table of words: a semicolon between rows, spaces between columns."""
    return [row.split() for row in table.split(";")]


def conjugate(infinitive, *forms):
    """The French present forms in the order of `AGREEMENTS`: those given, or those of a regular verb in -er."""
    return forms or tuple(infinitive.removesuffix("er") + ending for ending in ("e", "e", "ons", "ez", "ent"))


def tag_auxiliary(aux, agreement):
    """The auxiliary of a tag question has the other polarity: "she can …, can't she ?"."""
    word = AUXILIARIES[aux[:-1]][0].split()[AGREEMENTS.index(agreement)]
    if aux.endswith("-"):
        return word
    return {"am": "aren't", "can": "can't"}.get(word, word + "n't")


def build_rules():
    """Expand the tables into a plain context-free grammar, with one symbol for each combination of features.

    Returns:
        dict: symbol → its list of `pcfg.Rule`, for a `pcfg.Grammar` that starts from ``Sentence``.
    """
    weighted = defaultdict(list)

    def rule(symbol, english, french, weight=1):
        weighted[symbol].append((weight, tuple(english.split()), tuple(french.replace("_", " ").split())))

    add_words(rule)
    subjects = add_subjects(rule)
    add_noun_phrases(rule)
    add_verb_phrases(rule)
    add_sentences(rule, subjects)
    rules = {}
    for symbol, options in weighted.items():
        total = sum(weight for weight, *_ in options)
        rules[symbol] = [Rule(weight / total, *sides) for weight, *sides in options]
    return rules


def add_words(rule):
    for kind, table in NOUNS.items():
        for singular, plural, french_singular, french_plural in rows(table):
            rule(f"Noun.{kind}.s", f"{singular}/NOUN", french_singular)
            rule(f"Noun.{kind}.p", f"{plural}/NOUN", french_plural)
    for place, table in ADJECTIVES.items():
        for english, *forms in rows(table):
            for form, french in zip(("m.s", "f.s", "m.p", "f.p"), forms, strict=True):
                rule(f"Adjective.{place}.{form}", f"{english}/ADJ", french)
    for verb, table in VERBS.items():
        for bare, s_form, infinitive, *forms in rows(table):
            rule(f"{verb}.infinitive", f"{bare}/VERB", infinitive)
            for agreement, french in zip(AGREEMENTS, conjugate(infinitive, *forms), strict=True):
                rule(f"{verb}.bare.{agreement}", f"{bare}/VERB", french)
                rule(f"{verb}.finite.{agreement}", f"{s_form if agreement == '3s' else bare}/VERB", french)
    for number, table in DETERMINERS.items():
        for (english, masculine, feminine), weight in zip(rows(table), DETERMINER_WEIGHTS, strict=True):
            rule(f"Determiner.m.{number}", english, masculine, weight)
            rule(f"Determiner.f.{number}", english, feminine, weight)
    for english, french in rows(OBJECT_PRONOUNS):
        rule("Pronoun", f"{english}/PRON", french)
    for english, french in rows(PREPOSITIONS):
        rule("Place", f"{english}/ADP Np", f"{french} Np")
    rule("Pp", "Place", "Place", 3)
    rule("Pp", "of/ADP Np", "de Np", 1)


def add_noun_phrases(rule):
    """The last noun takes at most one prepositional phrase or relative clause, so nothing is ambiguous."""
    for sort, gender, number in product(("person", "thing"), "mf", "sp"):
        kind, form, agreement = f"{sort}.{gender}.{number}", f"{gender}.{number}", f"3{number}"
        noun, before, after = f"Noun.{kind}", f"Adjective.before.{form}", f"Adjective.{sort}.{form}"
        rule(f"Nominal.{kind}", noun, noun, 5)
        rule(f"Nominal.{kind}", f"{before} {noun}", f"{before} {noun}", 2)
        rule(f"Nominal.{kind}", f"{after} {noun}", f"{noun} {after}", 2)
        rule(f"Nominal.{kind}", f"{before} {after} {noun}", f"{before} {noun} {after}")
        base = f"Determiner.{form} Nominal.{kind}"
        for symbol, (alone, with_phrase, with_clause) in MODIFIER_WEIGHTS.items():
            rule(f"{symbol}.{kind}", base, base, alone)
            rule(f"{symbol}.{kind}", f"{base} Pp", f"{base} Pp", with_phrase)
            rule(f"{symbol}.{kind}", f"{base} Relative.{kind}", f"{base} Relative.{kind}", with_clause)
        who = "who/PRON" if sort == "person" else "that/PRON"
        subject_clause = f"Vp.{agreement}.{gender}.{sort}"
        rule(f"Relative.{kind}", f"{who} {subject_clause}", f"qui {subject_clause}", 2)
        rule(f"Relative.{kind}", f"that/PRON Clause.{sort}-gap", f"que Clause.{sort}-gap", 1)
        rule("Np", f"Np.{kind}", f"Np.{kind}")
        if sort == "thing":
            rule("Np.thing", f"Np.{kind}", f"Np.{kind}")
        else:
            for gap in GAPS:
                clause = f"{base} Vp.{agreement}.{gender}.{gap}"
                rule(f"Clause.{gap}", clause, clause, NOUN_SUBJECT_WEIGHT)


def add_subjects(rule):
    """Returns (symbol, weight, features, pronoun of the tag question) for each kind of subject."""
    subjects = []
    for english, french, weight, agreement, gender in rows(SUBJECT_PRONOUNS):
        rule(f"Subject.{english}", f"{english}/PRON", french)
        for gap in GAPS:
            verb_phrase = f"Vp.{agreement}.{gender}.{gap}"
            rule(f"Clause.{gap}", f"{english}/PRON {verb_phrase}", f"{french} {verb_phrase}", int(weight))
        subjects.append((f"Subject.{english}", int(weight), f"{agreement}.{gender}.person", english))
    pronouns = {"person.m.s": "he", "person.f.s": "she", "thing.m.s": "it", "thing.f.s": "it"}
    for kind, number in product(NOUNS, "sp"):
        sort, gender = kind.split(".")
        pronoun = pronouns.get(f"{kind}.{number}", "they")
        subjects.append((f"Subject.{kind}.{number}", NOUN_SUBJECT_WEIGHT, f"3{number}.{gender}.{sort}", pronoun))
    return subjects


def add_verb_phrases(rule):
    for agreement, gender, sort in product(AGREEMENTS, "mf", COMPLEMENTS):
        features = f"{agreement}.{gender}.{sort}"
        person = AGREEMENTS.index(agreement)
        for aux, share in POLARITIES:
            is_be = aux[:-1] in ("Be", "Was")
            if is_be and sort in GAPS:
                continue  # "the lamp that she is" is no clause without its object
            rule(f"Vp.{features}", f"{aux}.{features}", f"{aux}.{features}", share)
            english_aux, french_aux = (forms.split()[person] for forms in AUXILIARIES[aux[:-1]])
            complements = NOTHING if is_be else COMPLEMENTS[sort]
            for group, complement in product(VERB_GROUPS[aux], complements):
                english, french, weight = group
                verb, english_rest, french_rest, clitic, complement_weight = complement
                if verb == "Saying" and aux.endswith("-"):
                    continue  # "ne pense pas que" asks for a subjunctive
                parts = {
                    "finite": f"{verb}.finite.{agreement}",
                    "bare": f"{verb}.bare.{agreement}",
                    "infinitive": f"{verb}.infinitive",
                    "adjective": f"Adjective.{sort}.{gender}.{agreement[1]}",
                    "aux": english_aux,
                    "french_aux": french_aux,
                    "clitic": clitic,
                }
                rule(
                    f"{aux}.{features}",
                    f"{english.format(**parts)} {english_rest}",
                    f"{french.format(**parts)} {french_rest}",
                    weight * complement_weight,
                )


def add_sentences(rule, subjects):
    for subject, weight, features, pronoun in subjects:
        rule("Clause", f"{subject} Vp.{features}", f"{subject} Vp.{features}", weight)
        for aux, share in POLARITIES:
            clause = f"{subject} {aux}.{features}"
            tag = tag_auxiliary(aux, features[:2])
            rule("Sentence", f"{clause} ./PUNCT", f"{clause} .", weight * share)
            rule(
                "Sentence",
                f"{clause} ,/PUNCT {tag}/AUX {pronoun}/PRON ?/PUNCT",
                f"{clause} , ne est-ce pas ?",
                weight * share,
            )


# --- Spelling --------------------------------------------------------------------------------------------------------

# What a word does to its neighbour. The h of "héros" is no vowel (le héros), that of "homme" is one (l'homme).
FRENCH_VOWEL = "(?!héros)[aeiouhéêîœ]"
BEFORE_VOWEL = {"le": "l'", "la": "l'", "de": "d'", "je": "j'", "ne": "n'", "que": "qu'", "sa": "son", "ma": "mon"}
BEFORE_CONSONANT = {"cet": "ce", "bel": "beau", "nouvel": "nouveau", "vieil": "vieux"}
FRENCH_SPELLING = (
    (r"\b(pas|jamais) une?\b", r"\1 de"),  # pas un roi → pas de roi
    (rf"\b({'|'.join(BEFORE_VOWEL)})(?= {FRENCH_VOWEL})", lambda match: BEFORE_VOWEL[match[1]]),  # sa île → son île
    (rf"\b({'|'.join(BEFORE_CONSONANT)})(?= (?!{FRENCH_VOWEL}))", lambda match: BEFORE_CONSONANT[match[1]]),
    (r"\bde le(s?)\b", lambda match: "des" if match[1] else "du"),
)
ENGLISH_SPELLING = ((r"\ba (?=[aeiou])", "an "),)


def spell(words, spelling):
    """Apply the rules of `ENGLISH_SPELLING` or `FRENCH_SPELLING` to words in a row; returns a tuple of tokens."""
    return spell_all([words], spelling)[0]


def spell_all(sentences, spelling):
    """`spell` for many sentences: a line each in one text, which is several times faster than one by one."""
    text = "\n".join(map(" ".join, sentences))
    for pattern, replacement in spelling:
        text = re.sub(pattern, replacement, text)
    return [tuple(line.split()) for line in text.split("\n")] if sentences else []


def written(sentence):
    """Write both sides of a sentence as English and French are written.

    `text.Tokenizer` gives the tokens again, lower-cased, with `elision=True` those of the French side. It cuts
    "est-ce", which is one word of this grammar, at its hyphen, as it cuts every inverted verb and pronoun.

    Args:
        sentence: a `Sentence`.

    Returns:
        (English, French), two str, as in "The king sleeps, doesn't he?" and "Le roi dort, n'est-ce pas ?" with a
        narrow no-break space.
    """
    english = re.sub(r"\bi\b", "I", Tokenizer().join(sentence.english))
    french = Tokenizer(elision=True).join(sentence.french).replace(" ?", "\u202f?")
    return english[:1].upper() + english[1:], french[:1].upper() + french[1:]


# --- The grammar -----------------------------------------------------------------------------------------------------

RULES = build_rules()
GRAMMAR = Grammar(RULES)
ENGLISH_ITEMS = {item for rules in RULES.values() for rule in rules for item in rule.source if not is_symbol(item)}
WORD_AND_TAG = {item: item.rsplit("/", 1) for item in ENGLISH_ITEMS}  # "watch/NOUN" → ["watch", "NOUN"]


def sample(num_sentences, seed=0):
    """Draw sentence pairs from the grammar, independently of each other.

    Args:
        num_sentences: how many, at least 0.
        seed: any int; the same seed gives the same sentences everywhere.

    Returns:
        list of `Sentence`.

    Raises:
        ValueError: num_sentences is not an integer, or negative; the seed is not an integer.
    """
    pairs = GRAMMAR.sample(num_sentences, seed + SEED_SHIFT)
    words_and_tags = [tuple(zip(*map(WORD_AND_TAG.get, source), strict=True)) for source, _ in pairs]
    english = spell_all([words for words, _ in words_and_tags], ENGLISH_SPELLING)
    french = spell_all([target for _, target in pairs], FRENCH_SPELLING)
    return [Sentence(*sides, tags) for *sides, (_, tags) in zip(english, french, words_and_tags, strict=True)]


def log_prob(english):
    """Natural logarithm of the probability of an English sentence.

    Args:
        english: its tokens, as in `Sentence.english`.

    Returns:
        float in nats; −inf for a sentence outside the language.

    Raises:
        TypeError: a string in place of tokens.
    """
    return GRAMMAR.log_prob(unspelled(english))


def num_derivations(english):
    """In how many ways the grammar makes an English sentence: 1 inside the language, 0 outside.

    Args:
        english: its tokens, as in `Sentence.english`.

    Returns:
        int.

    Raises:
        TypeError: a string in place of tokens.
    """
    return GRAMMAR.num_derivations(unspelled(english))


def unspelled(english):
    """The words of the grammar that are spelled as these tokens, "an" as "a"; none if "a" or "an" is wrong there."""
    if isinstance(english, str):
        raise TypeError("pass a sequence of tokens, as Tokenizer()(sentence) gives, not a string")
    words = ["a" if word == "an" else word for word in english]
    return words if spell(words, ENGLISH_SPELLING) == tuple(english) else []


def perplexity_floor():
    """The lowest perplexity per English token that any language model can reach when sentences end with ``<eos>``.

    Returns:
        float, as in `pcfg.Grammar.perplexity_floor`; the entropy and the mean length are `GRAMMAR.entropy()` and
        `GRAMMAR.mean_length()`.
    """
    return GRAMMAR.perplexity_floor()


def vocabulary():
    """The English words and punctuation marks of the language, sorted.

    Returns:
        list of str.
    """
    return sorted({word for word, _ in WORD_AND_TAG.values()} | {"an"})
