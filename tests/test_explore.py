import json

import pytest
import torch

from d2lrnn.explore import (
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
