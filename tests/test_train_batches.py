from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from train_judge.batches import IGNORED, collate, mean_loss, target_loss, target_losses
from train_judge.encoding import Encoded
from train_judge.judging import validation_figures, verdict_probabilities
from train_judge.trainer import OperationCount

BATCH = [Encoded([5, 6, 7], [1, 2], False), Encoded([8], [3, 4, 2], False)]


def small_model() -> LlamaForCausalLM:
    torch.manual_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16,
            hidden_size=8,
            intermediate_size=12,
            num_hidden_layers=3,
            num_attention_heads=2,
            tie_word_embeddings=True,
        )
    )


def test_rows_are_padded_on_the_left() -> None:
    batch = collate(BATCH, pad=0)
    assert batch["shortened"] == 0
    assert batch["input_ids"].tolist() == [[5, 6, 7, 1, 2], [0, 8, 3, 4, 2]]
    assert batch["attention_mask"].tolist() == [[1] * 5, [0, 1, 1, 1, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4], [0, 0, 1, 2, 3]]
    assert batch["labels"].tolist() == [
        [IGNORED, IGNORED, IGNORED, 1, 2],
        [IGNORED, IGNORED, 3, 4, 2],
    ]
    assert batch["logits_to_keep"] == 4


def test_the_loss_is_that_of_each_example_alone() -> None:
    """Padding and left-out logits change nothing: against transformers' own loss, row by row."""
    model = small_model()
    batch = collate(BATCH, pad=0)
    labels = batch.pop("labels")
    ours = target_loss(model(**batch), labels)
    total, tokens = 0.0, 0
    for one in BATCH:
        ids = torch.tensor([one.prompt + one.target])
        wanted = torch.tensor([[IGNORED] * len(one.prompt) + one.target])
        total += model(input_ids=ids, labels=wanted).loss.item() * len(one.target)
        tokens += len(one.target)
    assert ours.item() == pytest.approx(total / tokens, rel=1e-5)


def test_the_loss_of_an_update_is_the_mean_over_all_its_target_tokens() -> None:
    """Two passes of an update, divided by the tokens of both, sum to the loss of one pass."""
    model = small_model()
    parts = 0.0
    for one in BATCH:
        batch = collate([one], pad=0)
        labels = batch.pop("labels")
        parts += target_loss(model(**batch), labels, num_items_in_batch=5).item()
    batch = collate(BATCH, pad=0)
    labels = batch.pop("labels")
    assert parts == pytest.approx(target_loss(model(**batch), labels).item(), rel=1e-5)


def test_the_loss_of_a_validation_is_the_mean_over_all_its_target_tokens() -> None:
    """Two passes, of 2 and of 3 target tokens, weigh by their tokens."""
    model = small_model()
    rows = []
    for one in BATCH:
        batch = collate([one], pad=0)
        labels = batch.pop("labels")
        rows.append(target_losses(model(**batch).logits, labels).detach())
    batch = collate(BATCH, pad=0)
    labels = batch.pop("labels")
    outputs = model(**batch)
    whole = target_loss(outputs, labels).item()
    assert [row[0, 1] for row in rows] == [2, 3]
    assert mean_loss(torch.cat(rows).numpy()) == pytest.approx(whole, rel=1e-5)
    assert mean_loss(target_losses(outputs.logits, labels).detach().numpy()) == pytest.approx(whole)


def test_operations_by_hand() -> None:
    """Weights outside of the embeddings: 3 layers × (4 × 8² + 3 × 8 × 12 + 2 × 8) + 8 = 1688.

    Tokens: 5 and 4. Forward: 2 × 1688 × 9 + 2 × 3 × 8 × (25 + 16) + 2 × 8 × 16 × (2 × 4) = 34,400;
    three times that with the way back.
    """
    count = OperationCount(small_model())
    assert count(collate(BATCH, pad=0)) == 3 * (2 * 1688 * 9 + 48 * 41 + 256 * 8) == 103_200


def test_frozen_weights_cost_no_gradient() -> None:
    model = small_model()
    whole = OperationCount(model)(collate(BATCH, pad=0))
    for weight in model.parameters():
        weight.requires_grad_(False)
    assert OperationCount(model)(collate(BATCH, pad=0)) == whole * 2 / 3


def test_verdicts_are_read_where_targets_begin() -> None:
    batch = collate(BATCH, pad=0)
    logits = torch.zeros(2, 4, 16)
    # Kept are 4 columns: those that tell the last three tokens, and the last one. The targets begin
    # at the second and at the first of the three.
    logits[0, 1, 1] = logits[1, 0, 3] = 50.0
    told = verdict_probabilities(logits, batch["labels"], torch.tensor([1, 3, 9]))
    assert torch.allclose(told, torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 1]]))


def test_validation_takes_both_orders_together() -> None:
    """Pair 1: .9/.1 for its own order, .2/.8 for the swapped one: first by the mean and in both.

    Pair 2: first shown wins in both orders, .6 and .7: not consistent; the mean says second.
    """
    rows = [[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 1], [0.6, 0.4, 0, 0], [0.7, 0.3, 0, 1]]
    figures = validation_figures(np.array(rows))
    assert figures == {"accuracy": 0.5, "consistency": 0.5}


def test_outputs_may_be_a_mapping() -> None:
    batch = collate(BATCH, pad=0)
    logits = small_model()(**{**batch, "labels": None}).logits
    as_object = target_loss(SimpleNamespace(logits=logits), batch["labels"])
    assert target_loss({"logits": logits}, batch["labels"]) == as_object
