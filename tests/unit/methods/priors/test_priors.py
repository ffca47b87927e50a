"""Diffusion, GPT and RQ-Transformer: samples are their seeds, caches change nothing, bad input is refused."""

from dataclasses import dataclass, replace

import pytest
import torch

from bench.contract import Batch, Build, Condition, Continuous, Indices
from bench.core import codes as codec
from bench.core import seeding
from bench.core.distributed import Alone
from bench.errors import IntegrityError, UsageError
from methods.priors import choosing, common
from methods.priors.diffusion import DiffusionLearner
from methods.priors.embedded import EmbeddedDiffusionLearner
from methods.priors.gpt import GPTLearner
from methods.priors.rq_transformer import RQTransformerLearner, soft_targets, soften
from methods.priors.settings import GPT, Choice, Diffusion, Optimisation, RQTransformer, UNetShape, choice

PLAN = Optimisation(batch=8, rate=3e-3)
UNET = UNetShape(channels=(16, 32), attention=(False, True), layers=1, head_channels=8, groups=8)
DIFFUSION = Diffusion(UNET, PLAN, steps=10)
BRICS = replace(
    DIFFUSION,
    schedule="cosine-variant-v2",
    continuous_time=True,
    scaling="bounds",
    sampler="ancestral",
    clip_sample=True,
    min_snr=5.0,
)
GPT_TINY = GPT(layers=2, heads=2, width=32, optimisation=PLAN)
RQ_TINY = RQTransformer(body_layers=2, head_layers=1, heads=2, width=32, optimisation=PLAN)


@dataclass(frozen=True)
class Named:
    """All that a prior asks of a tokenizer."""

    revision: str = "tokenizer-1"


def build():
    return Build(size=(32, 32), seed=0, device=torch.device("cpu"), comm=Alone())


def continuous(count=8, low=None, high=None):
    tensor = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 5
    return Continuous(tensor if low is None else tensor.sigmoid() * (high - low) + low, low, high)


def grid(count=8, vocab=12):
    return Indices(torch.randint(vocab, (count, 3, 4, 1), generator=torch.Generator().manual_seed(0)), (vocab,))


def stack(count=8, vocab=12):
    return Indices(
        torch.randint(vocab, (count, 2, 2, 3), generator=torch.Generator().manual_seed(0)), (vocab,) * 3, True
    )


def codebook(vocab=12):
    return torch.randn(vocab, 5, generator=torch.Generator().manual_seed(1))


def diffusion(settings=DIFFUSION, codes=None):
    torch.manual_seed(0)
    return DiffusionLearner(settings, build(), Named(), codes or continuous())


def brics(settings=BRICS):
    return diffusion(settings, continuous(low=0.0, high=1.0))


def gpt(settings=GPT_TINY, codes=None):
    torch.manual_seed(0)
    return GPTLearner(settings, build(), Named(), codes or grid())


def rq(settings=RQ_TINY, codes=None):
    torch.manual_seed(0)
    return RQTransformerLearner(settings, build(), Named(), codes or stack(), codebook())


EVERY = [(diffusion, continuous), (brics, lambda n=8: continuous(n, 0.0, 1.0)), (gpt, grid), (rq, stack)]


def shaken(learner):
    """The learner's prior, with weights large enough for its samples to depend on everything."""
    for parameter in learner.module.parameters():
        if parameter.requires_grad and parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15, generator=torch.Generator().manual_seed(parameter.numel()))
    return learner.finish()


def same_codes(one, other):
    if isinstance(one, Continuous):
        scale = one.tensor.abs().max()
        torch.testing.assert_close(one.tensor / scale, other.tensor / scale, atol=1e-5, rtol=0)
    else:
        assert torch.equal(one.tensor, other.tensor)


@pytest.mark.parametrize(("make", "example"), EVERY)
def test_a_sample_is_its_seed(make, example):
    """Alone, in another order or among others: the same codes; another seed: others."""
    prior = shaken(make())
    together = prior.sample([3, 1 << 40, 5, 0])
    assert together.tensor.shape == example(4).tensor.shape
    for row, seed in enumerate([3, 1 << 40, 5, 0]):
        same_codes(codec.take(together, [row]), prior.sample([seed]))
    reversed_ = prior.sample([0, 5, 1 << 40, 3])
    same_codes(codec.take(together, [3, 2, 1, 0]), reversed_)
    assert not torch.equal(together.tensor[0], together.tensor[1])
    global_noise = torch.rand(3)
    assert torch.equal(prior.sample([3, 1 << 40, 5, 0]).tensor, together.tensor)
    assert not torch.equal(global_noise, torch.rand(3))


@pytest.mark.parametrize("sampler", ["ddim", "ancestral", "dpm++"])
def test_every_sampler_depends_on_the_seed_alone(sampler):
    prior = shaken(diffusion(replace(DIFFUSION, sampler=sampler, eta=1.0 if sampler == "ddim" else 0.0)))
    same_codes(codec.take(prior.sample([1, 2, 3]), [1]), prior.sample([2]))


@pytest.mark.parametrize(("make", "example"), EVERY)
def test_micro_batches_do_not_change_the_loss(make, example):
    learner, codes = make(), example(8)
    seeds = seeding.step_seeds(0, 0, 8)
    learner.module.eval()
    whole = learner.loss(Batch(seeds, codes=codes), 0).total
    halves = [
        learner.loss(Batch(seeds[p], codes=codec.take(codes, range(8)[p])), 0).total for p in (slice(4), slice(4, 8))
    ]
    torch.testing.assert_close(whole, (halves[0] + halves[1]) / 2)


@pytest.mark.parametrize(("make", "example"), EVERY)
def test_training_lowers_the_loss(make, example):
    learner, codes = make(), codec.take(example(8), [0] * 8)
    [phase] = learner.phases
    losses = []
    for step in range(40):
        loss = learner.loss(Batch(seeding.step_seeds(0, step, 8), codes=codes), step).total
        phase.optimizer.zero_grad()
        loss.backward()
        phase.optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_bounded_codes_stay_within_their_bounds():
    codes = shaken(brics()).sample(range(6))
    assert (codes.low, codes.high) == (0.0, 1.0)
    assert float(codes.tensor.min()) >= 0
    assert float(codes.tensor.max()) <= 1


def test_codes_are_scaled_as_the_settings_say():
    codes = continuous(64)
    assert float(diffusion(codes=codes).module.scaled(codes.tensor).std()) == pytest.approx(1, rel=1e-4)
    bounded = continuous(64, 0.0, 1.0)
    module = brics().module
    scaled = module.scaled(bounded.tensor)
    torch.testing.assert_close(scaled, bounded.tensor * 2 - 1)
    torch.testing.assert_close(module.unscaled(scaled), bounded.tensor)
    plain = diffusion(replace(DIFFUSION, scaling="none")).module
    assert torch.equal(plain.scaled(codes.tensor), codes.tensor)
    with pytest.raises(UsageError, match="without bounds"):
        diffusion(BRICS)
    with pytest.raises(UsageError, match="collapsed"):
        diffusion(codes=Continuous(torch.ones(2, 3, 4, 4)))


def drawn_without_cache(prior, seeds, labels=None):
    """The same draws with the whole prefix through the network for every code."""
    module, guidance = prior.module, None
    generators = common.generators(seeds)
    depth = getattr(module, "depth", 1)
    shape = (len(seeds), -1, depth) if depth > 1 else (len(seeds), -1)
    length = prior.sample(seeds[:1]).tensor.numel()
    flat = torch.zeros(len(seeds), length, dtype=torch.long)
    absent = prior.settings.classes
    for position in range(length):
        codes = flat.reshape(shape)
        logits = module(codes, labels).reshape(len(seeds), length, -1)[:, position]
        if prior.settings.classes:
            without = module(codes, torch.full_like(labels, absent)).reshape(len(seeds), length, -1)[:, position]
            guidance = prior.settings.guidance
            logits = without + guidance * (logits - without)
        flat[:, position] = choosing.draw(logits, choice(prior.settings), generators)
    return flat


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("make", [gpt, rq])
@torch.no_grad()
def test_the_cache_changes_nothing(make, guided):
    settings = {gpt: GPT_TINY, rq: RQ_TINY}[make]
    classes = {"classes": 3, "guidance": 2.0} if guided else {}
    prior = shaken(make(replace(settings, top_k=8, top_p=0.95, **classes)))
    seeds = list(range(20))
    labels = torch.arange(20) % 3 if guided else None
    cached = prior.sample(seeds, Condition(labels=labels)).tensor.flatten(1)
    assert torch.equal(cached, drawn_without_cache(prior, seeds, labels))


@pytest.mark.parametrize(("make", "example"), [(gpt, grid), (rq, stack)])
@torch.no_grad()
def test_no_code_sees_itself_or_what_follows(make, example):
    learner = make()
    shaken(learner)
    codes = example(1).tensor.flatten(1, -2) if make is rq else example(1).tensor.flatten(1)
    logits = learner.module(codes, None).reshape(codes.numel(), -1)
    for position in range(codes.numel()):
        changed = codes.clone()
        changed.view(-1)[position] = (changed.view(-1)[position] + 1) % 12
        different = (learner.module(changed, None).reshape(codes.numel(), -1) - logits).abs().amax(1) > 1e-6
        assert not different[: position + 1].any()
        assert bool(different[position + 1 :].any()) == (position + 1 < codes.numel())


def test_top_k_and_top_p_keep_what_their_definitions_say():
    logits = torch.randn(50, 20, generator=torch.Generator().manual_seed(3))
    for top_k, top_p, temperature in [
        (5, 1.0, 1.0),
        (None, 0.7, 1.3),
        (8, 0.5, 0.8),
        (None, 1.0, 2.0),
        (20, 1e-9, 1.0),
    ]:
        kept = choosing.filtered(logits, Choice(top_k, top_p, temperature))
        for row, ours in zip(logits, kept, strict=True):
            order = sorted(range(20), key=lambda i, row=row: -float(row[i]))[: top_k or 20]
            weights = (row[order].double() / temperature).exp()
            share = weights / weights.sum()
            chosen, total = set(), 0.0
            for index, probability in zip(order, share.tolist(), strict=True):
                if chosen and total >= top_p:
                    break
                chosen.add(index)
                total += probability
            assert {i for i in range(20) if ours[i] > -torch.inf} == chosen
            torch.testing.assert_close(ours[list(chosen)], row[list(chosen)] / temperature)


def test_draws_have_the_probabilities_of_the_softmax():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).expand(20_000, 4)
    drawn = choosing.draw(logits, Choice(temperature=1.5), common.generators(range(20_000)))
    share = drawn.bincount(minlength=4) / 20_000
    torch.testing.assert_close(share, (logits[0] / 1.5).softmax(0), atol=0.015, rtol=0)


def test_soft_targets_follow_their_formula():
    """Lee et al. 2022, equation 16, and the residuals that follow from the drawn codes."""
    codes, book = stack().tensor.flatten(1, 2), codebook()
    drawn, targets = soften(codes, book, 0.5, list(range(8)))
    residual = book[codes].sum(2)
    for depth in range(3):
        distance = torch.cdist(residual.double(), book.double()).square()
        torch.testing.assert_close(targets[:, :, depth].double(), (-distance / 0.5).softmax(-1), atol=1e-5, rtol=1e-4)
        residual = residual - book[drawn[:, :, depth]]
    assert bool((targets.gather(-1, drawn[..., None]) > 0).all())
    again, _ = soften(codes[2:3], book, 0.5, [2])
    assert torch.equal(again[0], drawn[2])
    nearest = soft_targets(book[4], book, 1e-3)
    assert int(nearest.argmax()) == 4


def test_hard_targets_are_plain_cross_entropy():
    learner = rq(replace(RQ_TINY, soft_temperature=None))
    codes = stack()
    loss = learner.loss(Batch(range(8), codes=codes), 0).total
    logits = learner.module(codes.tensor.flatten(1, 2), None)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits.flatten(0, 2), codes.tensor.flatten()))


@pytest.mark.parametrize(("make", "settings"), [(diffusion, DIFFUSION), (gpt, GPT_TINY), (rq, RQ_TINY)])
def test_classes_condition_the_samples(make, settings):
    prior = shaken(make(replace(settings, classes=3)))
    seeds = list(range(6))

    def drawn(label, guidance=1.0):
        guided = shaken(make(replace(settings, classes=3, guidance=guidance)))
        return guided.sample(seeds, Condition(labels=torch.full((6,), label))).tensor

    assert not torch.equal(drawn(0), drawn(2))
    assert not torch.equal(drawn(0), drawn(0, guidance=4.0))
    without = prior.sample(seeds)
    same_codes(replace(without, tensor=drawn(1, guidance=0.0)), without)
    for bad in (3, -1):
        with pytest.raises(UsageError, match=r"classes are 0\.\.2"):
            drawn(bad)
    with pytest.raises(UsageError, match="2 labels for 6"):
        prior.sample(seeds, Condition(labels=torch.zeros(2, dtype=torch.long)))
    with pytest.raises(UsageError, match="not on the codes"):
        prior.sample(seeds, Condition(codes=grid()))
    with pytest.raises(UsageError, match="without classes"):
        make().finish().sample([0], Condition(labels=torch.zeros(1, dtype=torch.long)))


def test_labels_are_dropped_at_the_stated_rate():
    from methods.priors.labels import Classes, training_labels

    batch = Batch(range(4000), labels=torch.ones(4000, dtype=torch.long))
    dropped = training_labels(batch, Classes(5, 0.1, 1.0))
    assert float((dropped == 5).float().mean()) == pytest.approx(0.1, abs=0.02)
    assert set(dropped.tolist()) == {1, 5}
    with pytest.raises(UsageError, match="needs a dataset with labels"):
        training_labels(Batch([0]), Classes(5, 0.1, 1.0))


@pytest.mark.parametrize(("make", "example"), EVERY)
def test_weights_of_another_tokenizers_prior_are_refused(make, example):
    theirs, ours = make(), make()
    theirs.tokenizer_revision = ours.tokenizer_revision
    ours.module.load_state_dict(theirs.module.state_dict())
    assert ours.finish().tokenizer_revision == "tokenizer-1"
    ours.tokenizer_revision = "tokenizer-2"
    with pytest.raises(IntegrityError, match="another tokenizer"):
        ours.finish()


def test_the_revision_follows_weights_and_settings():
    first, again = gpt().finish(), gpt().finish()
    other = gpt(replace(GPT_TINY, top_k=3)).finish()
    assert first.revision == again.revision
    assert first.revision != other.revision
    assert first.revision != shaken(gpt()).revision


@pytest.mark.parametrize(
    ("make", "codes", "message"),
    [
        (diffusion, grid(), "needs continuous codes"),
        (diffusion, Continuous(torch.randn(2, 3, 5, 4)), "divisible by 2"),
        (gpt, continuous(), "needs index codes"),
        (rq, continuous(), "stacked index codes"),
        (rq, Indices(torch.zeros(2, 3, dtype=torch.long), (12,)), "last axis must hold the symbols"),
        (gpt, Indices(torch.zeros(2, 3, 2, dtype=torch.long), (12,)), "last axis must hold the symbols"),
        (rq, Indices(torch.zeros(2, 2, 2, 3, dtype=torch.long), (99,) * 3), "99, 99, 99.* but the codebook 12"),
    ],
)
def test_codes_of_another_kind_are_refused(make, codes, message):
    with pytest.raises(UsageError, match=message):
        make(codes=codes)


def test_nan_in_samples_is_refused():
    learner = diffusion()
    learner.module.unet.conv_out.bias.data.fill_(torch.nan)
    with pytest.raises(UsageError, match="NaN"):
        learner.finish().sample([0])


def test_the_rate_warms_up_and_falls():
    schedule = common.rate_schedule(Optimisation(batch=1, rate=1.0, warm_up=10, cosine=True))
    assert schedule(0, 1000) == pytest.approx(0.1)
    assert schedule(10, 1000) == pytest.approx(1.0)
    assert schedule(505, 1000) == pytest.approx(0.5)
    assert schedule(999, 1000) < 1e-4
    assert schedule(2, 40) == 1.0
    assert common.rate_schedule(Optimisation(batch=1, rate=1.0))(0, 10) == 1.0


def test_weight_decay_spares_embeddings_biases_and_norms():
    module = gpt().module
    decayed, spared = common.optimizer(module, replace(PLAN, weight_decay=0.1)).param_groups
    names = {id(p): n for n, p in module.named_parameters()}
    assert {names[id(p)].split(".")[-1] for p in decayed["params"]} == {"weight"}
    assert {names[id(p)] for p in spared["params"]} >= {"codes.weight", "positions.weight", "body.norm.weight"}
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


@pytest.mark.parametrize(
    ("change", "message"), [({"top_k": 0}, "top_k"), ({"top_p": 1.5}, "top_p"), ({"temperature": 0.0}, "temp")]
)
def test_impossible_choices_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        gpt(replace(GPT_TINY, **change)).finish().sample([0])


@dataclass(frozen=True)
class Embedding(Named):
    """A codebook of 12 vectors of 3 numbers."""

    def vectors(self):
        return torch.randn(12, 3, generator=torch.Generator().manual_seed(2)) * 3

    def embed(self, codes):
        return self.vectors()[codes.tensor[..., 0]].movedim(-1, 1)

    def nearest(self, latents):
        nearest = torch.cdist(latents.movedim(1, -1).flatten(0, 2), self.vectors()).argmin(1)
        return Indices(nearest.view(-1, 4, 4, 1), (12,))


def test_diffusion_over_code_vectors_gives_the_nearest_codes():
    codes = Indices(torch.randint(12, (8, 4, 4, 1), generator=torch.Generator().manual_seed(0)), (12,))
    tokenizer = Embedding()
    torch.manual_seed(0)
    learner = EmbeddedDiffusionLearner(DIFFUSION, build(), tokenizer, codes)
    plain = diffusion(codes=Continuous(tokenizer.embed(codes)))
    batch = Batch(range(8), codes=codes)
    vectors = Batch(range(8), codes=Continuous(tokenizer.embed(codes)))
    torch.testing.assert_close(learner.phases[0].loss(batch, 0).total, plain.loss(vectors, 0).total)
    drawn = learner.finish().sample([4, 5])
    assert torch.equal(drawn.tensor, tokenizer.nearest(plain.finish().sample([4, 5]).tensor).tensor)
    assert drawn.levels == (12,)
    with pytest.raises(UsageError, match="index codes with vectors"):
        EmbeddedDiffusionLearner(DIFFUSION, build(), tokenizer, continuous())


@pytest.mark.parametrize(
    ("levels", "packed"),
    [
        ((1024,), ((1024,),)),
        ((16384,) * 2, ((16384,), (16384,))),
        ((8, 5, 5, 5), ((8, 5, 5, 5),)),
        ((8, 8, 8, 6, 5), ((8, 8, 8), (6, 5))),
        ((2,) * 18, ((2,) * 9, (2,) * 9)),
        ((2,) * 36, ((2,) * 9,) * 4),
    ],
)
def test_small_symbols_are_packed_and_come_back(levels, packed):
    from methods.priors import packing

    assert packing.packs(levels) == packed
    symbols = torch.stack(
        [torch.randint(0, level, (3, 5), generator=torch.Generator().manual_seed(i)) for i, level in enumerate(levels)],
        -1,
    )
    numbers = packing.pack(symbols, packed)
    assert numbers.shape == (3, 5, len(packed))
    assert all(int(numbers[..., i].max()) < size for i, size in enumerate(packing.sizes(packed)))
    assert torch.equal(packing.unpack(numbers, packed), symbols)


def test_a_gpt_draws_no_value_that_a_pack_lacks():
    from methods.priors.gpt import GPTModel
    from methods.priors.settings import GPT, Choice, Optimisation

    settings = GPT(layers=1, heads=1, width=8, optimisation=Optimisation(batch=1, rate=1e-3))
    torch.manual_seed(0)
    model = GPTModel(settings, 40, ((8, 8, 8), (6, 5)), "t").eval()
    drawn = model.generate(Choice(temperature=100.0), None, [torch.Generator().manual_seed(i) for i in range(8)])
    assert drawn.shape == (8, 40, 5)
    assert [int(drawn[..., i].max()) for i in range(5)] == [7, 7, 7, 5, 4]
    logits = model(torch.zeros(2, 80, dtype=torch.long), None)
    assert bool(torch.isinf(logits[:, 1::2, 30:]).all())
    assert bool(torch.isfinite(logits[:, ::2]).all())
