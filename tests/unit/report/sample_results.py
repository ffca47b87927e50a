"""Small results for the tests of tables, pages and gates."""

from dataclasses import replace

from bench.report.tables import tables
from bench.results.record import Measurement, Result

SIGNATURE = {"metric": "psnr", "n": 64, "reference": "val#ab12"}
MISSING = "The weights 'vgg16' are not on this machine; bring them with: python -m bench fetch vgg16"


def number(name, value, higher=True, signature=None, **more):
    protocol = SIGNATURE if signature is None else signature
    return Measurement(name, value, higher_is_better=higher, n=64, signature=protocol, **more)


def result(method, stage="recon", metrics=(), seed=0, status="ok", dataset="photos", preset="smoke", **more):
    return Result(
        stage,
        status,
        method,
        more.pop("title", method.upper()),
        dataset,
        preset,
        seed,
        "key",
        metrics=tuple(metrics),
        **more,
    )


def recon(method, psnr, ssim=None, lpips=None, seed=0, grid=None, bits=None, **more):
    metrics = [number("psnr", psnr, unit="dB")]
    if ssim is not None:
        metrics.append(number("ssim", ssim))
    if lpips is not None:
        metrics.append(number("lpips-squeeze", lpips, higher=False))
    if bits is not None:
        metrics.append(number("bits-per-pixel", bits, higher=False))
    metrics.append(Measurement("lpips-vgg", None, higher_is_better=False, reason=MISSING))
    facts = {"grid": [grid, grid]} if grid else {}
    return result(method, "recon", metrics, seed, facts=facts, **more)


def per_image(made, count):
    """The result with ``count`` values per image in a table beside it."""
    return replace(made, metrics=tuple(replace(m, n=count) for m in made.metrics), per_image="recon.parquet")


def usual():
    """Three methods, two seeds of one of them, every kind of footnote."""
    return [
        recon("downsample:16", 20.04, 0.61, 0.483, grid=16, bits=3.4),
        recon("vqgan", 22.0, 0.71, 0.24, 0, grid=16, bits=0.4),
        recon("vqgan", 22.2, 0.73, 0.22, 1, grid=16, bits=0.4),
        recon("brics", 22.7, 0.70, 0.23, grid=16, bits=1.28),
        recon("jpeg:q=10", 21.69, 0.66, grid=None, bits=0.9, limited=("eval_limit",)),
        result("vqgan", "train", facts={"images_seen": 24000, "seconds": 205.3, "steps": 1500, "flops": 1.234e14}),
        result("brics", "train", facts={"images_seen": 24000, "seconds": 59.9, "steps": 1500, "flops": 2.5e14}),
        result("vqgan", "cost", [number("decoder-parameters", 420_000, False), number("decoder-gmac", 0.0123, False)]),
        result("brics", "cost", status="failed", error="the grid is too large"),
    ]


def comparison(results):
    """The one table that says it all, for every dataset and preset."""
    return tables(results, ("comparison",))
