"""Packed prompts give the keys and values that each prompt has alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from pandalm_eval.models import _prefill
from pandalm_eval.models._prefill import Pack, Prefill, families, packed

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12)


@given(rows=ROWS, limit=st.integers(1, 40), least=st.integers(1, 6))
def test_every_row_is_read_once_and_whole(rows: list[list[int]], limit: int, least: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_prefill, "TOKENS_PER_PACK", limit)
        patch.setattr(_prefill, "LEAST_SHARED", least)
        packs = list(packed(rows))
    assert sorted(place for pack in packs for place in pack.paths) == list(range(len(rows)))
    for pack in packs:
        assert len(pack.ids) <= limit or len(pack.paths) == 1
        # A tree: no two tokens of a pack are the same token after the same beginning.
        read = [rows[place] for place in pack.paths]
        beginnings = {tuple(row[:end]) for row in read for end in range(1, len(row) + 1)}
        assert len(pack.ids) == len(beginnings)
        for place, path in pack.paths.items():
            assert [pack.ids[at] for at in path] == rows[place]
            assert [pack.positions[at] for at in path] == list(range(len(path)))
        branches = pack.branches(torch.device("cpu"))
        owned = [at for branch in branches for at in range(branch.start, branch.end)]
        assert owned == list(range(len(pack.ids)))
        for branch in branches:
            path = branch.path.tolist()
            for at, sees in zip(range(branch.start, branch.end), branch.sees, strict=True):
                seen = [place for place, one in zip(path, sees.tolist(), strict=True) if one]
                assert seen == path[: pack.positions[at] + 1]
                assert seen[-1] == at


@given(rows=ROWS)
def test_families_hold_every_row_once(rows: list[list[int]]) -> None:
    assert sorted(place for family in families(rows) for place in family) == list(range(len(rows)))


SIZE = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {**SIZE, "num_key_value_heads": 2, "intermediate_size": 64, "initializer_range": 0.3}


def llama(**more: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**LLAMA, **more)).eval()


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3)
    return GPT2LMHeadModel(config).eval()


@pytest.mark.parametrize("make", [llama, gpt2])
@pytest.mark.parametrize("limit", [16, 512])
def test_keys_and_values_are_those_of_each_row_alone(
    make: type, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_prefill, "TOKENS_PER_PACK", limit)
    model = make()
    head = list(range(3, 11))
    rows = [[*head, 20, 21, 22], [*head, 23], [30, 31], head, [*head, 20, 21, 22], [40]]
    prefill = Prefill(model)
    assert prefill.works
    cache = prefill(rows)
    for layer_number, layer in enumerate(cache.layers):
        for place, row in enumerate(rows):
            with torch.inference_mode():
                alone = model(torch.tensor([row]), use_cache=True).past_key_values
            expected = alone.layers[layer_number]
            for ours, theirs in ((layer.keys, expected.keys), (layer.values, expected.values)):
                own = ours[place, :, ours.shape[2] - len(row) :]
                torch.testing.assert_close(own, theirs[0], atol=1e-5, rtol=1e-4)


def test_a_model_that_heeds_no_packed_mask_reads_by_itself() -> None:
    torch.manual_seed(0)
    window = MistralConfig(**LLAMA, sliding_window=4)
    assert not Prefill(MistralForCausalLM(window)).works  # forgets
    bloom = BloomConfig(vocab_size=50, hidden_size=32, n_layer=2, n_head=4)
    assert not Prefill(BloomForCausalLM(bloom)).works  # takes no positions

    assert not Prefill(Deaf(LlamaConfig(**LLAMA)).eval()).works


class Deaf(LlamaForCausalLM):
    """Accepts a mask, and does not heed it."""

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        use_cache: bool = True,
    ) -> object:
        return super().forward(input_ids, position_ids=position_ids, use_cache=use_cache)


def test_a_pack_of_one_row_is_causal() -> None:
    (branch,) = Pack([[5, 6, 7]], [0]).branches(torch.device("cpu"))
    assert branch.sees.tolist() == [[True, False, False], [True, True, False], [True] * 3]
