"""Small folders of noise, and the score and stats commands run in this process."""

import json

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import BenchError


def pictures(seed, count=8, size=(32, 32)):
    random = np.random.RandomState(seed)
    return [random.randint(0, 256, (*size, 3)).astype(np.uint8) for _ in range(count)]


def write(folder, images, suffix=".png", first=0, **options):
    folder.mkdir(exist_ok=True, parents=True)
    for index, image in enumerate(images, first):
        Image.fromarray(image).save(folder / f"{index:03d}{suffix}", **options)
    return folder


def bench(*arguments):
    """Exit code, standard output, standard error; errors as the program's main function gives them."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, BenchError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def scored(*arguments):
    code, out, _ = bench("score", *arguments, "--json")
    assert code == 0
    return {m["name"]: m for m in json.loads(out)["metrics"]}
