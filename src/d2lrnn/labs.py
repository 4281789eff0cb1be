"""Labs: figures that train a model again, with the reader's settings. They need a running kernel."""

import io

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from d2lrnn import plotting, training


class Lab(widgets.VBox):
    """Controls and a picture. Its text output is the name alone, so that it is the same in every run."""

    name = "lab"

    def __repr__(self):
        return f"Lab({self.name!r})"


def training_lab(name, make_model, train_ids, held_out_ids, baselines, history):
    """Train a language model with settings from sliders; its curves grow epoch by epoch.

    Plain gradient descent with clipping, random batches of 32 sequences of 35 tokens.

    Args:
        name: identifies the lab in the notebook's text output.
        make_model: function (hidden_size) → model for `training.fit`, a new one with the same seed each time.
        train_ids, held_out_ids: (N,) and (M,) ids.
        baselines: dict from a name of `plotting.COLORS` to its held-out perplexity.
        history: a DataFrame of `training.fit`, shown at first.

    Returns:
        Lab.
    """
    hidden = widgets.SelectionSlider(options=[8, 16, 32, 64, 128, 256], value=64, description="hidden")
    lr = widgets.SelectionSlider(options=[0.25, 0.5, 1, 2, 4, 8, 16], value=2, description="lr")
    clip = widgets.SelectionSlider(options=[0.1, 0.25, 0.5, 1, 2, "none"], value=1, description="clip")
    epochs = widgets.IntSlider(value=20, min=1, max=50, description="epochs")

    def pictures():
        model, rows = make_model(hidden.value), []
        threshold = None if clip.value == "none" else clip.value
        settings = training.Settings(epochs.value, lr.value, "sgd", threshold, show_progress=False)
        data = training.text_data(model, train_ids, held_out_ids, batch_size=32, num_steps=35)
        for row in training.epochs(model, data, settings):
            rows.append(row)
            message = f"Epoch {row['epoch']} of {epochs.value}: held-out {row['held_out_perplexity']:.2f}"
            yield curves_svg(pd.DataFrame(rows), baselines), message

    return lab_of(name, [[hidden, lr], [clip, epochs]], curves_svg(history, baselines), pictures)


def lab_of(name, sliders, first_picture, pictures):
    """A lab with a button: while `pictures` runs, each picture and message that it yields is shown.

    Args:
        name: identifies the lab in the notebook's text output.
        sliders: rows of controls.
        first_picture: str, an SVG picture shown at first.
        pictures: function without arguments, a generator of (SVG picture, message).

    Returns:
        Lab.
    """
    button = widgets.Button(description="Train")
    picture = widgets.HTML(first_picture)
    message = widgets.HTML("Choose the settings, predict what you will see, then press Train.")

    def train(_):
        button.disabled = True
        try:
            for drawn, said in pictures():
                picture.value, message.value = drawn, said
        except (training.TrainingDiverged, OverflowError, ValueError) as error:
            message.value = f"Stopped: {error}"
        finally:
            button.disabled = False

    button.on_click(train)
    *rows, last = sliders
    lab = Lab([*map(widgets.HBox, rows), widgets.HBox([*last, button]), message, picture])
    lab.name = name
    return lab


def curves_svg(history, baselines):
    """Draw training and held-out perplexity over the epochs, with baselines.

    Args:
        history: a DataFrame with columns epoch, train_perplexity and held_out_perplexity.
        baselines: dict from a name of `plotting.COLORS` to its held-out perplexity.

    Returns:
        str, an SVG picture: the same for the same numbers.
    """
    with plt.rc_context({"svg.hashsalt": "d2lrnn"}):
        ax = Figure(figsize=(6.4, 3.6), layout="constrained").subplots()
        for label, value in baselines.items():
            ends = [history.epoch.iloc[0], history.epoch.iloc[-1]]
            ax.plot(ends, [value, value], "--", linewidth=1, color=plotting.COLORS[label], label=label)
        for column, label in (("train_perplexity", "train"), ("held_out_perplexity", "held_out")):
            color = plotting.COLORS[label]
            ax.plot(history.epoch, history[column], "o-", markersize=3, color=color, label=label.replace("_", "-"))
        ax.set(yscale="log", xlabel="epoch", ylabel="perplexity")
        return svg(ax)


def svg(ax):
    """Label the lines and write the figure.

    Args:
        ax: axes of a figure of their own.

    Returns:
        str, an SVG picture with no date in it.
    """
    ax.figure.draw_without_rendering()
    plotting.label_lines(ax)
    text = io.StringIO()
    ax.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()
