"""Encoded examples as tensors, and the loss on their targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
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
        `shortened` counts the examples that lost something; it is no input of a model.
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
    told, wanted = _aligned(logits, labels)
    total = cross_entropy(
        told.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / (wanted.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


def target_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """[rows, 2]: sum of the cross-entropy of a row's target tokens, in nats, and their number."""
    told, wanted = _aligned(logits, labels)
    losses = cross_entropy(told.mT, wanted, ignore_index=IGNORED, reduction="none").sum(1)
    return torch.stack([losses, wanted.ne(IGNORED).sum(1).to(losses)], 1)


def mean_loss(rows: np.ndarray) -> float:
    """Mean over all target tokens, from rows that begin as those of `target_losses` do."""
    losses, tokens = rows[:, :2].sum(0, dtype=np.float64)
    return float(losses / tokens)


def _aligned(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits in float32 and the tokens that they tell: those of a column tell the next one's."""
    return logits[:, :-1].float(), labels[:, -(logits.shape[1] - 1) :].to(logits.device)
