from d2lrnn.corpora import load_text
from d2lrnn.text import Vocab, tokenize


def test_half_of_the_text_leaves_about_17_percent_of_the_held_out_words_unknown():
    story = load_text("story")
    cut = story.rfind("\n", 0, int(0.8 * len(story)))
    train, held_out = tokenize(story[:cut]), tokenize(story[cut:])
    half, full = (Vocab(train[:n], min_freq=2).to_ids(held_out).count(0) for n in (len(train) // 2, len(train)))
    assert 0.155 < half / len(held_out) < 0.185
    assert 0.6 < full / half < 0.75
