"""The words that every room shares: codes, tokenizers, learners, priors, the row of a method.

The one file that an adapter has to read; it loads no torch. Everywhere outside a network an image is uint8 RGB
``[N, 3, H, W]``; a tokenizer decodes to float32 in [0, 1], and the harness rounds (:mod:`bench.core.images`).
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
    """Float ``[N, ...]``, a grid ``[N, C, h, w]``, within ``low`` and ``high``; None where unbounded.

    It has a rate only at a named uniform bit depth between its bounds (:attr:`MethodEntry.bit_depth`).
    """

    tensor: Tensor
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Indices:
    """Categorical codes: ``tensor`` is int64 ``[N, h, w, len(levels)]``, or ``[N, L, len(levels)]`` for a sequence.

    Symbol k of a cell is in ``[0, levels[k])``: VQ ``(1024,)``, RQ ``(16384,) * 4``, FSQ ``(8, 5, 5, 5)``, LFQ and BSQ
    ``(2,) * 18``. A cell costs ``sum(log2(levels))`` bits; nothing of the size of their product is ever allocated.
    ``pooled``: codebook use is counted over single symbols of equal levels (residual codes), not over whole cells.
    """

    tensor: Tensor
    levels: tuple[int, ...]
    pooled: bool = False


@dataclass(frozen=True)
class Sparse:
    """``triples[i]`` int64 ``[M_i, 3]``: (channel, position, value) of image i; ``shape`` their vocabularies."""

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
    """Class ``labels`` int64 ``[N]``, or what a task (:attr:`PriorMethod.tasks`) gives of images' ``codes``."""

    labels: Tensor | None = None
    codes: Codes | None = None
    task: str | None = None


# Tokenizers and what trains them


class Encoder(Protocol):
    """Images to codes. ``revision`` is a digest of weights and definition (:func:`bench.core.digest.of_weights`)."""

    @property
    def revision(self) -> str: ...

    def encode(self, images: Tensor) -> Codes:
        """``images``: uint8 ``[N, 3, H, W]`` on its device. Deterministic: the mode of a posterior."""


class Tokenizer(Encoder, Protocol):
    """Images to codes and back; equal revisions give equal codes."""

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]. ``noise`` turns on the noise of the paper, seeded per image."""


class RateModel(Protocol):
    """Further rates: ``update`` on training images uint8 ``[N, 3, H, W]``, then ``bits`` float64 ``[N]`` by name."""

    def update(self, images: Tensor, codes: Codes) -> None: ...

    def bits(self, images: Tensor, codes: Codes) -> Mapping[str, np.ndarray]: ...


class Comm(Protocol):
    """The other processes of a training; ``all_gather`` joins equal shapes along axis 0, in rank order."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def all_reduce_mean(self, tensor: Tensor) -> Tensor: ...

    def all_gather(self, tensor: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Batch:
    """``images`` uint8 ``[B, 3, H, W]`` for a tokenizer, ``codes`` for a prior, ``labels`` int64 ``[B]`` of classes.

    ``seeds[i]`` is of (training seed, step, place in the step's whole batch): noise drawn from it
    (:func:`bench.core.seeding.normal`) depends neither on micro-batches nor on the number of processes.
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
    """One optimiser step within a training step, at multiples of ``every`` from ``start`` on.

    ``loss(batch, step)`` per micro-batch; only ``parameters`` require gradients meanwhile. ``schedule(step, steps)``
    scales the learning rates, ``clip`` is the largest gradient norm.
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
    """Weights averaged with this half-life in images seen, at first ``ramp_up`` times those (Karras et al. 2020)."""

    module: nn.Module
    half_life: float
    ramp_up: float = 0.05


Product = TypeVar("Product", covariant=True)


class Learner(Protocol[Product]):
    """Becomes its product, a :class:`Tokenizer` or a :class:`Prior`, by being trained in ``bench.train.loop``.

    The harness owns loop, data, clock, files, gradient averaging and the moving average; the learner its networks,
    optimisers and losses. ``module`` is everything with a state, ``averaged`` the part whose moving average is
    evaluated, ``batch`` the images of a step over all processes, ``phases`` in order (none without training).
    What is gathered in ``loss`` but counts once per step (codebook statistics) is applied in ``after_step``.
    """

    @property
    def module(self) -> nn.Module: ...

    @property
    def averaged(self) -> Averaged | None: ...

    @property
    def batch(self) -> int: ...

    @property
    def phases(self) -> Sequence[Phase]: ...

    def after_step(self, step: int) -> None: ...

    def finish(self) -> Product:
        """The product, in evaluation mode. The moving average has been copied into ``averaged.module`` before."""


class Prior(Protocol):
    """A distribution over a tokenizer's codes. Sample i is a function of ``seeds[i]`` and its condition alone."""

    @property
    def revision(self) -> str: ...

    @property
    def tokenizer_revision(self) -> str: ...

    def sample(self, seeds: Seeds, condition: Condition | None = None) -> Codes: ...


@dataclass(frozen=True)
class Build:
    """What the harness tells a method when something is built. ``size`` is the images' (height, width).

    ``device`` "meta": shapes without memory, no pretrained weights are read. ``seed`` has seeded torch's generators.
    ``weights(name)`` finds a file of :mod:`bench.pretrained.weights`.
    ``training`` False: only what :meth:`Learner.finish` needs, no discriminator, no network of a loss, no optimiser.
    Networks that training alone needs have top-level names of their own in an ``nn.ModuleDict`` ``Learner.module``
    ({"autoencoder": ..., "discriminator": ...}); loading passes over the names that such a learner does not have.
    """

    size: tuple[int, int]
    seed: int
    device: torch.device
    comm: Comm
    training: bool = True
    channels_last: bool = False
    compile: bool = False
    weights: Callable[[str], Path] | None = None


@dataclass(frozen=True)
class Part:
    """A piece whose cost is reported: ``run()`` for one image; ``parameters`` by kind ("network", "codebook")."""

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
