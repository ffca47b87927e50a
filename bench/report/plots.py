"""The figures themselves, drawn with matplotlib without any global state: no pyplot, no display."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.report.examples import split_strip
from bench.report.labels import short
from bench.report.placing import Label, place
from bench.report.styles import Styles, sweeps

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


@dataclass(frozen=True)
class Point:
    """One method in a scatter plot."""

    label: str
    x: float
    y: float


LABEL_END = 18
PICTURES_DPI = 100
SHOWN = 6
NAMED = 16
"""Names in a legend."""
TALLEST, LARGEST, GAP = 960, 192, 4
"""Pixels: of a figure's height, of the side of an image in it, between images."""
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


def scatter(points: Sequence[Point], x: str, y: str, look: Styles) -> Figure:
    """Methods as points with their labels; the members of a family share colour and marker, those of a sweep a line.

    A sweep labels its ends and one point between. A label for which there is no free place is left out: the legend
    beside the axes names every family.
    """
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    by_label = {point.label: point for point in points}
    families = Counter(look[label].family for label in by_label)
    named: dict[str, Line2D] = {}
    single: list[Label] = []
    swept: list[Label] = []
    for labels in sweeps(by_label):
        members = sorted((by_label[label] for label in labels), key=lambda p: p.x)
        style, sweep = look[labels[0]], len(labels) > 1
        (line,) = axes.plot(
            [p.x for p in members],
            [p.y for p in members],
            style.marker + ("-" if sweep else ""),
            color=style.colour,
            label=plain(style.family),
            markersize=5,
            linewidth=1.2,
        )
        shown = (members[0], members[-1], members[len(members) // 2]) if sweep else members
        named.setdefault(style.family, line)
        target = swept if sweep else single
        alone = families[style.family] == 1
        for point in shown:
            text = _told(point.label, style.family, sweep, alone)
            target.append(Label(plain(text), point.x, point.y, style.colour))
    xs = [p.x for p in points]
    if max(xs) > 20 * min(xs):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.12, y=0.12)
    _style(axes, x, y)
    _legend(axes, list(named.values()))
    place(figure, axes, [*single, *swept])
    return figure


def _legend(axes: Axes, lines: Sequence[Line2D]) -> None:
    """The names of the lines beside the axes; of very many the first, and how many more there are."""
    from matplotlib.lines import Line2D

    shown = list(lines[:NAMED])
    if len(lines) > NAMED:
        shown.append(Line2D([], [], linestyle="none", label=f"and {len(lines) - NAMED} more"))
    axes.legend(handles=shown, fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _told(label: str, family: str, sweep: bool, alone: bool) -> str:
    """What a point is called: in a sweep what is swept; the family is enough for its only row with weights."""
    if sweep:
        return short(label).removeprefix(f"{family}:")
    return family if alone and "@" in label else short(label)


def curves(
    losses: Mapping[str, Sequence[tuple[float, float]]],
    quality: Mapping[str, Sequence[tuple[float, float]]],
    look: Styles,
) -> Figure:
    """Training: total loss, and held-out PSNR where it was taken, over images seen."""
    panels = [(data, label) for data, label in ((losses, "training loss"), (quality, "held-out PSNR (dB)")) if data]
    figure = _figure(4.5 * len(panels) + 1.5, 3.6)
    lines = {}
    for axes, (data, label) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for method, line in data.items():
            (lines[method],) = axes.plot(
                [x for x, _ in line],
                [y for _, y in line],
                color=look[method].colour,
                linestyle=look[method].dashes,
                label=plain(short(method)),
                linewidth=1.3,
            )
        if label == "training loss" and all(y > 0 for line in data.values() for _, y in line):
            axes.set_yscale("log")
        _style(axes, "images seen", label)
        axes.xaxis.set_major_locator(_few_ticks())
    _legend(axes, list(lines.values()))
    return figure


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=5)


def code_use(shares: Mapping[str, Sequence[float]], entries: Mapping[str, int], look: Styles) -> Figure:
    """How often codebook entries are used, most used first; a flat line is even use.

    ``shares`` are of all uses, by equal parts of the codebook; ``entries`` is the size of the codebook.
    """
    figure = _figure(7.5, 3.6)
    axes = figure.subplots()
    for method, values in shares.items():
        even = [value * len(values) for value in values]
        ranks = [(rank + 0.5) / len(values) for rank in range(len(values))]
        label = f"{plain(short(method))} ({entries[method]} entries)"
        axes.plot(ranks, even, color=look[method].colour, linestyle=look[method].dashes, label=label)
    axes.axhline(1, color="#999999", linewidth=0.8, linestyle="--")
    _style(axes, "share of the codebook, most used entries first", "use relative to even use")
    _legend(axes, axes.lines[:-1])
    return figure


# Images --------------------------------------------------------------------------------------------------------


def strips(files: Mapping[str, bytes], chosen: Sequence[int]) -> Figure:
    """The chosen originals on top, then a row of reconstructions for each method."""
    return _rows([(label, images) for label, images, _ in _examples(files, chosen)])


def differences(files: Mapping[str, bytes], chosen: Sequence[int]) -> Figure:
    """The chosen originals on top, then for each method the differences of its reconstructions, amplified."""
    import numpy as np

    rows: list[tuple[str, np.ndarray]] = []
    for label, images, originals in _examples(files, chosen):
        if rows:
            difference = np.abs(images.astype(np.int16) - originals.astype(np.int16)) * AMPLIFIED
            images = difference.clip(0, 255).astype(np.uint8)
        rows.append((label, images))
    return _rows(rows)


def _examples(files: Mapping[str, bytes], chosen: Sequence[int]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Label, images and their originals, of the originals first; methods with images of another size are left out."""
    made: list[tuple[str, np.ndarray, np.ndarray]] = []
    for label, png in files.items():
        originals, images = (row[list(chosen)] for row in split_strip(png, Path(label)))
        if not made:
            made.append(("original", originals, originals))
        if originals.shape == made[0][1].shape:
            made.append((short(label), images, originals))
    return made


def grids(files: Mapping[str, bytes]) -> Figure:
    """Each method's picture as it is, one beside the other."""
    from PIL import Image

    figure = _figure(3.2 * len(files), 3.5, PICTURES_DPI)
    for axes, (label, png) in zip(figure.subplots(1, len(files), squeeze=False)[0], files.items(), strict=True):
        axes.imshow(Image.open(io.BytesIO(png)).convert("RGB"), interpolation="nearest")
        axes.set_title(plain(short(label)), fontsize=8)
        axes.axis("off")
    return figure


def _rows(rows: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Rows of images, uint8 ``[count, side, side, 3]``, with a label at the left of each.

    The figure is at most :data:`TALLEST` pixels high. Its pixels are those of the images, enlarged a whole number of
    times without smoothing where they are small, reduced by areas where they are large.
    """
    import numpy as np
    from PIL import Image

    whole, most = rows[0][1].shape[1], TALLEST // len(rows) - GAP
    side = whole * max(1, min(most, LARGEST) // whole) if whole <= most else most
    kind = Image.Resampling.NEAREST if side >= whole else Image.Resampling.BOX
    count = len(rows[0][1])
    canvas = np.full((len(rows) * (side + GAP), count * (side + GAP), 3), 255, dtype=np.uint8)
    for row, (_, images) in enumerate(rows):
        for column, image in enumerate(images):
            drawn = Image.fromarray(image).resize((side, side), kind)
            canvas[row * (side + GAP) :, column * (side + GAP) :][:side, :side] = np.asarray(drawn)
    height, width = canvas.shape[:2]
    longest = max(len(plain(label)) for label, _ in rows)
    left = 20 + 7 * longest
    figure = _exactly(left + width, height)
    axes = figure.add_axes((left / (left + width), 0, width / (left + width), 1))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([(side + GAP) * row + side / 2 for row in range(len(rows))], [plain(label) for label, _ in rows])
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    return figure


def _exactly(width: int, height: int) -> Figure:
    """A figure of so many pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / PICTURES_DPI, height / PICTURES_DPI), dpi=PICTURES_DPI)
