"""Adding up parts: sides, kinds of parameters, absent sides, training steps."""

import pytest
import torch
from torch import nn

from bench.contract import Part
from bench.evaluate.cost import count, count_parts, count_step


def conv_part(name: str, side: str, kinds: dict[str, int]) -> Part:
    conv, x = nn.Conv2d(3, 8, 1, device="meta"), torch.zeros(1, 3, 10, 10, device="meta")
    return Part(name, side, lambda: conv(x).relu(), kinds)


def test_parts_add_up_by_side_and_kind() -> None:
    parts = [
        conv_part("retrieval", "decoder", {"network": 10, "grids": 1000}),
        conv_part("synthesis", "decoder", {"network": 5}),
        conv_part("encoder", "encoder", {"network": 7}),
        conv_part("quantiser", "encoder", {"codebook": 64}),
    ]
    values = {m.name: m.value for m in count(parts)}
    assert values == {
        "decoder-parameters": 15,
        "decoder-grid-parameters": 1000,
        "encoder-parameters": 7,
        "codebook-parameters": 64,
        "decoder-gmac": pytest.approx(4800e-9),
        "decoder-gmac-fvcore": pytest.approx(4800e-9),
        "encoder-gmac": pytest.approx(4800e-9),
        "encoder-gmac-fvcore": pytest.approx(4800e-9),
    }


def test_the_two_conventions_have_different_signatures() -> None:
    signatures = {m.name: m.signature for m in count([conv_part("d", "decoder", {})])}
    assert signatures["decoder-gmac"] != signatures["decoder-gmac-fvcore"]


def test_a_side_without_parts_is_absent_with_a_reason() -> None:
    by_name = {m.name: m for m in count([conv_part("decoder", "decoder", {"network": 1})])}
    assert by_name["encoder-gmac"].value is None
    assert "encoder" in by_name["encoder-gmac"].reason


def test_facts_name_parts_and_what_was_not_counted() -> None:
    facts = count_parts([conv_part("synthesis", "decoder", {"network": 5})]).facts
    assert facts["uncounted"] == {"decoder": {"aten::relu": 1}}
    assert facts["cost-by-part"][0]["part"] == "synthesis"
    assert facts["cost-by-part"][0]["gmac"] == pytest.approx(2400e-9)


def test_a_training_step_costs_three_forward_passes_when_inputs_need_gradients() -> None:
    layer = nn.Linear(8, 8, bias=False)
    x = torch.randn(4, 8, requires_grad=True)
    assert count_step(lambda: layer(x).sum().backward()) == 3 * 2 * 4 * 8 * 8
