"""What a user may not read or write, and names at the limits of the system: one sentence each, and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import Command
from .test_shared_cache import ROOT, environment, pictures

LONG = "x" * 300
DRIVER = """
import contextlib, io, json, os, sys
from bench.cli import main
for cache, argv in json.load(sys.stdin):
    os.environ["BENCH_CACHE"] = cache
    sys.argv, err = ["bench", *argv], io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as done:
            code = done.code
    print(json.dumps([code, err.getvalue()]))
"""


def unprivileged() -> list[str]:
    """What takes root's right to read and write everything away from a command."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("nothing takes root's rights away here")
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]


@pytest.fixture
def small(tmp_path: Path, cache: Path, command: Command) -> tuple[Path, list[str]]:
    """A folder with results and the command that made them, on six images of its own."""
    dataset = f"testset:{pictures(tmp_path / 'images', 0)}"
    run = ["run", "-m", "jpeg:q=50", "--preset", "smoke", "--stages", "recon", "-d", dataset, "--out"]
    done = command(*run, str(tmp_path / "results"))
    assert done.code == 0, done.err
    return tmp_path, run


def copy(small: Path, name: str, closed: str, mode: int = 0) -> str:
    """A copy of the results or the cache in which what the pattern names may not be read (or written)."""
    made = Path(shutil.copytree(small / name, small / f"{name}-{len(list(small.iterdir()))}"))
    found = sorted(made.rglob(closed)) if closed != "." else [made, *(p for p in made.iterdir() if p.is_dir())]
    assert found
    for path in found:
        path.chmod(mode)
    return str(made)


def test_what_may_not_be_read_or_written_is_one_sentence(small: tuple[Path, list[str]]) -> None:
    folder, run = small
    weights, closed = folder / "w.ckpt", Path(shutil.copytree(folder / "images", folder / "closed"))
    weights.write_bytes(b"x")
    for path in (weights, closed):
        path.chmod(0)
    shut = folder / "shut"
    shut.mkdir(mode=0o555)
    cache, fixed = str(folder / "cache"), copy(folder, "cache", ".", 0o555)
    pairs = ["score", "--real", str(folder / "images"), "--fake", str(folder / "images"), "--metrics", "psnr"]
    validate = ["validate", "--preset", "smoke", *run[-3:-1], "--out", str(folder / "o"), "-m"]
    report, results = ["report", "--out", str(folder / "report"), "-r"], str(folder / "results")
    rights, locks, pixels = "Permission denied; change its rights", "*.lock", "pixels.u8"
    cases: dict[str, tuple[str, list[str], int, str]] = {
        "checkpoint": (cache, [*validate, f"vqgan@{weights}"], 2, f"missing: {weights}: {rights}"),
        "diffusers": (cache, [*validate, f"diffusers:{closed}"], 2, rights),
        "images": (cache, ["score", "--real", str(closed), *pairs[3:]], 2, rights),
        "pictures": (cache, [*report, copy(folder, "results", "*.png")], 2, "recon.examples.png: Permission denied"),
        "results": (cache, [*report, copy(folder, "results", "recon.json")], 2, "recon.json cannot be read"),
        "values": (cache, [*report, copy(folder, "results", "*.parquet")], 5, "recon.parquet cannot be read"),
        "folder": (cache, [*report, copy(folder, "results", "seed0")], 2, "seed0 cannot be read (Permission denied)"),
        "out": (cache, [*run, str(shut / "o")], 2, "cannot be written (Permission denied); choose another with --out"),
        "report": (cache, ["report", "--out", str(shut / "o"), "-r", results], 3, "choose another folder with --out"),
        "csv": (cache, [*pairs, "--per-image", str(shut / "a.csv")], 3, "a.csv cannot be written (Permission denied)"),
        "clean": (fixed, ["cache", "clean", "--yes"], 3, "cannot be written (Permission denied)"),
        "fetch": (fixed, ["fetch", "alexnet"], 3, "cannot be written (Permission denied)"),
        "more": (
            fixed,
            ["run", "-m", "webp:q=50", *run[3:], str(folder / "o1")],
            3,
            "images cannot be written",
        ),
        "locks": (copy(folder, "cache", locks), [*run, str(folder / "o2"), "--overwrite"], 2, rights),
        "frozen": (copy(folder, "cache", pixels), [*run, str(folder / "o3")], 2, f"pixels.u8: {rights}"),
        "verify": (copy(folder, "cache", pixels), ["cache", "verify"], 2, f"pixels.u8: {rights}"),
    }
    said = drive([(cache, argv) for cache, argv, _, _ in cases.values()])
    assert {name: code for name, (code, _) in zip(cases, said, strict=True)} == {n: c[2] for n, c in cases.items()}
    for (_, _, _, words), (_, err) in zip(cases.values(), said, strict=True):
        assert words in err
        assert "Traceback" not in err


def drive(commands: list[tuple[str, list[str]]]) -> list[tuple[int, str]]:
    """Exit code and stderr of each command with its cache, all in one process that has no rights but those of files."""
    asked = [*unprivileged(), sys.executable, "-c", DRIVER]
    done = subprocess.run(
        asked,
        input=json.dumps(commands),
        cwd=ROOT,
        env=environment(Path(commands[0][0])),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_names_at_the_limits_of_the_system(small: tuple[Path, list[str]], command: Command) -> None:
    folder, run = small
    latin = os.fsdecode(b"caf\xe9\x1b[31m")
    images = shutil.copytree(folder / "images", folder / latin)
    out = folder / f"out-{latin}"
    done = command(*run[:-2], f"testset:{images}", "--out", str(out))
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
    assert command("report", "-r", str(out), "--out", str(folder / latin / "report")).code == 0
    listed = command("data", "list")
    assert listed.code == 0
    assert "\x1b" not in listed.out
    for asked in (
        ["score", "--real", f"/tmp/{LONG}", "--fake", str(images)],
        ["validate", "-m", "jpeg:q=50", "-d", f"folder:/tmp/{LONG}"],
        ["validate", "-m", f"vqgan@{LONG}"],
        ["validate", "-m", f"diffusers:{LONG}"],
        ["validate", "-m", "jpeg:q=50", "--plugin", f"/tmp/{LONG}.py"],
        ["report", "-r", f"/tmp/{LONG}"],
        ["data", "show", f"testset:{images}", "-r", "32", "--out", f"/tmp/{LONG}.png"],
    ):
        done = command(*asked)
        assert done.code in (2, 3), done.err
        assert "File name too long" in done.err
        assert "\x1b" not in done.err
