"""Labels beside points, such that no label lies on another one, on a point or on a line, or leaves the axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

PLACES = tuple(
    (side * distance, up * distance)
    for distance in (6, 12, 20)
    for side, up in ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
)
"""Offsets from the point in points of type, the most wanted first."""
ALIGNED = {1: "left", 0: "center", -1: "right"}
UP = {1: "bottom", 0: "center", -1: "top"}
DOT = 4.0
"""Half the side of what a marker covers, in pixels at 100 dpi."""
STEPS = 24
"""Parts of a line's segment that are looked at."""


@dataclass(frozen=True)
class Label:
    """A text beside the point (x, y), in data units."""

    text: str
    x: float
    y: float
    colour: str


def place(figure: Figure, axes: Axes, labels: Sequence[Label]) -> None:
    """Writes every label at the first of :data:`PLACES` that is free; one without a free place is left out.

    Deterministic: the same axes and labels give the same picture.
    """
    figure.draw_without_rendering()
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")
    frame = axes.get_window_extent()
    taken = _taken(axes, DOT * figure.dpi / 100)
    for label in labels:
        for across, up in PLACES:
            text = axes.annotate(
                label.text,
                (label.x, label.y),
                xytext=(across, up),
                textcoords="offset points",
                fontsize=7,
                color=label.colour,
                ha=ALIGNED[(across > 0) - (across < 0)],
                va=UP[(up > 0) - (up < 0)],
            )
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def _taken(axes: Axes, half: float) -> list[Bbox]:
    """What markers and lines cover, as boxes in pixels."""
    import numpy as np
    from matplotlib.transforms import Bbox

    boxes = []
    for line in axes.lines:
        corners = axes.transData.transform(np.column_stack(line.get_data()))
        points = [(corner, half) for corner in corners]
        if line.get_linestyle() not in ("None", "none", ""):
            shares = np.linspace(0, 1, STEPS)[1:-1]
            points += [(one + share * (other - one), 1.0) for one, other in pairwise(corners) for share in shares]
        boxes += [Bbox.from_extents(x - size, y - size, x + size, y + size) for (x, y), size in points]
    return boxes
