"""Encoded examples as tensors, and the loss on their targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from train_judge.encoding import Encoded

IGNORED = -100
"""The label of a token that is not learnt, as torch and transformers spell it."""


def collate(batch: Sequence[Encoded], pad: int) -> dict[str, Any]:
    """Tensors of a pass, padded on the left, so that all targets end in the last column.

    Returns:
        `input_ids`, `attention_mask`, `position_ids`, `labels`, all [rows, longest]; labels are
        IGNORED outside of targets; and `logits_to_keep`: the columns whose logits the loss needs.
        No other are computed, which saves the large product with the vocabulary for all prompts.
        `shortened` counts the examples whose prompt lost something; it is no input of a model.
    """
    longest = max(len(one.prompt) + len(one.target) for one in batch)
    ids, mask, labels = [], [], []
    for one in batch:
        padding = longest - len(one.prompt) - len(one.target)
        ids.append([pad] * padding + one.prompt + one.target)
        mask.append([0] * padding + [1] * (longest - padding))
        labels.append([IGNORED] * (padding + len(one.prompt)) + one.target)
    attention = torch.tensor(mask)
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": attention,
        # Padding must not count as distance to models with learnt positions.
        "position_ids": (attention.cumsum(1) - 1).clamp(min=0),
        "labels": torch.tensor(labels),
        "logits_to_keep": max(len(one.target) for one in batch) + 1,
        "shortened": sum(one.shortened for one in batch),
    }


def target_loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Cross-entropy of the target tokens, in nats.

    Args:
        outputs: with `logits` of the last columns, [rows, kept, vocabulary].
        labels: [rows, longest], IGNORED outside of targets.
        num_items_in_batch: target tokens of the whole update: the sum is divided by it, so that
            accumulation and processes give the mean over all tokens; None for those at hand.
    """
    logits = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
    wanted = labels[:, -(logits.shape[1] - 1) :].to(logits.device)
    # The logits of a column tell the token of the next one.
    told = logits[:, :-1].float()
    total = cross_entropy(
        told.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / (wanted.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)
