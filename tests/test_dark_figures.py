"""The pictures for the dark page."""

import colorsys
import importlib.util
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

path = Path(__file__).resolve().parents[1] / "book/_ext/dark_figures.py"
spec = importlib.util.spec_from_file_location("dark_figures", path)
dark_figures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(dark_figures)

colour = st.tuples(*[st.integers(0, 255)] * 3)


def test_white_becomes_the_dark_page_and_black_nearly_white():
    assert dark_figures.turned(255, 255, 255) == [0x12] * 3  # --pst-color-background of the theme
    assert min(dark_figures.turned(0, 0, 0)) > 230


@given(colour)
def test_a_colour_keeps_its_hue(one):
    before, after = (colorsys.rgb_to_hls(*(part / 255 for part in rgb)) for rgb in (one, dark_figures.turned(*one)))
    if before[2] > 0.3 and 0.1 < before[1] < 0.9:  # else rounding to 256 levels turns it
        assert min(abs(before[0] - after[0]), 1 - abs(before[0] - after[0])) < 0.03


def test_every_pixel_is_turned_and_the_picture_stays(tmp_path):
    image = Image.new("RGB", (2, 1), "white")
    image.putpixel((1, 0), (43, 127, 212))
    image.save(tmp_path / "one.png")
    dark = Image.open(dark_figures.darken(tmp_path / "one.png")).convert("RGB")
    assert [dark.getpixel((x, 0)) for x in (0, 1)] == [(18,) * 3, tuple(dark_figures.turned(43, 127, 212))]
    assert Image.open(tmp_path / "one.png").getpixel((0, 0)) == (255,) * 3
