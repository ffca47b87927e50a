"""Counting operations: a dispatch mode that adds up multiply-accumulates, on real or on meta tensors.

Two conventions, both in multiply-accumulates (a fused multiply-add counts once; a FLOP count is twice that):

- ``gmac``: convolutions, matrix products and attention, fused or not. A transposed convolution is counted over its
  input pixels, as each of them meets the whole kernel once. This is half of what
  ``torch.utils.flop_counter.FlopCounterMode`` reports.
- ``gmac_fvcore``: the same, plus 5 per element of a group, layer or batch normalisation with weights (4 without) and
  1 per element that nearest upsampling writes, and minus what ``scaled_dot_product_attention`` computes, which fvcore
  does not see. This is ``fvcore.nn.FlopCountAnalysis(module, input).total()``, which papers print as "GFlops". Look-ups
  (``grid_sampler``, ``gather``) count 0: the papers that have them use kernels that fvcore does not see.

Neither counts activations, additions, biases, softmax or filters written without a convolution. Every operator that
ran and was not counted is named in :attr:`Tally.uncounted`, so that nobody has to guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
ATTENTION = aten.scaled_dot_product_attention
Shape = torch.Size
Formula = Callable[[tuple[Any, ...], Any], int]
"""From an operator's positional arguments and its result to multiply-accumulates (or elementwise operations)."""


@dataclass
class Tally:
    """What one or more calls executed.

    ``macs`` counts multiply-accumulates of products, ``fused`` those of them that ``scaled_dot_product_attention``
    made, which only the convention ``gmac`` counts; ``elementwise`` the normalisations and upsamplings that only the
    convention ``gmac_fvcore`` counts; ``uncounted`` how often each other operator ran (views are left out: they do
    not compute).
    """

    macs: int = 0
    fused: int = 0
    elementwise: int = 0
    uncounted: Counter[str] = field(default_factory=Counter)

    @property
    def gmac(self) -> float:
        """10^9 multiply-accumulates of convolutions, matrix products and attention."""
        return self.macs / 1e9

    @property
    def gmac_fvcore(self) -> float:
        """10^9 operations as fvcore counts them."""
        return (self.macs - self.fused + self.elementwise) / 1e9

    @property
    def flops(self) -> float:
        """Floating-point operations: two per multiply-accumulate."""
        return 2.0 * self.macs


def tally(run: Callable[[], object]) -> Tally:
    """Executes ``run`` once and counts what it dispatches, backward passes included.

    Where gradients are off it runs in inference mode, without which the operators of fused attention could not be
    told from others on meta tensors; with gradients, ``fused`` stays 0.
    """
    result = Tally()
    with torch.inference_mode(not torch.is_grad_enabled()), _Counting(result):
        run()
    return result


class _Counting(TorchDispatchMode):
    """Sees every operator below autograd. Composite operators are taken apart until a formula fits or none is left."""

    def __init__(self, result: Tally) -> None:
        super().__init__()
        self.result = result
        self.attending = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = func.overloadpacket in PRODUCTS or func.overloadpacket in ELEMENTWISE
        if not known:
            outer, self.attending = self.attending, self.attending or func.overloadpacket is ATTENTION
            with self:
                parts = func.decompose(*args, **kwargs)
            self.attending = outer
            if parts is not NotImplemented:
                return parts
        out = func(*args, **kwargs)
        self._record(func, args, out)
        return out

    def _record(self, func: Any, args: tuple[Any, ...], out: Any) -> None:
        packet = func.overloadpacket
        if packet in PRODUCTS:
            macs = PRODUCTS[packet](args, out)
            self.result.macs += macs
            self.result.fused += macs if self.attending else 0
        elif packet in ELEMENTWISE:
            self.result.elementwise += ELEMENTWISE[packet](args, out)
        elif not func.is_view:
            self.result.uncounted[func._schema.name] += 1


# --------------------------------------------------------------------------------------------------------------
# Formulas


def _matmul(a: Shape, b: Shape) -> int:
    """``[..., m, k] @ [..., k, n]`` with equal leading axes."""
    return prod(a) * b[-1]


def _vector(args: tuple[Any, ...], out: Any) -> int:
    """Matrix times vector, vector times vector: one per element of the first factor."""
    return int(args[0].numel())


def _convolution(inputs: Shape, weight: Shape, output: Shape, transposed: bool) -> int:
    """Each output pixel (input pixel, if transposed) meets each weight once. ``weight`` knows the groups."""
    pixels = (inputs if transposed else output)[2:]
    return int(inputs[0] * prod(weight) * prod(pixels))


def _convolution_backward(args: tuple[Any, ...], out: Any) -> int:
    """The gradients of input and weight cost as much as the forward pass each, where they are asked for."""
    grad, inputs, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
    forward = _convolution(inputs.shape, weight.shape, grad.shape, transposed)
    return forward * (int(wanted[0]) + int(wanted[1]))


def _attention(query: Shape, key: Shape, value: Shape) -> int:
    """Fused attention ``[..., L, E]``: scores and weighted sum, no saving for a causal mask."""
    batch, length = prod(query[:-2]), query[-2]
    return int(batch * length * key[-2] * (query[-1] + value[-1]))


def _attention_backward(args: tuple[Any, ...], out: Any) -> int:
    """Five products: the scores again, then the gradients of weights, value, query and key."""
    query, key, value = args[1].shape, args[2].shape, args[3].shape
    batch, length = prod(query[:-2]), query[-2]
    return int(batch * length * key[-2] * (3 * query[-1] + 2 * value[-1]))


def _forward_attention(args: tuple[Any, ...], out: Any) -> int:
    return _attention(args[0].shape, args[1].shape, args[2].shape)


def _normalisation(weight_index: int) -> Formula:
    def formula(args: tuple[Any, ...], out: Any) -> int:
        return int(args[0].numel()) * (5 if args[weight_index] is not None else 4)

    return formula


def _batch_norm(args: tuple[Any, ...], out: Any) -> int:
    """In training as the other normalisations; in evaluation fvcore counts 2 (1 without weights)."""
    weighted, training = args[1] is not None, bool(args[5])
    per_element = (5 if weighted else 4) if training else (2 if weighted else 1)
    return int(args[0].numel()) * per_element


def _written(args: tuple[Any, ...], out: Tensor) -> int:
    return out.numel()


PRODUCTS: Mapping[Any, Formula] = {
    aten.mm: lambda args, out: _matmul(args[0].shape, args[1].shape),
    aten.bmm: lambda args, out: _matmul(args[0].shape, args[1].shape),
    aten.addmm: lambda args, out: _matmul(args[1].shape, args[2].shape),
    aten.baddbmm: lambda args, out: _matmul(args[1].shape, args[2].shape),
    aten.addbmm: lambda args, out: _matmul(args[1].shape, args[2].shape),
    aten.mv: _vector,
    aten.addmv: lambda args, out: _vector(args[1:], out),
    aten.dot: _vector,
    aten.vdot: _vector,
    aten.convolution: lambda args, out: _convolution(args[0].shape, args[1].shape, out.shape, args[6]),
    aten.convolution_backward: _convolution_backward,
    aten._scaled_dot_product_flash_attention: _forward_attention,
    aten._scaled_dot_product_flash_attention_for_cpu: _forward_attention,
    aten._scaled_dot_product_efficient_attention: _forward_attention,
    aten._scaled_dot_product_cudnn_attention: _forward_attention,
    aten._scaled_dot_product_flash_attention_backward: _attention_backward,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten._scaled_dot_product_efficient_attention_backward: _attention_backward,
    aten._scaled_dot_product_cudnn_attention_backward: _attention_backward,
}
"""Counted by both conventions, in multiply-accumulates."""

ELEMENTWISE: Mapping[Any, Formula] = {
    aten.native_group_norm: _normalisation(1),
    aten.native_layer_norm: _normalisation(2),
    aten.native_batch_norm: _batch_norm,
    aten.cudnn_batch_norm: _batch_norm,
    aten.upsample_nearest2d: _written,
}
"""Counted by ``gmac_fvcore`` only."""
