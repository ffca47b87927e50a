"""Which points and pictures figures show, where labels lie, and what captions say."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from bench.report import plots
from bench.report.figures import plans, points
from bench.report.gallery import BUDGET, LOSSLESS, LOSSY, fitting, galleries
from bench.report.load import Loaded, load
from bench.report.plots import Point
from bench.report.styles import styles, sweeps
from bench.results.record import Result
from bench.results.store import Place

from .sample_results import number, per_image, recon

FILE = {"bits": "whole file"}
CODE = {"bits": "fixed-length code"}


def with_bits(method: str, psnr: float, bits: float, kind: dict, **more) -> Result:
    made = recon(method, psnr, **more)
    return replace(made, metrics=(*made.metrics, number("bits-per-pixel", bits, False, kind)))


def kodak(*limited: str) -> list[Result]:
    return [
        with_bits("jpeg:q=10", 26.6, 0.33, FILE, limited=limited),
        with_bits("jpeg:q=50", 32.1, 0.91, FILE, limited=limited),
        with_bits("vqgan", 22.0, 0.4, CODE, limited=limited),
    ]


def labels(results: list[Result]) -> list[str]:
    return [point.label for point in points(results, "recon cost", "bits-per-pixel")]


def caption(results: list[Result], tmp_path) -> str:
    [plan] = [p for p in plans([Loaded(tmp_path / "recon.json", r) for r in results]) if "rate-distortion" in p.name]
    return plan.caption


def test_rows_that_are_limited_alike_are_all_shown_and_the_caption_says_how(tmp_path):
    made = kodak("set resolution=512")
    assert labels(made) == ["jpeg:q=10", "jpeg:q=50", "vqgan"]
    assert "limited by --set resolution=512" in caption(made, tmp_path)
    assert "limited" not in caption(kodak(), tmp_path)


def test_of_rows_that_are_limited_differently_only_the_full_ones_are_shown(tmp_path):
    made = [*kodak(), with_bits("brics", 23.0, 1.0, CODE, limited=("eval_limit",))]
    assert labels(made) == ["jpeg:q=10", "jpeg:q=50", "vqgan"]
    assert "limited" not in caption(made, tmp_path)


def test_the_caption_says_what_a_bit_is_for_whom(tmp_path):
    assert caption(kodak(), tmp_path).endswith("bits are those of the fixed-length code (vqgan); whole file (jpeg)")


def crowded() -> list[Point]:
    """Two sweeps that cross, and single rows that lie on them and on each other."""
    sweep = [Point(f"{name}:q={q}", rate * q, start + q / 4) for q in range(5, 100, 10) for name, rate, start in SWEEPS]
    single = [Point(f"{name}@weights-of-some-kind", 2.0 + i / 50, 25.0) for i, name in enumerate(("brics", "vqgan"))]
    return [*sweep, *single, Point("downsample:16", 6.0, 45.0), Point("downsample:8", 1.0, 44.0)]


SWEEPS = (("jpeg", 0.06, 20.0), ("webp", 0.03, 26.0))


def test_labels_lie_neither_on_each_other_nor_on_points_and_stay_within_the_axes():
    made = crowded()
    figure = plots.scatter(made, "bits per pixel", "PSNR (dB)", styles([p.label for p in made]))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert {"brics", "vqgan", "downsample:16", "downsample:8", "q=5", "q=95"} <= set(boxes)
    assert 6 <= len(axes.texts) <= 10, "of a sweep the ends and one between"
    frame = axes.get_window_extent()
    extents = [text.get_window_extent() for text in axes.texts]
    for index, box in enumerate(extents):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1
        assert not any(box.overlaps(other) for other in extents[index + 1 :])
        points = axes.transData.transform([(p.x, p.y) for p in made])
        assert not any(box.contains(*point) for point in points)


def test_colours_and_markers_belong_to_the_family_whatever_else_is_shown():
    look = styles(["vqgan", "jpeg:q=5", "jpeg:q=50", "brics"])
    assert look == styles(["brics", "jpeg:q=50", "jpeg:q=5", "vqgan"])
    assert (look["jpeg:q=5"].colour, look["jpeg:q=5"].marker) == (look["jpeg:q=50"].colour, look["jpeg:q=50"].marker)
    assert look["jpeg:q=5"].dashes != look["jpeg:q=50"].dashes
    many = styles([f"m{i}" for i in range(40)])
    assert len({(style.colour, style.marker) for style in many.values()}) == 40


def test_a_sweep_is_of_rows_that_differ_in_a_number_alone():
    labels = [f"brics:bits={b}{end}" for b in (8, 4, 16) for end in ("", ",noise=true")]
    assert sweeps(["vqgan", *labels, "downsample:8", "downsample:16", "jpeg:q=5", "jpeg:q=50"]) == [
        ["brics:bits=4", "brics:bits=8", "brics:bits=16"],
        [f"brics:bits={b},noise=true" for b in (4, 8, 16)],
        *([label] for label in ("downsample:8", "downsample:16", "jpeg:q=5", "jpeg:q=50", "vqgan")),
    ]


def strips_of(folder, methods: int, side: int, count: int = 8) -> list[Loaded]:
    """Results with examples: the image number 5 alone differs between the methods, and the last is worse at all."""
    rng = np.random.default_rng(0)
    originals = rng.integers(60, 200, (count, side, side, 3)).astype(np.uint8)
    for method in range(methods):
        changed = originals.copy()
        changed[min(5, count - 1)] += method * 4
        place = Place(folder, "photos", "smoke", f"m{method}", 0)
        psnr = np.array([40.0 - (i == min(5, count - 1)) * method * 3 for i in range(count)])
        place.write(
            per_image(recon(f"m{method}", float(psnr.mean())), count),
            {"image": np.arange(count).astype(str), "psnr": psnr},
        )
        rows = [np.concatenate(list(row), axis=1) for row in (originals, changed)]
        Image.fromarray(np.concatenate(rows)).save(place.folder / "recon.examples.png")
    return load([folder])


def pixels(figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(plots.save(figure, "png"))).convert("RGB"))


def test_reconstructions_begin_with_what_tells_methods_apart_enlarged_without_smoothing(tmp_path):
    loaded = strips_of(tmp_path, 3, 16)
    shown = {plan.name: plan for plan in plans(loaded)}
    assert list(shown) == ["photos-smoke-reconstructions", "photos-smoke-differences"]
    assert shown["photos-smoke-reconstructions"].inputs["images"][0] == 5
    picture = pixels(shown["photos-smoke-reconstructions"].draw())
    assert picture.shape[0] <= plots.TALLEST
    side = 192
    first = picture[:side, -6 * (side + plots.GAP) :][:, :side]
    strip = np.asarray(Image.open(tmp_path / "photos-smoke" / "m0" / "seed0" / "recon.examples.png"))
    assert (first == strip[:16, 5 * 16 : 6 * 16].repeat(12, 0).repeat(12, 1)).all()
    darker = pixels(shown["photos-smoke-differences"].draw())
    third = darker[3 * (side + plots.GAP) :][:side, -6 * (side + plots.GAP) :][:, :side]
    assert (third == 8 * plots.AMPLIFIED).all(), "the difference of the last method, four times"


def test_figures_of_many_methods_or_large_images_are_no_taller_than_a_screen(tmp_path):
    loaded = strips_of(tmp_path, 9, 160, 4)
    for plan in plans(loaded):
        assert plan.caption.endswith("; 6 of 9 methods")
        height, width, _ = pixels(plan.draw()).shape
        assert 500 < height <= plots.TALLEST
        assert width < 1200


def test_the_pictures_of_a_page_fit_five_megabytes_however_many_methods(tmp_path):
    for rows in (2, 7, 26, 60):
        for whole in (64, 256, 512, 1024):
            count, side, lossless = fitting(rows, whole, BUDGET)
            assert rows * count * side**2 * (LOSSLESS if lossless else LOSSY) <= BUDGET
            assert side <= whole
    assert fitting(7, 64, BUDGET) == (6, 64, True)
    (gallery,) = galleries(strips_of(tmp_path, 3, 16))
    drawn = gallery.draw()
    assert set(drawn) == set(gallery.files)
    strip = np.asarray(Image.open(tmp_path / "photos-smoke" / "m2" / "seed0" / "recon.examples.png"))
    assert gallery.chosen[0] == 5
    own = np.asarray(Image.open(io.BytesIO(drawn[gallery.shots[3].files[0]])))
    assert (own == strip[16:, 5 * 16 : 6 * 16]).all(), "without loss"
