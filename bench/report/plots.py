"""The figures themselves, drawn with matplotlib without any global state: no pyplot, no display."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.report.examples import split_strip

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Point:
    """One method in a scatter plot."""

    label: str
    x: float
    y: float


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
"""Okabe and Ito's palette, told apart with the common colour-vision deficiencies."""
MARKERS = "osD^vP*X"
LABEL_END = 18
PICTURES_DPI = 100
SHOWN = 6
AMPLIFIED = 4

SAMPLES = "grid.png"
"""``sample.grid.png``: rows of square samples without gaps."""
NEIGHBOURS = "neighbours.png"
"""``gen.neighbours.png``: a row of samples above rows of their nearest training images."""
PLACEMENT = "placement.png"
"""``recon.placement.png``, ``sample.placement.png``: images above maps of where their codes lie."""


def save(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """The file's content; equal inputs give equal bytes under one version of matplotlib."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "bench", "svg.fonttype": "path"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi="figure", metadata=metadata)
    return buffer.getvalue()


def _figure(width: float, height: float, dpi: int = 150) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def _style(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def plain(text: str) -> str:
    """A label as matplotlib prints it: no mathematics, no control characters, a long one without its middle."""
    if len(text) > 2 * LABEL_END + 1:
        text = f"{text[:LABEL_END]}…{text[-LABEL_END:]}"
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")


def scatter(points: Sequence[Point], x: str, y: str, family: Callable[[str], str]) -> Figure:
    """Methods as points with their labels; the members of a family (a sweep) share a colour, a line and their name."""
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    families: dict[str, list[Point]] = {}
    for point in points:
        families.setdefault(family(point.label), []).append(point)
    for index, (name, members) in enumerate(families.items()):
        members = sorted(members, key=lambda p: p.x)
        style = MARKERS[index % len(MARKERS)] + ("-" if len(members) > 1 else "")
        colour = COLOURS[index % len(COLOURS)]
        axes.plot([p.x for p in members], [p.y for p in members], style, color=colour, label=plain(name))
        for point in members:
            axes.annotate(
                plain(point.label.removeprefix(f"{name}:") if len(members) > 1 else point.label),
                (point.x, point.y),
                xytext=(5, 5),
                textcoords="offset points",
                fontsize=7,
                color=colour,
            )
    xs = [p.x for p in points]
    if max(xs) > 20 * min(xs):
        axes.set_xscale("log")
    axes.margins(x=0.12, y=0.1)
    sweeps = [line for line, members in zip(axes.lines, families.values(), strict=True) if len(members) > 1]
    if sweeps:
        axes.legend(handles=sweeps, fontsize=7, frameon=False)
    _style(axes, x, y)
    return figure


def curves(
    losses: Mapping[str, Sequence[tuple[float, float]]], quality: Mapping[str, Sequence[tuple[float, float]]]
) -> Figure:
    """Training: total loss, and held-out PSNR where it was taken, over images seen."""
    panels = [(data, label) for data, label in ((losses, "training loss"), (quality, "held-out PSNR (dB)")) if data]
    figure = _figure(4.5 * len(panels), 3.6)
    order = list(dict.fromkeys([*losses, *quality]))
    for axes, (data, label) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for method, line in data.items():
            colour = COLOURS[order.index(method) % len(COLOURS)]
            axes.plot([x for x, _ in line], [y for _, y in line], color=colour, label=plain(method), linewidth=1.3)
        if label == "training loss" and all(y > 0 for line in data.values() for _, y in line):
            axes.set_yscale("log")
        _style(axes, "images seen", label)
    axes.legend(fontsize=7, frameon=False)
    return figure


def code_use(shares: Mapping[str, Sequence[float]], entries: Mapping[str, int]) -> Figure:
    """How often codebook entries are used, most used first; a flat line is even use.

    ``shares`` are of all uses, by equal parts of the codebook; ``entries`` is the size of the codebook.
    """
    figure = _figure(6, 3.6)
    axes = figure.subplots()
    for index, (method, values) in enumerate(shares.items()):
        even = [value * len(values) for value in values]
        ranks = [(rank + 0.5) / len(values) for rank in range(len(values))]
        axes.plot(
            ranks, even, color=COLOURS[index % len(COLOURS)], label=f"{plain(method)} ({entries[method]} entries)"
        )
    axes.axhline(1, color="#999999", linewidth=0.8, linestyle="--")
    _style(axes, "share of the codebook, most used entries first", "use relative to even use")
    axes.legend(fontsize=7, frameon=False)
    return figure


# Images --------------------------------------------------------------------------------------------------------


def strips(files: Mapping[str, bytes]) -> Figure:
    """Originals on top, then for each method its reconstructions and their differences, amplified."""
    import numpy as np

    rows: list[tuple[str, np.ndarray]] = []
    for label, png in files.items():
        originals, made = split_strip(png, Path(label))
        if not rows:
            rows.append(("original", originals))
        if originals.shape != rows[0][1].shape:
            continue
        difference = np.abs(made.astype(np.int16) - originals.astype(np.int16)) * AMPLIFIED
        rows += [(label, made), (f"difference, {AMPLIFIED}x", difference.clip(0, 255).astype(np.uint8))]
    return _rows(rows)


def grids(files: Mapping[str, bytes]) -> Figure:
    """Each method's picture as it is, one beside the other."""
    from PIL import Image

    figure = _figure(3.2 * len(files), 3.5, PICTURES_DPI)
    for axes, (label, png) in zip(figure.subplots(1, len(files), squeeze=False)[0], files.items(), strict=True):
        axes.imshow(Image.open(io.BytesIO(png)).convert("RGB"), interpolation="nearest")
        axes.set_title(plain(label), fontsize=8)
        axes.axis("off")
    return figure


def _rows(rows: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Rows of images, uint8 ``[count, side, side, 3]``, with a label at the left of each, drawn as one picture."""
    import numpy as np

    side = rows[0][1].shape[1]
    shown = min(SHOWN, *(len(images) for _, images in rows))
    gap = max(1, side // 32)
    canvas = np.full((len(rows) * (side + gap), shown * (side + gap), 3), 255, dtype=np.uint8)
    for row, (_, images) in enumerate(rows):
        for column, image in enumerate(images[:shown]):
            canvas[row * (side + gap) :, column * (side + gap) :][:side, :side] = image
    figure = _figure(1.1 * shown + 1.6, 1.1 * len(rows) + 0.2, PICTURES_DPI)
    axes = figure.subplots()
    axes.imshow(canvas, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([(side + gap) * row + side / 2 for row in range(len(rows))], [plain(label) for label, _ in rows])
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    return figure
