"""Which points a scatter plot shows, and what its caption says of them."""

from dataclasses import replace

from bench.report.figures import plans, points
from bench.report.load import Loaded
from bench.results.record import Result

from .sample_results import number, recon

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
