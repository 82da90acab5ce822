"""Attention over a tree of tokens packed in one sequence: each branch looks back to the root only.

A dense mask would do the same, but products are then taken over all pairs of tokens of the pack,
nearly all of which are masked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

NAME = "pandalm_tree"
BENT = ("softcap", "s_aux", "sliding_window", "position_bias")
"""Arguments of attention that is not plain."""


@dataclass(frozen=True)
class Branch:
    """Tokens that follow each other in the sequence, and in the tree.

    Attributes:
        start, end: where they stand in the sequence.
        path: places of the tokens from the root to the branch's last, in order.
        sees: (tokens of the branch, tokens of the path), true where one sees the other.
    """

    start: int
    end: int
    path: torch.Tensor
    sees: torch.Tensor

    @classmethod
    def of(cls, start: int, path: list[int], device: torch.device) -> Branch:
        """The branch that begins at `start` and is the end of `path`."""
        end = path[-1] + 1
        own = end - start
        sees = torch.ones(own, len(path), dtype=torch.bool, device=device)
        return cls(start, end, torch.tensor(path, device=device), sees.tril(len(path) - own))


@contextlib.contextmanager
def reads_trees(model: Any) -> Iterator[None]:
    """Let the model take `branches` among its arguments, for one pass or more."""
    config = model.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float | None = None,
    branches: Sequence[Branch] = (),
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of (1, heads, tokens, width); every token belongs to one branch.

    Raises:
        NotImplementedError: the model's attention is not plain, or the branches did not arrive.
    """
    bent = [name for name in BENT if others.get(name) is not None]
    if bent or not branches:
        raise NotImplementedError(f"attention with {bent}" if bent else "no branches")
    made = torch.empty_like(query)
    for branch in branches:
        made[:, :, branch.start : branch.end] = scaled_dot_product_attention(
            query[:, :, branch.start : branch.end],
            key.index_select(2, branch.path),
            value.index_select(2, branch.path),
            attn_mask=branch.sees,
            scale=scaling,
            enable_gqa=key.shape[1] != query.shape[1],
        )
    return made.transpose(1, 2).contiguous(), None


def _no_mask(*_: Any, **__: Any) -> None:
    """The branches say what a token sees."""


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, _no_mask)
