"""``run`` from the command line to the table, on the embedded photographs at the smoke preset."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from pyarrow import parquet

import bench
from bench.results.record import Result, from_json
from tests.conftest import Command
from tests.toys import smoke

SCHEMA = json.loads((Path(bench.__file__).parent / "results" / "record.schema.json").read_text())


def results(out: Path) -> dict[tuple[str, str], Result]:
    found = {}
    for path in sorted(out.rglob("*.json")):
        result = from_json(path.read_text(), str(path))
        jsonschema.validate(json.loads(path.read_text()), SCHEMA)
        found[result.method, result.stage] = result
    return found


def test_a_run_trains_measures_tabulates_and_then_does_no_work(toy: str, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "results"
    done = command(*smoke(toy, out))
    assert done.code == 0, done.err
    assert "downsample:8" in done.out
    assert str(out) in done.err
    found = results(out)
    assert set(found) == {
        *(("toy", stage) for stage in ("train", "recon", "cost")),
        *(("downsample:8", stage) for stage in ("recon", "cost")),
    }
    train, recon = found["toy", "train"], found["toy", "recon"]
    assert train.facts["curve"][-1]["main/mse"] < train.facts["curve"][0]["main/mse"]
    metrics = {m.name: m for m in recon.metrics}
    assert metrics["psnr"].n == 64
    assert metrics["lpips-alex"].value is None
    assert "python -m bench fetch" in str(metrics["lpips-alex"].reason)
    assert recon.provenance["packages"]["torch"]
    assert recon.arguments["preset"] == "smoke"
    assert found["toy", "cost"].status == "not-applicable"
    values = parquet.read_table(out / "photos-smoke" / "toy" / "seed0" / "recon.parquet").to_pydict()
    assert np.mean(values["psnr"]) == pytest.approx(metrics["psnr"].value)
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = command(*smoke(toy, out))
    assert again.code == 0
    assert again.err.count("done before") == 5
    assert again.out == done.out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == written


def test_held_out_psnr_beats_the_untrained_network_and_the_mean_image(
    toy: str, tmp_path: Path, command: Command
) -> None:
    trained, untrained = tmp_path / "trained", tmp_path / "untrained"
    command(*smoke(toy, trained))
    command(*smoke(toy, untrained, "--set", "images_seen=8"))
    before, after = (
        next(m.value for m in results(out)["toy", "recon"].metrics if m.name == "psnr") for out in (untrained, trained)
    )
    assert after is not None
    assert before is not None
    assert after > before + 1
    assert results(untrained)["toy", "recon"].limited == ("set images_seen=8",)


def test_limits_mark_the_row(toy: str, tmp_path: Path, command: Command) -> None:
    done = command(*smoke(toy, tmp_path / "r", "--limit", "32", "--eval-limit", "8", "--json"))
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    recon = next(r for r in printed if r["stage"] == "recon" and r["method"] == "toy")
    assert recon["limited"] == ["limit", "eval-limit"]
    floor = {r["stage"]: r["limited"] for r in printed if r["method"].startswith("downsample")}
    assert floor == {"recon": ["eval-limit"], "cost": []}, "nothing of it is trained"
    assert next(m["n"] for m in recon["metrics"] if m["name"] == "psnr") == 8


def test_one_failing_cell_does_not_sink_the_others(toy: str, tmp_path: Path, command: Command) -> None:
    arguments = smoke(toy, tmp_path / "r")
    arguments[arguments.index("toy")] = "toy:explode=3,toy"
    done = command(*arguments)
    assert done.code == 3
    assert "diverged at step 3" in done.err
    found = results(tmp_path / "r")
    assert found["toy:explode=3", "train"].status == "failed"
    assert ("toy:explode=3", "recon") not in found
    assert found["toy", "recon"].status == "ok"
    assert command(*arguments, "--fail-fast").code == 3


def test_strict_wants_every_weight_before_training(toy: str, tmp_path: Path, command: Command) -> None:
    done = command(*smoke(toy, tmp_path / "r", "--strict"))
    assert done.code == 2
    assert "bench fetch" in done.err
    assert not list((tmp_path / "r").rglob("*.json"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--methods", "toyy"), "Did you mean 'toy'"),
        (("--dataset", "fotos"), "Did you mean 'photos'"),
        (("--dataset", "folder:/nowhere/at/all"), "/nowhere/at/all"),
        (("--preset", "smal"), "Did you mean 'small'"),
        (("--stages", "recons"), "Did you mean 'recon'"),
        (("--device", "gpu"), "is not a device"),
        (("--seeds", "0,0"), "each once"),
        (("--plugin", "/nowhere.py"), "no plugin file /nowhere.py"),
        (("--methods", "toy,toy"), "named twice"),
        (("--config", "/nowhere.yaml"), "/nowhere.yaml"),
        (("--methods", "toy@/nowhere.ckpt"), "'/nowhere.ckpt' is neither a file"),
        (("--metric-protocol", "cleann"), "Did you mean 'clean'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    toy: str, tmp_path: Path, command: Command, change: tuple[str, str], words: str
) -> None:
    arguments = smoke(toy, tmp_path / "r")
    if change[0] in arguments and change[0] != "--plugin":
        arguments[arguments.index(change[0]) + 1] = change[1]
    else:
        arguments += list(change)
    done = command(*arguments)
    assert done.code == 2, done.err
    assert words in done.err
    assert "Traceback" not in done.err
    assert not list((tmp_path / "r").rglob("*.json"))


def test_an_unknown_flag_suggests(command: Command) -> None:
    done = command("run", "--methds", "vqgan")
    assert done.code == 2
    assert "--methods" in done.err


def test_an_unwritable_results_folder_is_found_at_the_start(toy: str, tmp_path: Path, command: Command) -> None:
    (tmp_path / "r").write_text("a file")
    done = command(*smoke(toy, tmp_path / "r"))
    assert done.code == 2
    assert "cannot be written" in done.err


def test_a_newer_result_is_not_overwritten(toy: str, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "r"
    assert command(*smoke(toy, out, "--stages", "train")).code == 0
    file = out / "photos-smoke" / "toy" / "seed0" / "train.json"
    newer = file.read_text().replace('"schema": 2', '"schema": 99')
    file.write_text(newer)
    done = command(*smoke(toy, out, "--stages", "train"))
    assert done.code == 3
    assert "written by a newer version (schema 99" in done.err
    assert file.read_text() == newer


def test_a_damaged_reconstruction_in_the_cache_is_made_again(
    plugin: str, tmp_path: Path, command: Command, cache: Path
) -> None:
    toy = plugin
    first, second = tmp_path / "a", tmp_path / "b"
    assert command(*smoke(toy, first)).code == 0
    for pixels in (cache / "images").glob("*/pixels.u8"):
        data = bytearray(pixels.read_bytes())
        data[::97] = bytes(len(data[::97]))
        pixels.write_bytes(bytes(data))
    assert command(*smoke(toy, second)).code == 0
    one, other = results(first)["toy", "recon"], results(second)["toy", "recon"]
    assert one.metrics == other.metrics
    assert one.facts == other.facts


def test_validate_lists_everything_missing_at_once(toy: str, tmp_path: Path, command: Command) -> None:
    done = command(
        *("validate", "--plugin", toy, "--methods", "toy@nothing", "--dataset", "folder:/nowhere", "--device", "gpu"),
        *("--preset", "smoke", "--out", str(tmp_path / "r")),
    )
    assert done.code == 2
    assert done.err.count("missing:") == 3
    good = command("validate", "--plugin", toy, "--methods", "toy", "--preset", "smoke", "--out", str(tmp_path / "r"))
    assert good.code == 0
    assert "Everything that this run needs is here" in good.out


def test_a_training_run_is_weights_for_another_dataset(toy: str, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "r"
    assert command(*smoke(toy, out)).code == 0
    run = out / "photos-smoke" / "toy" / "seed0"
    arguments = smoke(toy, tmp_path / "s")
    arguments[arguments.index("toy")] = f"toy@{run}"
    done = command(*arguments)
    assert done.code == 0, done.err
    here, there = results(out)["toy", "recon"], results(tmp_path / "s")[f"toy@{run}", "recon"]
    assert here.facts["revision"] == there.facts["revision"]
    assert results(tmp_path / "s")[f"toy@{run}", "train"].status == "not-applicable"
    other = command("run", "--methods", f"vqgan@{run}", "--preset", "smoke", "--out", str(tmp_path / "t"))
    assert other.code == 2
    assert "were trained as 'toy'" in other.err


def test_weights_bring_the_options_they_were_trained_with(toy: str, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "r"
    arguments = smoke(toy, out)
    arguments[arguments.index("toy")] = "toy:width=6"
    assert command(*arguments).code == 0
    arguments[arguments.index("toy:width=6")] = f"toy@{out / 'photos-smoke' / 'toy+width=6' / 'seed0' / 'train.json'}"
    assert command(*arguments).code == 0


def test_a_preset_that_disagrees_with_a_checkpoint(tmp_path: Path, command: Command, shared_cache: Path) -> None:
    done = command("run", "--methods", "rqvae@church-8x8x4", "--preset", "smoke", "--out", str(tmp_path / "r"))
    assert done.code == 2
    assert "was trained at 256 px" in done.err


@pytest.mark.usefixtures("toy")
def test_a_foreign_file_that_is_no_checkpoint_is_refused_before_any_work(tmp_path: Path, command: Command) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"PK\x03\x04 half of a file")
    method = f"vqgan@{tmp_path / 'model.ckpt'}"
    done = command("run", "--methods", method, "--preset", "smoke", "--out", str(tmp_path / "r"))
    assert done.code == 5
    assert "model.ckpt is damaged or no PyTorch checkpoint" in done.err
    assert "Traceback" not in done.err
    assert not list((tmp_path / "r").rglob("*.json"))


def test_selftest_checks_the_contract(toy: str, command: Command) -> None:
    done = command("selftest", toy)
    assert done.code == 0, done.out
    assert "FAIL" not in done.out
    assert done.out.count("ok ") == 10
