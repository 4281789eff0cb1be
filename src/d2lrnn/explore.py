"""Explorable figures: a figure with its own sliders, alive in Jupyter, in Colab and on the static site.

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
"""

import itertools
import math
from dataclasses import asdict, dataclass
from importlib.resources import files

import anywidget
import torch
import traitlets

MAX_BYTES = 60_000


@dataclass
class Control:
    """A slider over numbers, or a menu if the values are texts.

    Attributes:
        label: a short text.
        values: list of numbers in order, or of texts.
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
        xscale, yscale: "linear" or "log".
        xlim, ylim: (low, high) or None.
        equal: True if one unit is to have the same length on both axes.
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
class Line:
    """A line through (x, y), with its label at its right end. `dashed` is for references such as a baseline."""

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
    """Vertical bars over categories: x is a list of short texts, y their heights."""

    label: str
    x: object
    y: object
    color: str


class Explorable(anywidget.AnyWidget):
    """An explorable figure.

    Args:
        name: identifies the figure in tests and in the notebook's text output.
        frame: a pure function of the controls' values, see the module's docstring.
        controls: dict from the name of `frame`'s argument to its Control.
        panels: list of Panel, drawn side by side, or one below the other on a phone.

    Raises:
        ValueError: no controls or panels, a start that is not among the values, marks that do not fit the panels, x and
            y of different lengths, or more than 60 kB of numbers (use fewer values or points).
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
        digits (4 on the x axis); what is not finite becomes None.
    """
    if not controls or not panels:
        raise ValueError(f"explorable {name!r} needs at least one control and one panel")
    arrays, styles = {}, {}
    frames = [
        _frame_indices(name, *frame(**dict(zip(controls, values, strict=True))), len(panels), arrays, styles)
        for values in itertools.product(*(control.values for control in controls.values()))
    ]
    data = {
        "name": name,
        "controls": [_control_data(name, control) for control in controls.values()],
        "panels": [asdict(panel) for panel in panels],
        "arrays": [list(array) for array in arrays],
        "styles": [dict(style) for style in styles],
        "frames": frames,
    }
    for i, panel in enumerate(data["panels"]):
        panel["xlim"], panel["ylim"] = _limits(panel, i, data)
    size = len(str(data))
    if size > MAX_BYTES:
        raise ValueError(f"explorable {name!r}: {size:,} bytes, more than {MAX_BYTES:,}: use fewer values or points")
    return data


def _control_data(name, control):
    start = control.values[0] if control.start is None else control.start
    if start not in control.values:
        raise ValueError(f"explorable {name!r}: {control.label!r} starts at {start!r}, which is not among its values")
    return {
        "label": control.label,
        "values": [value if isinstance(value, str) else f"{value:g}" for value in control.values],
        "menu": isinstance(control.values[0], str),
        "start": control.values.index(start),
    }


def _frame_indices(name, text, marks_by_panel, num_panels, arrays, styles):
    """A frame as indices into the shared tables of arrays and styles."""
    if len(marks_by_panel) != num_panels:
        raise ValueError(f"explorable {name!r}: {len(marks_by_panel)} lists of marks for {num_panels} panels")

    def index(table, key):
        return table.setdefault(key, len(table))

    panels = []
    for marks in marks_by_panel:
        panels.append([])
        for mark in marks:
            x, y = _rounded(mark.x, 4), _rounded(mark.y, 3)
            if len(x) != len(y):
                raise ValueError(f"explorable {name!r}: {mark.label!r} has {len(x)} x values and {len(y)} y values")
            style = {"kind": type(mark).__name__.lower(), "label": mark.label, "color": mark.color}
            style["dashed"] = getattr(mark, "dashed", False)
            panels[-1].append([index(styles, tuple(style.items())), index(arrays, x), index(arrays, y)])
    return {"text": text, "panels": panels}


def _rounded(values, digits):
    values = values.tolist() if isinstance(values, torch.Tensor) else list(values)
    return tuple(v if isinstance(v, str) else _round(float(v), digits) for v in values)


def _round(value, digits):
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _limits(panel, i, data):
    """The panel's limits, from the data of all frames where none are given."""
    limits = []
    for axis, key in ((1, "x"), (2, "y")):
        if panel[f"{key}lim"] is not None:
            limits.append(list(panel[f"{key}lim"]))
            continue
        values = [
            v
            for frame in data["frames"]
            for mark in frame["panels"][i]
            for v in data["arrays"][mark[axis]]
            if isinstance(v, (int, float)) and (v > 0 or panel[f"{key}scale"] != "log")
        ]
        if axis == 2 and panel["yscale"] == "linear" and _has_bars(i, data):
            values.append(0)
        low, high = (min(values), max(values)) if values else (0, 1)
        limits.append([low, high] if low < high else [low - 0.5, high + 0.5])
    return limits


def _has_bars(i, data):
    return any(data["styles"][mark[0]]["kind"] == "bars" for frame in data["frames"] for mark in frame["panels"][i])
