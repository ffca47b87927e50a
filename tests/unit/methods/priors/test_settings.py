"""Every method's prior: its settings by preset, its options on the command line, and what they leave alone."""

from dataclasses import replace

import pytest

from bench.errors import UsageError
from bench.run.cells import cells
from bench.run.config import RunConfig
from bench.run.method_string import parse_list
from bench.run.plugins import with_plugins
from bench.run.presets import PRESETS
from bench.run.settings import resolve, resolve_prior, settings_until
from methods import METHODS
from methods.brics import prior as brics
from methods.priors.published import BRICS_A, BRICS_B, LDM_CHURCH, LDM_FFHQ, RQ_350M, VQGAN_FFHQ
from methods.priors.samplers import check_steps
from methods.priors.settings import Diffusion

NAMES = ("brics", "vqgan", "rqvae", "kl-ldm", "vq-ldm")


def settings(text, preset="smoke"):
    table = with_plugins(METHODS, ())
    [method] = parse_list([text], ())
    return resolve(method, table[method.name], preset), resolve_prior(method, table[method.name], preset)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", NAMES)
def test_every_preset_has_a_prior(name, preset):
    _, prior = settings(name, preset)
    plain = brics.diffusion(prior) if name == "brics" else prior
    if isinstance(plain, Diffusion):
        check_steps(plain)
        assert preset == "paper" or plain.steps <= 100


@pytest.mark.parametrize(
    ("name", "published"), [("kl-ldm", LDM_CHURCH), ("vq-ldm", LDM_FFHQ), ("vqgan", VQGAN_FFHQ), ("rqvae", RQ_350M)]
)
def test_the_paper_preset_is_the_published_model(name, published):
    assert settings(name, "paper")[1] == published


@pytest.mark.parametrize(("letter", "published"), [("a", BRICS_A), ("b", BRICS_B)])
def test_brics_schedules_are_the_published_ones(letter, published):
    assert brics.diffusion(settings(f"brics:schedule={letter}", "paper")[1]) == published


@pytest.mark.parametrize("preset", PRESETS)
def test_brics_samples_as_the_paper_at_every_preset(preset):
    assert brics.diffusion(settings("brics", preset)[1]).sampler == "ancestral"


def test_the_ablation_of_brics_is_four_rows():
    """Schedule and codes are options of one row; the schedule leaves the tokenizer as it is."""
    config = RunConfig(methods=tuple(f"brics:schedule={s},codes={c}" for s in "ab" for c in "cd"), preset="smoke")
    rows = {cell.label: cell for cell in cells(config, with_plugins(METHODS, ()))}
    assert list(rows) == [f"brics:codes={c},schedule={s}" for s in "ab" for c in "cd"]
    a_d, b_d, b_c = (rows[f"brics:codes={c},schedule={s}"] for c, s in ("da", "db", "cb"))
    assert a_d.settings == b_d.settings != b_c.settings
    assert a_d.prior != b_d.prior == b_c.prior


def test_sampling_options_need_no_new_training():
    _, plain = settings("kl-ldm")
    _, faster = settings("kl-ldm:steps=20,sampler=dpm++,guidance=2")
    assert (faster.steps, faster.sampler, faster.guidance) == (20, "dpm++", 2.0)
    assert settings_until(faster, "prior") == settings_until(plain, "prior")
    assert settings_until(replace(plain, min_snr=5.0), "prior") != settings_until(plain, "prior")
    _, narrow = settings("vqgan:top_k=5,temperature=0.9")
    assert settings_until(narrow, "prior") == settings_until(settings("vqgan")[1], "prior")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("brics:schedule=c", "schedule=c"),
        ("vqgan:top_q=3", "Did you mean 'top_p'"),
        ("kl-ldm:sampler=euler", "sampler=euler"),
        ("rqvae:steps=3", "no option 'steps'"),
    ],
)
def test_wrong_options_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        settings(text)
