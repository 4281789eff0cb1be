import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb

from d2lrnn import plotting


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_labels_stand_at_the_lines_ends_in_their_colours(ax):
    ax.plot([0, 1], [0, 1], label="up", color="red")
    ax.plot([0, 1], [1, 0], label="down", color="blue")
    plotting.label_lines(ax)
    heights = {text.get_text(): text.xy[1] for text in ax.texts}
    assert heights["up"] > heights["down"]
    assert {text.get_text(): text.get_color() for text in ax.texts} == {"up": "red", "down": "blue"}


def test_labels_of_lines_that_end_together_do_not_overlap(ax):
    for i in range(4):
        ax.plot([0, 1], [i, 1.5], label=f"line {i}")
    plotting.label_lines(ax, gap=0.1)
    heights = sorted(text.xy[1] for text in ax.texts)
    assert all(b - a > 0.099 for a, b in zip(heights, heights[1:], strict=False))


def test_labels_follow_a_log_axis(ax):
    ax.set_yscale("log")
    ax.plot([0, 1], [1, 1e-4], label="falls")
    ax.plot([0, 1], [1, 1e4], label="rises")
    plotting.label_lines(ax)
    heights = {text.get_text(): text.xy[1] for text in ax.texts}
    assert heights["falls"] < 0.1 and heights["rises"] > 0.9


def test_label_lines_without_labels_says_what_to_do(ax):
    ax.plot([0, 1], [0, 1])
    with pytest.raises(ValueError, match="label="):
        plotting.label_lines(ax)


def test_colours_are_legible_on_white_and_on_a_dark_page():
    def luminance(colour):
        rgb = torch.tensor(to_rgb(colour))
        linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return (linear @ torch.tensor([0.2126, 0.7152, 0.0722])).item()

    dark = luminance("#121212") + 0.05
    for name, colour in plotting.COLORS.items():
        on_white, on_dark = 1.05 / (luminance(colour) + 0.05), (luminance(colour) + 0.05) / dark
        assert on_white > 3 and on_dark > 3, f"{name}: contrast {on_white:.2f} on white, {on_dark:.2f} on dark"


def test_use_style_takes_effect():
    plotting.use_style()
    assert plt.rcParams["axes.spines.top"] is False


def test_an_unknown_diagram_is_refused():
    with pytest.raises(ValueError, match="no diagram is called 'nothing'"):
        plotting.diagram("nothing")
