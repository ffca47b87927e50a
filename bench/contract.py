"""The words that every room shares: codes, tokenizers, learners, priors, the row of a method.

This is the one file of the harness that an adapter has to read. It imports nothing at run time but the standard
library; torch and NumPy appear as types only, so that ``--help``, ``list`` and ``report`` start without them.

Pixels: everywhere outside a network an image is uint8 RGB ``[N, 3, H, W]``. A tokenizer decodes to float32 in
[0, 1]; the harness rounds, with the one rounding function of :mod:`bench.core.images`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor, nn


# Codes: what a tokenizer's encoder gives and its decoder takes. The first axis is always the image.


@dataclass(frozen=True)
class Continuous:
    """Real-valued codes.

    ``tensor`` is float ``[N, ...]``; a grid of codes is ``[N, C, h, w]``. ``low`` and ``high`` bound every value;
    ``None`` where the code is unbounded.
    A continuous code has a rate only at a named uniform bit depth between its bounds (see :mod:`bench.evaluate.rate`).
    """

    tensor: Tensor
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Indices:
    """Categorical codes: ``tensor`` is int64 ``[N, h, w, len(levels)]``, or ``[N, L, len(levels)]`` for a sequence.

    The last axis holds the symbols of a cell, symbol k in ``[0, levels[k])``: VQ has the levels ``(1024,)``, RQ
    ``(16384,) * 4``, FSQ ``(8, 5, 5, 5)``, LFQ and BSQ ``(2,) * 18``. A cell costs ``sum(log2(levels))`` bits; nothing
    of the size of the levels' product is ever allocated.

    ``pooled`` says how the use of the codebook is counted where a cell has several symbols: over the single symbols,
    all of the same levels (residual codes, the values of channels), or, by default, over the cells, whose symbols
    together name one entry of an implicit codebook (FSQ, LFQ, BSQ).
    """

    tensor: Tensor
    levels: tuple[int, ...]
    pooled: bool = False


@dataclass(frozen=True)
class Sparse:
    """Lists of different length: ``triples[i]`` is int64 ``[M_i, 3]`` holding (channel, position, value) of image i.

    ``shape`` is ``(channels, positions, values)``, the three vocabularies, and ``size`` the image's ``(H, W)``.
    """

    triples: tuple[Tensor, ...]
    shape: tuple[int, int, int]
    size: tuple[int, int]


@dataclass(frozen=True)
class Stream:
    """Finished bitstreams, one per image. ``header_bits[i]`` of them do not depend on the image's content."""

    data: tuple[bytes, ...]
    header_bits: tuple[int, ...]
    size: tuple[int, int]


Codes = Continuous | Indices | Sparse | Stream
Seeds = Sequence[int]
"""One integer per image; all randomness of image i is derived from ``seeds[i]`` alone (:mod:`bench.core.seeding`)."""


@dataclass(frozen=True)
class Condition:
    """What a sample is conditioned on: class ``labels`` (int64 ``[N]``), or the ``codes`` of given images.

    ``task`` says what of the codes is given: one of :attr:`PriorMethod.tasks`.
    """

    labels: Tensor | None = None
    codes: Codes | None = None
    task: str | None = None


# Tokenizers and what trains them


class Tokenizer(Protocol):
    """Images to codes and back. Deterministic: the posterior's mode when encoding, no noise when decoding.

    ``revision`` is a digest of the weights and of the definition (:func:`bench.core.digest.of_weights`): equal
    revisions give equal codes.
    """

    @property
    def revision(self) -> str: ...

    def encode(self, images: Tensor) -> Codes:
        """``images``: uint8 ``[N, 3, H, W]`` on the tokenizer's device."""

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]. ``noise`` turns on the noise of the paper, seeded per image."""


class Encoder(Protocol):
    """The encoding half of a :class:`Tokenizer`, with a ``revision`` of its own."""

    @property
    def revision(self) -> str: ...

    def encode(self, images: Tensor) -> Codes: ...


class RateModel(Protocol):
    """Further rates of a tokenizer's codes, from statistics that the harness lets it gather on training images."""

    def update(self, images: Tensor, codes: Codes) -> None:
        """Training images, uint8 ``[N, 3, H, W]``, and their codes."""

    def bits(self, images: Tensor, codes: Codes) -> Mapping[str, np.ndarray]:
        """By name of the rate, bits of each image, float64 ``[N]``."""


class Comm(Protocol):
    """What a learner may ask of the other processes of its training run."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def all_reduce_mean(self, tensor: Tensor) -> Tensor: ...

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Concatenates the processes' tensors (equal shapes) along axis 0, in rank order."""


@dataclass(frozen=True)
class Batch:
    """A training batch: ``images`` uint8 ``[B, 3, H, W]`` for a tokenizer, ``codes`` for a prior.

    ``seeds[i]`` is derived from (training seed, step, position in the whole step's batch): a learner that draws its
    noise from it (:func:`bench.core.seeding.normal`) does not depend on micro-batches or on the number of processes.
    ``labels`` is int64 ``[B]`` where the dataset has classes.
    """

    seeds: Seeds
    images: Tensor | None = None
    codes: Codes | None = None
    labels: Tensor | None = None


@dataclass(frozen=True)
class Losses:
    """``total`` is differentiable and a mean over the batch; ``parts`` are detached scalars for the log."""

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """One optimiser's turn within a training step.

    ``loss(batch, step)`` is called once per micro-batch. The phase runs at every step that is a multiple of ``every``
    and not below ``start``; only ``parameters`` require gradients meanwhile. ``schedule(step, steps)`` scales the
    learning rates the optimiser was built with. ``clip`` is the largest allowed gradient norm.
    """

    name: str
    optimizer: torch.optim.Optimizer
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Batch, int], Losses]
    every: int = 1
    start: int = 0
    schedule: Callable[[int, int], float] | None = None
    clip: float | None = None


@dataclass(frozen=True)
class Averaged:
    """``module``'s weights are averaged over training with this half-life, in images seen.

    Early on the half-life is at most ``ramp_up`` times the images seen so far (Karras et al. 2020).
    """

    module: nn.Module
    half_life: float
    ramp_up: float = 0.05


Product = TypeVar("Product", covariant=True)


class Learner(Protocol[Product]):
    """Becomes a :class:`Tokenizer` or a :class:`Prior`, its product, by being trained in ``bench.train.loop``.

    The harness owns the loop, the data, the clock, the files, gradient averaging and the moving average of weights;
    the learner owns its networks, its optimisers and its losses. State that is gathered during ``loss`` but must
    count once per step (codebook statistics) is applied in :meth:`after_step`, so that accumulated micro-batches and
    several processes give the same result as one large batch.
    """

    @property
    def module(self) -> nn.Module:
        """Everything with a state: networks, discriminators, codebooks. The checkpoint holds its ``state_dict``."""

    @property
    def averaged(self) -> Averaged | None:
        """The part of ``module`` whose moving average is evaluated, or None for none."""

    @property
    def batch(self) -> int:
        """Images in a step, over all processes and micro-batches."""

    @property
    def phases(self) -> Sequence[Phase]:
        """The optimisers' turns within a step, in order; none in a learner that was built without training."""

    def after_step(self, step: int) -> None: ...

    def finish(self) -> Product:
        """The product, in evaluation mode. The moving average has been copied into ``averaged.module`` before."""


class Prior(Protocol):
    """A distribution over a tokenizer's codes; ``tokenizer_revision`` names the tokenizer it was made for."""

    @property
    def revision(self) -> str: ...

    @property
    def tokenizer_revision(self) -> str: ...

    def sample(self, seeds: Seeds, condition: Condition | None = None) -> Codes:
        """Codes of one image per seed; image i depends on ``seeds[i]`` and its condition alone."""


@dataclass(frozen=True)
class Build:
    """What the harness tells a method when something is built. ``size`` is the images' (height, width).

    ``device`` "meta" asks for shapes without memory; pretrained weights are not read then. Weights are initialised from
    ``seed`` (the harness seeds torch's generators before it builds).

    ``training`` False: only what :meth:`Learner.finish` needs is built, no discriminator, no pretrained network of a
    loss and no optimiser; ``Learner.phases`` is empty. Networks that training alone needs have names of their own in
    ``Learner.module``, then an ``nn.ModuleDict`` ({"autoencoder": ..., "discriminator": ...}): finished weights hold
    all of it, and loading them passes over the names that the learner built without training does not have.
    """

    size: tuple[int, int]
    seed: int
    device: torch.device
    comm: Comm
    training: bool = True
    channels_last: bool = False
    compile: bool = False
    weights: Callable[[str], Path] | None = None
    """Finds a pinned weight file of :mod:`bench.pretrained.weights` by name; raises :class:`Missing`."""


@dataclass(frozen=True)
class Part:
    """A piece of a tokenizer whose cost is reported: ``run()`` executes it once for a batch of one image.

    ``side`` says to which of "encoder" and "decoder" it belongs; ``parameters`` counts by kind ("network",
    "grids", "codebook").
    """

    name: str
    side: Literal["encoder", "decoder"]
    run: Callable[[], object]
    parameters: Mapping[str, int]


@dataclass(frozen=True)
class NoSettings:
    """The settings of a method that has none."""


# A method: what it can do, as typed functions (an ability that it lacks is None), and its row of plain data.

RECON_FIELD: Mapping[str, str] = {"stage": "recon"}
PRIOR_FIELD: Mapping[str, str] = {"stage": "prior"}
SAMPLE_FIELD: Mapping[str, str] = {"stage": "sample"}
"""Metadata of a settings field that matters from that stage on: another value needs no new training before it.

``schedule: str = dataclasses.field(default="b", metadata=PRIOR_FIELD)`` is not part of the tokenizer's recipe.
"""

S = TypeVar("S")
P = TypeVar("P")
Content = TypeVar("Content")


@dataclass(frozen=True)
class Checkpoint(Generic[S, Content]):
    """Published or foreign weights.

    - ``read(path)``: what there is in a file or folder, once per run; its tensors are mapped where that is possible.
    - ``load(settings, build, content)``: the tokenizer, loaded strictly.
    - ``identify(settings, size, content)``: the settings with all that the weights fix (widths, codebook), and which
      variant they are, None for none of the row's. :class:`UsageError` for another family or image size.
    """

    read: Callable[[Path], Content]
    load: Callable[[S, Build, Content], Tokenizer]
    identify: Callable[[S, tuple[int, int], Content], tuple[S, str | None]] | None = None


@dataclass(frozen=True)
class PriorMethod(Generic[S, P]):
    """The prior of a method with tokenizer settings ``S``; ``P`` are the prior's own.

    - ``learner(prior_settings, build, tokenizer, codes)``: trains it; ``codes`` are some of the training set's, for
      shapes and statistics.
    - ``encoder(tokenizer)``: what gives it the codes of the training images where that is not the tokenizer itself: the
      parameters of a posterior, from which the learner draws anew in every step.
    - ``likelihood(prior, codes)``: float64 ``[N]``, -log2 of the probability that it gives each image's codes.
    - ``tasks(settings)``: the conditional tasks beside drawing freely, each with None or with the option (``k=v``) that
      it needs and these settings lack; ``given(settings, task, codes)``: what of the codes a task gives to the prior.
    """

    learner: Callable[[P, Build, Tokenizer, Codes], Learner[Prior]]
    encoder: Callable[[Tokenizer], Encoder] | None = None
    likelihood: Callable[[Prior, Codes], np.ndarray] | None = None
    tasks: Callable[[S], Mapping[str, str | None]] | None = None
    given: Callable[[S, str, Codes], Codes] | None = None


@dataclass(frozen=True)
class Method(Generic[S]):
    """What a method with settings ``S`` can do.

    - ``tokenizer``: for methods that need no training (a class will do); ``learner``: what trains the tokenizer.
    - ``parts``: what the cost stage counts; ``rates``: rates of the codes beyond the fixed-length one.
    - ``placement(settings, codes, stages)``: float64 ``[N, stages, rows, columns]``, how many of the codes lie where in
      the image after each part of their list, for codes that are lists.
    """

    tokenizer: Callable[[S, Build], Tokenizer] | None = None
    learner: Callable[[S, Build], Learner[Tokenizer]] | None = None
    checkpoint: Checkpoint[S, Any] | None = None
    prior: PriorMethod[S, Any] | None = None
    parts: Callable[[S, Build], Sequence[Part]] | None = None
    rates: Callable[[S, Build], RateModel] | None = None
    placement: Callable[[S, Codes, int], np.ndarray] | None = None


@dataclass(frozen=True)
class MethodEntry:
    """One row of ``methods.METHODS``, or of a plugin's. Its functions, and the module that holds it, import no torch.

    - ``code``: ``"module:attr"`` of a :class:`Method`, imported when it is needed, or of a tokenizer class, called as
      ``attr(settings, build)``.
    - ``settings(preset, variant)``: the method's own configuration, a frozen dataclass; ``variant`` is one of
      ``variants`` or None for the preset's default. The harness applies the ``k=v`` options of the command line to its
      fields by name and type. None: the method has no settings, and is given :class:`NoSettings`.
    - ``prior_settings(preset, variant)``: the prior's own, to whose fields the options apply as well. A field
      ``classes`` above 0 says that it is conditioned on labels below that number.
    - ``networks(settings)``: the pretrained networks (:mod:`bench.pretrained.weights`) in its losses.
    - ``decoding_noise(settings)``: by name, the standard deviations of the noise that decoding has in the paper, empty
      where these settings have none. A row asks for it with the option ``noise=true``.
    - ``bit_depth(settings)``: for bounded continuous codes, the bits to which each value is rounded before it is
      decoded, and which the rate counts. None: continuous codes are decoded as they are and have no rate.
    - ``source``: the folder's ``source.toml`` with checkpoints, licences and citations.
    - ``takes_rest``: the whole rest of the method string is the variant, verbatim (``diffusers:``).
    """

    name: str
    title: str
    summary: str
    code: str
    settings: Callable[[str, str | None], Any] | None = None
    prior_settings: Callable[[str, str | None], Any] | None = None
    networks: Callable[[Any], Sequence[str]] | None = None
    decoding_noise: Callable[[Any], Mapping[str, float]] | None = None
    bit_depth: Callable[[Any], int | None] | None = None
    source: str | None = None
    variants: tuple[str, ...] = ()
    takes_rest: bool = False
