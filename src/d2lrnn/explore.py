"""Explorable figures: a figure with its own sliders, alive on the static site, and where its cell was run, as in Colab.

The Python side calls `frame` once for every combination of the controls' values and keeps the rounded numbers.
The browser side (`explore.js`) only draws them, so no kernel is needed. An example:

    def frame(w):
        lag = torch.arange(30)
        return f"After 29 steps {w**29:.2g} of the gradient is left.", [[Line("gradient", lag, w**lag, COLORS["rnn"])]]

    Explorable(
        "one_weight", frame, {"w": Control("recurrent weight w", [0.8, 0.9, 1.0, 1.1], start=0.9)},
        [Panel("lag (steps)", "∂hₜ/∂hₜ₋ₖ", yscale="log")],
    )

`frame` takes the controls' values by name and returns `(text, panels)`: a sentence that says what the figure now
shows (it is the figure's text alternative), and for each panel a list of marks.

On the site the address says what a figure shows: #one_weight=1.1 opens the page at this figure with w = 1.1. If its
cell has the tag `predict-first`, the figure is covered after the reader's first move until they ask to see it.
"""

import itertools
import math
from dataclasses import asdict, dataclass
from importlib.resources import files

import anywidget
import torch
import traitlets

MAX_BYTES = 60_000
LARGEST = 1e300  # a number beyond counts as infinite and one below 1 / LARGEST as 0, so that differences stay finite


@dataclass
class Control:
    """Buttons side by side if the values are few and short, else a slider over numbers or a menu of texts.

    Attributes:
        label: a short text.
        values: list of numbers in order, or of texts; at least one.
        start: the value shown first; the first one if None.
    """

    label: str
    values: list
    start: object = None


@dataclass
class Panel:
    """One set of axes. Limits that are None are taken from the data of all settings, so that the axes stand still.

    Attributes:
        xlabel, ylabel, title: short texts; units in brackets.
        xscale, yscale: "linear" or "log". A log axis leaves out what is not above 0.
        xlim, ylim: (low, high) or None.
        equal: True if one unit is to have the same length on both axes, which must be linear.
    """

    xlabel: str
    ylabel: str
    title: str = ""
    xscale: str = "linear"
    yscale: str = "linear"
    xlim: tuple | None = None
    ylim: tuple | None = None
    equal: bool = False


@dataclass
class TextPanel:
    """A panel of running text: one or more Text marks, one below the other, each with its own scale.

    Attributes:
        title: a short text.
        control: the name of the control that a token sets when it is hovered over or touched, the i-th token the i-th
            value; None if the text only shows. The token that the control stands at is outlined.
        yscale: "linear": the shade grows with the value from 0, or "log": with its logarithm.
        ylim: (low, high) or None. The strongest shade is at `high`; on a log scale there is none at `low` and below.
    """

    title: str = ""
    control: str | None = None
    yscale: str = "linear"
    ylim: tuple | None = None


@dataclass
class TreePanel:
    """A panel with a tree, from left to right. Its nodes keep their places; Nodes marks say what became of them.

    Attributes:
        tokens: list of short texts, one for each node.
        parents: for each node the place of its parent in the list, None for one that hangs on the root. A parent comes
            before its children, and children of the same parent are drawn in this order, from top to bottom.
        title: a short text.
        ylabel: what the values of ranked nodes are; it stands above them.
    """

    tokens: list
    parents: list
    title: str = ""
    ylabel: str = "score"


@dataclass
class Line:
    """A line through (x, y), with its label at its right end. `dashed` is for references such as a baseline.

    Where a value is missing (NaN, infinite), the line has a gap.
    """

    label: str
    x: object
    y: object
    color: str
    dashed: bool = False


@dataclass
class Dots:
    """Points at (x, y), with the label beside the last one."""

    label: str
    x: object
    y: object
    color: str


@dataclass
class Bars:
    """Vertical bars over categories: x is a list of short texts, y their heights.

    All bars of a panel have the same categories. To lines and dots in their panel the first category is at x = 0.
    """

    label: str
    x: object
    y: object
    color: str


@dataclass
class Text:
    """A text on whose tokens a shade shows the values: x is a list of tokens, y a value for each.

    Characters are set close together, longer tokens with space between them. Values below 0 are orange-red (on a linear
    scale; a log scale leaves them without shade). Belongs in a TextPanel.
    """

    label: str
    x: object
    y: object
    color: str


@dataclass
class Nodes:
    """Nodes of a TreePanel: x are their places in its list, y a value of each.

    Nodes that are in no mark are drawn pale. `dashed` ones have a dashed outline and no shade. The values of `ranked`
    ones stand at the right end of their rows, numbered in the order given: they must be leaves.
    """

    label: str
    x: object
    y: object
    color: str
    dashed: bool = False
    ranked: bool = False


PLACES = {Text: TextPanel, Nodes: TreePanel}  # every other mark: Panel


class Explorable(anywidget.AnyWidget):
    """An explorable figure.

    Args:
        name: identifies the figure in tests and in the notebook's text output.
        frame: a pure function of the controls' values, see the module's docstring.
        controls: dict from the name of `frame`'s argument to its Control.
        panels: list of Panel, drawn side by side, or one below the other on a phone, and of TextPanel and TreePanel, as
            wide as the figure.

    Raises:
        ValueError: no controls or panels, a control without values, a start that is not among the values, marks that
            do not fit the panels, x and y of different lengths, numbers where texts belong or texts where numbers do,
            limits or a scale that no axis can have, a log axis with no value above 0, a text panel whose control or
            tokens do not fit the figure's controls, a tree whose parents or nodes do not fit, or more than 60 kB of
            numbers (use fewer values or points).
    """

    _esm = files("d2lrnn").joinpath("explore.js").read_text(encoding="utf-8")
    data = traitlets.Dict().tag(sync=True)

    def __init__(self, name, frame, controls, panels):
        self.name = name
        super().__init__(data=tabulate(name, frame, controls, panels))

    def __repr__(self):
        return f"Explorable({self.name!r})"


def tabulate(name, frame, controls, panels):
    """The numbers an explorable draws: `frame` at every combination of values, each distinct array kept once.

    Args, Raises: as for Explorable.

    Returns:
        dict that JSON can hold. The combinations are in the order of itertools.product; numbers have 3 significant
        digits (4 on the x axis); what is not finite, or beyond 1e300, becomes None, and what is below 1e-300 0.
    """
    if not controls or not panels:
        raise ValueError(f"explorable {name!r} needs at least one control and one panel")
    control_data = [_control_data(name, control) for control in controls.values()]
    panel_data = [_panel_data(name, panel, controls) for panel in panels]
    arrays, styles = {}, {}
    frames = [
        _frame_indices(name, *frame(**dict(zip(controls, values, strict=True))), panels, controls, arrays, styles)
        for values in itertools.product(*(control.values for control in controls.values()))
    ]
    data = {
        "name": name,
        "controls": control_data,
        "panels": panel_data,
        "arrays": [list(array) for array in arrays],
        "styles": [dict(style) for style in styles],
        "frames": frames,
    }
    for i, panel in enumerate(panel_data):
        for key in ("xlim", "ylim"):
            if key in panel:
                panel[key] = _panel_limits(panel, key[0], i, data)
    size = len(str(data))
    if size > MAX_BYTES:
        raise ValueError(f"explorable {name!r}: {size:,} bytes, more than {MAX_BYTES:,}: use fewer values or points")
    return data


def _control_data(name, control):
    if len(control.values) == 0:
        raise ValueError(f"explorable {name!r}: {control.label!r} has no values: a control needs at least one")
    start = control.values[0] if control.start is None else control.start
    if start not in control.values:
        raise ValueError(f"explorable {name!r}: {control.label!r} starts at {start!r}, which is not among its values")
    return {
        "label": control.label,
        "values": [value if isinstance(value, str) else f"{value:g}" for value in control.values],
        "menu": isinstance(control.values[0], str),
        "start": control.values.index(start),
    }


def _panel_data(name, panel, controls):
    data = asdict(panel)
    for key in {"xscale", "yscale"} & set(data):
        if data[key] not in ("linear", "log"):
            raise ValueError(f"explorable {name!r}: {key} is 'linear' or 'log', not {data[key]!r}")
    if data.get("equal") and "log" in (data["xscale"], data["yscale"]):
        raise ValueError(f"explorable {name!r}: a log axis has no unit: equal=True needs two linear axes")
    if isinstance(panel, TextPanel) and panel.control is not None:
        if panel.control not in controls:
            raise ValueError(f"explorable {name!r}: no control {panel.control!r} for its text, only {list(controls)}")
        data["control"] = list(controls).index(panel.control)
    if isinstance(panel, TreePanel):
        if len(panel.tokens) != len(panel.parents) or not panel.tokens:
            counts = f"{len(panel.tokens)} tokens and {len(panel.parents)} parents"
            raise ValueError(f"explorable {name!r}: {counts}, but a tree has at least one node, and one of each for it")
        if not all(isinstance(token, str) for token in panel.tokens):
            raise ValueError(f"explorable {name!r}: the tokens of a tree are texts: turn ids back into tokens")
        for i, parent in enumerate(panel.parents):
            if parent is not None and not 0 <= parent < i:
                raise ValueError(f"explorable {name!r}: the parent of node {i} must come before it, not at {parent}")
    return data


def _frame_indices(name, text, marks_by_panel, panels_given, controls, arrays, styles):
    """A frame as indices into the shared tables of arrays and styles."""
    if len(marks_by_panel) != len(panels_given):
        raise ValueError(f"explorable {name!r}: {len(marks_by_panel)} lists of marks for {len(panels_given)} panels")

    def index(table, key):
        return table.setdefault(key, len(table))

    panels = []
    for panel, marks in zip(panels_given, marks_by_panel, strict=True):
        panels.append([])
        for mark in marks:
            x, y = _rounded(mark.x, 4), _rounded(mark.y, 3)
            _check_numbers(name, mark, x, y)
            if len(x) != len(y):
                raise ValueError(f"explorable {name!r}: {mark.label!r} has {len(x)} x values and {len(y)} y values")
            if not isinstance(panel, PLACES.get(type(mark), Panel)):
                rule = "Text belongs in a TextPanel, Nodes in a TreePanel and every other mark in a Panel"
                raise ValueError(f"explorable {name!r}: {rule}")
            if isinstance(mark, Text):
                _check_tokens(name, x, panel, controls)
                y = _without_last_zeros(y)
            style = {"kind": type(mark).__name__.lower(), "label": mark.label, "color": mark.color}
            style["dashed"] = getattr(mark, "dashed", False)
            if isinstance(mark, Nodes):
                _check_nodes(name, x, mark.ranked, panel.parents)
                style["ranked"] = mark.ranked
            panels[-1].append([index(styles, tuple(style.items())), index(arrays, x), index(arrays, y)])
        if len({tuple(mark.x) for mark in marks if isinstance(mark, Bars)}) > 1:
            raise ValueError(f"explorable {name!r}: the bars of one panel have different categories")
    return {"text": text, "panels": panels}


def _check_numbers(name, mark, x, y):
    """The x of bars and tokens are texts; every other x and y is a number or a gap."""
    wants_texts = isinstance(mark, (Bars, Text))
    if any(isinstance(value, str) != wants_texts for value in x):
        rule = "texts, not numbers: turn ids back into tokens" if wants_texts else "numbers: only Bars show texts"
        raise ValueError(f"explorable {name!r}: the x of {type(mark).__name__} {mark.label!r} are {rule}")
    if any(isinstance(value, str) for value in y):
        raise ValueError(f"explorable {name!r}: the y of {mark.label!r} are numbers, not texts")


def _check_tokens(name, tokens, panel, controls):
    if panel.control is not None and len(tokens) != len(controls[panel.control].values):
        raise ValueError(
            f"explorable {name!r}: {len(tokens)} tokens for the {len(controls[panel.control].values)} values of "
            f"{panel.control!r}: the i-th token sets the i-th value"
        )


def _check_nodes(name, nodes, ranked, parents):
    for i in nodes:
        if i not in range(len(parents)):
            raise ValueError(f"explorable {name!r}: there is no node {i}; the tree has {len(parents)}")
        if ranked and i in parents:
            raise ValueError(f"explorable {name!r}: node {i} has children: only leaves have a row for their rank")


def _without_last_zeros(values):
    """What comes after the last value that is not 0 need not be stored: the page takes it as 0."""
    return values[: max((i + 1 for i, value in enumerate(values) if value != 0), default=0)]


def _rounded(values, digits):
    values = values.tolist() if isinstance(values, torch.Tensor) else list(values)
    return tuple(v if isinstance(v, str) else _round(float(v), digits) for v in values)


def _round(value, digits):
    if not abs(value) <= LARGEST:  # so that NaN is caught too
        return None
    rounded = float(f"{value:.{digits}g}") if abs(value) >= 1 / LARGEST else 0.0
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _panel_limits(panel, axis, i, data):
    """The limits of the panel with the number `i` on the axis "x" or "y": those given, or those of all frames' data."""
    name, scale, given = data["name"], panel.get(f"{axis}scale"), panel[f"{axis}lim"]
    if given is not None:
        return given_limits(name, given, scale)
    marks = [mark for frame in data["frames"] for mark in frame["panels"][i]]
    kinds = {data["styles"][mark[0]]["kind"] for mark in marks}
    values = [v for mark in marks for v in data["arrays"][mark[1 if axis == "x" else 2]] if isinstance(v, (int, float))]
    if scale == "log" and values and max(values) <= 0 and "text" not in kinds:
        raise ValueError(f"explorable {name!r}: no value of panel {i + 1} is above 0: its {axis} axis cannot be log")
    from_end = {"bars"} if scale == "log" else {"bars", "text"}
    return limits(values, scale, axis == "y" and bool(kinds & from_end))


def given_limits(name, given, scale):
    """Limits as a list of two numbers, or an error if no axis can have them.

    Args:
        name: the explorable's name, for the error.
        given: (low, high).
        scale: "linear" or "log".

    Raises:
        ValueError: not two numbers, low not below high or closer to it than a picture can show, NaN, a number beyond
            1e300, or a log axis with a low that is not above 0.
    """
    try:
        low, high = (v if isinstance(v, int) else float(v) for v in given)
    except (TypeError, ValueError):
        low = high = math.nan
    ordered = -LARGEST <= low < high <= LARGEST and (scale == "linear" or low > 0)
    if not ordered or high - low <= max(1e-9 * max(-low, high), 1 / LARGEST):
        rule = "two finite numbers, low < high" + (" and 0 < low" if scale == "log" else "")
        raise ValueError(f"explorable {name!r}: a {scale} axis cannot have the limits {given}: it needs {rule}")
    return [low, high]


def limits(values, scale, from_end=False):
    """Limits of an axis that hold all values and leave room to see them. The one place where limits are computed.

    Args:
        values: list of numbers, rounded as in `tabulate`; a log axis leaves out what is not above 0. May be empty.
        scale: "linear" or "log".
        from_end: True for marks that begin at 0 or, on a log axis, at its lower end, such as bars.

    Returns:
        [low, high]: finite, low < high, and 0 < low on a log axis. A value that stands alone is in the middle.
    """
    if scale == "log":
        values = [v for v in values if v > 0] or [1]
        low, high = min(values), max(values)
        if low == high:
            return [low / 10, high * 10]
        return [low / 10 if from_end else low, high]
    if from_end:
        values = [*values, 0]
    low, high = min(values, default=0), max(values, default=1)
    margin = max(0.5, abs(low) / 2) if low == high else 0
    return [low - margin, high + margin]
