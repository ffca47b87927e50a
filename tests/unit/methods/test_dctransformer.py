"""DCTransformer: causal, cached as uncached, normalised, valid by construction, and conditional."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from bench.contract import Batch, Build, Condition, Continuous, Sparse
from bench.core import codes as codes_of
from bench.core.distributed import Alone
from bench.errors import IntegrityError, UsageError
from methods.dct.blocks import causal_mask
from methods.dct.chunks import Following, chunks_of, cut, draw_chunk
from methods.dct.layout import Layout
from methods.dct.model import DctTokenizer
from methods.dct.presets import Settings
from methods.dct.prior import DCTransformerLearner, negative_log_likelihood
from methods.dct.prior_presets import SMOKE, TABLE, DCTransformer
from methods.dct.tasks import given as given_part
from methods.dct.tasks import tasks
from methods.priors import common
from methods.priors.choosing import draw
from methods.priors.settings import Choice

CPU = torch.device("cpu")
BUILD = Build((32, 32), seed=0, device=CPU, comm=Alone())
TINY: DCTransformer = replace(SMOKE, width=16, chunk=20, overlap=6)
CROPS = np.stack([data.astronaut()[y : y + 32, x : x + 32] for y in (40, 120, 300) for x in (60, 200, 380)])
PHOTOS = torch.from_numpy(CROPS).permute(0, 3, 1, 2)


def learner(settings: DCTransformer = TINY, tokens: Settings | None = None) -> DCTransformerLearner:
    tokenizer = DctTokenizer(tokens or Settings(q=10), CPU)
    torch.manual_seed(0)
    made = DCTransformerLearner(settings, BUILD, tokenizer, tokenizer.encode(PHOTOS))
    for name, parameter in made.module.named_parameters():  # trained gains, so that every layer counts
        if name.endswith("gain"):
            torch.nn.init.constant_(parameter, 0.5)
        elif parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    with torch.no_grad():  # a taste for low channels, so that samples have more than a few triples
        made.module.to_channel.bias -= 0.3 * torch.arange(len(made.module.to_channel.bias))
    return made


def codes(tokens: Settings | None = None) -> Sparse:
    return DctTokenizer(tokens or Settings(q=10), CPU).encode(PHOTOS)


def first_chunk(made: DCTransformerLearner, known: Sparse, start: int = 0):
    starts = [start] * len(known.triples)
    return cut(known, starts, made.layout, made.settings.chunk, made.settings.overlap, CPU)


def test_a_chunk_is_what_it_says() -> None:
    made, known = learner(), codes()
    start, overlap = made.settings.chunk, made.settings.overlap
    chunk = first_chunk(made, known, start)
    for i, triples in enumerate(known.triples):
        end = min(start + made.settings.chunk, len(triples))
        size = end - start
        assert torch.equal(chunk.tokens[i, : overlap + size], triples[start - overlap : end])
        assert torch.equal(chunk.before[i, : overlap + size], triples[start - overlap - 1 : end - 1])
        assert not chunk.target[i, :overlap].any()
        assert chunk.target[i, overlap : overlap + size].all()
        past = torch.zeros_like(chunk.dense[i])
        past[triples[:start, 0], triples[:start, 1]] = (triples[:start, 2] - made.layout.limit).int()
        assert torch.equal(chunk.dense[i], past)


def test_every_triple_and_the_stop_are_predicted_once() -> None:
    made, known = learner(), codes()
    predicted = [0] * len(known.triples)
    for i, triples in enumerate(known.triples):
        alone = codes_of.take(known, [i])
        for number in range(chunks_of(len(triples), made.settings.chunk)):
            predicted[i] += int(first_chunk(made, alone, number * made.settings.chunk).target.sum())
    assert predicted == [len(t) + 1 for t in known.triples]


def test_the_first_triple_follows_a_stop_token() -> None:
    made, known = learner(), codes()
    chunk = first_chunk(made, known)
    assert (chunk.before[:, made.settings.overlap, 0] == made.layout.shape[0]).all()
    assert not chunk.known[:, : made.settings.overlap].any()


def test_an_image_without_coefficients_is_a_stop_token() -> None:
    made = learner()
    grey = DctTokenizer(Settings(q=10), CPU).encode(torch.full((1, 3, 32, 32), 128, dtype=torch.uint8))
    chunk = first_chunk(made, grey)
    assert chunk.target.sum() == 1
    assert chunk.tokens[0, made.settings.overlap, 0] == made.layout.shape[0]


def test_early_chunks_are_preferred_down_to_the_floor() -> None:
    uniform = torch.linspace(0, 0.99999, 20_001).tolist()
    drawn = np.bincount([draw_chunk(5, u, 0.1) for u in uniform], minlength=5) / len(uniform)
    weights = np.array([0.1 + 0.9 * (1 - k / 5) ** 3 for k in range(5)])
    np.testing.assert_allclose(drawn, weights / weights.sum(), atol=1e-3)
    assert draw_chunk(1, 0.7, 0.1) == 0


@pytest.mark.parametrize("order", ["interleaved", "luma-first"])
def test_what_may_follow_is_exactly_what_sorted_lists_contain(order: str) -> None:
    """Against a search through all triples of a small image."""
    layout = Layout(Settings(q=10, order=order), (32, 16))
    rules = Following(layout, CPU)
    channels, positions, _ = layout.shape
    chroma = set(layout.chroma_positions.tolist())
    cells = [(c, p) for c in range(channels) for p in range(positions) if not layout.plane_of[c] or p in chroma]
    for before in [(channels, 0), cells[0], cells[5], cells[-2], cells[-1], cells[len(cells) // 2]]:
        later = cells if before[0] == channels else [cell for cell in cells if cell > before]
        token = torch.tensor([*before, 0])
        expected = {c for c, _ in later} | {channels}
        assert set(rules.channel(token).nonzero().flatten().tolist()) == expected
        for channel in list(expected - {channels})[:40]:
            allowed = rules.position(token, torch.tensor(channel)).nonzero().flatten().tolist()
            assert allowed == [p for c, p in later if c == channel]


def test_every_training_token_is_possible() -> None:
    made, known = learner(), codes()
    for start in (0, made.settings.chunk):
        chunk = first_chunk(made, known, start)
        for factor in negative_log_likelihood(made.module(chunk), chunk):
            assert torch.isfinite(factor).all()


def test_each_factor_sums_to_one() -> None:
    made, known = learner(), codes()
    chunk = first_chunk(made, known)
    logits = made.module(chunk)
    for factor in (logits.channel, logits.position, logits.value):
        sums = factor.softmax(2).sum(2)[chunk.target]
        torch.testing.assert_close(sums, torch.ones_like(sums))
    assert (logits.value.softmax(2)[..., made.layout.limit] == 0).all()


@pytest.mark.parametrize("start", [0, 20])
def test_a_later_triple_changes_no_earlier_probability(start: int) -> None:
    made, known = learner(), codes()
    chunk = first_chunk(made, known, start)
    at = made.settings.overlap + 7
    other = chunk.tokens.clone()
    other[:, at] = torch.tensor([made.layout.shape[0] - 1, 3, 0])
    before = chunk.before.clone()
    before[:, at + 1] = other[:, at]
    one, two = made.module(chunk), made.module(replace(chunk, tokens=other, before=before))
    for first, second in zip(
        (one.channel, one.position, one.value), (two.channel, two.position, two.value), strict=True
    ):
        torch.testing.assert_close(first[:, :at], second[:, :at], rtol=0, atol=1e-6)
    torch.testing.assert_close(one.channel[:, at], two.channel[:, at], rtol=0, atol=1e-6)
    assert not torch.allclose(one.value[:, at], two.value[:, at])
    assert not torch.allclose(one.channel[:, at + 1], two.channel[:, at + 1])


def test_fields_are_known_in_turn() -> None:
    """Of one token the position's logits see the channel, the value's logits channel and position."""
    made, known = learner(), codes()
    chunk = first_chunk(made, known)
    at = made.settings.overlap + 3
    one = made.module(chunk)
    moved = chunk.tokens.clone()
    moved[:, at, 1] = (moved[:, at, 1] + 1) % made.layout.shape[1]
    two = made.module(replace(chunk, tokens=moved))
    torch.testing.assert_close(one.position[:, at], two.position[:, at])
    assert not torch.allclose(one.value[:, at], two.value[:, at])
    revalued = chunk.tokens.clone()
    revalued[:, at, 2] += 1
    three = made.module(replace(chunk, tokens=revalued))
    torch.testing.assert_close(one.value[:, at], three.value[:, at])


def test_padding_changes_nothing() -> None:
    made = learner()
    known = torch.tensor([[False, False, True, True]])
    mask = causal_mask(known)[0, 0]
    assert mask.diagonal().all()
    assert not mask[3, :2].any()
    assert mask[3, 2:].all()
    chunk = first_chunk(made, codes())
    noisy = chunk.before.clone()
    noisy[:, : made.settings.overlap] = 1
    one, two = made.module(chunk), made.module(replace(chunk, before=noisy))
    torch.testing.assert_close(one.channel[chunk.target], two.channel[chunk.target])


def uncached(made: DCTransformerLearner, seeds: list[int], given: list[torch.Tensor], first: int) -> list[torch.Tensor]:
    """Sampling by whole forward passes, one image at a time and one token at a time."""
    model, layout, settings = made.module, made.layout, made.settings
    finished = []
    for seed, prefix in zip(seeds, given, strict=True):
        generators, triples, start, stopped = common.generators([seed]), prefix, len(prefix), False
        while not stopped:
            grown = torch.cat([triples, torch.tensor([[0, 0, 0]])])
            token = grown[-1]
            at = settings.overlap + len(triples) - start
            for field in range(3):
                whole = Sparse((torch.cat([grown[:-1], token[None]]),), layout.shape, layout.size)
                logits = model(cut(whole, [start], layout, settings.chunk, settings.overlap, CPU))
                factor = (logits.channel, logits.position, logits.value)[field][:, at]
                if field == 0:
                    factor = factor.masked_fill(torch.arange(factor.shape[1]) < first, -torch.inf)
                token = token.clone()
                token[field] = draw(factor, Choice(temperature=settings.temperature), generators)[0]
            stopped = int(token[0]) == layout.shape[0] or len(triples) >= int(model.longest)
            if not stopped:
                triples = torch.cat([triples, token[None]])
            if len(triples) - start == settings.chunk:
                start = len(triples)
        finished.append(triples)
    return finished


@torch.no_grad()
def test_cached_sampling_is_uncached_sampling() -> None:
    made = learner()
    made.module.longest.fill_(50)
    seeds = [3, 8, 5]
    found = made.finish().sample(seeds)
    expected = uncached(made, seeds, [torch.empty(0, 3, dtype=torch.int64)] * 3, 0)
    assert max(len(t) for t in expected) > made.settings.chunk
    for one, other in zip(found.triples, expected, strict=True):
        assert torch.equal(one, other)


@torch.no_grad()
def test_cached_conditional_sampling_is_uncached_sampling() -> None:
    made = learner()
    made.module.longest.fill_(60)
    known = codes_of.take(codes(), [0, 1])
    given = list(given_part(Settings(q=10), "upsample", known).triples)
    assert len(given[0]) != len(given[1])
    found = made.finish().sample([3, 8], Condition(codes=known, task="upsample"))
    for one, other in zip(found.triples, uncached(made, [3, 8], given, 3), strict=True):
        assert torch.equal(one, other)


def test_samples_are_valid_lists_and_images() -> None:
    made = learner()
    made.module.longest.fill_(70)
    tokenizer = DctTokenizer(Settings(q=10), CPU)
    drawn = made.finish().sample(list(range(6)))
    codes_of.checked(drawn, "DCTransformer")
    chroma = set(made.layout.chroma_positions.tolist())
    for triples in drawn.triples:
        assert ((triples[:, 0] * made.layout.shape[1] + triples[:, 1]).diff() > 0).all()
        assert (triples[:, 2] != made.layout.limit).all()
        assert len(triples) <= 70
        assert all(int(p) in chroma for c, p, _ in triples if made.layout.plane_of[c])
    decoded = tokenizer.decode(drawn)
    again = tokenizer.decode(replace(drawn, triples=tuple(t.flip(0) for t in drawn.triples)))
    assert torch.equal(decoded, again)


def test_a_sample_is_its_seed() -> None:
    made = learner()
    made.module.longest.fill_(40)
    prior = made.finish()
    together, apart = prior.sample([4, 9, 2]), prior.sample([9])
    assert torch.equal(together.triples[1], apart.triples[0])
    assert len({len(t) for t in together.triples} | {tuple(t.flatten().tolist()) for t in together.triples}) > 1


@pytest.mark.parametrize(("task", "order"), [("upsample", "interleaved"), ("colorize", "luma-first")])
def test_conditional_samples_keep_what_is_given(task: str, order: str) -> None:
    tokens = Settings(q=10, order=order)
    made, known = learner(tokens=tokens), codes(tokens)
    given = codes_of.take(known, [0, 1, 2])
    drawn = made.finish().sample([0, 1, 2], Condition(codes=given, task=task))
    first = 3 if task == "upsample" else 64
    for before, after in zip(given.triples, drawn.triples, strict=True):
        kept = before[before[:, 0] < first]
        assert torch.equal(after[: len(kept)], kept)
        assert (after[len(kept) :, 0] >= first).all()
    shown = made.layout.plane_of[given.triples[0][given.triples[0][:, 0] < first][:, 0]]
    assert set(shown.tolist()) == ({0, 1, 2} if task == "upsample" else {0})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Condition(labels=torch.zeros(1, dtype=torch.int64)), "labels"),
        (Condition(codes=codes_of.take(codes(), [0]), task="colorize"), "luma-first"),
        (Condition(codes=codes_of.take(codes(), [0]), task="paint"), "paint"),
        (Condition(codes=codes_of.take(codes(), [0, 1]), task="upsample"), "2 images"),
    ],
)
def test_impossible_conditions_are_refused(condition: Condition, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        learner().finish().sample([0], condition)


def test_the_order_decides_the_task() -> None:
    assert tasks(Settings(order="interleaved")) == {"upsample": None, "colorize": "order=luma-first"}
    assert tasks(Settings(order="luma-first")) == {"upsample": "order=interleaved", "colorize": None}


def test_what_upsampling_gives_is_the_mean_of_each_block() -> None:
    settings = Settings(q=95)
    tokenizer = DctTokenizer(settings, CPU)
    shown = tokenizer.decode(given_part(settings, "upsample", tokenizer.encode(PHOTOS)))
    means = torch.nn.functional.avg_pool2d(PHOTOS / 255, 8)
    blocks = torch.nn.functional.avg_pool2d(shown, 8)
    assert (shown - blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)).abs().max() < 1e-5
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    assert ((means - blocks) * luma).sum(1).abs().max() < 0.01


def test_what_colorizing_gives_is_grey() -> None:
    settings = Settings(q=95, order="luma-first")
    tokenizer = DctTokenizer(settings, CPU)
    shown = tokenizer.decode(given_part(settings, "colorize", tokenizer.encode(PHOTOS)))
    assert (shown.amax(1) - shown.amin(1)).max() < 1e-5
    luma = (PHOTOS / 255 * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    assert (shown[:, 0] - luma).abs().mean() < 0.02


def test_bits_do_not_depend_on_the_batch_and_are_those_of_the_chunks() -> None:
    made, known = learner(), codes()
    prior = made.finish()
    together = prior.bits(known)
    apart = np.concatenate([prior.bits(codes_of.take(known, [i])) for i in range(len(known.triples))])
    np.testing.assert_allclose(together, apart, rtol=1e-5)
    assert (together > 0).all()


@torch.no_grad()
def test_the_probabilities_of_all_continuations_sum_to_one() -> None:
    """After all but the last place of the last channel only it and the stop token are left: they can be listed."""
    made = learner()
    layout = made.layout
    last, places = layout.shape[0] - 1, layout.chroma_positions.tolist()
    begun = torch.cat([codes_of.take(codes(), [0]).triples[0][:5], torch.tensor([[last, places[-2], 0]])])
    ends = [torch.tensor([[last, places[-1], v]]) for v in range(layout.shape[2]) if v != layout.limit]
    lists = Sparse((begun, *(torch.cat([begun, end]) for end in ends)), layout.shape, layout.size)
    chunk = first_chunk(made, codes_of.take(lists, [0]))
    nats = sum(f.double() for f in negative_log_likelihood(made.module(chunk), chunk))[0]
    of_beginning = float(nats[made.settings.overlap :][: len(begun)].sum()) / np.log(2)
    continued = 2.0 ** (of_beginning - made.finish().bits(lists))
    assert continued.sum() == pytest.approx(1, rel=1e-5)
    assert continued[0] > 0


def test_training_lowers_the_likelihood_bound_and_stops_at_what_it_was_built_for() -> None:
    made, known = learner(SMOKE), codes()
    optimizer = made.phases[0].optimizer
    before = made.finish().bits(known).mean()
    made.module.train()
    for step in range(60):
        batch = Batch([step * 100 + i for i in range(len(PHOTOS))], codes=known)
        losses = made.loss(batch, step)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert set(losses.parts) == {f"{n}-bits-per-triple" for n in ("channel", "position", "value")}
    assert made.finish().bits(known).mean() < 0.75 * before


def test_micro_batches_add_up_to_the_batch() -> None:
    made, known = learner(), codes()
    whole = made.loss(Batch([1, 2, 3, 4], codes=codes_of.take(known, range(4))), 0).total
    parts = [made.loss(Batch([1 + i, 2 + i], codes=codes_of.take(known, [i, i + 1])), 0).total for i in (0, 2)]
    torch.testing.assert_close(whole, sum(parts) / 2)


def test_foreign_tokenizers_codes_and_weights_are_refused() -> None:
    made = learner()
    with pytest.raises(UsageError, match="'dct'"):
        DCTransformerLearner(TINY, BUILD, DctTokenizer(Settings(), CPU), Continuous(torch.zeros(1)))
    with pytest.raises(UsageError, match="vocabularies"):
        made.loss(Batch([0], codes=codes_of.take(codes(Settings(q=95)), [0])), 0)
    made.module.owner[0] += 1
    with pytest.raises(IntegrityError):
        made.finish()


@pytest.mark.parametrize("change", [{"width": 17}, {"chunk": 0}, {"temperature": 0.0}])
def test_impossible_settings_are_refused(change: dict) -> None:
    with pytest.raises(UsageError):
        replace(TINY, **change)


@pytest.mark.parametrize("preset", TABLE)
def test_every_preset_can_be_built(preset: str) -> None:
    from methods.dct.transformer import DCTransformerModel

    with torch.device("meta"):
        model = DCTransformerModel(TABLE[preset], Layout(Settings(), (64, 64)), 100, "tokenizer")
    assert sum(p.numel() for p in model.parameters()) > 10_000


def test_the_readme_gives_the_papers_size_as_counted() -> None:
    """Beside the published 448 M, to which nothing was tuned."""
    from pathlib import Path

    import methods.dct
    from methods.dct.transformer import DCTransformerModel

    with torch.device("meta"):
        model = DCTransformerModel(TABLE["paper"], Layout(Settings(q=75), (256, 256)), 100, "tokenizer")
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    said = (Path(str(methods.dct.__file__)).parent / "README.md").read_text(encoding="utf-8")
    assert f"{millions:.1f} M, against 448 M published" in said
