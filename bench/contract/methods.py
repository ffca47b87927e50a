"""A tokenizer, a prior, and the row of a method: plain data with typed functions; an ability it lacks is None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from bench.contract.codes import Codes, Condition, Seeds
from bench.contract.sizes import Takes
from bench.contract.training import Comm, Learner

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor


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
    - ``takes``: which images a tokenizer that was built for one size takes, as plain data or of ``(settings, size)``,
      the (height, width) it was built for. None: images of that size alone.
    - ``source``: the folder's ``source.toml`` with checkpoints, licences and citations.
    - ``names()``: well-known variants of a method that takes any, each with what is to be known of it in one line.
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
    takes: Takes | Callable[[Any, tuple[int, int]], Takes] | None = None
    source: str | None = None
    variants: tuple[str, ...] = ()
    names: Callable[[], Mapping[str, str]] | None = None
    takes_rest: bool = False
