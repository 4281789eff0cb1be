import math
from xml.etree import ElementTree

import pandas as pd
import pytest
import torch

from d2lrnn import labs, training
from d2lrnn.cells import init_rnn_params
from d2lrnn.language_model import ScratchLanguageModel

HISTORY = pd.DataFrame({"epoch": [1, 2], "train_perplexity": [9.0, 8.0], "held_out_perplexity": [10.0, 9.5]})
TRAIN, HELD_OUT = torch.arange(2300) % 5, torch.arange(200) % 5
BASELINES = {"uniform": 5.0, "unigram": 4.9}


def make_model(hidden_size):
    generator = torch.Generator().manual_seed(0)
    return ScratchLanguageModel(5, init_rnn_params(5, hidden_size, 5, 0.1, generator))


def make_lab():
    return labs.training_lab("04_train", make_model, TRAIN, HELD_OUT, BASELINES, HISTORY)


def parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def named(lab, description):
    return next(part for part in parts(lab) if getattr(part, "description", "") == description)


def texts(lab):
    return [part.value for part in parts(lab) if type(part).__name__ == "HTML"]


def test_the_picture_is_the_same_for_the_same_numbers_and_names_its_lines():
    svg = labs.curves_svg(HISTORY, BASELINES)
    assert svg == labs.curves_svg(HISTORY, BASELINES)
    assert svg != labs.curves_svg(HISTORY * 2, BASELINES)
    ElementTree.fromstring(svg[svg.index("<svg") :])
    for label in ("train", "held-out", "uniform", "unigram"):
        assert f"<!-- {label} -->" in svg


def test_the_text_output_is_the_name():
    assert repr(make_lab()) == "Lab('04_train')"


def test_the_button_trains_with_the_sliders_settings(capsys):
    lab = make_lab()
    first = texts(lab)[1]
    named(lab, "hidden").value, named(lab, "epochs").value = 8, 2
    named(lab, "Train").click()
    message, picture = texts(lab)
    rows = training.fit(
        make_model(8), TRAIN, HELD_OUT, num_epochs=2, batch_size=32, num_steps=35, lr=2, optimizer="sgd"
    )
    assert message == f"Epoch 2 of 2: held-out {rows.held_out_perplexity.iloc[-1]:.2f}"
    assert picture == labs.curves_svg(rows, BASELINES) != first
    assert not named(lab, "Train").disabled
    assert capsys.readouterr().out == ""


def test_a_training_that_diverges_is_reported():
    def broken(hidden_size):
        model = make_model(hidden_size)
        with torch.no_grad():
            next(iter(model.parameters())).fill_(math.nan)
        return model

    lab = labs.training_lab("x", broken, TRAIN, HELD_OUT, BASELINES, HISTORY)
    named(lab, "Train").click()
    assert texts(lab)[0].startswith("Stopped: training diverged in epoch 1 at step 1")
    assert not named(lab, "Train").disabled


@pytest.mark.parametrize("description", ["hidden", "lr", "clip", "epochs"])
def test_every_setting_has_a_slider(description):
    assert named(make_lab(), description)
