import json
import math

import pytest
import torch
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from d2lrnn.explore import (
    LARGEST,
    Bars,
    Control,
    Dots,
    Explorable,
    Line,
    Nodes,
    Panel,
    Text,
    TextPanel,
    TreePanel,
    given_limits,
    limits,
    tabulate,
)

PANEL = Panel("x", "y")
TREE = TreePanel(["il", "fait", "gèle", "on"], [None, 0, 0, None])
TEXT = Text("norm", "ab c", [1, 0.5, 0, 0], "#000")


ONE = {"k": Control("k", [1])}


def power(w, base="half"):
    x = torch.arange(5)
    return f"w is {w}", [[Line("w^x", x, w ** x.double(), "#000"), Dots("one", [0], [1], "#111")]]


def controls():
    return {"w": Control("weight", [0.5, 1, 2], start=1), "base": Control("base", ["half", "whole"])}


def marks_of(data, index):
    """A frame's marks as the page script reads them: (style, x, y)."""
    styles, arrays = data["styles"], data["arrays"]
    return [[(styles[s], arrays[x], arrays[y]) for s, x, y in panel] for panel in data["frames"][index]["panels"]]


def test_frames_are_in_the_order_of_the_controls_with_the_last_one_fastest():
    data = tabulate("power", power, controls(), [PANEL])
    assert [frame["text"] for frame in data["frames"]] == ["w is 0.5"] * 2 + ["w is 1"] * 2 + ["w is 2"] * 2
    (style, x, y), (dots, _, _) = marks_of(data, 4)[0]
    assert (style["kind"], style["label"], dots["kind"]) == ("line", "w^x", "dots")
    assert (x, y) == ([0, 1, 2, 3, 4], [1, 2, 4, 8, 16])


def test_controls_keep_their_start_and_texts_become_a_menu():
    slider, menu = tabulate("power", power, controls(), [PANEL])["controls"]
    assert slider == {"label": "weight", "values": ["0.5", "1", "2"], "menu": False, "start": 1}
    assert menu["menu"] and menu["start"] == 0


def test_equal_arrays_are_kept_once():
    data = tabulate("power", power, controls(), [PANEL])
    assert len(data["arrays"]) == len({tuple(array) for array in data["arrays"]}) == 6


def test_numbers_have_three_digits_and_what_is_not_finite_becomes_a_gap():
    line = Line("", [12345, 2, 3], [1.23456, float("nan"), float("inf")], "#000")
    data = tabulate("rounded", lambda k: ("", [[line]]), ONE, [PANEL])
    assert marks_of(data, 0)[0][0][1:] == ([12340, 2, 3], [1.23, None, None])
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_limits_hold_all_frames_and_a_log_axis_ignores_zero():
    def frame(k):
        line = Line("", [0, 1], [0, k], "#000")
        return "", [[line], [line], [Bars("", ["a", "b"], [k, k], "#000")]]

    data = tabulate("limits", frame, {"k": Control("k", [2, 5])}, [PANEL, Panel("x", "y", yscale="log"), PANEL])
    assert [panel["ylim"] for panel in data["panels"]] == [[0, 5], [2, 5], [0, 5]]
    assert data["panels"][0]["xlim"] == [0, 1]


def test_given_limits_are_kept():
    data = tabulate("power", power, controls(), [Panel("x", "y", ylim=(-1, 99))])
    assert data["panels"][0]["ylim"] == [-1, 99]


@pytest.mark.parametrize(
    ("values", "scale", "from_end", "expected"),
    [
        ([1, 3, 2], "linear", False, [1, 3]),
        ([1, 3, 2], "log", False, [1, 3]),
        ([0.3], "linear", False, [-0.2, 0.8]),
        ([0.3], "log", False, [0.03, 3]),
        ([1e20], "linear", False, [0.5e20, 1.5e20]),
        ([1e20], "log", False, [1e19, 1e21]),
        ([-1e20], "linear", False, [-1.5e20, -0.5e20]),
        ([0], "linear", True, [-0.5, 0.5]),
        ([0, -1, 0.3], "log", False, [0.03, 3]),
        ([], "linear", False, [0, 1]),
        ([], "log", False, [0.1, 10]),
        ([1, 3], "linear", True, [0, 3]),
        ([1, 10], "log", True, [0.1, 10]),  # otherwise the lowest bar has no height
    ],
)
def test_limits(values, scale, from_end, expected):
    assert limits(values, scale, from_end) == pytest.approx(expected)


@settings(deadline=None)
@given_any(
    st.lists(st.floats(), min_size=1, max_size=5),
    st.sampled_from(["linear", "log"]),
    st.sampled_from(["line", "dots", "bars", "text"]),
)
def test_whatever_the_numbers_the_limits_are_finite_in_order_and_hold_them(numbers, scale, kind):
    texts = [str(i) for i in range(len(numbers))]
    mark = {
        "line": Line("", numbers, numbers[::-1], "#000"),
        "dots": Dots("", numbers, numbers[::-1], "#000"),
        "bars": Bars("", texts, numbers, "#000"),
        "text": Text("", texts, numbers, "#000"),
    }[kind]
    panel = TextPanel(yscale=scale) if kind == "text" else Panel("x", "y", xscale=scale, yscale=scale)
    shown = [v for v in numbers if abs(v) <= LARGEST and (scale == "linear" or v >= 1 / LARGEST)]
    if scale == "log" and kind != "text" and not shown and any(abs(v) <= LARGEST for v in numbers):
        with pytest.raises(ValueError, match="above 0"):
            tabulate("any", lambda k: ("", [[mark]]), ONE, [panel])
        return
    data = tabulate("any", lambda k: ("", [[mark]]), ONE, [panel])
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    for axis, place, digits in [("y", 2, 3)] + [("x", 1, 4)] * (kind in ("line", "dots")):
        low, high = data["panels"][0][f"{axis}lim"]
        assert math.isfinite(high - low) and low < high
        assert scale == "linear" or low > 0
        assert given_limits("any", (low, high), scale) == [low, high]
        saved = [v for v in data["arrays"][data["frames"][0]["panels"][0][0][place]] if isinstance(v, (int, float))]
        assert all(low <= v <= high for v in saved if scale == "linear" or v > 0)
        rounded = [float(f"{v:.{digits}g}") if abs(v) >= 1 / LARGEST else 0 for v in shown]
        assert all(low <= v <= high for v in rounded)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize(
    "impossible",
    [(2, 1), (1, 1), (1, math.nan), (-math.inf, 1), (1, math.inf), (1,), (1, 2, 3), (1, "b"), 5, (1, 1 + 1e-15)]
    + [(1e20, 1e20 + 2e5), (1, 10**400), (0, 5e-324)],
)
def test_limits_that_no_axis_can_have_are_refused(impossible, scale):
    for panel in (Panel("x", "y", ylim=impossible, yscale=scale), Panel("x", "y", xlim=impossible, xscale=scale)):
        with pytest.raises(ValueError, match=f"'power': a {scale} axis cannot have the limits .* low < high"):
            tabulate("power", power, controls(), [panel])
    with pytest.raises(ValueError, match=f"a {scale} axis cannot have the limits"):
        tabulate("text", lambda k: ("", [[TEXT]]), ONE, [TextPanel(ylim=impossible, yscale=scale)])


@pytest.mark.parametrize("low", [0, -1, 0.0])
def test_a_log_axis_cannot_begin_at_zero_or_below(low):
    for panel in (Panel("x", "y", ylim=(low, 1), yscale="log"), Panel("x", "y", xlim=(low, 1), xscale="log")):
        with pytest.raises(ValueError, match="a log axis cannot have the limits .* 0 < low"):
            tabulate("power", power, controls(), [panel])


def test_a_tensor_may_be_the_limits():
    data = tabulate("power", power, controls(), [Panel("x", "y", ylim=torch.tensor([0.0, 2.0]))])
    assert json.loads(json.dumps(data))["panels"][0]["ylim"] == [0, 2]


def test_numbers_beyond_all_pictures_are_gaps_or_zero():
    line = Line("", [1, 2, 3, 4], [1.797e308, -1e301, 1e-320, 1], "#000")
    assert marks_of(tabulate("huge", lambda k: ("", [[line]]), ONE, [PANEL]), 0)[0][0][2] == [None, None, 0, 1]


def test_a_text_keeps_its_tokens_once_and_no_zeros_after_its_last_value():
    def triangle(t):
        return "", [[Text("norm", "ab c", [0.12345] * t + [0] * (4 - t), "#000")]]

    data = tabulate("text", triangle, {"t": Control("t", [0, 1, 2, 4])}, [TextPanel()])
    assert [marks_of(data, i)[0][0][2] for i in range(4)] == [[], [0.123], [0.123] * 2, [0.123] * 4]
    assert data["arrays"].count(["a", "b", " ", "c"]) == 1
    assert marks_of(data, 0)[0][0][0]["kind"] == "text"


def test_a_zero_between_values_and_a_gap_at_the_end_are_kept():
    mark = Text("", ["the", "old", "lamp"], [0, 1, float("nan")], "#000")
    data = tabulate("text", lambda k: ("", [[mark]]), ONE, [TextPanel()])
    assert marks_of(data, 0)[0][0][2] == [0, 1, None]


@pytest.mark.parametrize(
    ("panel", "values", "limits"),
    [
        (TextPanel(), [0.5, 2], [0, 2]),
        (TextPanel(), [-3, 2], [-3, 2]),
        (TextPanel(yscale="log"), [0, 0.5, 2], [0.5, 2]),
        (TextPanel(ylim=(0, 1)), [0.5, 2], [0, 1]),
    ],
)
def test_shades_grow_from_zero_to_the_largest_value(panel, values, limits):
    mark = Text("", ["a"] * len(values), values, "#000")
    assert tabulate("text", lambda k: ("", [[mark]]), ONE, [panel])["panels"][0]["ylim"] == limits


def test_a_text_panel_names_its_control_by_its_place():
    given = {"k": Control("k", [1]), "t": Control("position", [1, 2, 3, 4])}
    data = tabulate("text", lambda k, t: ("", [[TEXT], []]), given, [TextPanel("norms", control="t"), TextPanel()])
    assert [panel["control"] for panel in data["panels"]] == [1, None]
    assert "xlim" not in data["panels"][0]


def test_a_tree_is_kept_once_and_its_nodes_say_what_became_of_them():
    def frame(k):
        return "", [[Nodes("kept", [0], [-k], "#000"), Nodes("ended", [2, 1], [-1, -k], "#111", ranked=True)]]

    data = tabulate("tree", frame, {"k": Control("k", [1.5, 2.5])}, [TREE])
    [panel] = data["panels"]
    assert (panel["tokens"], panel["parents"]) == (["il", "fait", "gèle", "on"], [None, 0, 0, None])
    (style, x, y), (ranked, nodes, _) = marks_of(data, 1)[0]
    assert (style["kind"], style["ranked"], ranked["ranked"]) == ("nodes", False, True)
    assert (x, y, nodes) == ([0], [-2.5], [2, 1])


@pytest.mark.parametrize(
    ("frame", "given", "panels", "message"),
    [
        (power, {}, [PANEL], "at least one control"),
        (power, controls(), [], "at least one control and one panel"),
        (power, controls(), [PANEL, PANEL], "1 lists of marks for 2 panels"),
        (power, {**controls(), "w": Control("weight", [1, 2], start=3)}, [PANEL], "'weight' starts at 3"),
        (lambda k: ("", [[Line("a", [1, 2], [1], "#000")]]), ONE, [PANEL], "2 x values and 1 y"),
        (lambda k: ("", [[TEXT]]), ONE, [PANEL], "Text belongs in a TextPanel"),
        (lambda k: ("", [[Dots("a", [1], [1], "#000")]]), ONE, [TextPanel()], "every other mark in a Panel"),
        (lambda k: ("", [[TEXT]]), ONE, [TextPanel(control="t")], r"no control 't' for its text, only \['k'\]"),
        (lambda k: ("", [[TEXT]]), ONE, [TextPanel(control="k")], "4 tokens for the 1 values of 'k'"),
        (lambda k: ("", [[Text("a", [1, 2], [1, 2], "#000")]]), ONE, [TextPanel()], "turn ids back into tokens"),
        (lambda k: ("", [[]]), {"k": Control("k", [])}, [PANEL], "'k' has no values"),
        (lambda k: ("", [[]]), {"k": Control("k", range(0))}, [PANEL], "'k' has no values"),
        (lambda k: ("", [[Line("a", ["p", "q"], [1, 2], "#000")]]), ONE, [PANEL], "x of Line 'a' are numbers"),
        (lambda k: ("", [[Dots("a", [1], ["2"], "#000")]]), ONE, [PANEL], "the y of 'a' are numbers"),
        (lambda k: ("", [[Bars("a", [1, 2], [1, 2], "#000")]]), ONE, [PANEL], "x of Bars 'a' are texts"),
        (
            lambda k: ("", [[Bars("a", ["p"], [1], "#000"), Bars("b", ["q"], [1], "#000")]]),
            *(ONE, [PANEL], "different categories"),
        ),
        (lambda k: ("", [[Dots("a", [0], [0], "#000")]]), ONE, [Panel("x", "y", yscale="log")], "its y axis cannot"),
        (lambda k: ("", [[Dots("a", [-1], [1], "#000")]]), ONE, [Panel("x", "y", xscale="log")], "its x axis cannot"),
        (lambda k: ("", [[]]), ONE, [Panel("x", "y", yscale="Log")], "yscale is 'linear' or 'log', not 'Log'"),
        (lambda k: ("", [[]]), ONE, [TextPanel(yscale="square")], "yscale is 'linear' or 'log', not 'square'"),
        (lambda k: ("", [[]]), ONE, [Panel("x", "y", xscale="log", equal=True)], "equal=True needs two linear axes"),
        (lambda k: ("", [[]]), ONE, [TreePanel([], [])], "at least one node"),
        (lambda k: ("", [[]]), ONE, [TreePanel([1, 2], [None, 0])], "tokens of a tree are texts"),
        (lambda k: ("", [[Text("a", "abc", [1, 2], "#000")]]), ONE, [TextPanel()], "3 x values and 2 y"),
        (lambda k: ("", [[TEXT]]), ONE, [TREE], "Nodes in a TreePanel"),
        (lambda k: ("", [[Nodes("a", [0], [1], "#000")]]), ONE, [PANEL], "Nodes in a TreePanel"),
        (lambda k: ("", [[Nodes("a", [4], [1], "#000")]]), ONE, [TREE], "no node 4; the tree has 4"),
        (lambda k: ("", [[Nodes("a", [0.5], [1], "#000")]]), ONE, [TREE], "no node 0.5"),
        (lambda k: ("", [[Nodes("a", [0], [1], "#000", ranked=True)]]), ONE, [TREE], "node 0 has children"),
        (lambda k: ("", [[]]), ONE, [TreePanel(["a", "b"], [None])], "2 tokens and 1 parents"),
        (lambda k: ("", [[]]), ONE, [TreePanel(["a", "b"], [1, None])], "must come before it, not at 1"),
        (lambda k: ("", [[Line("a", range(9000), torch.rand(9000), "#000")]]), ONE, [PANEL], "more than 60,000"),
    ],
)
def test_bad_input_is_refused_with_the_reason(frame, given, panels, message):
    with pytest.raises(ValueError, match=message):
        tabulate("bad", frame, given, panels)


def test_the_widget_has_a_short_constant_repr_and_carries_its_own_script():
    widget = Explorable("power", power, controls(), [PANEL])
    assert repr(widget) == "Explorable('power')"
    assert "export default { render }" in widget._esm
    assert widget.data["name"] == "power"
